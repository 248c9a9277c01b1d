"""The managed agent's own health: whether it is on the message bus, whether it answers, and what it says of itself.

That a process exists does not say that it works: it may hang, or its platform may not have let it in.
"""

import json
import logging
from typing import Any, Callable, Container, Dict, Optional, Tuple

import gevent
from gevent.event import AsyncResult

from failover import clock
from failover.compat import RemoteError
from failover.text import clean, integer

__all__ = ["HealthCheck"]

_log = logging.getLogger(__name__)

# Seconds.
_CHECK_EVERY = 10.0
_ANSWER_WITHIN = 5.0
# One that has never answered since its start may still be starting.
_SILENT_AFTER, _SILENT_AFTER_START = 20.0, 45.0

_ABSENT, _SILENT, _UNWELL = "absent", "silent", "unwell"


class HealthCheck:
    """Asks the managed agent now and then how it is, while it runs.

    :param ask: asks an agent of the local platform: ``ask(peer, method)`` returns at once what will be the answer.
    :param peers: returns the VIP identities that are connected to the local platform.
    :param faults: what is the matter, a text for each kind; those of this class are kept up to date in it.
    :param tell: is told whether the agent hangs or reports BAD, or does so no more.
    :ivar said: status and context as the agent last gave them; None if it runs no more or has not answered yet.
    :ivar question: the one that has not been answered yet, if there is one. There are never two.
    """

    def __init__(self, identity: str, ask: Callable[[str, str], "AsyncResult[Any]"],
                 peers: Callable[[], Container[str]], faults: Dict[str, str], tell: Callable[[bool], None]):
        self.said: Optional[Tuple[str, str]] = None
        self.question: Optional[AsyncResult[Any]] = None
        self._identity = identity
        self._ask = ask
        self._peers = peers
        self._faults = faults
        self._tell = tell
        self._is_unwell = False
        self._answered_at: Optional[float] = None

    def run(self, running_for: Callable[[], float], uuid: Callable[[], Optional[str]]) -> None:
        """Check until this greenlet is ended.

        :param running_for: returns for how many seconds the agent has been seen to run; 0 if it does not.
        :param uuid: returns the agent's, for the commands that the texts name.
        """
        while True:
            gevent.sleep(_CHECK_EVERY)
            seconds = running_for()
            if seconds > _CHECK_EVERY:
                self._check(seconds, uuid())
            else:
                self.said = self._answered_at = self.question = None
                self._note(None)

    def _check(self, running_for: float, uuid: Optional[str]) -> None:
        connected, said = self._hear()
        now = clock.now()
        if said is not None:
            self.said, self._answered_at = said, now
            status, context = said
            self._note(_UNWELL if status == "BAD" else None,
                       "{} reports {}: {}".format(self._identity, status, context or "no reason given"))
            return
        quiet_for = min(running_for, running_for if self._answered_at is None else now - self._answered_at)
        if quiet_for < (_SILENT_AFTER_START if self._answered_at is None else _SILENT_AFTER):
            return
        self.said = None
        restart = "see the platform's log, and try `vctl restart {}`".format(uuid)
        if connected:
            self._note(_SILENT, "{} runs but does not answer: no answer for {:.0f} s; {}".format(
                self._identity, quiet_for, restart))
        else:
            self._note(_ABSENT, "{} runs but is not on this platform's message bus: {}; if other agents cannot connect "
                       "either, restart the platform".format(self._identity, restart))

    def _hear(self) -> Tuple[bool, Optional[Tuple[str, str]]]:
        """Return whether the agent is connected, and its status and context if it gave them in time."""
        connected = True
        limit = gevent.Timeout(_ANSWER_WITHIN)
        try:
            with limit:
                # VOLTTRON lets a question to somebody who is not there run into the time limit, or does worse.
                connected = self._identity in self._peers()
                if self.question is None and connected:
                    self.question = self._ask(self._identity, "health.get_status")
                answer = None if self.question is None else _read(self.question.get())
                self.question = None
                return connected, answer
        except gevent.Timeout as caught:
            if caught is not limit:
                raise
        except RemoteError as error:  # It does not say how it is. But it answers.
            self.question = None
            return connected, ("UNKNOWN", clean(error))
        except Exception as error:  # VOLTTRON's calls raise various errors of their own when the bus is gone.
            self.question = None
            _log.debug("asking %s for its health: %r", self._identity, error)
        return connected, None

    def _note(self, kind: Optional[str], text: str = "") -> None:
        for key in (_ABSENT, _SILENT, _UNWELL):
            if key == kind:
                self._faults[key] = text
            else:
                self._faults.pop(key, None)
        if self._is_unwell is not (kind is not None):
            self._is_unwell = kind is not None
            self._tell(self._is_unwell)


def _read(answer: Any) -> Tuple[str, str]:
    """Return status and context of an answer to `health.get_status`, a dict or its JSON text."""
    if isinstance(answer, str):
        answer = json.loads(answer, parse_int=integer)
    status, context = answer["status"], answer.get("context")
    return clean(status, 20), "" if context is None else clean(context)
