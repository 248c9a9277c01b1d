"""Whether the platform that started this agent lives, and the end of what it leaves behind."""

import os
from typing import List, Optional

import gevent

from failover import compat, process
from failover.decision.events import PlatformSeen

__all__ = ["PlatformGuard", "duplicates"]

# Seconds for the disk.
_READ_AT_START_WITHIN, _READ_WITHIN = 10.0, 0.5


class PlatformGuard:
    """Looks after the process of the local platform.

    :ivar platform: that process; None if no platform started this one.
    """

    def __init__(self) -> None:
        self._said: Optional[PlatformSeen] = None
        self._reading: Optional[gevent.Greenlet[..., Optional[int]]] = None
        self.platform = process.launcher() or self.on_file(_READ_AT_START_WITHIN)

    def look(self) -> Optional[PlatformSeen]:
        """Return what is new of it, None if nothing is. This is cheap while it lives."""
        if self._said is None and self.lives():
            return None
        seen = PlatformSeen(False, process.lives(self.on_file()))
        if seen == self._said:
            return None
        self._said = seen
        return seen

    def on_file(self, within: float = _READ_WITHIN) -> Optional[process.Process]:
        """Return the process that a platform wrote down as its own; None if there is none, or the disk does not say so soon.

        A disk that hangs is waited for once, and costs no more than its thread.

        :param within: seconds that it is waited for.
        """
        reading, is_late = self._reading, self._reading is not None
        if reading is None:
            self._reading = reading = gevent.spawn(_read_pid)
        reading.join(0 if is_late else within)
        if not reading.ready():
            return None
        self._reading = None
        try:
            return process.find(reading.value)
        except (OSError, ValueError):
            return None

    def lives(self) -> bool:
        """Whether it lives. Whoever has died is nobody's parent any more: that is the common case."""
        if self.platform is not None and self.platform.pid == os.getppid():
            return True
        return process.lives(self.platform)


def _read_pid() -> Optional[int]:
    try:
        return gevent.get_hub().threadpool.apply(_pid_on_file)
    except Exception:  # No thread can be had.
        return None


def _pid_on_file() -> Optional[int]:
    try:
        return compat.platform_pid()
    except (OSError, ValueError):
        return None


def duplicates(identity: Optional[str]) -> List[process.Process]:
    """Return the other processes of the agent with this identity, this one's own, that the platform has started."""
    if not identity:
        return []
    try:
        return [one for one in process.started_agents(identity, compat.volttron_home()) if one.pid != os.getpid()]
    except OSError:  # No file descriptor is left.
        return []
