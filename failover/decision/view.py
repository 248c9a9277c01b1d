"""What the state says at a moment, for whoever reads it: status, health, alerts, log. Reading changes nothing."""

from typing import NamedTuple, Optional, Tuple

from failover.decision.decision import Decision
from failover.decision.group import state_of
from failover.decision.heartbeat import Heartbeat
from failover.decision.lease import LeasePolicy
from failover.decision.orders import Orders
from failover.decision.setup import Setup
from failover.decision.state import State
from failover.decision.vocabulary import AgentState, Command, Moment, Timing

__all__ = ["AgentView", "LeaseView", "View", "view"]


class AgentView(NamedTuple):
    """One managed agent.

    :ivar pending: the command that is under way; None if none is.
    """

    identity: str
    state: AgentState
    pending: Optional[Command]


class LeaseView(NamedTuple):
    """The lease and its evidence, in standard failover. All times are seconds.

    :ivar seconds_left: until the lease ends that is held; None if none is.
    :ivar vc_answer_age: since VC was asked what it answered last; None if it never did.
    :ivar silent_for: for how long VC has vouched for the peer's silence; None while it does not.
    :ivar silence_needed: after how long the silence is complete.
    :ivar knows_peer_timing: whether the peer's times are known, by heartbeats or from before.
    :ivar vcp_word: what the peer platform's VC agent said last: "runs", "does not run" or "no answer"; None if it was
        not asked since the peer was heard.
    :ivar is_vc_apart: whether the peer goes by another VC.
    """

    is_held: bool
    seconds_left: Optional[float]
    vc_answer_age: Optional[float]
    silent_for: Optional[float]
    silence_needed: float
    knows_peer_timing: bool
    vcp_word: Optional[str]
    is_vc_apart: bool


class View(NamedTuple):
    """One failover agent at a moment.

    :ivar acting: as which one it acts, ``primary`` or ``secondary``; ``setup.role`` is as it is configured.
    :ivar timing: the times that hold on this side, in seconds.
    :ivar platform_answers: whether control of the local platform answers; no heartbeats are sent while it does not.
    :ivar peer: the peer's last heartbeat; None if that had no content, or none has come.
    :ivar farewell: the peer's last heartbeat, if it has ended in order since.
    :ivar peer_mode: the peer's mode, as last heard.
    :ivar heard_ago: seconds since the peer was last heard; None if it never was.
    :ivar alike: name of an instance that is configured with this side's role; this side's own if its heartbeats come back.
    :ivar orders: the operators' last orders.
    :ivar pause_left: seconds until a pause ends; None while the pair is not paused.
    :ivar is_quiet: whether nothing is started because this platform may be shutting down.
    :ivar lease: None in simple failover.
    :ivar installation: what is installed of the managed agent; None if that is not known.
    :ivar unsigned_ago: seconds since an unsigned heartbeat came that did not count; None if none did.
    :ivar wrong_ago: seconds since a heartbeat came with a wrong signature; None if none did.
    :ivar peer_signs: whether unsigned heartbeats do not count, because the peer signs its own.
    """

    setup: Setup
    acting: str
    timing: Timing
    decision: Decision
    platform_answers: bool
    peer: Optional[Heartbeat]
    farewell: Optional[Heartbeat]
    peer_mode: str
    heard_ago: Optional[float]
    alike: Optional[str]
    orders: Orders
    pause_left: Optional[float]
    is_quiet: bool
    agents: Tuple[AgentView, ...]
    lease: Optional[LeaseView]
    installation: Optional[str] = None
    peer_signs: bool = False
    unsigned_ago: Optional[float] = None
    wrong_ago: Optional[float] = None

    @property
    def managed(self) -> str:
        """All managed agents in one word."""
        return self.setup.managed

    @property
    def state(self) -> AgentState:
        """Of all managed agents together."""
        return state_of([one.state for one in self.agents], self.decision.wanted)

    @property
    def is_preferred(self) -> bool:
        """Whether this side acts as the primary: it runs the managed agents whenever it can."""
        return self.acting == "primary"

    @property
    def is_simple(self) -> bool:
        """Whether this is simple failover."""
        return self.lease is None


def view(state: State, now: Moment) -> View:
    """Return what the state says at ``now``."""
    return View(
        setup=state.setup, acting=state.roles.acting, timing=state.timing, decision=state.decision,
        platform_answers=state.sight.answers(now), peer=state.peer.heartbeat, farewell=state.peer.farewell,
        peer_mode=state.peer.mode, heard_ago=_ago(state.peer.last_heard, now),
        alike=state.roles.heard_alike(state.setup.timing.timeout, now), orders=state.orders,
        pause_left=None if state.orders.paused_until is None else state.orders.paused_until - now,
        is_quiet=now < state.setup.quiet_until,
        agents=tuple(AgentView(one.identity, one.state, one.pending) for one in state.agents),
        lease=_lease(state, state.policy, now) if isinstance(state.policy, LeasePolicy) else None,
        installation=state.installation, peer_signs=state.proof.is_required, unsigned_ago=_ago(state.proof.refused, now),
        wrong_ago=_ago(state.proof.wrong, now))


def _lease(state: State, policy: LeasePolicy, now: Moment) -> LeaseView:
    return LeaseView(
        is_held=policy.is_held, seconds_left=policy.until(state) - now if policy.is_held else None,
        vc_answer_age=_ago(policy.witness.answered, now), silent_for=_ago(policy.silent_since(state), now),
        silence_needed=state.agreement.silence_needed, knows_peer_timing=state.agreement.peer is not None,
        vcp_word=policy.witness.vcp_word, is_vc_apart=policy.witness.is_apart)


def _ago(moment: Optional[Moment], now: Moment) -> Optional[float]:
    return None if moment is None else now - moment
