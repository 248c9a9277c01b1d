"""The words of the decision: small values that every part of it uses."""

from enum import Enum
from typing import Any, Iterable, List, NamedTuple, Optional, Tuple

__all__ = ["AgentState", "CLOCK_DRIFT_BOUND", "Command", "Lease", "Liveness", "Moment", "PLAUSIBLE", "Path", "ROLES",
           "Suspicion", "Timing", "apart", "suspect", "together"]

# Seconds on a clock that knows no steps: :mod:`failover.clock`.
Moment = float

ROLES = ("primary", "secondary")

# The clocks of two machines may each be wrong by 1 %: so many seconds of one may pass in a second of the other.
CLOCK_DRIFT_BOUND = 1.01 / 0.99

# Times are implausible that are so many times as long as those which are known.
PLAUSIBLE = 10


class Liveness(Enum):
    """What is known of something that should be heard from."""

    UP = "up"
    UNKNOWN = "unknown"
    DOWN = "down"


class Lease(Enum):
    """Whether this side may run the managed agent: it holds the lease, it may obtain it now, or neither.

    It may obtain it when it is *verified* that the peer does not run the agent: :mod:`failover.decision.lease`.
    """

    NONE = "none"
    HELD = "held"
    VERIFIED = "verified"


class AgentState(Enum):
    """What is known of the managed agent on this platform."""

    RUNNING = "running"
    STOPPED = "stopped"
    MISSING = "not installed"
    STARTING = "starting"
    UNKNOWN = "unknown"


class Command(Enum):
    """What can be done with a managed agent."""

    START = "start"
    STOP = "stop"


class Path(Enum):
    """On which bus a heartbeat goes: that of the peer's platform, or that of VOLTTRON Central's."""

    DIRECT = "direct"
    VC = "vc"


class Timing(NamedTuple):
    """The times, in seconds, that both sides must agree on. Where they do not, the larger ones hold."""

    timeout: float
    heartbeat_period: float
    stop_grace: float

    @classmethod
    def of(cls, source: Any) -> "Timing":
        """Return the times in a configuration or in a heartbeat."""
        return cls(source.timeout, source.heartbeat_period, source.stop_grace)

    def larger(self, other: Optional["Timing"]) -> "Timing":
        """Return the larger of each; these if the others are not known."""
        if other is None or other == self:
            return self
        return Timing(max(self.timeout, other.timeout), max(self.heartbeat_period, other.heartbeat_period),
                      max(self.stop_grace, other.stop_grace))

    def smaller(self, other: Optional["Timing"]) -> "Timing":
        """Return the smaller of each; these if the others are not known."""
        return self if other is None or other == self else Timing(*map(min, self, other))

    def is_plausible_beside(self, known: "Timing") -> bool:
        """Whether none of these is more than :data:`PLAUSIBLE` times as long as the known one."""
        return (self.timeout <= PLAUSIBLE * known.timeout
                and self.heartbeat_period <= PLAUSIBLE * known.heartbeat_period
                and self.stop_grace <= PLAUSIBLE * known.stop_grace)


class Suspicion(NamedTuple):
    """What one heartbeat alone shows may be forged. It is believed when a later one of the same start shows it too."""

    boot_id: str
    since: Moment


def together(words: Iterable[str]) -> str:
    """Return one word for several managed agents, made from one of each. No VIP identity has a plus sign in it."""
    return "+".join(words)


def apart(word: str) -> List[str]:
    """Return the words from which :func:`together` made this one."""
    return word.split("+")


def suspect(before: Optional[Suspicion], boot_id: str, period: float, now: Moment) -> Tuple[Suspicion, bool]:
    """Return the suspicion that a heartbeat of this start raises, and whether an earlier one confirms it.

    :param period: seconds between two heartbeats; half of it must lie between the two that say the same.
    """
    if before is None or before.boot_id != boot_id:
        return Suspicion(boot_id, now), False
    return before, now - before.since >= period / 2
