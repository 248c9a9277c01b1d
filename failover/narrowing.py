"""Whether a pair goes by topics of its own, so that pairs which share a platform do not hear each other's heartbeats.

Each side listens both to the pair's own topics and to the common ones. Heartbeats always go out on the pair's own topic. They
go out on the common one too unless the peer was heard on the pair's own lately: an earlier release, the original agent, or a
peer that is configured with other managed agents, goes by the common ones alone.
"""

from typing import Optional

__all__ = ["Narrowing"]


class Narrowing:
    """Keeps when the peer was heard on the pair's own topic.

    :ivar timeout: seconds, as configured. In a third of it a peer that is replaced by an earlier release goes unheard.
    """

    def __init__(self, timeout: float):
        self.timeout = timeout
        self._heard: Optional[float] = None

    def heard(self, now: float) -> None:
        """The peer was heard on the pair's own topic."""
        self._heard = now

    def suffices(self, now: float) -> bool:
        """Return whether the peer listens to the pair's own topic."""
        return self._heard is not None and now - self._heard < self.timeout / 3
