"""What must outlive a restart, and when it is written down."""

from math import inf
from typing import Tuple

from failover.decision.effects import Effect, SaveRecord
from failover.decision.lease import LeasePolicy
from failover.decision.setup import Record
from failover.decision.state import State
from failover.decision.vocabulary import Moment

__all__ = ["SAVE_AGAIN", "save", "to_remember"]

# Seconds until the record is saved again that could not be.
SAVE_AGAIN = 5.0
# The end of the lease is saved when it has moved by this part of `timeout`, since each renewal moves it.
_SAVE_WHEN_MOVED = 1 / 4


def to_remember(state: State) -> Record:
    """Return what the next start should know."""
    orders = state.orders if state.orders.number else None
    agreement, policy = state.agreement, state.policy
    if not isinstance(policy, LeasePolicy):
        # Beside the orders only that the one before it is over, if that was one of standard failover.
        record = state.record._replace(lease_until=None, mode="simple") if state.record.mode == "standard" else state.record
        held = record._replace(orders=orders, signs=state.proof.is_required, pair_key=state.record.pair_key)
        return record if record == held else held
    return Record(policy.until(state) if policy.is_held else None, agreement.own.smaller(agreement.former), agreement.peer,
                  agreement.instance, "standard", agreement.claimed, policy.witness.is_apart, orders,
                  state.proof.is_required, state.record.pair_key)


def save(state: State, now: Moment) -> Tuple[State, Tuple[Effect, ...]]:
    """Have it saved when it differs, but the end of the lease only now and then."""
    if now < state.save_from:
        return state, ()
    held, saved = to_remember(state), state.record
    if held == saved:
        return state, ()
    if held[1:] == saved[1:] and held.lease_until is not None and saved.lease_until is not None and (
            0.0 <= held.lease_until - saved.lease_until <= _SAVE_WHEN_MOVED * state.setup.timing.timeout):
        return state, ()
    return state._replace(save_from=inf, on_its_way=held), (SaveRecord(held),)
