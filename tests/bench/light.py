"""Light pairs at VC's platform: of each failover agent only what talks to VC, and that is the real one (`failover.vc_client`).

Run as ``python -m tests.bench.light``, this file is a process with some of them. Standard input brings one line of JSON:
{"address": ..., "serverkey": ..., "vc": whom to ask, "pairs": [[[name, publickey, secretkey], [the peer's]], ...]}. The
process ends with standard input. Four times a second it writes a line of JSON on standard output:

``at``
    seconds on `failover.clock`
``up``, ``well``
    how many links are up, and how many of them have had an answer of VC to a question that was asked since they came up
``falls``
    how often a link that was up went down, so far
``cpu``
    seconds of CPU that this process has used
``told``
    {second: [due, answered, heard]} of seconds that are settled: how many heartbeats were due in that one, to how many VC
    answered within ANSWER_WITHIN, and how many the peer heard within it
``errors``
    {text: how many links are down because of that}

`Crowd` runs such processes.
"""

import json
import os
import random
import subprocess
import sys
import threading
from collections import Counter, defaultdict

import gevent
import gevent.os

from failover import clock
from failover.decision.effects import Publish
from failover.decision.events import HeartbeatReceived, LinkChanged, LinkFree, PublishRefused, VcAnswered
from failover.decision.heartbeat import Heartbeat
from failover.decision.vocabulary import Path
from failover.seal import Seal
from failover.vc_client import Topics, VcClient
from failover.vip.link import Endpoint
from tests.testbed.pair import REPOSITORY
from tests.testbed.platforms import wait_for
from tests.testbed.router import key_pair

# Those of a failover agent with the default configuration, in seconds.
PERIOD, TIMEOUT, GRACE = 1.0, 10.0, 10.0
ANSWER_WITHIN = TIMEOUT / 2
PROBE_EVERY = 1.5 * PERIOD

PAIRS_PER_PROCESS = 50
_REPORT_EVERY = 0.25
_LIMIT = 120


class Light:
    """One side of a pair: each period it sends a heartbeat with a question to VC, as soon as the connection takes it.

    :param tell: called with (second, which) when a heartbeat was due (0), was answered in time (1) or heard in time (2).
    :ivar peer: the other side.
    """

    def __init__(self, endpoint, vc_identity, topics, seal, tell):
        self.name = endpoint.identity
        self.peer = None
        self.is_well = False
        self.falls = 0
        self._tell = tell
        self._owed = None
        self._is_free = False
        self._sequence = 0
        self._due_at = {}
        self._client = VcClient(endpoint, vc_identity, topics, seal, ANSWER_WITHIN, PROBE_EVERY, self._take)
        self.link = self._client.link

    def run(self):
        """Connect, and send heartbeats for good."""
        gevent.sleep(random.uniform(0, PERIOD))
        self._client.start()
        due = clock.now()
        while True:
            self._owed = due
            self._tell(int(due), 0)
            self._send()
            due += PERIOD
            gevent.sleep(max(0.0, due - clock.now()))

    def _send(self):
        if self._is_free and self._owed is not None:
            self._sequence += 1
            due, self._owed, self._is_free = self._owed, None, False
            now = clock.now()
            self._due_at = {one: at for one, at in self._due_at.items() if now - at <= ANSWER_WITHIN}
            self._due_at[self._sequence] = due
            self._client.publish(Publish(Path.VC, Heartbeat(
                self.name, "failover", "platform.driver", "primary", "standard", TIMEOUT, PERIOD, GRACE, self.name,
                self._sequence, self.peer.name, self.peer._sequence, True, state="running", clock=now, order=0)))

    def _take(self, event):
        if isinstance(event, HeartbeatReceived):
            if event.heartbeat and event.heartbeat.boot_id == self.peer.name:
                self.peer._in_time(event.heartbeat.sequence, 2)
        elif isinstance(event, VcAnswered):
            self.is_well = self.link.up
            self._in_time(event.sequence, 1)
        elif isinstance(event, PublishRefused):
            self._owed = self._due_at.pop(event.sequence, None)
        elif isinstance(event, (LinkChanged, LinkFree)):
            if isinstance(event, LinkChanged):
                self.falls += not event.up
                self.is_well = False
            self._is_free = self.link.up
            self._send()

    def _in_time(self, sequence, which):
        due = self._due_at.get(sequence)
        if due is not None and clock.now() - due <= ANSWER_WITHIN:
            self._tell(int(due), which)


