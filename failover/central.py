"""The connection to VOLTTRON Central's platform: heartbeats over its bus, questions to VC, and, through it, to VCP.

What the answers mean is in :mod:`failover.lease`.
"""

import hashlib
import logging
from typing import Any, Callable, Dict, Optional, Set

import gevent

from failover.backoff import pauses
from failover.discovery import DiscoveryError
from failover.heartbeat import Heartbeat, MalformedHeartbeat
from failover.loops import spawn_loop, surviving
from failover.text import clean
from failover.vip.link import Endpoint, Link, LinkError, RemoteError

__all__ = ["Central", "pair_topic"]

_log = logging.getLogger(__name__)

# The VC agent of a platform (VCP) connects to VC's platform as <instance name>.platform.agent.
_VCP_IDENTITY = "{}.platform.agent"

# What remains to be seen of one question.
_ECHO, _ANSWER = "echo", "answer"

# Questions that are open at most. One that is older counts as unanswered.
_QUESTIONS = 100

# Seconds between two searches for VC's platform.
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 30.0


def pair_topic(one_serverkey: str, other_serverkey: str, agent_vip_identity: str) -> str:
    """Return the topic on VC's bus that is this pair's own, and that both sides know from the start."""
    text = "\n".join(sorted([one_serverkey, other_serverkey]) + [agent_vip_identity])
    return "failover/" + hashlib.sha256(text.encode()).hexdigest()[:32]


class Central:
    """VC and its platform, as one side of a pair sees them.

    :param identity: VC's VIP identity.
    :param topic: the pair's own.
    :param boot_id: that of the heartbeats which are this side's own.
    :param answer_within: seconds after which the connection counts as dead.
    :param probe_every: seconds of quiet after which the connection is tried.
    :param find: returns the endpoint if the one given is not yet that of a router, or raises DiscoveryError. It is
        called again and again until it has returned one, which then stays.
    :ivar hear: called with (sender, message) of what others publish on the pair's topic.
    :ivar answered: called with the sequence number of a heartbeat that came back and whose question VC answered.
    :ivar reset: called when the connection is new, or has ended.
    :ivar on_change: called when it comes up or goes down, or becomes free to publish.
    """

    def __init__(self, endpoint: Endpoint, identity: str, topic: str, boot_id: str, answer_within: float,
                 probe_every: float, find: Optional[Callable[[], Endpoint]] = None):
        self.identity = identity
        self.last_error: Optional[str] = None
        self.hear: Callable[[str, Any], None] = lambda sender, message: None
        self.answered: Callable[[int], None] = lambda sequence: None
        self.reset: Callable[[], None] = lambda: None
        self.on_change: Callable[[], None] = lambda: None
        self.link = Link(endpoint, answer_within, probe_every, on_change=self._changed)
        self.link.subscribe(topic, self._deliver)
        self._topic = topic
        self._boot_id = boot_id
        self._answer_within = answer_within
        self._was_up = False
        self._missing: Dict[int, Set[str]] = {}
        self._find = find
        self._search: Optional[gevent.Greenlet] = None

    def start(self) -> None:
        """Begin to connect, or to look for where to. Returns at once."""
        if self._find is None:
            self.link.start()
        else:
            self._search = spawn_loop(self._search_and_start)

    def close(self) -> None:
        """Close the connection, or give up looking for it."""
        if self._search is not None:
            self._search.kill()
        self.link.close()

    def _search_and_start(self) -> None:
        delays = pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
        while True:
            try:
                self.link.endpoint = self._find()
                break
            except Exception as error:  # Whatever it is, it must not end the search.
                text = str(error) if isinstance(error, DiscoveryError) else clean(repr(error))
                if text != self.link.last_error:
                    _log.warning("VC is not found: %s", text)
                self.link.last_error = text
                self.on_change()
            gevent.sleep(next(delays))
        _log.info("VC's platform is at %s", self.link.endpoint.address)
        self.link.last_error = None
        self.link.start()

    def publish(self, text: str) -> bool:
        """Publish a message on VC's bus, and ask for no answer; False if that cannot be done now."""
        return self.link.publish(self._topic, text)

    def publish_and_ask(self, heartbeat: Heartbeat) -> bool:
        """Publish a heartbeat on VC's bus and ask VC; False if that cannot be done now. Waits for nothing."""
        if not self.publish(heartbeat.encode()):
            return False
        self._boot_id = heartbeat.boot_id
        self._missing[heartbeat.sequence] = {_ECHO, _ANSWER}
        if len(self._missing) > _QUESTIONS:
            del self._missing[next(iter(self._missing))]
        gevent.spawn(self._ask, heartbeat.sequence)
        return True

    def ask_vcp(self, instance_name: str, agent_vip_identity: str, timeout: float) -> Optional[bool]:
        """Return whether an agent runs on the platform of that name, by the word of its VCP; None if it gives none.

        It is not asked for `list_agents`, for which it in turn asks each agent for its health: one that hangs delays
        the answer by 5 s, and VCP ends when one has started but is not connected yet.

        :param timeout: seconds.
        """
        try:
            # Each agent that was started since its platform was: uuid, name, [process id, exit status], identity.
            agents = self.link.call(_VCP_IDENTITY.format(instance_name), "status_agents", timeout=timeout)
            return any(pid is not None and status is None
                       for _, _, (pid, status), identity in agents if identity == agent_vip_identity)
        except (LinkError, RemoteError) as error:
            _log.debug("VCP of %s: %s", clean(instance_name), error)
        except (TypeError, ValueError):
            _log.warning("VCP of %s gave an answer that cannot be read", clean(instance_name))
        return None

    def _ask(self, sequence: int) -> None:
        with surviving("the question to " + self.identity):
            try:
                # Any agent answers this, of both VOLTTRONs.
                self.link.call(self.identity, "health.get_status", timeout=self._answer_within)
            except (LinkError, RemoteError) as error:
                self._missing.pop(sequence, None)
                self.last_error = "{}: {}; does it run? See `vctl status` there".format(self.identity, error)
                return
            self.last_error = None
            self._seen(sequence, _ANSWER)
            if sequence in self._missing:
                gevent.sleep(self._answer_within)
            if sequence in self._missing:
                self.link.renew("{} takes heartbeats but does not pass them on: see `vctl authz list` there".format(
                    clean(self.link.endpoint.address)))

    def _deliver(self, topic: str, sender: str, message: Any) -> None:
        try:
            heartbeat = Heartbeat.decode(message)
        except MalformedHeartbeat:
            heartbeat = None
        if heartbeat is not None and heartbeat.boot_id == self._boot_id:
            self._seen(heartbeat.sequence, _ECHO)
        else:
            self.hear(sender, message)

    def _seen(self, sequence: int, what: str) -> None:
        missing = self._missing.get(sequence)
        if missing is None:
            return
        missing.discard(what)
        if not missing:
            del self._missing[sequence]
            with surviving("what follows an answer of " + self.identity):
                self.answered(sequence)

    def _changed(self) -> None:
        if self.link.up is not self._was_up:
            self._was_up = self.link.up
            self._missing.clear()
            with surviving("what follows a change of the connection to " + self.identity):
                self.reset()
        self.on_change()
