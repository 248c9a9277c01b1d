"""Whether the managed agent runs on the other platform too, while that side is down by what is heard, in simple failover.

That a failover agent is not heard does not say that its platform is gone: the connection to it may be up. Then the managed
agent is asked over it. What comes of that is told to the operator, and changes no decision.
"""

import logging
from typing import Optional, Sequence

import gevent

from failover.loops import surviving
from failover.text import clean
from failover.vip.link import Link, LinkError, RemoteError

__all__ = ["SecondCopy"]

_log = logging.getLogger(__name__)

# Seconds.
_ASK_EVERY = 10.0
_ANSWER_WITHIN = 5.0


class SecondCopy:
    """Asks the managed agents of the other platform, now and then.

    :param link: to the other platform.
    :param identities: of the managed agents.
    :ivar answers: whether one of them answered when they were asked last.
    """

    def __init__(self, link: Link, identities: Sequence[str]):
        self.answers = False
        self._link = link
        self._identities = identities
        self._asked_at: Optional[float] = None

    def look(self, is_alone: bool, now: float) -> None:
        """Ask in the background when that is due.

        :param is_alone: whether this side is to run the managed agent because the other one is down.
        """
        if not is_alone or not self._link.up:
            self.answers, self._asked_at = False, None
        elif self._asked_at is None or now - self._asked_at >= _ASK_EVERY:
            self._asked_at = now
            gevent.spawn(self._ask, now)

    def _ask(self, asked_at: float) -> None:
        answers = any([self._answers(identity) for identity in self._identities])  # noqa: C419  # All are asked.
        if asked_at == self._asked_at:
            self.answers = answers

    def _answers(self, identity: str) -> bool:
        with surviving("the question to {} on the other platform".format(identity)):
            try:
                # Any agent answers this, of both VOLTTRONs.
                self._link.call(identity, "health.get_status", timeout=_ANSWER_WITHIN)
                return True
            except (LinkError, RemoteError) as error:
                _log.debug("%s on the other platform: %s", identity, clean(error))
        return False
