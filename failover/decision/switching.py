"""Orders: those that operators give, whether a switchover can be done, and those that follow from a takeover.

A switchover is a change of which side is preferred. All else follows from the policies: the side that is no longer
preferred gives its lease up and stops its agents as any secondary does that hears its primary, and the other one starts
them when it has heard that they are gone.
"""

from math import inf
from typing import Optional, Tuple

from failover.decision.effects import Effect, Note, NoteKind
from failover.decision.events import PauseAsked, ResumeAsked, SwitchoverAsked
from failover.decision.hearing import with_orders, with_roles
from failover.decision.heartbeat import Heartbeat
from failover.decision.lease import LeasePolicy
from failover.decision.orders import LONGEST_PAUSE, Orders
from failover.decision.state import State
from failover.decision.table import Action
from failover.decision.vocabulary import AgentState, Command, Liveness, Moment

__all__ = ["follow_takeover", "hand_over", "next_fail_back", "no_switchover", "pause", "resume", "switch_over"]

_Result = Tuple[State, Tuple[Effect, ...]]


def pause(state: State, event: PauseAsked, now: Moment) -> _Result:
    """Nobody starts a managed agent for so long."""
    return _ordered(state, state.orders.given(
        state.setup.instance_name, paused_until=now + min(event.seconds, LONGEST_PAUSE)), now), ()


def resume(state: State, event: ResumeAsked, now: Moment) -> _Result:
    """A pause ends."""
    if not state.orders.is_paused:
        return state, ()
    return _ordered(state, state.orders.given(state.setup.instance_name), now), ()


def switch_over(state: State, event: SwitchoverAsked, now: Moment) -> _Result:
    """The other side is preferred from now on, if it can take over."""
    why = no_switchover(state, event.to, now)
    if why is not None:
        return state, (Note(NoteKind.WARNING, "no switchover: " + why),)
    return _ordered(state, state.orders.given(state.setup.instance_name, event.to), now), ()


def no_switchover(state: State, to: str, now: Moment) -> Optional[str]:
    """Return why the side with this configured role cannot take over now; None if it can.

    A side that is told to stop before the other one is known to be ready would cause an outage.
    """
    peer = state.peer.heartbeat
    if state.roles.rival is not None:
        return "both sides are configured as {}".format(state.setup.role)
    if state.decision.peer is not Liveness.UP or peer is None:
        return "the other side is not heard"
    if state.peer.farewell is not None:
        return "the failover agent of {} has been stopped".format(peer.instance_name)
    if peer.order is None:
        return "{} runs a release of the failover agent that knows no switchover".format(peer.instance_name)
    sent = state.sent_when_acknowledged_by(peer)
    if sent is None or now - sent >= state.timing.timeout:
        return "{} does not hear this side".format(peer.instance_name)
    if not state.orders.are_those_of(peer):
        return "{} does not know the last orders yet: try again in a moment".format(peer.instance_name)
    if state.orders.is_paused:
        return "the pair is paused: resume it first"
    if state.roles.preferred == to:
        return "it is the preferred side already"
    return _unready(state) if to == state.setup.role else _unready_there(state, peer)


def _unready(state: State) -> Optional[str]:
    """Return why this side could not start a managed agent; None if it could."""
    if not state.sight.answers(state.now):
        return "control of {} does not answer".format(state.setup.instance_name)
    if state.trouble is not None:
        return "on {}: {}".format(state.setup.instance_name, state.trouble)
    for one in state.agents:
        if one.state in (AgentState.MISSING, AgentState.UNKNOWN):
            return "{} is {} on {}".format(one.identity, one.state.value, state.setup.instance_name)
    return None


def _unready_there(state: State, peer: Heartbeat) -> Optional[str]:
    """Return why the peer could not start a managed agent, by what it says; None if it could."""
    if peer.trouble is not None:
        return "on {}: {}".format(peer.instance_name, peer.trouble)
    if peer.state in (AgentState.MISSING.value, AgentState.UNKNOWN.value):
        return "{} is {} on {}".format(state.setup.managed, peer.state, peer.instance_name)
    return None


def follow_takeover(state: State, now: Moment) -> State:
    """A side that has taken over may be to keep what it took: then it is preferred from now on.

    An operator's choice ends when the chosen side fails, but not when that ends in order. And what was kept goes back to the
    home primary when that has been well for long enough.
    """
    setup, orders = state.setup, state.orders
    if state.decision.wanted is not Command.START or state.roles.rival is not None:
        return state
    if state.roles.acting == "secondary":
        runs = state.decision.action is Action.START and all(one.state is AgentState.RUNNING for one in state.agents)
        if runs and (setup.fail_back > 0.0 or setup.role == "primary" and not state.peer.has_left):
            return _ordered(state, orders.given(setup.instance_name, setup.role)._replace(
                is_kept=setup.role != "primary"), now)
    elif now >= next_fail_back(state) and no_switchover(state, "primary", now) is None:
        return _ordered(state, orders.given(setup.instance_name, "primary"), now)
    return state


def hand_over(state: State, now: Moment) -> State:
    """The side where the managed agents fail has the other one run them, once: that one does not hand them back."""
    setup, orders = state.setup, state.orders
    if (orders.is_handed_over or state.decision.wanted is not Command.START or state.roles.acting != "primary"
            or not state.failures.are_too_many(setup, now)):
        return state
    other = "secondary" if setup.role == "primary" else "primary"
    if no_switchover(state, other, now) is not None:
        return state
    return _ordered(state, orders.given(setup.instance_name, other)._replace(is_handed_over=True), now)


def next_fail_back(state: State) -> Moment:
    """Return when what was taken over and kept goes back; infinity if it does not."""
    if not state.orders.is_kept or state.roles.acting != "primary" or state.peer_up_since is None:
        return inf
    return state.peer_up_since + state.setup.fail_back


def _ordered(state: State, orders: Orders, now: Moment) -> State:
    """Go by new orders. Who is preferred no longer gives the lease up now: what ends it for a secondary may be long past."""
    was_acting = state.roles.acting
    state = with_orders(state, orders)
    state = with_roles(state, state.roles.preferring(orders.preferred, state.setup, now), now)
    if was_acting == "primary" != state.roles.acting and isinstance(state.policy, LeasePolicy):
        state = state._replace(policy=state.policy.given_up(now))
    return state
