"""The one decision function: :func:`step`.

A step has three parts. First time passes: what ends by itself ends (:func:`_pass_time`). Then the event is taken in as
evidence, by the one function for its kind (:mod:`failover.decision.evidence`). Then :func:`_conclude` asks the policy,
which asks the table, and has the managed agents, the heartbeats and the record follow.
"""

from math import inf
from typing import Tuple

from failover.decision import evidence
from failover.decision.decision import Decision
from failover.decision.effects import Effect, EndAsOrphan, ProveHearing, ReconnectNow, RenewVcLink
from failover.decision.events import Event, LinkFree
from failover.decision.failures import Failures
from failover.decision.group import turn, turns_begin
from failover.decision.hearing import with_roles
from failover.decision.lease import LeasePolicy
from failover.decision.reconfiguring import settled
from failover.decision.saving import save
from failover.decision.sending import beat
from failover.decision.setup import Record, Setup
from failover.decision.state import State, initial
from failover.decision.switching import follow_takeover, hand_over, next_fail_back
from failover.decision.vocabulary import Command, Liveness, Moment, Path

_NONE = Failures()

__all__ = ["Record", "Setup", "State", "deadline", "initial", "step"]


def step(state: State, event: Event, now: Moment) -> Tuple[State, Tuple[Effect, ...]]:
    """Return the state after an event, and what is to be done.

    It is to be called at least once a second: a pause of half of ``timeout`` between two steps is blindness.

    :param now: when the event came, on the clock of this machine. One that came before the last step, as it may from
        another thread, counts as if it had come with it.
    """
    if now < state.now:  # noqa: PLR1730  # Each event comes by here, and max() takes three times as long.
        now = state.now
    if type(event) is LinkFree and not _waits_for(event.path, state, now):
        # The most frequent event. It tells nothing of the world, and time passes with the next one.
        return evidence.HANDLERS[LinkFree](state, event, now)
    state = _pass_time(state, now)
    state, effects = evidence.HANDLERS[type(event)](state, event, now)
    if state.planned is not None:
        state = settled(state, now)
    if state.is_ending:
        return state, effects
    if state.orphan_since is not None and (
            state.is_replaced or now - state.orphan_since > state.setup.timing.timeout):
        # The identities of an orphan belong to what the next platform starts.
        return state._replace(is_ending=True), effects + (EndAsOrphan(state.stop_grace),)
    state, more = _conclude(state, now)
    return state, effects + more


def _waits_for(path: Path, state: State, now: Moment) -> bool:
    """Return whether a heartbeat goes out as soon as this connection is free."""
    cadence = state.outbox.cadence(path)
    return cadence is not None and cadence.is_due(state.may_run, now)


def _pass_time(state: State, now: Moment) -> State:
    """What ends by itself ends, before anything new is taken in."""
    sight, agreement = state.sight.after(state.now, now), state.agreement.after(now)
    agents, policy = state.agents, state.policy
    if not sight.answers(now):
        agents = tuple(one.unseen() for one in agents)
    if isinstance(policy, LeasePolicy):
        if agreement is not state.agreement:
            state = state._replace(agreement=agreement)
        policy = policy.after(state, now)
    state = state._replace(now=now, sight=sight, agents=agents, agreement=agreement, policy=policy,
                           orders=state.orders.after(now))
    return state if state.roles.rival is None else with_roles(state, state.roles.decided(state.setup, now), now)


def _conclude(state: State, now: Moment) -> Tuple[State, Tuple[Effect, ...]]:
    """Decide, and have everything follow."""
    setup, before, sight = state.setup, state.decision, state.sight
    policy, decision = state.policy.decide(state, now)
    effects: Tuple[Effect, ...] = ()
    if isinstance(policy, LeasePolicy):
        policy, effects = policy.asking_vcp(state, decision.peer, now)
        if policy.witness.lacks_echo(setup.answer_within, now):
            policy = policy._replace(witness=policy.witness.reset())
            effects += (RenewVcLink(),)
    if sight.wants_proof(state.peer.last_heard, state.timing.timeout, now):
        sight = sight._replace(proof_asked=now)
        effects += (ProveHearing(),)
    if decision.peer is Liveness.UP and before.peer is not Liveness.UP:
        effects += (ReconnectNow(),)
    if decision.peer is not before.peer:
        state = state._replace(peer_up_since=now if decision.peer is Liveness.UP else None)
    if decision.wanted is not before.wanted:
        state = state._replace(wanted_since=now)
    if decision != before or policy is not state.policy or sight is not state.sight:
        state = state._replace(policy=policy, decision=decision, sight=sight)
    is_quiet = now < setup.quiet_until
    state, commands = _advance(state, decision, setup.mode != "simple", not is_quiet, now)
    if not is_quiet and sight.answers(now):
        # The heartbeat goes out first: it says that the agent may run before it can.
        state, beats = beat(state, now)
        effects += beats
    state = follow_takeover(state, now)
    if state.failures != _NONE:
        state = hand_over(state, now) if decision.wanted is not Command.STOP else state._replace(failures=_NONE)
    if isinstance(state.policy, LeasePolicy) and not state.may_run:
        policy = state.policy.spent()
        state = state if policy is state.policy else state._replace(policy=policy)
    state, saves = save(state, now)
    return state, effects + commands + saves


def _advance(state: State, decision: Decision, is_strict: bool, may_start: bool,
             now: Moment) -> Tuple[State, Tuple[Effect, ...]]:
    """Have the managed agents follow, in their order."""
    effects: Tuple[Effect, ...] = ()
    agents, grace, left = state.agents, state.stop_grace, state.stop_within(now)
    for number, agent in enumerate(agents):
        moved, more = agent.toward(decision, is_strict, turn(agents, number, may_start, grace, left), now)
        if moved is not agent:
            agents = agents[:number] + (moved,) + agents[number + 1:]
            effects += more
    return (state if agents is state.agents else state._replace(agents=agents)), effects


def deadline(state: State) -> Moment:
    """Return when the passing of time alone may next change the decision, or when something is due that should not wait.

    What may wait for a second is not in it, such as the next question to VCP: time passes once a second anyway.
    """
    now, moments = state.now, state.policy.deadline(state) + (
        state.outbox.deadline(), state.save_from, next_fail_back(state))
    if state.orders.paused_until is not None:
        moments += (state.orders.paused_until,)
    if state.orphan_since is not None:
        moments += (state.orphan_since + state.setup.timing.timeout,)
    for agent in state.agents:
        moments += agent.deadline()
    if len(state.agents) > 1 and state.decision.wanted is Command.STOP:
        until = now + state.stop_within(now)
        moments += tuple(until - left for left in turns_begin(len(state.agents), state.stop_grace))
    return min([moment for moment in moments if moment > now], default=inf)
