"""Whether this agent may start and stop others here: to be found out before the night of the takeover."""

import logging
from typing import Any, Callable, Dict

import gevent

from failover import compat
from failover.decision.events import RetryAllowed
from failover.text import clean

__all__ = ["Authorization"]

_log = logging.getLogger(__name__)

# Seconds.
_EVERY, _EVERY_WHILE_MISSING = 60.0, 5.0
_ANSWER_WITHIN = 10.0


class Authorization:
    """Asks for this agent's authorizations now and then.

    :param call: calls an agent of the local platform: ``call(peer, method, *args)`` returns the result.
    :param vip_identity: this agent's own.
    :param faults: what is the matter, a text for each kind; "unauthorized" is kept up to date in it.
    """

    def __init__(self, call: Callable[..., Any], vip_identity: str, post: Callable[[Any], None], faults: Dict[str, str]):
        self._call = call
        self._vip_identity = vip_identity
        self._post = post
        self._faults = faults

    def run(self) -> None:
        """Ask every minute, and more often while one is missing."""
        while True:
            try:
                with gevent.Timeout(_ANSWER_WITHIN):
                    missing = compat.missing_authorizations(self._call, self._vip_identity)
            except (gevent.Timeout, compat.RemoteError) as error:
                _log.debug("asking for authorizations: %s", clean(error))
            else:
                if missing:
                    self._faults["unauthorized"] = self.missing()
                elif self._faults.pop("unauthorized", None):
                    self._post(RetryAllowed())
            gevent.sleep(_EVERY_WHILE_MISSING if "unauthorized" in self._faults else _EVERY)

    def missing(self) -> str:
        """Return the text for the operator when one is missing."""
        return "{} may not start and stop agents here: run `{}`".format(
            self._vip_identity, compat.authorize_command(self._vip_identity))
