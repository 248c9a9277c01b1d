"""What each event says: one function for each kind. It takes the event in, and decides nothing."""

from typing import Any, Callable, Dict, Tuple, Union

from failover.decision.effects import Effect, Note, NoteKind, Resubscribe, StopForGood
from failover.decision.events import (
    AgentFailed,
    AgentObserved,
    CommandEnded,
    EndAsked,
    Ended,
    HearingProven,
    HeartbeatReceived,
    LinkChanged,
    LinkFree,
    PauseAsked,
    PlatformAnswered,
    PlatformSeen,
    PublishRefused,
    ReadyToStart,
    Reconfigured,
    RecordSaved,
    RestartForbidden,
    ResumeAsked,
    RetryAllowed,
    StartAnswered,
    StraysEnded,
    Subscribed,
    SwitchoverAsked,
    Tick,
    TroubleChanged,
    VcAnswered,
    VcKnown,
    VcpAnswered,
    WrongSignature,
)
from failover.decision.hearing import heard, wrongly_signed
from failover.decision.lease import LeasePolicy
from failover.decision.managed import Managed
from failover.decision.reconfiguring import reconfigured
from failover.decision.saving import SAVE_AGAIN
from failover.decision.sending import farewell
from failover.decision.simple import SimplePolicy
from failover.decision.state import State
from failover.decision.switching import pause, resume, switch_over
from failover.decision.vocabulary import AgentState, Command, Moment, Path

__all__ = ["HANDLERS"]

_Result = Tuple[State, Tuple[Effect, ...]]


# The connections

def _link_changed(state: State, event: LinkChanged, now: Moment) -> _Result:
    state = state._replace(outbox=state.outbox.free(event.path, event.up))
    if event.path is Path.DIRECT and not event.up and state.is_simple and state.peer.farewell is not None:
        # Its platform, too, has ended, and with it the managed agent that was left to it.
        state = state._replace(peer=state.peer._replace(left_at=now))
    if event.path is Path.VC and isinstance(state.policy, LeasePolicy):
        state = state._replace(policy=state.policy._replace(witness=state.policy.witness.reset()))
    return state, ()


def _link_free(state: State, event: LinkFree, now: Moment) -> _Result:
    return state._replace(outbox=state.outbox.free(event.path, True)), ()


def _publish_refused(state: State, event: PublishRefused, now: Moment) -> _Result:
    state = state._replace(outbox=state.outbox.refused(event.path))
    if event.path is Path.VC and isinstance(state.policy, LeasePolicy):
        state = state._replace(policy=state.policy._replace(witness=state.policy.witness.not_asked(event.sequence)))
    return state, ()


# The local platform

def _subscribed(state: State, event: Subscribed, now: Moment) -> _Result:
    return state._replace(sight=state.sight._replace(listens=True)), ()


def _hearing_proven(state: State, event: HearingProven, now: Moment) -> _Result:
    was_listening = state.sight.listens
    state = state._replace(sight=state.sight.proven(event.asked_at, event.stands))
    return state, (Resubscribe(),) if was_listening and not state.sight.listens else ()


def _platform_answered(state: State, event: Union[PlatformAnswered, AgentObserved], now: Moment) -> _Result:
    return state._replace(sight=state.sight._replace(platform_answered=now)), ()


def _platform_seen(state: State, event: PlatformSeen, now: Moment) -> _Result:
    """Who was an orphan once remains one."""
    if event.lives and state.orphan_since is None:
        return state, ()
    is_new = state.orphan_since is None
    return state._replace(orphan_since=now if is_new else state.orphan_since,
                          is_replaced=state.is_replaced or event.is_replaced,
                          sight=state.sight._replace(platform_lives=False)), (
        Note(NoteKind.WARNING, "the platform's process is gone: no more heartbeats"),) if is_new else ()


# Managed agents

def _at(state: State, identity: str, change: Callable[[Managed], Managed]) -> State:
    agents = tuple(change(one) if one.identity == identity else one for one in state.agents)
    return state if agents == state.agents else state._replace(agents=agents)


def _agent_observed(state: State, event: AgentObserved, now: Moment) -> _Result:
    state, effects = _platform_answered(state, event, now)
    grace = state.timing.stop_grace
    for number, agent in enumerate(state.agents):
        if agent.identity != event.agent:
            continue
        forbids = not state.is_simple or agent.wanted is Command.STOP or state.orders.is_paused
        moved, effects = agent.observed(event, grace, forbids, now)
        if moved is not agent:
            state = state._replace(agents=state.agents[:number] + (moved,) + state.agents[number + 1:])
        if moved.state is AgentState.RUNNING and isinstance(state.policy, SimplePolicy):
            state = state._replace(policy=state.policy.runs(now))
    return state, effects


def _restart_forbidden(state: State, event: RestartForbidden, now: Moment) -> _Result:
    return _at(state, event.agent, lambda agent: agent.forbidden(event, now)), ()


