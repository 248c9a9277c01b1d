"""How the managed agents fail here, though nobody told them to end, and when that is too much.

VOLTTRON's documentation follows platforms only. So this is off unless it is configured.
"""

from typing import NamedTuple, Tuple

from failover.decision.setup import Setup
from failover.decision.vocabulary import Moment

__all__ = ["Failures"]


class Failures(NamedTuple):
    """What has failed since the managed agents were last wanted here.

    :ivar ends: when one of them ended without having been told to, the last ones.
    :ivar unwell: those that hang or report BAD, each with since when it does.
    """

    ends: Tuple[Moment, ...] = ()
    unwell: Tuple[Tuple[str, Moment], ...] = ()

    def ended(self, setup: Setup, now: Moment) -> "Failures":
        """One has ended without having been told to."""
        return self if not setup.max_failures else self._replace(ends=(self.ends + (now,))[-setup.max_failures:])

    def turned(self, agent: str, is_unwell: bool, now: Moment) -> "Failures":
        """This one hangs or reports BAD, or does so no more."""
        others = tuple(one for one in self.unwell if one[0] != agent)
        if not is_unwell:
            return self._replace(unwell=others)
        return self if others != self.unwell else self._replace(unwell=(*others, (agent, now)))

    def are_too_many(self, setup: Setup, now: Moment) -> bool:
        """Whether the other side had better run them."""
        ends_too_often = 0 < setup.max_failures <= len(self.ends) and now - self.ends[0] <= setup.failure_window
        return ends_too_often or any(0 < setup.unhealthy_after <= now - since for _, since in self.unwell)
