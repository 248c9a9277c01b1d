"""The connection to the peer's platform, over which heartbeats go to its bus."""

from typing import Any, Callable

from failover.decision.effects import Publish
from failover.decision.events import LinkChanged, LinkFree, PublishRefused
from failover.decision.heartbeat import Heartbeat
from failover.decision.vocabulary import Path
from failover.heartbeat import encode
from failover.link import Endpoint, Link

__all__ = ["PeerLink"]


class PeerLink:
    """Publishes heartbeats on the bus of the peer's platform.

    :param topic: that of this side's role and mode.
    :param answer_within: seconds after which the connection counts as dead.
    :param probe_every: seconds of quiet after which the connection is tried.
    :param post: takes what comes of it.
    """

    def __init__(self, endpoint: Endpoint, topic: str, answer_within: float, probe_every: float,
                 post: Callable[[Any], None]):
        self.link = Link(endpoint, answer_within, probe_every, on_change=self._moved)
        self._topic = topic
        self._post = post
        self._was_up = False

    def publish(self, effect: Publish) -> None:
        """Publish a heartbeat."""
        if not self.say(effect.heartbeat):
            self._post(PublishRefused(Path.DIRECT, effect.heartbeat.sequence))

    def say(self, heartbeat: Heartbeat) -> bool:
        """Publish a heartbeat, and return whether that could be done."""
        return self.link.publish(self._topic, encode(heartbeat))

    def reconnect_now(self) -> None:
        """Do not wait for the next attempt to connect, if the connection is down."""
        if not self.link.up:
            self.link.retry_now()

    def _moved(self) -> None:
        if self.link.up is not self._was_up:
            self._was_up = self.link.up
            self._post(LinkChanged(Path.DIRECT, self._was_up))
        elif self._was_up:
            self._post(LinkFree(Path.DIRECT))
