"""Other settings while everything runs: when they are taken over, so that no managed agent stops for it.

A shorter ``timeout`` waits. Heartbeats go out as often as it needs at once; but what was heard or renewed before, at the
pace of the former times, may be too old by the new one. In standard failover it waits until the last renewal is new
enough; in simple failover until the peer sends its heartbeats often enough. A longer one waits if by it a peer would be up
that is not. A shorter ``stop_grace`` waits for the end of a stop that has begun.

The promise of standard failover holds throughout, because this side goes by the shorter ones of its former and its new times
until the peer knows the new ones (:mod:`failover.decision.agreement`), and says the new ones only when its next start would
go by them too (:func:`failover.decision.sending.terms`).
"""

from typing import Tuple

from failover.decision.effects import Effect
from failover.decision.lease import LeasePolicy
from failover.decision.requests import Reconfigured
from failover.decision.setup import Settings
from failover.decision.state import State
from failover.decision.vocabulary import Liveness, Moment

__all__ = ["reconfigured", "settled"]


def reconfigured(state: State, event: Reconfigured, now: Moment) -> Tuple[State, Tuple[Effect, ...]]:
    """Other settings are wanted. The peer hears at once what this side goes by then, and no later than it needs to."""
    state = settled(state._replace(planned=event.settings), now)
    return state._replace(outbox=state.outbox.hurried().due_by(now + state.beat_every)), ()


def settled(state: State, now: Moment) -> State:
    """Take the settings over that are wanted, as far as that can be done now."""
    planned, own = state.planned, state.setup.timing
    if planned is None:
        return state
    heard, last = state.peer.last_heard, state.peer.heartbeat
    if (planned.timing.timeout > own.timeout and state.decision.peer is not Liveness.UP and heard is not None
            and now - heard < planned.timing.timeout):
        return state
    policy = state.policy
    if isinstance(policy, LeasePolicy):
        if planned.timing.stop_grace < own.stop_grace and not policy.is_held and state.may_run:
            return state
        taken = _with(state, planned)
        is_too_old = (planned.timing.timeout < own.timeout and policy.is_held
                      and policy.until(taken) - now < planned.timing.timeout / 2)
        return state if is_too_old else taken._replace(planned=None)
    if (planned.timing.timeout < own.timeout and state.decision.peer is Liveness.UP and last is not None
            and 2 * last.heartbeat_period > planned.timing.timeout):
        # All but the timeout, so that the peer, if it waits likewise, need not.
        return _with(state, planned._replace(timing=planned.timing._replace(timeout=own.timeout)))
    return _with(state, planned)._replace(planned=None)


def _with(state: State, settings: Settings) -> State:
    if settings == state.setup.settings:
        return state
    agreement = state.agreement
    if settings.timing != state.setup.timing:
        agreement = agreement.reconfigured(settings.timing, not state.is_simple)
    return state._replace(setup=state.setup.with_settings(settings), agreement=agreement,
                          sight=state.sight._replace(timeout=settings.timing.timeout))
