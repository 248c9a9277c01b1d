"""Somebody who reaches the ports and knows every public key forges heartbeats and plays recordings, on real platforms.

Neither causes a takeover, nor keeps one from coming, nor stops an active side; on no bus, in neither mode.
"""

import base64
import collections
import contextlib

import gevent
import pytest
import zmq
from zmq.utils import z85

from failover import clock
from failover.heartbeat import TOPICS, decode, encode, pair_topic, topic
from failover.vc_client import Topics
from failover.vip.link import Endpoint, Link, RemoteError
from tests.testbed.pair import FAILOVER, LIMIT, MANAGED, await_status, wait

# Seconds: between two rounds of messages, and for how long each attempt to do harm lasts.
EVERY, LASTS = 0.1, 6


class Forger:
    """A client on the platforms of a pair, and on VOLTTRON Central's. Its keys are its own, its names those of the agents.

    :ivar rounds: how often it has said all that it has to say.
    :ivar links: to the primary's platform, to the secondary's, and to VOLTTRON Central's.
    :ivar said: how many messages each link has taken.
    :ivar recorded: signed heartbeats that it has heard.
    """

    def __init__(self, pair):
        self.pair = pair
        self.mode = "standard" if pair.central else "simple"
        self.rounds, self.recorded, self._last, self.said = 0, [], {}, collections.Counter()
        self.links = []
        self._topics = {role: (topic(role, self.mode), pair_topic(role, self.mode, MANAGED)) for role in ("primary", "secondary")}
        self._vc_topic = Topics.of(pair.primary.platform.serverkey, pair.secondary.platform.serverkey, MANAGED).pair
        for number, platform in enumerate([one.platform for one in pair.sides + ((pair.central,) if pair.central else ())]):
            public, secret = map(_volttrons, zmq.curve_keypair())
            identity = "forger.{}".format(number)
            if not platform.needs_authorization:  # VOLTTRON 9 lets nobody in whose key it does not know.
                platform.register(identity, public)
            link = Link(Endpoint(platform.address, platform.serverkey, identity, public, secret), 5, 1)
            link.subscribe("heartbeat/", self._record(link))
            link.subscribe("failover/", self._record(link))
            link.start()
            self.links.append(link)
        wait(lambda: all(link.up for link in self.links), LIMIT, "the forger's connections")
        self._greenlet = None

    def _record(self, link):
        def record(on, sender, message):
            known = (self._vc_topic, *TOPICS, *sum(self._topics.values(), ()))
            beat = decode(message) if isinstance(message, str) and on in known else None
            if beat is not None and "signature" in message and not sender.startswith("forger"):
                self.recorded.append((link, on, message))
                self._last[beat.agent_id] = beat
        return record

    @property
    def knows_both(self):
        return len(self._last) == 2

    def begin(self):
        self._greenlet = gevent.spawn(self._run)

    def _run(self):
        while True:
            for of, beat in sorted(self._last.items()):
                for link in self.links:
                    self._forge(link, of, beat)
            for link, on, message in self.recorded[self.rounds * 3 % len(self.recorded):][:3]:
                self._say(link, on, message)
            self.rounds += 1
            gevent.sleep(EVERY)

    def _forge(self, link, of, beat):
        """Say in the name of a side, one after the other, that it runs, that it has stopped, that an operator ordered
        something, and nothing. One of them has the signature of another heartbeat."""
        other = self._last["secondary" if of == "primary" else "primary"]
        fresh = beat._replace(sequence=beat.sequence + 1 + self.rounds % 50, heard_boot_id=other.boot_id,
                              heard_sequence=other.sequence, clock=None)
        made_up = fresh._replace(boot_id="forged", sequence=self.rounds + 1)
        ordered = fresh._replace(order=99, ordered_by="zzz", preferred=other.agent_id, pause_left=3600.0)
        text = [encode(one) for one in (
            fresh._replace(may_run=True), made_up._replace(may_run=True), ordered, made_up._replace(hears=(other.boot_id,)),
            fresh._replace(may_run=False), fresh._replace(leaving=True, may_run=False))][self.rounds % 6]
        if self.rounds % 4 == 3:
            text = '{}, "signature": "{}"}}'.format(text[:-1], "0" * 64)
        if self.rounds % 7 == 6:
            text = ""
        for on in (self._vc_topic,) if link is self.links[-1] and self.pair.central else self._topics[of]:
            self._say(link, on, text)

    def _say(self, link, on, text):
        """Publish as soon as the connection can take it. A platform that is down is passed over."""
        while link.up and not link.publish(on, text):
            gevent.sleep(0.005)
        self.said[link] += link.up

    def close(self):
        if self._greenlet is not None:
            self._greenlet.kill()
        for link in self.links:
            link.close()


