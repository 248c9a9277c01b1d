"""What follows from the evidence at one moment."""

from math import inf
from typing import NamedTuple, Optional

from failover.decision.table import Action
from failover.decision.vocabulary import Command, Lease, Liveness, Moment

__all__ = ["Decision"]


class Decision(NamedTuple):
    """What is to become of the managed agents.

    :ivar action: what the table says.
    :ivar peer: liveness of the other failover agent.
    :ivar vc: liveness of VOLTTRON Central; UNKNOWN in simple failover, which does not ask it.
    :ivar lease: what the table was asked with; NONE in simple failover, which has none.
    :ivar wanted: whether they should run or should not; None if they are left as they are.
    :ivar start_from: until then a start that is wanted waits.
    :ivar start_before: from then on a start must not be asked for any more.
    """

    action: Action
    peer: Liveness
    vc: Liveness = Liveness.UNKNOWN
    lease: Lease = Lease.NONE
    wanted: Optional[Command] = None
    start_from: Moment = -inf
    start_before: Optional[Moment] = None
