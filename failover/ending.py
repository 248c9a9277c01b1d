"""The end of the failover agent when it is told to end: by SIGINT or SIGTERM, however its platform was started.

A platform that was itself started with SIGINT ignored, as a job in the background of a script is, hands that on to its
agents, and VOLTTRON's own way of stopping an agent then does nothing for a minute. So this agent handles both signals
itself. It ends with the status 0, since the platform takes any other for a crash and starts the agent again.
"""

import contextlib
import json
import logging
import math
import os
import signal
from pathlib import Path
from typing import Any, Callable, List, Optional

import gevent

from failover import clock, files, process
from failover.lease_store import kernel_boot_id

__all__ = ["SHUTDOWN_WITHIN", "Ending", "end_at_once_when_told", "ignores_interrupt"]

_log = logging.getLogger(__name__)

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

# Seconds. A platform that shuts down goes on to its other agents, each of which may take a minute and more.
SHUTDOWN_WITHIN = 120.0
_EXTRA = 10


def ignores_interrupt() -> bool:
    """Whether this process was started with SIGINT ignored, and with it all agents of this platform."""
    return process.ignores_interrupt(process.find(os.getpid()))


def end_at_once_when_told() -> None:
    """From now on either signal ends this process: it has not begun anything yet."""
    for number in _SIGNALS:
        signal.signal(number, lambda number, frame: os._exit(0))


class Ending:
    """When this agent was told to end, and whether a former process of it was and did not get to its end.

    A platform that shuts down tells each of its agents in turn. One that is killed meanwhile, it starts again, though it
    goes on to shut down. What starts then must not start anything.

    :param folder: where to note that this process was told to end.
    :param platform: the local platform's process.
    """

    def __init__(self, folder: Path, platform: Optional[process.Process]):
        self._file = folder / "ending.json"
        self._platform = _identify(platform)
        self._told = False
        self._is_done = False
        self.quiet_until = self._read()

    def is_quiet(self, now: float) -> bool:
        """Whether the platform probably shuts down, so that this agent starts nothing and says nothing."""
        return now < self.quiet_until

    def watch_signals(self, stop: Callable[[], None], within: Callable[[], float]) -> None:
        """From now on have ``stop()`` called when a signal tells this process to end.

        :param within: returns the seconds after which, and some more, the process ends in any case.
        """
        for number in _SIGNALS:
            gevent.signal_handler(number, self._end, signal.Signals(number).name, stop, within)

    def _end(self, name: str, stop: Callable[[], None], within: Callable[[], float]) -> None:
        if self._told:
            return
        self._told = True
        _log.info("%s: ending in order", name)
        signal.alarm(math.ceil(within()) + _EXTRA)
        # A disk that hangs must not delay the end: the pool of threads, too, may wait for one that is free.
        gevent.spawn(gevent.get_hub().threadpool.spawn, self._note)
        stop()

    def done(self) -> None:
        """The end is in order: the next start is somebody's wish."""
        self._is_done = True
        with contextlib.suppress(OSError):
            self._file.unlink()

    def _note(self) -> None:
        said = {"at": clock.now(), "kernel_boot": kernel_boot_id(), "platform": self._platform}
        try:
            files.make_folder(self._file.parent)
            with files.create(self._file) as file:
                file.write(json.dumps(said))
        except OSError as error:
            _log.warning("%s cannot be written: %s", self._file, error)
        if self._is_done:  # A slow disk has written it too late.
            self.done()

    def _read(self) -> float:
        """Return until when the former process of this agent and its platform may be on their way to their end."""
        try:
            said: Any = json.loads(files.read(self._file, files.FEW))
            at, now = float(said["at"]), clock.now()
            same = said["kernel_boot"] == kernel_boot_id() and said["platform"] == self._platform
            return at + SHUTDOWN_WITHIN if same and 0 <= now - at < SHUTDOWN_WITHIN else 0.0
        except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError):
            return 0.0


def _identify(one: Optional[process.Process]) -> Optional[List[float]]:
    """Return what no other process under this boot of the kernel has: its pid alone may come again, as in a container."""
    try:
        return None if one is None else [one.pid, process.started_at_tick(one.pid)]
    except OSError:
        return None
