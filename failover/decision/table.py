"""The tables of VOLTTRON's documentation, and the one function that reads them. They decide; nothing else does.

The words in them:

* *up*: the other failover agent was heard less than ``timeout`` ago. To the primary of standard failover it means
  contact both ways.
* *down*: it was not, for ``timeout`` during which this side could have heard it. To a secondary, a primary is down too that
  has ended in order and said that its managed agent is gone.
* *unknown*: neither yet, as after a start, or after this side was itself blind (:mod:`failover.decision.sight`).
"""

from enum import Enum
from typing import Dict, Tuple

from failover.decision.vocabulary import Lease, Liveness

__all__ = ["Action", "SIMPLE", "STANDARD", "look_up"]


class Action(Enum):
    """What the table says of the managed agent."""

    START = "start"
    STOP = "stop"
    WAIT = "wait"
    VERIFY = "verify with VC, then start"


_UP, _UNKNOWN, _DOWN = Liveness.UP, Liveness.UNKNOWN, Liveness.DOWN
_START, _STOP, _WAIT, _VERIFY = Action.START, Action.STOP, Action.WAIT, Action.VERIFY
_NONE, _HELD, _VERIFIED = Lease.NONE, Lease.HELD, Lease.VERIFIED

# Simple failover: {role: {the peer: action}}.
SIMPLE: Dict[str, Dict[Liveness, Action]] = {
    "primary":   {_UP: _START, _UNKNOWN: _START, _DOWN: _START},
    "secondary": {_UP: _STOP,  _UNKNOWN: _WAIT,  _DOWN: _START},
}

# Standard failover: {role: {(the peer, VOLTTRON Central): {lease: action}}}. The documentation's two tables are the rows
# in which both are known. A cell that is not there cannot be, or not for longer than the local bus takes to confirm its
# subscription: a lease ends before both that it could come from are down, VC is known once the peer is known to be down
# and the reverse, unless the peer is a primary that has said farewell, and only of a peer that is down it is verified that
# its agent does not run.
STANDARD: Dict[str, Dict[Tuple[Liveness, Liveness], Dict[Lease, Action]]] = {
    "primary": {
        (_UP, _UP):           {_NONE: _WAIT, _HELD: _START, _VERIFIED: _START},
        (_UP, _UNKNOWN):      {_NONE: _WAIT, _HELD: _START, _VERIFIED: _START},
        (_UP, _DOWN):         {_NONE: _WAIT, _HELD: _START, _VERIFIED: _START},
        (_UNKNOWN, _UP):      {_NONE: _WAIT, _HELD: _START},
        (_UNKNOWN, _UNKNOWN): {_NONE: _WAIT, _HELD: _START},
        (_DOWN, _UP):         {_NONE: _WAIT, _HELD: _START, _VERIFIED: _START},
        (_DOWN, _DOWN):       {_NONE: _STOP},
    },
    "secondary": {
        (_UP, _UP):           {_NONE: _STOP, _HELD: _STOP},
        (_UP, _UNKNOWN):      {_NONE: _STOP, _HELD: _STOP},
        (_UP, _DOWN):         {_NONE: _STOP},
        (_UNKNOWN, _UP):      {_NONE: _WAIT, _HELD: _START},
        (_UNKNOWN, _UNKNOWN): {_NONE: _WAIT, _HELD: _START},
        (_DOWN, _UNKNOWN):    {_NONE: _WAIT},
        (_DOWN, _UP):         {_NONE: _VERIFY, _HELD: _START, _VERIFIED: _START},
        (_DOWN, _DOWN):       {_NONE: _STOP},
    },
}


def look_up(mode: str, role: str, peer: Liveness, vc: Liveness = _UNKNOWN, lease: Lease = _NONE) -> Action:
    """Return what the table says.

    :param mode: ``simple`` or ``standard``. Simple failover knows neither VC nor lease.
    :param role: as which one this side acts, ``primary`` or ``secondary``.
    :return: STOP, which never lets both run, where there is no cell.
    """
    if mode == "simple":
        return SIMPLE[role][peer]
    return STANDARD[role].get((peer, vc), {}).get(lease, _STOP)
