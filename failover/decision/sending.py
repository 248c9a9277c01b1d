"""What this side says to the peer: a heartbeat every period, and a farewell."""

from typing import Optional, Tuple

from failover.decision.effects import Effect, Publish, SaveRecord
from failover.decision.heartbeat import Heartbeat
from failover.decision.lease import LeasePolicy
from failover.decision.orders import LONGEST_PAUSE
from failover.decision.saving import to_remember
from failover.decision.setup import Record
from failover.decision.state import State
from failover.decision.vocabulary import AgentState, Moment, Path, Timing

__all__ = ["beat", "farewell", "terms"]


def beat(state: State, now: Moment) -> Tuple[State, Tuple[Effect, ...]]:
    """Send the heartbeats that are due. None is sent while the local platform is dead or silent: they vouch for it."""
    effects: Tuple[Effect, ...] = ()
    may_run = state.may_run
    for path in (Path.DIRECT, Path.VC):
        cadence = state.outbox.cadence(path)
        if cadence is None or not cadence.wants(may_run, now):
            continue
        outbox = state.outbox.sending(path, may_run, state.beat_every, state.timing.timeout, now)
        agreement = state.agreement.said(terms(state), outbox.sequence)
        state = state._replace(outbox=outbox, agreement=agreement)
        if path is Path.VC and isinstance(state.policy, LeasePolicy):
            state = state._replace(policy=state.policy._replace(
                witness=state.policy.witness.asked(outbox.sequence, now)))
        effects += (Publish(path, _heartbeat(state, may_run, clock=now), _widely(state, path, now)),)
    return state, effects


def _widely(state: State, path: Path, now: Moment) -> bool:
    policy = state.policy
    return (path is Path.VC and isinstance(policy, LeasePolicy)
            and not policy.witness.is_met(state.timing.timeout, now))


def _heartbeat(state: State, may_run: bool, clock: Optional[Moment] = None, leaving: bool = False,
               agent_state: Optional[AgentState] = None) -> Heartbeat:
    """Return the heartbeat with the number that was given out last."""
    setup, timing, peer, policy = state.setup, terms(state), state.peer.heartbeat, state.policy
    witness = policy.witness if isinstance(policy, LeasePolicy) else None
    orders = state.orders
    if peer is not None and witness is not None and not (
            state.agreement.believes(peer) and _outlives_a_restart(state, Timing.of(peer))):
        peer = None  # It is not acknowledged.
    return Heartbeat(
        setup.instance_name, setup.vip_identity, setup.managed, setup.role, setup.mode,
        timing.timeout, timing.heartbeat_period, timing.stop_grace,
        state.incarnation.boot_id, state.outbox.sequence,
        None if peer is None else peer.boot_id, None if peer is None else peer.sequence, may_run,
        leaving, (agent_state or state.agents_state).value, state.trouble, clock, state.roles.yields,
        None if witness is None else witness.key, None if witness is None else witness.proven,
        orders.number, orders.by or None, orders.preferred if orders.number else None,
        min(max(orders.paused_until - state.now, 0.001), LONGEST_PAUSE) if orders.paused_until is not None else None,
        orders.is_handed_over, state.installation,
        state.proof.hears(state.peer.heartbeat, None if peer is None else peer.boot_id, state.timing.timeout, state.now))


def terms(state: State) -> Timing:
    """Return the times of this side that its heartbeats tell: the former ones until the next start would go by the new ones.

    That start would go by the shorter ones of those on disk and those in the configuration, and take up the lease on disk.
    """
    own, former = state.setup.timing, state.agreement.former
    policy = state.policy
    if former is None or not isinstance(policy, LeasePolicy):
        return own
    for record in _records(state):
        if (record.own_terms is None or record.own_terms.smaller(own) != record.own_terms
                or record.lease_until is not None and record.lease_until > policy.until(state)):
            return former.larger(state.record.own_terms).larger(record.own_terms)
    return own


def _records(state: State) -> Tuple[Record, ...]:
    """Return what may be on disk at the next start."""
    return (state.record,) if state.on_its_way is None else (state.record, state.on_its_way)


def _outlives_a_restart(state: State, timing: Timing) -> bool:
    """Whether the next start would wait for a peer with these times, by what is on disk now: it may be soon.

    An acknowledgement lets the peer go by its new times. Without a record, the next start takes longer ones for granted.
    """
    own = state.setup.timing
    for record in _records(state):
        known = own.larger(record.peer_terms).larger(record.claimed_terms)
        if known.larger(timing) != known and not (record.peer_terms is None and timing.is_plausible_beside(own)):
            return False
    return True


def farewell(state: State, is_gone: bool) -> Tuple[State, Tuple[Effect, ...]]:
    """Say to the peer that this failover agent, which ends in order, does so, and leave nothing that would mislead.

    :param is_gone: whether the managed agents have been stopped here.
    """
    effects: Tuple[Effect, ...] = ()
    if state.sight.platform_lives and state.now >= state.setup.quiet_until:
        for path in (Path.DIRECT, Path.VC):
            if state.outbox.cadence(path) is not None:
                state = state._replace(outbox=state.outbox._replace(sequence=state.outbox.sequence + 1))
                effects += (Publish(path, _heartbeat(state, not is_gone and state.may_run, leaving=True,
                                                     agent_state=AgentState.STOPPED if is_gone else None),
                                    _widely(state, path, state.now)),)
    if not state.is_simple:
        record = to_remember(state)._replace(lease_until=None)
        state = state._replace(record=record)
        effects += (SaveRecord(record),)
    return state, effects
