"""A message that came as a heartbeat: whether it is one of the peer, and what it says."""

from typing import Optional, Tuple

from failover.decision.effects import Effect, Note, NoteKind
from failover.decision.events import HeartbeatReceived, WrongSignature
from failover.decision.heartbeat import Heartbeat
from failover.decision.lease import LeasePolicy
from failover.decision.orders import Orders
from failover.decision.peer import STALE
from failover.decision.proof import acknowledges
from failover.decision.release import farewell_counts_for, may_run
from failover.decision.roles import Roles
from failover.decision.simple import SimplePolicy
from failover.decision.state import State
from failover.decision.vocabulary import Moment, Path
from failover.decision.witness import Witness

__all__ = ["heard", "with_orders", "with_roles", "wrongly_signed"]

_Result = Tuple[State, Tuple[Effect, ...]]

_UNSIGNED = "an unsigned heartbeat of {} does not count, because the other side signs its own"
_WRONG = ("a heartbeat of {} has a wrong signature and does not count: it is forged or damaged, or a platform has other keys than "
          "when the failover agents were started: then correct remote_serverkey on the other side, and restart both")


def heard(state: State, event: HeartbeatReceived, now: Moment) -> _Result:
    """Take in what came on a heartbeat topic. Nothing but a heartbeat of the peer counts.

    One without content of ours counts by the topic on which it came. One that says farewell is no sign of life.
    """
    heartbeat = event.heartbeat
    refusal = _not_for_us(state, event)
    if refusal is not None:
        return state, _warn(refusal)
    if state.proof.is_required and (heartbeat is None or not event.is_signed):
        return state._replace(proof=state.proof._replace(refused=now)), _warn(_UNSIGNED.format(event.sender))
    notes = () if event.fault is None else _warn(
        "content of a heartbeat of {} ignored: {}".format(event.sender, event.fault))
    if heartbeat is None:
        if event.path is Path.VC or event.mode is None or event.role == state.setup.role:
            return state, notes
        return _heard_without_content(state, event.mode, now), notes
    if event.path is Path.DIRECT and (heartbeat.agent_id, heartbeat.mode) != (event.role, event.mode):
        return state, _warn("heartbeat of {} ignored: it is of a {} {} and on the topic of a {} {}".format(
            event.sender, heartbeat.mode, heartbeat.agent_id, event.mode, event.role))
    if event.path is Path.VC:
        policy = state.policy
        if not isinstance(policy, LeasePolicy):
            return state, ()
        if heartbeat.boot_id == state.incarnation.boot_id:
            return _with_witness(state, policy, policy.witness.echoed(
                heartbeat.sequence, state.timing.heartbeat_period, now)), ()
        if heartbeat.agent_id == state.setup.role and heartbeat.instance_name == state.setup.instance_name:
            return state, ()  # From our own last start.
        if not state.proof.is_required:
            state = _with_witness(state, policy, policy.witness.met(event.widely, now))
    is_proven = event.is_signed and state.setup.wants_proof and acknowledges(heartbeat, state.incarnation.boot_id)
    if state.proof.is_required and not is_proven:
        return _greeted(state, heartbeat, now), ()
    state, refusal = _admit(state, heartbeat, now)
    if state.proof.is_required and event.path is Path.VC and refusal in (None, STALE):
        peer = state.peer.on_vc(heartbeat)
        if peer is not state.peer and isinstance(state.policy, LeasePolicy):
            state = _with_witness(state._replace(peer=peer), state.policy, state.policy.witness.met(event.widely, now))
    if refusal is not None:
        # On two ways to here, or over a new connection, one overtakes the other.
        return state, () if refusal is STALE else _warn(
            "heartbeat of {} ignored: {}".format(event.sender, refusal))
    if event.path is Path.VC and isinstance(state.policy, LeasePolicy):
        state = _with_witness(state, state.policy, state.policy.witness.together(
            heartbeat.boot_id, state.setup.timing.heartbeat_period, now))
    if is_proven:
        state = _proven(state, heartbeat)
    return _counted(state, event, heartbeat, now)


