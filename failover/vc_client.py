"""VOLTTRON Central (VC), as one side of a pair reaches it: another platform's message bus, VC on it, and its VCPs.

VC has no method that says whether a platform is alive, and what it keeps of a platform depends on its version. So it is a
witness that vouches for nothing but itself: this side publishes its heartbeats on VC's bus, on a topic of the pair's own,
listens there for those of the peer, and asks VC a question with each. What an answer means, the decision says.

What the pair's own topic is depends on what both sides' configurations say of each other. Where they do not fit together,
the two still meet on a topic of either platform: one that is listened to there, and one that is published on from there.
"""

import hashlib
import logging
from typing import Any, Callable, NamedTuple, Optional, Tuple

import gevent

from failover import clock
from failover.backoff import pauses
from failover.decision.effects import AskVcp, Publish, RenewVcLink
from failover.decision.events import LinkChanged, VcAnswered, VcKnown, VcpAnswered
from failover.decision.vocabulary import Path, apart
from failover.discovery import DiscoveryError
from failover.heartbeat_path import HeartbeatPath
from failover.loops import spawn_loop, surviving
from failover.reception import received
from failover.seal import Seal
from failover.text import clean
from failover.vip.link import Endpoint, LinkError, RemoteError

__all__ = ["Topics", "VcClient"]

_log = logging.getLogger(__name__)

# The VC agent of a platform (VCP) connects to VC's platform as <instance name>.platform.agent.
_VCP_IDENTITY = "{}.platform.agent"

# Seconds between two searches for VC's platform.
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 30.0


class Topics(NamedTuple):
    """The topics on VC's bus.

    :ivar pair: the pair's own, if both sides know each other's key and manage the same agents.
    :ivar wide: of either platform, for each of the managed agents.
    """

    pair: str
    wide: Tuple[str, ...]

    @classmethod
    def of(cls, serverkey: str, remote_serverkey: str, managed: str) -> "Topics":
        """Return those of two platforms.

        :param managed: the managed agents in one word.
        """
        keys = sorted([serverkey, remote_serverkey])
        return cls(_topic(*keys, managed), tuple(_topic(key, agent) for key in keys for agent in apart(managed)))


def _topic(*words: str) -> str:
    return "failover/" + hashlib.sha256("\n".join(words).encode()).hexdigest()[:32]


class VcClient:
    """Publishes on VC's bus, and asks VC and VCPs.

    :param identity: VC's VIP identity.
    :param seal: signs heartbeats, and checks signatures.
    :param answer_within: seconds after which the connection counts as dead.
    :param probe_every: seconds of quiet after which the connection is tried.
    :param post: takes what comes of it.
    :param find: returns the endpoint if the one given is not yet that of a router, or raises DiscoveryError. It is
        called again and again until it has returned one, which then stays.
    :ivar last_error: why VC gave no answer; None if it did.
    """

    def __init__(self, endpoint: Endpoint, identity: str, topics: Topics, seal: Seal, answer_within: float,
                 probe_every: float, post: Callable[[Any], None], find: Optional[Callable[[], Endpoint]] = None):
        self.identity = identity
        self.last_error: Optional[str] = None
        self._path = HeartbeatPath(Path.VC, endpoint, topics.pair, seal, answer_within, probe_every, self._pass_on,
                                   topics.wide)
        self.link = self._path.link
        for prefix in (topics.pair, *topics.wide):
            self.link.subscribe(prefix, self._deliver)
        self._pair_topic, self._seal = topics.pair, seal
        self._answer_within = answer_within
        self._post = post
        self._find = find
        self._search: Optional[gevent.Greenlet[..., Any]] = None

    def _deliver(self, topic: str, sender: str, message: Any) -> None:
        self._post(received(Path.VC, sender, message, widely=topic != self._pair_topic,
                            is_signed=self._seal.verdict(Path.VC, message)))

    def start(self) -> None:
        """Begin to connect, or to look for where to. Returns at once."""
        if self._find is None:
            self.link.start()
        else:
            self._search = spawn_loop(self._search_and_start, self._find)

    def close(self) -> None:
        """Close the connection, or give up looking for it."""
        if self._search is not None:
            self._search.kill()
        self.link.close()

    def _search_and_start(self, find: Callable[[], Endpoint]) -> None:
        delays = pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
        while True:
            try:
                self.link.endpoint = find()
                break
            except Exception as error:  # Whatever it is, it must not end the search.
                text = str(error) if isinstance(error, DiscoveryError) else clean(repr(error))
                if text != self.link.last_error:
                    _log.warning("VC is not found: %s", text)
                self.link.last_error = text
            gevent.sleep(next(delays))
        _log.info("VC's platform is at %s", self.link.endpoint.address)
        self.link.last_error = None
        self.link.start()

    def retime(self, answer_within: float, probe_every: float) -> None:
        """Go by other times from now on; they are those of the constructor."""
        self._answer_within = answer_within
        self.link.retime(answer_within, probe_every)

    def publish(self, effect: Publish) -> None:
        """Publish a heartbeat on VC's bus, and ask VC a question with it."""
        if self._path.publish(effect):
            gevent.spawn(self._ask, effect.heartbeat.sequence)

    def say(self, effect: Publish) -> bool:
        """Publish a heartbeat on VC's bus, and return whether that could be done."""
        return self._path.say(effect)

    def _ask(self, sequence: int) -> None:
        with surviving("the question to " + self.identity):
            try:
                # Any agent answers this, of both VOLTTRONs.
                self.link.call(self.identity, "health.get_status", timeout=self._answer_within)
            except (LinkError, RemoteError) as error:
                self.last_error = "{}: {}; does it run? See `vctl status` there".format(self.identity, error)
                return
            self.last_error = None
            self._post(VcAnswered(sequence))

    def renew_link(self, effect: RenewVcLink) -> None:
        """Throw the connection away: VC's platform takes heartbeats and gives none back."""
        self.link.renew("{} takes heartbeats but does not pass them on: see the platform's log there".format(
            clean(self.link.endpoint.address)))

    def ask_vcp(self, effect: AskVcp) -> None:
        """Ask in the background whether the managed agent runs on the platform of that name, by the word of its VCP."""
        gevent.spawn(self._ask_vcp, effect, clock.now())

    def _ask_vcp(self, effect: AskVcp, asked_at: float) -> None:
        runs = None
        with surviving("the question to the VCP of " + effect.instance_name):
            runs = self._vcp_answer(effect)
        self._post(VcpAnswered(asked_at, runs))

    def _vcp_answer(self, effect: AskVcp) -> Optional[bool]:
        """Return VCP's answer, or None if it gives none.

        It is not asked for `list_agents`, for which it in turn asks each agent for its health: one that hangs delays
        the answer by 5 s, and VCP ends when one has started but is not connected yet.
        """
        try:
            # Each agent that was started since its platform was: uuid, name, [process id, exit status], identity.
            agents = self.link.call(_VCP_IDENTITY.format(effect.instance_name), "status_agents", timeout=effect.within)
            return any(pid is not None and status is None
                       for _, _, (pid, status), identity in agents if identity in apart(effect.agent))
        except (LinkError, RemoteError) as error:
            _log.debug("VCP of %s: %s", clean(effect.instance_name), error)
        except (TypeError, ValueError):
            _log.warning("VCP of %s gave an answer that cannot be read", clean(effect.instance_name))
        return None

    def _pass_on(self, event: Any) -> None:
        if isinstance(event, LinkChanged) and event.up:
            self._post(VcKnown(self.link.endpoint.serverkey))
        self._post(event)
