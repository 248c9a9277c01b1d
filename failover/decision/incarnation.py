"""This start of the failover agent, and whether its machine was set back or its clock halted meanwhile.

Evidence about times is only as good as the clock. A machine was set back to a snapshot if the peer acknowledges what this
side has not sent yet. Its clock stood still if the difference between the two clocks is smaller than it can be: a heartbeat
that acknowledges one of this side's shows how large it is at least, and any heartbeat how large it is at most. Two
heartbeats must show it, because one may be forged. What this side knew of when things were does not hold then.
"""

from math import inf
from typing import NamedTuple, Optional, Tuple

from failover.decision.heartbeat import Heartbeat
from failover.decision.vocabulary import CLOCK_DRIFT_BOUND, Moment, Suspicion, suspect

__all__ = ["ClockLead", "Incarnation"]

_SET_BACK = ("this machine was set back to a snapshot: the other side acknowledges heartbeats that it has not sent yet")
_HALTED = "the clock of this machine stood still for {:.1f} s or more: it must go on while a virtual machine is paused"


class ClockLead(NamedTuple):
    """By how much this side's clock is ahead of the peer's, in seconds.

    :ivar at_least: by two heartbeats in a row, as of ``at``.
    :ivar last: at least, by the last heartbeat that says so.
    """

    boot_id: str
    at_least: float
    at: Moment
    last: float


class Incarnation(NamedTuple):
    """This start of the failover agent.

    :ivar first_boot_id: the one it began with.
    :ivar boot_id: another one since this machine was set back.
    :ivar set_back: the suspicion that it was.
    :ivar halted: the suspicion that its clock stood still.
    """

    first_boot_id: str
    boot_id: str
    set_back: Optional[Suspicion] = None
    halted: Optional[Suspicion] = None
    lead: Optional[ClockLead] = None

    def check(self, heartbeat: Heartbeat, sequence: int, sent: Optional[Moment], period: float,
              now: Moment) -> "Tuple[Incarnation, Optional[str]]":
        """Compare a heartbeat of the peer with what this side has sent.

        :param sequence: the number of the last heartbeat that this side made.
        :param sent: when the one was sent that it acknowledges; None if it acknowledges none that is known.
        :param period: seconds between two heartbeats.
        :return: what is known now, and why all that was known of times does not hold, or None if it does.
        """
        if heartbeat.heard_boot_id == self.boot_id and (heartbeat.heard_sequence or 0) > sequence:
            set_back, is_certain = suspect(self.set_back, heartbeat.boot_id, period, now)
            if not is_certain:
                return self._replace(set_back=set_back), None
            boot_id = "{}-{}".format(self.first_boot_id, heartbeat.heard_sequence)
            return Incarnation(self.first_boot_id, boot_id), _SET_BACK
        own = self if self.set_back is None else self._replace(set_back=None)
        if heartbeat.clock is None:
            return own, None
        return own._compare_clocks(heartbeat.boot_id, heartbeat.clock, None if sent is None else sent - heartbeat.clock,
                                   period, now)

    def _compare_clocks(self, boot_id: str, clock: Moment, lead: Optional[float], period: float,
                        now: Moment) -> "Tuple[Incarnation, Optional[str]]":
        """Compare the two clocks.

        :param lead: by how much this side's is ahead at least, by this heartbeat; None if it does not say.
        """
        known = self.lead
        if known is None or known.boot_id != boot_id:
            known = ClockLead(boot_id, -inf, now, -inf)
        at_least = known.at_least - (CLOCK_DRIFT_BOUND - 1) * (now - known.at)
        missing = at_least - (now - clock)
        if missing > period / 2:
            halted, is_certain = suspect(self.halted, boot_id, period, now)
            if is_certain:
                return Incarnation(self.first_boot_id, self.boot_id), _HALTED.format(missing)
            return self._replace(halted=halted), None
        if lead is None:
            return (self if self.halted is None else self._replace(halted=None)), None
        confirmed = min(lead, known.last)
        is_better = confirmed > at_least
        known = ClockLead(known.boot_id, confirmed, now, lead) if is_better else known._replace(last=lead)
        return self._replace(halted=None, lead=known), None
