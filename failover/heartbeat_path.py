"""A way on which heartbeats go to the peer: a connection to a platform, and a topic on its bus."""

from typing import Any, Callable, Tuple

import gevent

from failover.decision.effects import Publish
from failover.decision.events import LinkChanged, LinkFree, PublishRefused
from failover.decision.vocabulary import Path
from failover.heartbeat import encode
from failover.loops import surviving
from failover.seal import Seal
from failover.vip.link import Endpoint, Link

__all__ = ["HeartbeatPath"]

# Seconds until a connection that is up and took no message is tried again.
_TRY_AGAIN_AFTER = 0.5


class HeartbeatPath:
    """Publishes heartbeats, and says when the connection can take one.

    :param seal: signs them.
    :param answer_within: seconds after which the connection counts as dead.
    :param probe_every: seconds of quiet after which the connection is tried.
    :param post: takes what comes of it.
    :param wide_topics: on which a heartbeat also goes out that is to go widely.
    :param goes_widely: returns whether each does now.
    """

    def __init__(self, path: Path, endpoint: Endpoint, topic: str, seal: Seal, answer_within: float, probe_every: float,
                 post: Callable[[Any], None], wide_topics: Tuple[str, ...] = (), goes_widely: Callable[[], bool] = lambda: False):
        self.link = Link(endpoint, answer_within, probe_every, on_change=self._moved)
        self.retime = self.link.retime
        self._path = path
        self._topic, self._wide_topics = topic, wide_topics
        self._goes_widely = goes_widely
        self._seal = seal
        self._post = post
        self._was_up = False

    def publish(self, effect: Publish) -> bool:
        """Publish a heartbeat, and return whether that could be done."""
        if self.say(effect):
            return True
        self._post(PublishRefused(self._path, effect.heartbeat.sequence))
        gevent.spawn_later(_TRY_AGAIN_AFTER, self._try_again)
        return False

    def say(self, effect: Publish) -> bool:
        """Publish a heartbeat whatever comes of it, and return whether that could be done."""
        message = self._seal.signed(self._path, encode(effect.heartbeat))
        return self.link.publish(self._topic, message, *self._wide_topics if effect.widely or self._goes_widely() else ())

    def reconnect_now(self) -> None:
        """Do not wait for the next attempt to connect, if the connection is down."""
        if not self.link.up:
            self.link.retry_now()

    def _try_again(self) -> None:
        with surviving("the next try to publish"):
            self._moved()

    def _moved(self) -> None:
        if self.link.up is not self._was_up:
            self._was_up = self.link.up
            self._post(LinkChanged(self._path, self._was_up))
        elif self._was_up:
            self._post(LinkFree(self._path))