def _volttrons(key):
    """Return a key of ZeroMQ's as VOLTTRON writes it."""
    return base64.urlsafe_b64encode(z85.decode(key)).decode().rstrip("=")


def assert_unharmed(pair, forger, active, passive):
    """For as long as the attempt lasts, this side runs the managed agent, in one process, and the other one does not."""
    [process] = active.platform.processes(MANAGED)
    begin, said, lasts_until = forger.rounds, dict(forger.said), clock.now() + LASTS

    def is_enough():
        assert process.is_running() and not passive.runs()
        return clock.now() > lasts_until and forger.rounds - begin > LASTS and not [
            link for link in forger.links if link.up and forger.said[link] - said.get(link, 0) < 2 * LASTS]

    wait(is_enough, LIMIT, "enough forgeries")
    orders = active.said()["orders"]
    assert orders["number"] < 99 and orders["paused_for"] is None


def assert_gives_no_orders(pair, forger):
    """Nobody else's order counts, whatever it is called; an authorization lets it, and shuts no operator out."""
    for side, link in zip(pair.sides, forger.links):
        for method, args in (("pause", [60.0]), ("switchover", [None]), ("resume", [])):
            answer = link.call(FAILOVER, method, *args, timeout=10)
            assert not answer["done"] and "has not shown that it belongs to this platform" in answer["text"]
        with pytest.raises(RemoteError, match="python -m failover trace"):
            link.call(FAILOVER, "record", timeout=10)
        assert side.observer.order("resume")["text"] == "the pair is not paused"
    if pair.primary.platform.needs_authorization:
        pair.primary.platform.authorize("forger.0", ["failover.give_orders"])
        for answer in (forger.links[0].call(FAILOVER, "resume", timeout=10), pair.primary.observer.order("resume")):
            assert answer["text"] == "the pair is not paused"


def test_forged_heartbeats_and_recordings_change_nothing(each_pair):
    pair, (primary, secondary) = each_pair, each_pair.sides
    with contextlib.closing(Forger(pair)) as forger:
        for side in pair.sides:
            await_status(side, lambda status: status["other"]["signs"], "signatures")
        wait(lambda: forger.knows_both and forger.recorded[20:], LIMIT, "recordings")
        for side in pair.sides:  # So that the recordings are of former starts.
            side.restart_agent(FAILOVER)
            await_status(side, lambda status: status["other"]["liveness"] == "up", "the other side is heard")
        await_status(primary, lambda status: status["managed_agent"]["state"] == "running", "the primary is active")
        wait(lambda: primary.runs() and not secondary.runs(), LIMIT, "the primary is active")
        pair.settle()
        if not pair.central:
            assert_gives_no_orders(pair, forger)
        forger.begin()
        assert_unharmed(pair, forger, primary, secondary)
        for side in pair.sides:
            await_status(side, lambda status: status["other"]["liveness"] == "up"
                         and any("unsigned heartbeats come in" in problem for problem in status["problems"]), "what the forger does")
        wait(lambda: "has a wrong signature" in secondary.platform.log.read_text(), LIMIT, "the notice")

        primary.platform.power_off()
        wait(secondary.runs, LIMIT, "takeover")
        assert_unharmed(pair, forger, secondary, primary)

        primary.bring_back()
        wait(lambda: primary.runs() and not secondary.runs(), LIMIT, "give-back")
        pair.settle()
        assert_unharmed(pair, forger, primary, secondary)
