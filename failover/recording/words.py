"""What the stories share: one step with its before and after, times of day, and who is who."""

from datetime import datetime, timedelta
from math import inf
from typing import Any, NamedTuple, Optional, Tuple

from failover.decision.effects import Effect
from failover.decision.events import Event
from failover.decision.lease import LeasePolicy
from failover.decision.state import State
from failover.decision.vocabulary import CLOCK_DRIFT_BOUND, PLAUSIBLE, Moment

__all__ = ["Step", "Times", "agent_there", "blindness", "counted_from", "last_heard", "last_sign", "lease_of", "other",
           "seconds", "sighting", "silence_due", "silence_terms", "without_renewal"]

_EPOCH = datetime(1970, 1, 1)


class Times(NamedTuple):
    """Makes times of day, in UTC, of moments.

    :ivar offset: what the wall clock was ahead, in seconds.
    """

    offset: float

    def at(self, moment: Optional[Moment]) -> str:
        """Return the time of day to the hundredth of a second."""
        found = None if moment is None else self._datetime(moment)
        return "{:%H:%M:%S}.{:02d}".format(found, found.microsecond // 10000) if found else "never"

    def day(self, moment: Moment) -> str:
        """Return the date."""
        found = self._datetime(moment)
        return "{:%Y-%m-%d}".format(found) if found else "never"

    def _datetime(self, moment: Moment) -> Optional[datetime]:
        seconds = moment + self.offset
        if not -inf < seconds < inf:
            return None
        try:
            return _EPOCH + timedelta(seconds=seconds)
        except OverflowError:
            return None


class Step(NamedTuple):
    """One event, and what it changed."""

    before: State
    event: Event
    effects: Tuple[Effect, ...]
    after: State
    times: Times

    @property
    def now(self) -> Moment:
        """When it came."""
        return self.after.now

    def effect(self, kind: type) -> Any:
        """Return the first effect of this type; None if there is none."""
        return next((one for one in self.effects if type(one) is kind), None)


def seconds(length: float) -> str:
    """Return a length of time in words."""
    return "{:.1f} s".format(length)


def other(state: State) -> str:
    """Return as which one the peer acts."""
    return "secondary" if state.roles.acting == "primary" else "primary"


def agent_there(state: State) -> str:
    """Return the managed agent's name."""
    return state.setup.managed


def lease_of(state: State) -> LeasePolicy:
    """Return what standard failover alone goes by. In simple failover nobody asks for it."""
    assert isinstance(state.policy, LeasePolicy)
    return state.policy


def last_sign(state: State) -> Optional[Moment]:
    """Return when the sign of life was by which the peer is up; None if there was none."""
    if state.is_simple:
        return state.peer.last_heard
    return lease_of(state).contact if state.roles.acting == "primary" else lease_of(state).sighted


def blindness(state: State, now: Moment, times: Times) -> Optional[str]:
    """Return why this side cannot hear the peer; None if it can."""
    sight = state.sight
    if not sight.platform_lives:
        return "the process of the local platform is gone"
    if not sight.listens:
        return "the local bus has no subscription of this failover agent"
    if not sight.answers(now):
        return "control of the local platform last answered at {}, and must answer every {:g} s".format(
            times.at(sight.platform_answered), sight.timeout / 2)
    return None


def last_heard(state: State, times: Times) -> str:
    """Return when the peer was heard last."""
    heard = state.peer.last_heard
    return "never heard" if heard is None else "last heard at " + times.at(heard)


def sighting(state: State, times: Times) -> str:
    """Return how the peer was sighted last: by a heartbeat, or by the word of its platform's VC agent (VCP)."""
    if not state.is_simple and state.roles.acting == "secondary" and lease_of(state).witness.vcp_word == "runs":
        return "its VCP said at {} that {} runs there; {}".format(
            times.at(lease_of(state).sighted), agent_there(state), last_heard(state, times))
    return last_heard(state, times)


def without_renewal(state: State, times: Times) -> str:
    """Return that none came in time, and when the last ones were."""
    answered, contact = lease_of(state).witness.answered, lease_of(state).contact
    text = "no renewal came in the last {:g} s: VC {}".format(
        state.agreement.lease_period, "has answered nothing" if answered is None
        else "last answered the question of " + times.at(answered))
    if state.roles.acting == "primary":
        text += ", the secondary {}".format("has acknowledged nothing" if contact is None
                                            else "last acknowledged the heartbeat of " + times.at(contact))
    return text


# Silence, in standard failover

def silence_terms(state: State) -> str:
    """Return how long the silence must be that a start needs, and what that is made of."""
    agreement = state.agreement
    parts = " + ".join("{} {:g}".format(*one) for one in agreement.timing._asdict().items())
    return "{} ({} s, x {:.4f}{})".format(
        seconds(agreement.silence_needed), parts, CLOCK_DRIFT_BOUND,
        "" if agreement.peer is not None else ", x {} because the peer's times are not known".format(PLAUSIBLE))


def silence_due(state: State) -> Optional[Moment]:
    """Return when the silence of the peer is complete if it goes on; None if it does not count."""
    since = lease_of(state).silent_since(state)
    return None if since is None else since + state.agreement.silence_needed


def counted_from(state: State) -> Optional[str]:
    """Return why silence does not count from the last heartbeat on; None if it does, or does not count at all."""
    policy, since = lease_of(state), lease_of(state).silent_since(state)
    if since is None or since == state.peer.last_heard:
        return None
    if since == policy.witness.unbroken_since:
        return "VC answers only since then"
    if since == policy.started:
        return "this failover agent started, or started over, then"
    return "until then {} may have been running there".format(agent_there(state))
