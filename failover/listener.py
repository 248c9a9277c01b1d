"""Listens on the local bus for the heartbeats of the peer, on the pair's own topics and on the common ones."""

import contextlib
import logging
from collections import OrderedDict
from typing import Any, Callable, Dict, Tuple, Union

import gevent
from gevent.event import Event
from gevent.queue import Full, Queue

from failover import clock, compat
from failover.control import ControlError
from failover.decision.effects import ProveHearing, Resubscribe
from failover.decision.events import HearingProven, HeartbeatReceived, Subscribed, WrongSignature
from failover.decision.vocabulary import Path
from failover.heartbeat import TOPICS, pair_prefix, pair_topic
from failover.narrowing import Narrowing
from failover.reception import received
from failover.seal import Seal

__all__ = ["Listener"]

_log = logging.getLogger(__name__)

# Seconds.
_SUBSCRIBE_WITHIN = 10.0
_SUBSCRIBE_EVERY, _SUBSCRIBE_REST_EVERY = 5.0, 60.0
_PROVE_AGAIN_AFTER = 1.0

# How many senders are remembered at most.
_SENDERS = 1000
_UNKNOWN_SENDERS = 50

# Questions to control in a second, at most, about senders of heartbeats.
_LOOKS_PER_SECOND = 20


class Listener:
    """Keeps the subscriptions of one agent, and posts what comes.

    :param needed_topic: the common one on which the peer publishes.
    :param managed: the managed agents in one word.
    :param narrowing: is told when the peer is heard on the pair's own topic.
    :param seal: checks signatures.
    :param is_installed: whether an agent of that identity is installed on this platform; raises ControlError.
    :param alert: called with a text when something was done that the operator should know of.
    :param faults: what is the matter, a text for each kind; "deaf" is kept up to date in it.
    """

    def __init__(self, agent: Any, needed_topic: str, managed: str, narrowing: Narrowing, seal: Seal, answer_within: float,
                 post: Callable[[Any], None], is_installed: Callable[[str], bool], alert: Callable[[str], None],
                 faults: Dict[str, str]):
        self._agent = agent
        self._needed_topic = needed_topic
        self._pair_topics = {pair_topic(*parsed, managed): parsed for parsed in TOPICS.values()}
        self._needed = (needed_topic, pair_prefix(managed))
        self._narrowing = narrowing
        self._last_of_pair: Any = None
        self._seal = seal
        self.answer_within = answer_within
        self._post = post
        self._is_installed = is_installed
        self._alert = alert
        self._faults = faults
        self._is_local: OrderedDict[str, bool] = OrderedDict()
        self._unknown: Queue[Tuple[str, str, Tuple[str, str], Any]] = Queue(maxsize=_UNKNOWN_SENDERS)
        self._renew = Event()

    def run(self) -> None:
        """Subscribe to the heartbeats of the peer, then to the other topics, which show wrong configurations.

        Begin anew when the router has dropped the subscriptions.
        """
        while True:
            self._renew.clear()
            while not all(map(self._subscribe, self._needed)):
                gevent.sleep(_SUBSCRIBE_EVERY)
            self._post(Subscribed())
            rest = set(TOPICS) - {self._needed_topic}
            while not self._renew.is_set():
                rest = {name for name in rest if not self._subscribe(name)}
                self._faults.pop("deaf", None)
                self._renew.wait(_SUBSCRIBE_REST_EVERY if rest else None)

    def _subscribe(self, name: str) -> bool:
        try:
            with gevent.Timeout(_SUBSCRIBE_WITHIN):
                if compat.subscribe(self._agent, name, self._deliver):
                    self._faults.pop("deaf", None)
                    return True
                self._faults["deaf"] = "{} may not subscribe to {} here: allow it with {}".format(
                    self._agent.core.identity, name, compat.authorize_subscription(self._agent.core.identity, name))
        except gevent.Timeout:
            self._faults["deaf"] = "the message bus of this platform does not take the subscription to {}: see " \
                "`vctl status` and the platform's log".format(name)
        return False

    def prove(self, effect: ProveHearing) -> None:
        """Find out in the background whether the subscription stands."""
        gevent.spawn(self._ask_for_it, clock.now())

    def _ask_for_it(self, asked_at: float) -> None:
        stands = None
        limit = gevent.Timeout(self.answer_within)
        try:
            with limit:
                stands = all(compat.is_subscribed(self._agent, name) for name in self._needed)
        except gevent.Timeout as caught:
            if caught is not limit:
                raise
        except Exception as error:  # VOLTTRON's calls raise various errors of their own when the bus is gone.
            _log.debug("asking for the subscription: %r", error)
            gevent.sleep(_PROVE_AGAIN_AFTER)
        finally:
            self._post(HearingProven(asked_at, stands))

    def renew(self, effect: Resubscribe) -> None:
        """Renew the subscriptions, and say that they were lost."""
        self._alert("the message bus of this platform had dropped the subscription to {}, so the {} could not be heard: it "
                    "has been renewed; if this recurs, find out who sends `agentstop` for {} here".format(
                        self._needed_topic, TOPICS[self._needed_topic][0], self._agent.core.identity))
        self._renew.set()

    def _deliver(self, peer: str, sender: str, bus: str, topic: str, headers: Any, message: Any) -> None:
        parsed = self._pair_topics.get(topic) or TOPICS.get(topic)
        if parsed is None or self._is_copy(topic, message):
            return
        is_signed = self._seal.verdict(Path.DIRECT, message)
        if is_signed is not False:
            # By the failover agent of the other platform: a flood of unknown senders does not hold it up.
            self._take(topic, received(Path.DIRECT, sender, message, parsed, is_signed=is_signed))
            return
        is_local = self._is_local.get(sender)
        if is_local is None:
            with contextlib.suppress(Full):  # In a flood of unknown senders some must wait for their next heartbeat.
                self._unknown.put_nowait((topic, sender, parsed, message))
            return
        self._is_local.move_to_end(sender)
        self._take(topic, received(Path.DIRECT, sender, message, parsed, is_local))

    def _is_copy(self, topic: str, message: Any) -> bool:
        """Return whether a heartbeat on a common topic has just come on the pair's own too."""
        if topic in self._pair_topics:
            self._last_of_pair = message
            return False
        return bool(message) and message == self._last_of_pair

    def _take(self, topic: str, event: Union[HeartbeatReceived, WrongSignature]) -> None:
        self._post(event)
        if (self._pair_topics.get(topic) == TOPICS[self._needed_topic] and isinstance(event, HeartbeatReceived)
                and event.heartbeat is not None and not event.is_local):
            self._narrowing.heard(clock.now())

    def look_at_senders(self) -> None:
        """Find out, once for each sender, whether it is an agent of the local platform."""
        while True:
            topic, sender, parsed, message = self._unknown.get()
            is_local = self._is_local.get(sender)
            if is_local is None:
                try:
                    is_local = sender == self._agent.core.identity or self._is_installed(sender)
                except ControlError:
                    continue
                while len(self._is_local) >= _SENDERS:
                    self._is_local.popitem(last=False)
                self._is_local[sender] = is_local
                gevent.sleep(1 / _LOOKS_PER_SECOND)
            self._take(topic, received(Path.DIRECT, sender, message, parsed, is_local))
