"""The end of a process, noticed when it comes, without looking again and again."""

import os
from typing import Any, Callable, Optional

import gevent
from psutil import Process

from failover.process.living import lives

__all__ = ["EndWatch"]

_READABLE = 1


class EndWatch:
    """Watches one process at a time.

    The kernel tells of its end by a file descriptor, which Linux has had since 5.3 and Python since 3.9.

    :param tell: called, by the event loop, when the process has ended.
    """

    def __init__(self, tell: Callable[[], None]):
        self._tell = tell
        self._process: Optional[Process] = None
        self._descriptor: Optional[int] = None
        self._watcher: Any = None

    def watch(self, one: Optional[Process]) -> bool:
        """From now on watch this process, or none; return whether its end is yet to be told."""
        if one is not self._process:
            self.close()
            self._process = one
            if one is not None:
                self._open(one)
        return self._watcher is not None and self._watcher.active

    def close(self) -> None:
        """Watch nothing any more."""
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._process = self._watcher = self._descriptor = None

    def _open(self, one: Process) -> None:
        try:
            descriptor = os.pidfd_open(one.pid)
        except (AttributeError, OSError):
            return
        if not lives(one):  # Another process may have its pid by now.
            os.close(descriptor)
            return
        self._descriptor = descriptor
        self._watcher = gevent.get_hub().loop.io(descriptor, _READABLE)
        self._watcher.start(self._ended)

    def _ended(self) -> None:
        self._watcher.stop()
        self._tell()
