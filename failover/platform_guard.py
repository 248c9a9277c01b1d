"""Whether the platform that started this agent lives, and the end of what it leaves behind."""

import os
from typing import List, Optional

from failover import compat, process
from failover.decision.events import PlatformSeen

__all__ = ["PlatformGuard", "duplicates", "platform_on_file"]


class PlatformGuard:
    """Looks after the process of the local platform.

    :ivar platform: that process; None if no platform started this one.
    """

    def __init__(self) -> None:
        self.platform = process.launcher() or platform_on_file()
        self._said: Optional[PlatformSeen] = None

    def look(self) -> Optional[PlatformSeen]:
        """Return what is new of it, None if nothing is. This is cheap while it lives."""
        if self._said is None and self.lives():
            return None
        seen = PlatformSeen(False, process.lives(platform_on_file()))
        if seen == self._said:
            return None
        self._said = seen
        return seen

    def lives(self) -> bool:
        """Whether it lives. Whoever has died is nobody's parent any more: that is the common case."""
        if self.platform is not None and self.platform.pid == os.getppid():
            return True
        return process.lives(self.platform)


def platform_on_file() -> Optional[process.Process]:
    """Return the process that a platform wrote down as its own, None if there is none."""
    try:
        return process.find(compat.platform_pid())
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
