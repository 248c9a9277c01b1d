"""What operators have ordered for the pair: which side is preferred, and whether the pair is paused.

Orders are numbered. Both sides keep the last ones and say them in each heartbeat, and the higher number holds; of two with
the same number, those of the instance that comes last in the alphabet, and then those that prefer the secondary. So it does
not matter on which side an order is given, and a side that was away learns it when it comes back. An earlier release knows
no orders: beside it, each side goes by its configuration.
"""

from typing import NamedTuple, Optional

from failover.decision.heartbeat import Heartbeat
from failover.decision.vocabulary import Moment

__all__ = ["LONGEST_PAUSE", "Orders"]

# Seconds. A pause ends by itself.
LONGEST_PAUSE = 86400.0

# No side can have missed so many orders. A number that is forged must not bring the next ones beyond what can be said.
_MOST_MISSED = 2 ** 20


class Orders(NamedTuple):
    """The last orders.

    :ivar number: how many there were; 0 if there never was one.
    :ivar by: instance name of the side on which the last one was given.
    :ivar preferred: the role, by configuration, of the side that acts as the primary.
    :ivar paused_until: until when the pair is paused; None while it is not.
    :ivar is_kept: whether this side is preferred because it has taken over, and not because somebody wanted that.
    :ivar is_handed_over: whether that side is preferred because the managed agents failed on the other one.
    :ivar is_pause_lost: whether it is not known any more how long a pause lasts, because this machine has booted since.
    """

    number: int = 0
    by: str = ""
    preferred: str = "primary"
    paused_until: Optional[Moment] = None
    is_kept: bool = False
    is_pause_lost: bool = False
    is_handed_over: bool = False

    @property
    def is_paused(self) -> bool:
        """Whether nobody starts a managed agent."""
        return self.paused_until is not None

    def after(self, now: Moment) -> "Orders":
        """A pause ends by itself."""
        return self if self.paused_until is None or now < self.paused_until else self._replace(paused_until=None)

    def given(self, by: str, preferred: Optional[str] = None, paused_until: Optional[Moment] = None) -> "Orders":
        """Return the next orders. Each one ends a pause, unless it begins one."""
        is_same = preferred is None
        return Orders(self.number + 1, by, preferred or self.preferred, paused_until, self.is_kept and is_same,
                      is_handed_over=self.is_handed_over and is_same)

    def heard(self, heartbeat: Heartbeat, now: Moment) -> "Orders":
        """Return those that hold when the peer goes by the ones in its heartbeat."""
        if not heartbeat.order or heartbeat.ordered_by is None or heartbeat.preferred is None:
            return self
        until = None if heartbeat.pause_left is None else now + heartbeat.pause_left
        if heartbeat.order - self.number > _MOST_MISSED:
            return self
        if (heartbeat.order, heartbeat.ordered_by, heartbeat.preferred) > self[:3]:
            return Orders(heartbeat.order, heartbeat.ordered_by, heartbeat.preferred, until,
                          self.is_kept and heartbeat.preferred == self.preferred,
                          is_handed_over=heartbeat.handed_over)
        if self.is_pause_lost and self.are_those_of(heartbeat):
            return self._replace(paused_until=until, is_pause_lost=False)
        return self

    def are_news_in(self, heartbeat: Heartbeat, now: Moment) -> bool:
        """Whether the sender goes by orders that hold here too as soon as it says them again."""
        return self.heard(heartbeat, now) is not self

    def are_those_of(self, heartbeat: Heartbeat) -> bool:
        """Whether the sender goes by these orders: that one who gave them had lost its memory may make two of one number."""
        return (heartbeat.order, heartbeat.ordered_by or "", heartbeat.preferred or "primary") == self[:3]
