"""Has what happened written to disk when it is worth it, in a thread, because a disk may hang."""

import importlib.metadata
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Optional, Tuple

import gevent

from failover import clock
from failover.decision.effects import Effect
from failover.decision.events import Event
from failover.decision.state import State
from failover.loops import surviving
from failover.recording.recorder import Recorder
from failover.recording.schedule import Schedule

if TYPE_CHECKING:
    from failover.recording.recording import Recording

__all__ = ["Recordist"]

_log = logging.getLogger(__name__)

# Seconds that whoever asks for a recording waits for the disk.
_WRITE_WITHIN = 10.0


class Recordist:
    """Keeps the flight recorder of one start of the failover agent.

    :param state: the initial one.
    :param folder: where recordings are written.
    """

    def __init__(self, state: State, folder: Path):
        self.folder = folder
        self._recorder = Recorder(_version(), state)
        self._schedule = Schedule()
        self._writing: Optional[gevent.Greenlet[..., Optional[str]]] = None

    def add(self, at: float, event: Event, effects: Tuple[Effect, ...], state: State) -> None:
        """Keep an event, and have all that is kept written when it is due."""
        self._recorder.add(at, event, effects, state)
        if effects:
            self._schedule = self._schedule.after(effects, at)
        if at >= self._schedule.due and self._writing is None:
            self._write()

    def failed(self, what: str) -> None:
        """Something went wrong in this failover agent: that is worth a recording."""
        self._schedule = self._schedule.asked("error: " + what, clock.now())

    def write_now(self) -> Optional[str]:
        """Write what is kept, and return where it is; None if that could not be done in time."""
        writing = self._writing
        if writing is None:
            self._schedule = self._schedule.demanded("on demand", clock.now())
            writing = self._write()
        return gevent.with_timeout(_WRITE_WITHIN, writing.get, timeout_value=None)

    def _write(self) -> "gevent.Greenlet[..., Optional[str]]":
        now = clock.now()
        recording = self._recorder.snapshot(self._schedule.why, time.time() - now)
        self._schedule = self._schedule.begun(now)
        self._writing = writing = gevent.spawn(self._write_down, recording)
        return writing

    def _write_down(self, recording: "Recording") -> Optional[str]:
        from failover.recording.folder import write

        path = None
        with surviving("writing a recording"):
            try:
                path = str(gevent.get_hub().threadpool.apply(write, (recording, self.folder)))
            except OSError as error:
                _log.warning("no recording can be written to %s: %s; see `df` and `ls -l` there", self.folder, error)
        self._writing = None
        return path


def _version() -> str:
    """Return this package's version."""
    try:
        return importlib.metadata.version("volttron-failover")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
