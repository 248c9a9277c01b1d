"""What was observed at one moment: all that the screen is drawn from."""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

# Two moments, in seconds of the same clock.
Interval = Tuple[float, float]


class Line(NamedTuple):
    """Something that happened: `kind` is "step", "command", "note", "event", "health" or "why"."""

    at: float
    kind: str
    who: str
    text: str
    style: str = ""


class Side(NamedTuple):
    """One platform. The pids are those of living processes.

    :ivar is_off: its power was cut.
    :ivar is_frozen: its processes are stopped in mid-air.
    :ivar is_cut_off: its links to the others let nothing through.
    :ivar status: what its failover agent answered last, None if it does not answer.
    :ivar heard_ago: seconds since it heard the other's last heartbeat.
    """

    name: str
    role: str
    platform_pid: Optional[int] = None
    managed_pid: Optional[int] = None
    failover_pid: Optional[int] = None
    is_off: bool = False
    is_frozen: bool = False
    is_cut_off: bool = False
    status: Optional[Dict[str, Any]] = None
    heard_ago: Optional[float] = None

    @property
    def word(self):
        """What it does, in a word: the failover agent's own, as far as it can say one."""
        if self.platform_pid is None:
            return "OFF"
        if self.is_frozen:
            return "FROZEN"
        if self.status:
            return self.status["standing"]
        return "SILENT" if self.failover_pid else "NO AGENT"


class Runs(NamedTuple):
    """When the managed agent ran, by platform. An interval that ends at `at`, the moment of the last look, goes on."""

    at: float
    intervals: Dict[str, List[Interval]]

    @property
    def outages(self):
        """The intervals in which it ran nowhere, after it first ran."""
        found, end = [], None
        for begin, until in sorted(interval for own in self.intervals.values() for interval in own):
            if end is not None and begin > end:
                found.append((end, begin))
            end = until if end is None else max(end, until)
        if end is not None and end < self.at:
            found.append((end, self.at))
        return found

    @property
    def current_outage(self):
        """For how long it has run nowhere; None if it runs, or has not run yet."""
        last = self.outages[-1:]
        return last[0][1] - last[0][0] if last and not self.on else None

    @property
    def on(self):
        """The names of the platforms on which it runs."""
        return [name for name, own in self.intervals.items() if own and own[-1][1] >= self.at]


class Scene(NamedTuple):
    """All that is seen. Times are in seconds.

    :ivar clock: since the beginning.
    :ivar headline: what is going on, and `detail`, more of it.
    :ivar central: what is known of VC's platform, as a line; empty without it.
    :ivar progress: how many of how many parts of the installation are done, and what is under way; None afterwards.
    :ivar events: what happened, the oldest first.
    :ivar keys: each key, and what it does now.
    """

    clock: float
    headline: str
    detail: str
    managed: str
    sides: Tuple[Side, ...]
    central: str
    progress: Optional[Tuple[int, int, str]]
    runs: Runs
    overlap: float
    events: List[Line]
    keys: List[Tuple[str, str]]
    notice: str
