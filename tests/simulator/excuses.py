"""Promise S makes exceptions, as docs/promise.md states them: until when it makes one of the managed agent on a side."""

from math import inf
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from tests.simulator.side import Side

__all__ = ["Excuses"]

# Seconds: between two looks at the managed agent, and what they take at most; and of the loop that decides.
_WATCH_EVERY, _LONGEST_TICK = 1.0, 1.0
# Seconds in which a copy that has been seen is killed.
_KILLED_WITHIN = 0.3


class Excuses:
    """Until when the managed agent of one side is excused.

    :ivar until: the moment, in true time.
    """

    def __init__(self, side: "Side"):
        self._side = side
        self.until = 0.0
        self._supervised_until = 0.0
        self._once_seen: Optional[float] = None

    def _extend(self, until: float) -> None:
        self.until = max(self.until, until)
        if until < inf:
            self._side.world.at(until, self._side.world.check_safety)

    def managed_ended(self) -> None:
        """Nothing runs here any more."""
        self.until = 0.0
        self._once_seen = None

    # A failover agent that dies while its platform lives on leaves its managed agent unsupervised

    def agent_killed(self, lease_until: float) -> None:
        """The failover agent has died without its platform. From the end of its lease on nobody stops what runs."""
        side = self._side
        self._supervised_until = max(side.clock(), lease_until)
        side.after(self._supervised_until - side.clock() + 0.001, self.check_supervision)

    def check_supervision(self) -> None:
        """Nobody supervises what runs, and it has no lease."""
        side = self._side
        if side.agent is None and side.control.is_there and side.clock() >= self._supervised_until:
            side.note("nobody supervises the managed agent")
            self.until = inf

    def agent_started(self) -> None:
        """Its failover agent sees it run at its first look, which a busy control delays, and then stops it."""
        if self._side.world.now < self.until:
            self.until_stopped()

    def until_stopped(self) -> None:
        """It is seen at the next look, if control answers that, and then stopped."""
        side = self._side
        if side.control.is_mute:
            self.until, self._once_seen = inf, side.agent.grace
            return
        stays = side.control.delay + _WATCH_EVERY + side.agent.grace
        self.until = side.world.now + stays / side.rate
        side.after(stays, side.world.check_safety)

    def platform_killed(self) -> None:
        """A failover agent that has just begun to supervise what runs cannot see it any more: its end does that."""
        if self._side.world.now < self.until:
            self.until = inf

    def platform_started(self, grace: float) -> None:
        """The former failover agent ends, and what was excused on its platform."""
        if self._side.world.now < self.until:
            self.until = self._side.world.now + (_LONGEST_TICK + grace) / self._side.rate
            self._side.after(_LONGEST_TICK + grace, self._side.world.check_safety)

    # A machine that was frozen, or whose clock stood still, or that was set back

    def thawed(self) -> None:
        """A lease has ended while the machine was frozen: what it was for drives until it has been stopped."""
        side = self._side
        if side.agent is None:
            self.check_supervision()
        elif side.control.is_there and not side.has_lease:
            self.until_stopped()

    def lost_time(self) -> None:
        """So long it takes a side that does not know how much time has passed to hear of it and to stop, if it is not cut
        off from the other side then. Without a failover agent nobody stops what runs."""
        side = self._side
        if side.agent is None:
            self.until = inf if side.control.is_there else self.until
            return
        timing = side.agent.state.timing
        self._extend(side.world.now + 3 * timing.heartbeat_period + timing.stop_grace + 1)

    # A copy that the platform starts by itself is killed within one check

    def copy_started(self) -> None:
        """The monitor has started a copy."""
        side = self._side
        if side.agent is None:
            self.check_supervision()
            return
        if side.has_lease:
            return
        self._once_seen = _KILLED_WITHIN
        if side.control.is_mute:
            self.until = inf
        else:
            self._extend(side.world.now + (2 * _WATCH_EVERY + side.control.delay + _KILLED_WITHIN) / side.rate)

    def observed(self, is_running: bool, asked_at: float) -> None:
        """The failover agent has looked at the managed agent."""
        if self._once_seen is not None and is_running:
            within, self._once_seen = self._once_seen, None
            self.until = self._side.world.now + within / self._side.rate
            self._side.world.at(self.until, self._side.world.check_safety)
