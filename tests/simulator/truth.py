"""Promise T: what a side says of its decision is true.

It calls nothing down that it could not have heard yet, and says "stop" beside a primary that it hears. It is judged with
half of ``timeout`` to spare, in which a message may have been under way or not counted.
"""

from math import inf
from typing import TYPE_CHECKING, Dict, Optional

from failover.decision.heartbeat import Heartbeat
from failover.decision.table import Action

if TYPE_CHECKING:
    from tests.simulator.agent import FailoverAgent

__all__ = ["Truth"]

# In these the tables say nothing, or say it of another role.
_NOT_JUDGED = ("role changed", "key mistyped",
               "switchover ordered", "managed agent fails", "paused", "VC moved", "memory lost", "set back",
               "clock stood still")


class Truth:
    """What one failover agent could know, by what has reached it.

    :param had_lease: whether its last start has left a lease.
    """

    def __init__(self, agent: "FailoverAgent", had_lease: bool):
        self._agent = agent
        self._had_lease = had_lease
        self._started = agent.side.clock()
        self._heard_at = self._contact_at = self._vc_at = -inf
        self._sent_at: Dict[int, float] = {}
        self._echoed = self._replied = 0
        self._has_left = False
        self._is_judged = not any(fault.kind in _NOT_JUDGED for fault in agent.side.world.schedule.faults) and (
            not agent.side.world.simple) and agent.side.world.schedule.fail_back == 0.0
        self._said: Optional[tuple] = None

    def sent(self, sequence: int) -> None:
        """A heartbeat goes out."""
        self._sent_at[sequence] = self._agent.side.clock()

    def hears(self, heartbeat: Optional[Heartbeat]) -> None:
        """A heartbeat came that is not stale, genuine or not: until another one comes, the side cannot know better."""
        agent = self._agent
        self._heard_at, self._has_left = agent.side.clock(), False
        if heartbeat is not None and heartbeat.heard_boot_id == agent.state.incarnation.boot_id:
            self._contact_at = max(self._contact_at, self._sent_at.get(heartbeat.heard_sequence, -inf))

    def left(self) -> None:
        """The other side says that it has ended and that its agent is gone: it need not be waited for."""
        self._has_left = True

    def echoed(self, sequence: int) -> None:
        """A heartbeat of this side comes back from VC's bus."""
        self._echoed = sequence
        self._note_vc()

    def vc_replied(self, sequence: int) -> None:
        """VC answers."""
        self._replied = sequence
        self._note_vc()

    def vcp_answered(self, runs: Optional[bool]) -> None:
        """VCP answers, or does not."""
        if runs:
            self._heard_at = self._agent.side.clock()

    def _note_vc(self) -> None:
        if self._echoed == self._replied:
            self._vc_at = max(self._vc_at, self._sent_at.get(self._echoed, -inf))

    def check(self) -> None:
        """Judge what the side says now."""
        agent = self._agent
        side, world, said = agent.side, agent.side.world, agent.says
        if (not self._is_judged or agent.state.is_ending or world.now < side.excuses.until
                or agent.state.peer.last_heard == side.clock()):
            return
        now, lately, is_primary = side.clock(), agent.setup.timing.timeout / 2, agent.setup.role == "primary"
        hears = now - self._heard_at < lately and not self._has_left
        knows_vc, is_new = now - self._vc_at < lately, now - self._started < lately
        lie = None
        if said is Action.START:
            if hears and not is_primary or not self._had_lease and -inf == max(self._heard_at, self._vc_at):
                lie = "may run its agent"
        elif said is Action.VERIFY:
            if hears or is_primary or is_new and not self._has_left or now - self._vc_at > world.lease_period:
                lie = "verifies with VC"
        elif said is Action.STOP and is_primary:
            if knows_vc or is_new or now - self._contact_at < lately:
                lie = "is isolated"
        elif said is Action.STOP:
            if self._heard_at == -inf and (knows_vc or is_new):
                lie = "hears the primary or has lost VC"
        elif not is_primary:
            is_silence = (knows_vc and now - max(self._heard_at, self._started) > 1.5 * world.longest_timeout
                          and world.only_power_of(world.other(side)))
            if hears or is_silence:
                lie = "waits for the primary"
        if lie is not None:
            world.lie(side, lie)
