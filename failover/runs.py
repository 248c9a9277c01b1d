"""How the managed agent has fared: when it ran, how often it ended without having been told to. No I/O, no clock.

Times are seconds on the clock of :mod:`failover.clock`. What counts as well is an agent that goes on running: control
accepts the start of one that ends a moment later.
"""

import math
from collections import deque
from typing import Deque, List, NamedTuple, Optional

__all__ = ["Runs"]

# Seconds.
HOUR = 3600.0
# An agent that has run for so long has started.
SETTLED_AFTER = 5.0
# So many ends within so many seconds are no single crash any more. That is over when it has run for twice as long as it
# lately did, and for at least so long.
_TOO_MANY, _WITHIN, _WELL_AFTER = 3, 300.0, 30.0
# The platform's monitor looks every 10 s, and pauses between starts grow to a minute: no more ends fit into an hour.
_MOST = 1000


class _End(NamedTuple):
    """When the agent ended, and for how long it had been seen to run."""

    at: float
    after: float


class Runs:
    """What was seen of the managed agent, one observation after the other."""

    def __init__(self) -> None:
        self._ends: Deque[_End] = deque(maxlen=_MOST)
        self._pid: Optional[int] = None
        self._running_since: Optional[float] = None
        self._started_at: Optional[float] = None
        self._last_ran: Optional[float] = None
        self._troubled = False
        self._trouble_since = 0.0

    def start_accepted(self, now: float) -> None:
        """Control took a start of this agent: from now on it should be seen to run."""
        self._started_at = now

    def stop_begun(self) -> None:
        """The agent is being stopped, or is none of this side's: its end is none that counts, and no trouble."""
        self._forget()
        self._troubled = False

    def seen(self, running: bool, pid: Optional[int], now: float) -> bool:
        """Take in what control says.

        :return: whether the agent has ended since, without having been told to.
        """
        expected = self._pid is not None or self._started_at is not None
        ended = expected and (not running or self._pid not in (None, pid))
        if ended:
            lasted = 0.0 if self._last_ran is None or self._running_since is None else self._last_ran - self._running_since
            self._ends.append(_End(now, lasted))
            self._forget()
            lately = self._lately(now)
            if not self._troubled and len(lately) >= _TOO_MANY:
                self._troubled, self._trouble_since = True, lately[0].at
        if running:
            self._started_at = None
            if self._running_since is None:
                self._running_since = now
            self._pid, self._last_ran = pid, now
            longest = max((one.after for one in self._lately(now)), default=0.0)
            if self.ran_for(now) >= max(_WELL_AFTER, 2 * longest):
                self._troubled = False
        return ended

    def _forget(self) -> None:
        self._pid = self._running_since = self._started_at = None

    def ran_for(self, now: float) -> float:
        """Return for how long it has been seen to run without a break; 0 if it does not."""
        return 0.0 if self._running_since is None else now - self._running_since

    def has_settled(self, now: float) -> bool:
        """Whether it runs, and has done so long enough for its start to have succeeded."""
        return self.ran_for(now) >= SETTLED_AFTER

    def last_ran(self, now: float) -> Optional[float]:
        """Return the seconds since it was last seen to run; None if it never was."""
        return None if self._last_ran is None else now - self._last_ran

    def ends_within(self, seconds: float, now: float) -> int:
        """Return how often it has ended within so many seconds without having been told to."""
        return sum(1 for one in self._ends if now - one.at <= seconds)

    def trouble(self, now: float) -> Optional[str]:
        """Return what is wrong if it ends again and again, else None. One crash is no trouble."""
        if not self._troubled:
            return None
        times = sum(1 for one in self._ends if one.at >= self._trouble_since)
        return "stopped {} times within {:.0f} min".format(times, math.ceil((now - self._trouble_since) / 60) or 1)

    def _lately(self, now: float) -> List[_End]:
        return [one for one in self._ends if now - one.at <= _WITHIN]
