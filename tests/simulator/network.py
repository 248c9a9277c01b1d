"""The network between the machines, and the connections over it."""

import random
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, List, Optional

from failover.decision.effects import Publish
from failover.decision.events import LinkChanged, LinkFree, VcAnswered, VcKnown
from failover.decision.heartbeat import Heartbeat
from failover.decision.vocabulary import Path

if TYPE_CHECKING:
    from tests.simulator.agent import FailoverAgent
    from tests.simulator.machine import Machine
    from tests.simulator.world import World

__all__ = ["BACK", "Connection", "Link", "QUICK", "THERE", "Wire", "pauses"]

# The two ways of a connection, as its opener sees them.
THERE, BACK = 0, 1
# How long a message is under way at most while no fault makes it slow.
QUICK = 0.01
# Seconds between two attempts to connect.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0


def pauses(chance: random.Random, first: float, longest: float):
    """Yield how long to wait before the next attempt, each time longer."""
    while True:
        yield chance.uniform(first / 2, first)
        first = min(2 * first, longest)


class Wire:
    """One direction of the network between two machines.

    :ivar cuts: how many faults cut it at present.
    :ivar delay: the longest that a message is under way, seconds.
    :ivar noise: how often a heartbeat to the other platform is lost, doubled or overtaken, as a fraction.
    """

    def __init__(self, name: str, chance: random.Random):
        self.name = name
        self.cuts = 0
        self.delay = QUICK
        self.noise = 0.0
        self.held: List[Callable[[], None]] = []
        self._chance = chance.random

    def transit(self) -> float:
        """Return how long a message is under way now."""
        return self._chance() * self.delay

    def cut(self) -> None:
        self.cuts += 1

    def heal(self) -> None:
        self.cuts -= 1
        if self.cuts == 0:
            held, self.held = self.held, []
            for send in held:
                send()


class Connection:
    """A TCP connection. Each way keeps its order, and what a cut holds up arrives when the cut is over.

    What the opener had sent before it closed may arrive even after what it sends over its next connection.
    """

    def __init__(self, world: "World", opener: "Machine", target: "Machine"):
        self.open = True
        self.platform_life = target.platform_life
        self.wires = (world.wires[opener, target], world.wires[target, opener])
        self._world = world
        self._ends = (target, opener)
        self._last = [0.0, 0.0]

    def send(self, way: int, receive: Callable, *args: Any) -> None:
        """Have ``receive(connection, *args)`` called at the other end."""
        wire = self.wires[way]
        if wire.cuts:
            sender = self._ends[1 - way]
            wire.held.append(partial(self._resend, way, sender, sender.life, receive, args))
        else:
            self._pass(way, wire.transit(), receive, args)

    def _resend(self, way: int, sender: "Machine", life: int, receive: Callable, args: tuple) -> None:
        chance = self._world.random
        if life == sender.life and (self.open or way == THERE and chance.random() < 0.5):
            self._pass(way, self.wires[way].transit() + chance.random(), receive, args)

    def _pass(self, way: int, takes: float, receive: Callable, args: tuple) -> None:
        self._last[way] = arrival = max(self._world.now + takes, self._last[way])
        end = self._ends[way]
        self._world.at(arrival, end.do, end.life, receive, (self,) + args)


class Link:
    """A failover agent's connection to a router: one publish at a time, and a new one when an answer is missing."""

    def __init__(self, agent: "FailoverAgent", target: "Machine", path: Path):
        self.agent = agent
        self.session: Optional[Connection] = None
        self.up = False
        self._target = target
        self._path = path
        self._waiting_since: Optional[float] = None
        self._checks = False
        self._opened_at = 0.0
        self._pauses = pauses(agent.side.world.random, _FIRST_PAUSE, _LONGEST_PAUSE)

    def connect(self) -> None:
        """Connect, if it is not connected."""
        if self.session is None and self.agent.lives:
            self._opened_at = self.agent.side.clock()
            self.session = Connection(self.agent.side.world, self.agent.side, self._target)
            self._wait()
            # A router does not answer who takes it for another one.
            is_answered = self._path is Path.VC or not self.agent.side.has_wrong_key
            self.session.send(THERE, self._target.greeted if is_answered else self._target.puzzled, self)

    def welcomed(self, session: Connection) -> None:
        """The router has let this side in."""
        if session is self.session:
            self.up = True
            self._waiting_since = None
            if self._path is Path.VC:
                self.agent.post(VcKnown(self._target.name))
            self.agent.post(LinkChanged(self._path, True))

    def publish(self, effect: Publish) -> bool:
        """Publish a heartbeat, and return whether that could be done."""
        if not self.up or self._waiting_since is not None:
            return False
        self._wait()
        self.session.send(THERE, self._target.published, self, effect)
        return True

    def answered(self, session: Connection) -> None:
        """The router has answered a publish."""
        if session is self.session:
            self._waiting_since = None
            self.agent.post(LinkFree(self._path))

    def delivered(self, session: Connection, heartbeat: Heartbeat, widely: bool) -> None:
        """A heartbeat comes from VC's bus: the other side's, or this one's own."""
        if session is self.session and self.agent.lives:
            self.agent.hears(heartbeat, Path.VC, widely=widely)

    def replied(self, session: Connection, sequence: int) -> None:
        """VC has answered the question that went with a heartbeat."""
        if session is self.session:
            self.agent.truth.vc_replied(sequence)
            self.agent.post(VcAnswered(sequence))

    def _wait(self) -> None:
        """Give the connection up if an answer is overdue."""
        self._waiting_since = self.agent.side.clock()
        if not self._checks:
            self._checks = True
            self.agent.side.after(self.agent.answer_within, self._check)

    def _check(self) -> None:
        self._checks = False
        if self._waiting_since is None or not self.agent.lives:
            return
        left = self._waiting_since + self.agent.answer_within - self.agent.side.clock()
        if left <= 1e-6:
            self.ended(self.session)
        else:
            self._checks = True
            self.agent.side.after(left, self._check)

    def ended(self, session: Connection) -> None:
        """The connection is closed, by this end or by the other one."""
        if session is not self.session or session is None:
            return
        was_up = self.up
        session.open = self.up = False
        self.session = self._waiting_since = None
        if was_up:
            self.agent.post(LinkChanged(self._path, False))
            self.agent.link_ended(self._path)
        side = self.agent.side
        if side.clock() - self._opened_at > _LONGEST_PAUSE:
            self._pauses = pauses(side.world.random, _FIRST_PAUSE, _LONGEST_PAUSE)
        side.after(next(self._pauses), self.connect)