def wrongly_signed(state: State, event: WrongSignature, now: Moment) -> _Result:
    """Take in that a heartbeat came with a wrong signature: :mod:`failover.decision.proof`."""
    if event.subject is not None and not state.setup.is_about_some_of_ours(event.subject):
        return state, ()
    state = state._replace(proof=state.proof.misled(now))
    if not state.proof.is_required and isinstance(state.policy, LeasePolicy) and state.policy.is_held:
        state = state._replace(policy=state.policy.forgotten(now))
    return state, _warn(_WRONG.format(event.sender))


def _not_for_us(state: State, event: HeartbeatReceived) -> Optional[str]:
    """Return why a message is none of the peer's, whatever its content; None if it may be."""
    if event.is_local:
        return "ignoring heartbeats of {}: it is an agent of this platform".format(event.sender)
    if event.subject is not None and not state.setup.is_about_some_of_ours(event.subject):
        return "ignoring heartbeats of {}: they are about another managed agent, {}".format(event.sender, event.subject)
    return None


def _greeted(state: State, heartbeat: Heartbeat, now: Moment) -> State:
    """A heartbeat is signed, and made before its sender had heard of this start. Answer it: perhaps it is no recording."""
    timing = state.timing
    if heartbeat.leaving or state.peer.refusal(heartbeat, state.setup.timing.timeout, True, now) is not None:
        return state
    is_new = not state.proof.greets(heartbeat.boot_id)
    proof = state.proof.met(heartbeat.boot_id, timing.timeout + 2 * timing.heartbeat_period, now)
    state = state._replace(proof=proof, outbox=state.outbox.hurried() if is_new else state.outbox)
    policy = state.policy
    return state if not isinstance(policy, SimplePolicy) else state._replace(
        policy=policy.greeted(heartbeat, state.setup.timing, now))


def _proven(state: State, heartbeat: Heartbeat) -> State:
    """A heartbeat of the peer is signed, and no recording. Its first one is answered at once: the peer waits for that."""
    last, proof = state.peer.heartbeat, state.proof.proven(heartbeat.boot_id)
    is_first = not heartbeat.leaving and (last is None or last.boot_id != heartbeat.boot_id)
    if proof is state.proof and not is_first:
        return state
    return state._replace(proof=proof, outbox=state.outbox.hurried() if is_first else state.outbox)


def _heard_without_content(state: State, mode: str, now: Moment) -> State:
    state = state._replace(peer=state.peer.heard(mode, None, None, now))
    state = with_roles(state, state.roles.beside(False, "", state.orders.preferred, state.setup, now), now)
    policy = state.policy
    return state._replace(policy=policy.heard(True, now)) if isinstance(policy, LeasePolicy) else state


def _admit(state: State, heartbeat: Heartbeat, now: Moment) -> Tuple[State, Optional[str]]:
    """Return why a heartbeat is no sign of life of the peer, or None and the state that knows its number."""
    setup, instance = state.setup, state.agreement.instance
    if heartbeat.agent_id == setup.role and (
            heartbeat.boot_id == state.incarnation.boot_id or instance not in (None, heartbeat.instance_name)):
        stranger = heartbeat.instance_name, now
        return (state._replace(roles=state.roles._replace(stranger=stranger)),
                "its sender {} is configured as {} too".format(heartbeat.instance_name, heartbeat.agent_id))
    refusal = state.peer.refusal(heartbeat, setup.timing.timeout, state.proof.is_required, now)
    if refusal is not None:
        return state, refusal
    state = with_roles(state, state.roles.met(heartbeat, setup, now), now)
    return state._replace(peer=state.peer.numbered(heartbeat, now)), None


