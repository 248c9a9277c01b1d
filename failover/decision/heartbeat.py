"""One heartbeat as a value. How it looks on the wire: :mod:`failover.heartbeat`."""

from typing import NamedTuple, Optional, Tuple

__all__ = ["Heartbeat"]


class Heartbeat(NamedTuple):
    """What one failover agent tells the other.

    ``timeout``, ``heartbeat_period`` and ``stop_grace`` are seconds. ``boot_id`` is new at each start of the sending
    failover agent and ``sequence`` counts up from 1 within it. ``heard_boot_id`` and ``heard_sequence`` name the
    heartbeat of the receiver that the sender heard last, or are None. ``may_run`` is false only while the managed agent
    is known not to run on the sender's platform, and not to be about to.

    ``leaving`` is true in the last heartbeat of a failover agent that ends in order. ``state`` says in a word how the
    managed agent is there, and ``trouble`` what is wrong with it; both are for people. Only a switchover, and a second copy
    in a pause, go by them too. ``installation`` is the managed agent's name and version, a hash of its configuration and one
    of what is in the configuration store for it, for people alone.

    ``clock`` is the sender's clock, in seconds since its machine booted. ``yields`` is true while the sender acts as the
    secondary because both sides are configured with the same role. ``vc`` is the public key of VOLTTRON Central's
    platform, by which the sender goes in standard failover, and ``vc_sequence`` the number of its heartbeat that VC
    answered last.

    ``order``, ``ordered_by``, ``preferred`` and ``pause_left``, in seconds, are the operators' last orders
    (:mod:`failover.decision.orders`), with ``handed_over`` if a side gave them because the managed agent failed there;
    ``order`` is None in a heartbeat of a release that knows none.

    ``hears`` are more starts of the receiver of which the sender has heard, beside ``heard_boot_id``: they show that the
    heartbeat was made after those starts, and nothing else (:mod:`failover.decision.proof`).
    """

    instance_name: str
    vip_identity: str
    agent_vip_identity: str
    agent_id: str
    mode: str
    timeout: float
    heartbeat_period: float
    stop_grace: float
    boot_id: str
    sequence: int
    heard_boot_id: Optional[str]
    heard_sequence: Optional[int]
    may_run: bool
    leaving: bool = False
    state: Optional[str] = None
    trouble: Optional[str] = None
    clock: Optional[float] = None
    yields: bool = False
    vc: Optional[str] = None
    vc_sequence: Optional[int] = None
    order: Optional[int] = None
    ordered_by: Optional[str] = None
    preferred: Optional[str] = None
    pause_left: Optional[float] = None
    handed_over: bool = False
    installation: Optional[str] = None
    hears: Tuple[str, ...] = ()
