"""All that one failover agent knows, as one immutable value."""

from typing import NamedTuple, Optional, Tuple, Union

from failover.decision.agreement import Agreement
from failover.decision.decision import Decision
from failover.decision.failures import Failures
from failover.decision.group import state_of
from failover.decision.heartbeat import Heartbeat
from failover.decision.incarnation import Incarnation
from failover.decision.lease import LeasePolicy
from failover.decision.managed import Managed
from failover.decision.orders import Orders
from failover.decision.outbox import Cadence, Outbox
from failover.decision.peer import Peer
from failover.decision.proof import Proof
from failover.decision.roles import Roles
from failover.decision.setup import Record, Settings, Setup
from failover.decision.sight import Sight
from failover.decision.simple import SimplePolicy
from failover.decision.table import Action
from failover.decision.vocabulary import AgentState, Liveness, Moment, Timing

__all__ = ["State", "initial"]


class State(NamedTuple):
    """All that one failover agent knows: of one pair, and of the agents that it manages.

    :ivar now: the moment of the last step.
    :ivar peer_up_since: since when the peer has been up; None while it is not, or if that does not matter.
    :ivar failures: how the managed agents have failed here.
    :ivar trouble: what is wrong with a managed agent here, for the peer to show; None if nothing is.
    :ivar installation: what is installed of it, for the peer to compare.
    :ivar wanted_since: since when the managed agents are wanted to run, or not to.
    :ivar planned: settings that are wanted and not taken over yet, or not wholly; None if there are none.
    :ivar record: what is on disk.
    :ivar on_its_way: what may be there instead, or may be soon: the last record that was to be saved, until one is known to
        be.
    :ivar save_from: from when on it may be saved again; infinity while it is being saved.
    :ivar orphan_since: since when the process of the local platform is gone.
    :ivar is_replaced: whether another one has taken its place.
    :ivar is_ending: whether this failover agent has been told to end.
    :ivar proof: whether unsigned heartbeats count, and who has greeted.
    """

    setup: Setup
    now: Moment
    sight: Sight
    peer: Peer
    roles: Roles
    incarnation: Incarnation
    agreement: Agreement
    orders: Orders
    policy: Union[SimplePolicy, LeasePolicy]
    agents: Tuple[Managed, ...]
    outbox: Outbox
    decision: Decision
    record: Record
    save_from: Moment
    peer_up_since: Optional[Moment] = None
    failures: Failures = Failures()
    trouble: Optional[str] = None
    installation: Optional[str] = None
    orphan_since: Optional[Moment] = None
    is_replaced: bool = False
    is_ending: bool = False
    planned: Optional[Settings] = None
    wanted_since: Moment = 0.0
    on_its_way: Optional[Record] = None
    proof: Proof = Proof()

    @property
    def beat_every(self) -> float:
        """Seconds from one heartbeat that is sent to the next.

        Three fit into each ``timeout`` by which either side goes, or may go, or will.
        """
        every, agreement = self.setup.beat_every, self.agreement
        if self.planned is not None:
            every = min(every, self.planned.beat_every)
        for timing in (agreement.peer, agreement.former):
            if timing is not None and timing.timeout < 3 * every:
                every = timing.timeout / 3
        return every

    @property
    def is_simple(self) -> bool:
        """Whether this is simple failover."""
        return self.setup.mode == "simple"

    @property
    def timing(self) -> Timing:
        """The times that hold on this side. Simple failover goes by its own."""
        return self.setup.timing if self.setup.mode == "simple" else self.agreement.timing

    @property
    def primary_has_left(self) -> bool:
        """Whether this side acts as the secondary of a primary that has ended in order, its managed agents gone."""
        return self.peer.has_left and self.roles.acting == "secondary"

    @property
    def may_run(self) -> bool:
        """False only if the managed agents are known not to run here and are not about to."""
        return (isinstance(self.policy, LeasePolicy) and self.policy.is_held) or any(one.may_run for one in self.agents)

    @property
    def stop_grace(self) -> float:
        """Seconds that stopping the managed agents may take here."""
        return self.setup.timing.stop_grace if self.setup.mode == "simple" else self.agreement.stop_grace

    def stop_within(self, now: Moment) -> float:
        """Return the seconds in which a stop that begins now must have ended the managed agents.

        In simple failover several share one ``stop_grace`` too, but nothing depends on it, and what does not end then gets
        another one.
        """
        if isinstance(self.policy, LeasePolicy):
            return self.policy.stop_within(self.agreement.stop_grace, now)
        grace = self.setup.timing.stop_grace
        return grace if len(self.agents) == 1 or now - self.wanted_since >= grace else self.wanted_since + grace - now

    @property
    def agents_state(self) -> AgentState:
        """Of all managed agents together."""
        return state_of([one.state for one in self.agents], self.decision.wanted)

    def sent_when_acknowledged_by(self, heartbeat: Heartbeat) -> Optional[Moment]:
        """Return when the heartbeat of this start was sent that this one acknowledges; None if it acknowledges none."""
        if heartbeat.heard_boot_id != self.incarnation.boot_id or heartbeat.heard_sequence is None:
            return None
        return self.outbox.sent_at(heartbeat.heard_sequence)


def initial(setup: Setup, record: Record, now: Moment) -> State:
    """Return the state of a failover agent that starts now.

    :param record: what the last start has left.
    """
    is_simple = setup.mode == "simple"
    record = record.under(setup.pair_key)
    orders = (record.orders or Orders()).after(now)
    roles = Roles.at_start(setup, orders.preferred)
    policy: Union[SimplePolicy, LeasePolicy] = (
        SimplePolicy.at_start(setup, roles.acting, now) if is_simple else LeasePolicy.at_start(record, now))
    # Who held the lease when its failover agent ended ran its agents.
    ran_last = isinstance(policy, LeasePolicy) and policy.is_held
    cadence = Cadence(now)
    return State(
        setup=setup, now=now, sight=Sight.at_start(setup.timing.timeout, now), peer=Peer(setup.mode),
        roles=roles, incarnation=Incarnation(setup.boot_id, setup.boot_id),
        agreement=Agreement.at_start(setup, Record() if is_simple else record, now),
        orders=orders, policy=policy,
        agents=tuple(Managed(identity, now, now, ran_last=ran_last) for identity in setup.agents),
        outbox=Outbox(cadence, None if is_simple else cadence),
        decision=Decision(Action.WAIT, Liveness.UNKNOWN), record=record, save_from=now,
        proof=Proof(setup.wants_proof and record.signs))
