"""What must outlive a restart, and when it is written down."""

from math import inf
from typing import Tuple

from failover.decision.effects import Effect, SaveRecord
from failover.decision.setup import Record
from failover.decision.state import State
from failover.decision.vocabulary import Command, Moment

__all__ = ["SAVE_AGAIN", "is_at_rest", "save", "to_remember"]

# Seconds until the record is saved again that could not be.
SAVE_AGAIN = 5.0
# The end of the lease is saved when it has moved by this part of `timeout`, since each renewal moves it.
_SAVE_WHEN_MOVED = 1 / 4


def to_remember(state: State) -> Record:
    """Return what the next start should know."""
    orders = state.orders if state.orders.number else None
    if state.is_simple:
        # Beside the orders only that the one before it is over, if that was one of standard failover.
        record = state.record._replace(lease_until=None, mode="simple") if state.record.mode == "standard" else state.record
        return record if record.orders == orders else record._replace(orders=orders)
    agreement, policy = state.agreement, state.policy
    return Record(policy.until(state) if policy.is_held else None, agreement.former or agreement.own, agreement.peer,
                  agreement.instance, "standard", agreement.claimed, policy.witness.is_apart, orders)


def is_at_rest(state: State, now: Moment) -> bool:
    """Whether nothing is under way here that a next start of the failover agent could not take up at once.

    A lease must last for as long as a start may take.
    """
    if state.is_ending or state.orphan_since is not None or state.save_from == inf:
        return False
    if not state.is_simple and state.policy.is_held and (
            state.policy.is_taken_up or state.policy.until(state) - now < state.agreement.lease_period / 2):
        return False
    return all(one.is_at_rest and (state.decision.wanted is None or one.may_run is (state.decision.wanted is Command.START))
               for one in state.agents)


def save(state: State, now: Moment) -> Tuple[State, Tuple[Effect, ...]]:
    """Have it saved when it differs, but the end of the lease only now and then."""
    if now < state.save_from:
        return state, ()
    held, saved = to_remember(state), state.record
    if held == saved:
        return state, ()
    if held[1:] == saved[1:] and held.lease_until is not None and saved.lease_until is not None and (
            held.lease_until - saved.lease_until <= _SAVE_WHEN_MOVED * state.setup.timing.timeout):
        return state, ()
    return state._replace(save_from=inf), (SaveRecord(held),)