class Crowd:
    """Light pairs in processes of their own, which `close` ends.

    :param identities: [[[name, publickey, secretkey], [the peer's]], ...], as `identities` makes them.
    """

    def __init__(self, platform, vc_identity, pairs):
        self.links = 2 * len(pairs)
        self.told = {}
        self._last = {}
        self._lines = []
        self._processes = []
        for first in range(0, len(pairs), PAIRS_PER_PROCESS):
            process = subprocess.Popen([sys.executable, "-m", "tests.bench.light"], cwd=REPOSITORY, text=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self._processes.append(process)
            process.stdin.write(json.dumps(dict(address=platform.address, serverkey=platform.serverkey, vc=vc_identity,
                                                pairs=pairs[first:first + PAIRS_PER_PROCESS])) + "\n")
            process.stdin.flush()
            threading.Thread(target=self._read, args=[len(self._processes), process.stdout], daemon=True).start()

    def _read(self, number, stream):
        for line in stream:
            said = json.loads(line)
            self._last[number] = said
            for second, counts in said["told"].items():
                before = self.told.get(int(second), (0, 0, 0))
                self.told[int(second)] = tuple(map(sum, zip(before, counts)))
            self._lines.append((said["at"], self.sum("up"), self.sum("well")))

    def sum(self, what):
        """Return the sum of what the processes have last said of it."""
        return sum(said[what] for said in list(self._last.values()))

    def errors(self):
        """Return why links are down, the most frequent first: [(text, how many), ...]."""
        return sum((Counter(said["errors"]) for said in list(self._last.values())), Counter()).most_common()

    def await_well(self, share, limit):
        """Wait until this share of the links is up and answered."""
        wait_for(lambda: self.sum("well") >= share * self.links, limit, "{:.0%} of the links".format(share))

    def since(self, moment):
        """Return [(seconds since that moment, links up, links up and answered), ...]."""
        return [(at - moment, up, well) for at, up, well in list(self._lines) if at >= moment]

    def shares(self, begin, end):
        """Return which share of the heartbeats due in that time was answered by VC in time, and which the peer heard."""
        told = [counts for second, counts in list(self.told.items()) if begin <= second < end]
        due, answered, heard = map(sum, zip(*told)) if told else (0, 0, 0)
        return (answered / due, heard / due) if due else (0.0, 0.0)

    def close(self):
        for process in self._processes:
            process.kill()
            process.wait()


def identities(number):
    """Return new names and keys of so many pairs."""
    return [[["pair-{}-{}".format(one, role), *key_pair()] for role in ("a", "b")] for one in range(number)]


# From here on: in a process with some of them


def main():
    told = defaultdict(lambda: [0, 0, 0])
    given = json.loads(gevent.os.tp_read(0, 2 ** 24))
    lights = [light for pair in given["pairs"] for light in lights_of(pair, given, told)]
    for light in lights:
        gevent.spawn(light.run)
    gevent.spawn(report, lights, told)
    gevent.os.tp_read(0, 1)
    os._exit(0)


def lights_of(pair, given, told):
    """Return the two sides of a pair."""

    def tell(second, which):
        told[second][which] += 1

    seal, topics = Seal(os.urandom(32)), Topics.of(pair[0][1], pair[1][1], "platform.driver")
    both = [Light(Endpoint(given["address"], given["serverkey"], *keys), given["vc"], topics, seal, tell) for keys in pair]
    both[0].peer, both[1].peer = both[::-1]
    return both


def report(lights, told):
    while True:
        gevent.sleep(_REPORT_EVERY)
        settled = [second for second in told if second < clock.now() - ANSWER_WITHIN - 2]
        print(json.dumps(dict(
            at=clock.now(), up=sum(light.link.up for light in lights), well=sum(light.is_well for light in lights),
            falls=sum(light.falls for light in lights), cpu=sum(os.times()[:2]),
            told={second: told.pop(second) for second in settled},
            errors=Counter(str(light.link.last_error) for light in lights if not light.link.up))), flush=True)


if __name__ == "__main__":
    main()
