"""What the stories share: one step with its before and after, times of day, and who is who."""

from datetime import datetime, timedelta
from math import inf
from typing import Any, NamedTuple, Optional, Tuple

from failover.decision.effects import Effect
from failover.decision.events import Event
from failover.decision.state import State
from failover.decision.vocabulary import Moment

__all__ = ["Step", "Times", "agent_there", "ago", "last_sign", "other", "renewals", "seconds",
           "sighting"]

_EPOCH = datetime(1970, 1, 1)


class Times(NamedTuple):
    """Makes times of day, in UTC, of moments.

    :ivar offset: what the wall clock was ahead, in seconds.
    """

    offset: float

    def at(self, moment: Moment) -> str:
        """Return the time of day to the hundredth of a second."""
        found = self._datetime(moment)
        return "{:%H:%M:%S}.{:02d}".format(found, found.microsecond // 10000) if found else "never"

    def day(self, moment: Moment) -> str:
        """Return the date."""
        found = self._datetime(moment)
        return "{:%Y-%m-%d}".format(found) if found else "never"

    def _datetime(self, moment: Moment) -> Optional[datetime]:
        if not -inf < moment < inf:
            return None
        try:
            return _EPOCH + timedelta(seconds=moment + self.offset)
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


def ago(moment: Optional[Moment], now: Moment) -> str:
    """Return how long ago something was."""
    return "never" if moment is None else "{:.1f} s ago".format(now - moment)


def other(state: State) -> str:
    """Return as which one the peer acts."""
    return "secondary" if state.roles.acting == "primary" else "primary"


def agent_there(state: State) -> str:
    """Return the managed agent's name."""
    return state.setup.agents[0]


def last_sign(state: State) -> Optional[Moment]:
    """Return when the sign of life was by which the peer is up; None if there was none."""
    if state.is_simple:
        return state.peer.last_heard
    return state.policy.contact if state.roles.acting == "primary" else state.policy.sighted


def sighting(state: State, now: Moment) -> str:
    """Return how the peer was sighted last: by a heartbeat, or by the word of its platform's VC agent (VCP)."""
    if not state.is_simple and state.roles.acting == "secondary" and state.policy.witness.vcp_word == "runs":
        return "said by its VCP to run {} {}; last heartbeat {}".format(
            agent_there(state), ago(state.policy.sighted, now), ago(state.peer.last_heard, now))
    return "heard {}".format(ago(last_sign(state), now))


def renewals(state: State, now: Moment) -> str:
    """Return how old the last renewals are."""
    text = "last VC answer " + ago(state.policy.witness.answered, now)
    if state.roles.acting == "primary":
        text += ", last heartbeat that the secondary acknowledged " + ago(state.policy.contact, now)
    return text
