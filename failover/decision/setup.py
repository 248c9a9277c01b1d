"""What one start of the failover agent begins with: its configuration, and what the last start left."""

from typing import NamedTuple, Optional, Tuple

from failover.decision.orders import Orders
from failover.decision.vocabulary import Moment, Timing, apart, together

__all__ = ["Record", "Settings", "Setup"]


class Record(NamedTuple):
    """What outlives a start of the failover agent, on disk.

    :ivar lease_until: the end of the lease, on this boot's clock; None if none was held.
    :ivar own_terms: this side's times that the peer is known to know, by an acknowledgement; or the shortest ones that it
        may know, while it is not known which.
    :ivar peer_terms: the peer's times, as last heard.
    :ivar peer_instance: instance name of the peer's platform, as last heard.
    :ivar mode: the mode of that start, ``simple`` or ``standard``; None if it is not known.
    :ivar claimed_terms: the peer's times, as one heartbeat alone has said; None if there are none.
    :ivar vc_apart: whether the peer went by another VC.
    :ivar orders: the operators' last orders; None if there never was one.
    :ivar pair_key: what the key is known by with which both sides signed; None if none is known.
    :ivar signs: whether the peer has proved itself by a signature, so that unsigned heartbeats do not count.
    """

    lease_until: Optional[Moment] = None
    own_terms: Optional[Timing] = None
    peer_terms: Optional[Timing] = None
    peer_instance: Optional[str] = None
    mode: Optional[str] = None
    claimed_terms: Optional[Timing] = None
    vc_apart: bool = False
    orders: Optional[Orders] = None
    signs: bool = False
    pair_key: Optional[str] = None

    def under(self, pair_key: Optional[str]) -> "Record":
        """Return what of it holds when this key is in use. With another one it is not known any more who the peer is."""
        if pair_key is None or pair_key == self.pair_key:
            return self
        if self.pair_key is None:
            return self._replace(pair_key=pair_key)
        return self._replace(lease_until=None, signs=False, pair_key=pair_key)


class Settings(NamedTuple):
    """What of a setup may change while the failover agent runs. Its fields mean what they mean there."""

    timing: Timing
    beat_every: float
    answer_within: float
    fail_back: float = 0.0
    max_failures: int = 0
    failure_window: float = 600.0
    unhealthy_after: float = 0.0


class Setup(NamedTuple):
    """What a failover agent goes by. Only its :class:`Settings` change before it ends.

    :ivar mode: ``simple`` or ``standard``.
    :ivar role: as it is configured, ``primary`` or ``secondary``.
    :ivar timing: as it is configured.
    :ivar beat_every: seconds from one heartbeat that is sent to the next.
    :ivar instance_name: of the local platform.
    :ivar vip_identity: of this failover agent.
    :ivar agents: VIP identities of the managed agents, in the order in which they are started.
    :ivar boot_id: a text that no other start of a failover agent ever had.
    :ivar answer_within: seconds after which an answer on a connection is overdue.
    :ivar remote_instance: instance name of the peer's platform, if it is configured.
    :ivar quiet_until: until when this platform is probably shutting down, so that nothing is started or said.
    :ivar pair_key: what the key is known by with which both sides sign; None if this side cannot.
    :ivar wants_proof: whether unsigned heartbeats of a peer that can sign do not count.
    :ivar fail_back: seconds for which the home primary must have been well before the managed agents go back to it; 0
        is at once, infinity only by an order.
    :ivar max_failures: so many ends of a managed agent that nobody ordered, within ``failure_window`` seconds, make a side
        hand over to the other one; 0 is never.
    :ivar unhealthy_after: seconds for which a managed agent hangs or reports BAD before the side hands over; 0 is never.
    """

    mode: str
    role: str
    timing: Timing
    beat_every: float
    instance_name: str
    vip_identity: str
    agents: Tuple[str, ...]
    boot_id: str
    answer_within: float
    remote_instance: Optional[str] = None
    quiet_until: Moment = 0.0
    fail_back: float = 0.0
    max_failures: int = 0
    failure_window: float = 600.0
    unhealthy_after: float = 0.0
    wants_proof: bool = True
    pair_key: Optional[str] = None

    @property
    def managed(self) -> str:
        """All managed agents in one word, by which each side names them to the other."""
        return together(self.agents)

    def is_about_some_of_ours(self, subject: str) -> bool:
        """Whether what another failover agent manages, in one word, is in part what this one does."""
        return not set(self.agents).isdisjoint(apart(subject))

    @property
    def settings(self) -> Settings:
        """What may change."""
        return Settings._make(getattr(self, name) for name in Settings._fields)

    def with_settings(self, settings: Settings) -> "Setup":
        """Return this with other settings."""
        return self._replace(**settings._asdict())
