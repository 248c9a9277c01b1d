"""How the managed agents fail here, though nobody told them to end, and when that is too much.

VOLTTRON's documentation follows platforms only. So this is off unless it is configured.
"""

from typing import NamedTuple, Optional, Tuple

from failover.decision.setup import Setup
from failover.decision.vocabulary import Moment

__all__ = ["Failures"]


class Failures(NamedTuple):
    """What has failed since the managed agents were last wanted here.

    :ivar ends: when one of them ended without having been told to, the last ones.
    :ivar unwell_since: since when one of them hangs or reports BAD; None if none does.
    """

    ends: Tuple[Moment, ...] = ()
    unwell_since: Optional[Moment] = None

    def ended(self, setup: Setup, now: Moment) -> "Failures":
        """One has ended without having been told to."""
        return self if not setup.max_failures else self._replace(ends=(self.ends + (now,))[-setup.max_failures:])

    def unwell(self, is_unwell: bool, now: Moment) -> "Failures":
        """One hangs or reports BAD, or does so no more."""
        if is_unwell is (self.unwell_since is not None):
            return self
        return self._replace(unwell_since=now if is_unwell else None)

    def are_too_many(self, setup: Setup, now: Moment) -> bool:
        """Whether the other side had better run them."""
        ends_too_often = 0 < setup.max_failures <= len(self.ends) and now - self.ends[0] <= setup.failure_window
        return ends_too_often or (
            self.unwell_since is not None and 0 < setup.unhealthy_after <= now - self.unwell_since)