def _counted(state: State, event: HeartbeatReceived, heartbeat: Heartbeat, now: Moment) -> _Result:
    """Take in a heartbeat of the peer."""
    state = _with_orders_of_peer(state, heartbeat, now)
    if heartbeat.leaving:
        is_sure = heartbeat.mode == state.setup.mode and not state.orders.are_news_in(heartbeat, now)
        sent = None if not is_sure else state.sent_when_acknowledged_by(heartbeat)
        state = state._replace(peer=state.peer.left(heartbeat, sent, farewell_counts_for(state), now))
        return state, (Note(NoteKind.INFO, "{} on {} ends in order; {} is {} there".format(
            heartbeat.agent_id, heartbeat.instance_name, heartbeat.agent_vip_identity, heartbeat.state)),)
    state, effects = _check_own_past(state, heartbeat, now)
    own = state.setup.timing
    agreement, doubt = state.agreement.heard(heartbeat, now)
    sent = None if heartbeat.mode == "simple" else state.sent_when_acknowledged_by(heartbeat)
    is_new, pace = agreement.peer != state.agreement.peer, state.beat_every
    state = state._replace(agreement=agreement, peer=state.peer.heard(
        heartbeat.mode, heartbeat, None if may_run(heartbeat, state) else sent, now))
    if is_new:
        # The next one goes out as if the former times still held: by them the peer waits for acknowledgements of the new
        # ones.
        state = state._replace(outbox=state.outbox.due_by(now + min(pace, state.beat_every)))
    policy = state.policy
    if isinstance(policy, SimplePolicy):
        policy = policy.word(heartbeat, state.orders.are_news_in(heartbeat, now), own, now)
        return (state if policy is state.policy else state._replace(policy=policy)), effects
    if event.path is Path.DIRECT:
        witness = policy.witness.compared(heartbeat, state.timing.timeout, own.heartbeat_period, now)
        policy = policy if witness is policy.witness else policy._replace(witness=witness)
    policy = policy.heard(may_run(heartbeat, state), now)
    if sent is not None:
        policy = policy.renewed(sent)
        state = state._replace(agreement=state.agreement.acknowledged(heartbeat, now))
    if doubt is not None:
        effects += _warn("heartbeat of {} is only partly trusted: {}".format(event.sender, doubt))
    return state._replace(policy=policy), effects


def with_orders(state: State, orders: Orders) -> State:
    """Return the state with new orders: the peer is to know them at once, and what it said was under the former ones."""
    return state._replace(orders=orders, outbox=state.outbox.hurried(), peer=state.peer.under_new_orders())


def _with_orders_of_peer(state: State, heartbeat: Heartbeat, now: Moment) -> State:
    """Go by the peer's orders if they are newer, and let it know at once. One heartbeat alone may be forged."""
    last = state.peer.heartbeat
    says_it_again = last is not None and last.boot_id == heartbeat.boot_id and (
        (last.order, last.ordered_by, last.preferred) == (heartbeat.order, heartbeat.ordered_by, heartbeat.preferred))
    orders = state.orders.heard(heartbeat, now) if says_it_again else state.orders
    if orders is not state.orders:
        state = with_orders(state, orders)
    return with_roles(state, state.roles.beside(
        heartbeat.order is not None, heartbeat.boot_id, orders.preferred, state.setup, now), now)


def _check_own_past(state: State, heartbeat: Heartbeat, now: Moment) -> _Result:
    """Begin anew if this machine was set back or its clock stood still: what was known of times does not hold then."""
    incarnation, why = state.incarnation.check(
        heartbeat, state.outbox.sequence, state.sent_when_acknowledged_by(heartbeat),
        state.setup.timing.heartbeat_period, now)
    if incarnation is not state.incarnation:
        state = state._replace(incarnation=incarnation)
    if why is None:
        return state, ()
    state = state._replace(sight=state.sight._replace(listening_since=now), outbox=state.outbox.forgotten())
    if isinstance(state.policy, LeasePolicy):
        state = state._replace(policy=state.policy.forgotten(now))
    return state, (Note(NoteKind.ALERT, why),)


def with_roles(state: State, roles: Roles, now: Moment) -> State:
    """Return the state with these roles. A simple primary that has just become one first lets the peer stop its agent."""
    if roles is state.roles:
        return state
    is_preferred_now = roles.acting == "primary" != state.roles.acting
    last = state.peer.heartbeat
    state = state._replace(roles=roles)
    if is_preferred_now and isinstance(state.policy, SimplePolicy) and last is not None and last.may_run:
        state = state._replace(policy=state.policy.preferred(state.setup.timing, now))
    if is_preferred_now and isinstance(state.policy, LeasePolicy):
        # What it heard as the secondary was no silence of "running": that begins now.
        state = state._replace(policy=state.policy.seen(True, now))
    return state


def _with_witness(state: State, policy: LeasePolicy, witness: Witness) -> State:
    return state if witness is policy.witness else state._replace(policy=policy._replace(witness=witness))


def _warn(text: str) -> Tuple[Note, ...]:
    return (Note(NoteKind.WARNING, text),)