def _ready_to_start(state: State, event: ReadyToStart, now: Moment) -> _Result:
    return _at(state, event.agent, lambda agent: agent.ready(event.number, state.timing.stop_grace)), ()


def _command_ended(state: State, event: CommandEnded, now: Moment) -> _Result:
    return _at(state, event.agent, lambda agent: agent.ended(event, now)), ()


def _start_answered(state: State, event: StartAnswered, now: Moment) -> _Result:
    return _at(state, event.agent, lambda agent: agent.answered(event.number)), ()


def _strays_ended(state: State, event: StraysEnded, now: Moment) -> _Result:
    return _at(state, event.agent, lambda agent: agent.strays_ended(event.all_of_them, now)), ()


def _retry_allowed(state: State, event: RetryAllowed, now: Moment) -> _Result:
    return state._replace(agents=tuple(one.retry_allowed() for one in state.agents)), ()


def _agent_failed(state: State, event: AgentFailed, now: Moment) -> _Result:
    failures = state.failures
    return state._replace(failures=failures.ended(state.setup, now) if event.is_unwell is None else failures.turned(
        event.agent, event.is_unwell, now)), ()


def _trouble_changed(state: State, event: TroubleChanged, now: Moment) -> _Result:
    return state._replace(trouble=event.text, installation=event.installation), ()


# VOLTTRON Central. Simple failover does not ask it.

def _vc_known(state: State, event: VcKnown, now: Moment) -> _Result:
    if not isinstance(state.policy, LeasePolicy):
        return state, ()
    return state._replace(policy=state.policy._replace(witness=state.policy.witness._replace(key=event.serverkey))), ()


def _vc_answered(state: State, event: VcAnswered, now: Moment) -> _Result:
    if not isinstance(state.policy, LeasePolicy):
        return state, ()
    witness = state.policy.witness.replied(event.sequence, state.timing.heartbeat_period, now)
    return state._replace(policy=state.policy._replace(witness=witness)), ()


def _vcp_answered(state: State, event: VcpAnswered, now: Moment) -> _Result:
    if not isinstance(state.policy, LeasePolicy) or not state.policy.witness.vcp_is_asked:
        return state, ()
    return state._replace(policy=state.policy.vcp_said(event.runs, event.asked_at, state, now)), ()


# This failover agent

def _record_saved(state: State, event: RecordSaved, now: Moment) -> _Result:
    if event.saved:
        if state.record.peer_terms not in (None, event.record.peer_terms):
            # From now on the peer's heartbeats are acknowledged again: it may depend on that.
            state = state._replace(outbox=state.outbox.hurried())
        return state._replace(record=event.record, save_from=now, on_its_way=None), ()
    return state._replace(save_from=now + SAVE_AGAIN), ()


def _end_asked(state: State, event: EndAsked, now: Moment) -> _Result:
    """Simple failover leaves the managed agents as they are when its failover agent stops.

    In standard failover a copy that nobody supervises would break the promise, so it is stopped too. So is one whose
    platform is gone: VOLTTRON 9 stops orphans by itself, some seconds later.
    """
    is_stopped_too = event.was_let_in and (not state.is_simple or not state.sight.platform_lives)
    return state._replace(is_ending=True), (StopForGood(state.stop_within(now)),) if is_stopped_too else ()


def _ended(state: State, event: Ended, now: Moment) -> _Result:
    return farewell(state, event.is_gone) if event.was_let_in else (state, ())


def _tick(state: State, event: Tick, now: Moment) -> _Result:
    return state, ()


# For each kind of event, the function that takes it in.
HANDLERS: Dict[type, Callable[[State, Any, Moment], _Result]] = {
    HeartbeatReceived: heard,
    LinkChanged: _link_changed,
    LinkFree: _link_free,
    PublishRefused: _publish_refused,
    Subscribed: _subscribed,
    WrongSignature: wrongly_signed,
    HearingProven: _hearing_proven,
    PlatformAnswered: _platform_answered,
    PlatformSeen: _platform_seen,
    AgentObserved: _agent_observed,
    ReadyToStart: _ready_to_start,
    CommandEnded: _command_ended,
    StartAnswered: _start_answered,
    RestartForbidden: _restart_forbidden,
    StraysEnded: _strays_ended,
    RetryAllowed: _retry_allowed,
    AgentFailed: _agent_failed,
    TroubleChanged: _trouble_changed,
    VcKnown: _vc_known,
    VcAnswered: _vc_answered,
    VcpAnswered: _vcp_answered,
    RecordSaved: _record_saved,
    PauseAsked: pause,
    ResumeAsked: resume,
    SwitchoverAsked: switch_over,
    Reconfigured: reconfigured,
    EndAsked: _end_asked,
    Ended: _ended,
    Tick: _tick,
}
