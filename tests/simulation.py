"""Two failover agents and VOLTTRON Central (VC) in virtual time, and a search for the faults that break a promise.

The production cores (:class:`failover.core.Core`, :class:`failover.lease.LeaseCore`) decide here as on real
platforms. Everything around them is a model: machines, platforms, managed agents, network, and what
:mod:`failover.agent`, :mod:`failover.steering` and :mod:`failover.link` do between them and the core. There is no real
clock, and chance comes from one seed: a schedule always goes the same way.

The promises of standard failover, which hold for both sides together:

* **S**: the managed agents never both drive, as long as stopping takes at most ``stop_grace`` and each clock runs
  within 1 % of the true rate. The exceptions are in :meth:`Side.thaw`, :meth:`Side.kill_agent`
  and :meth:`Side.set_back`.
* **L**: once the faults no longer change, those run that the documentation's tables say, and each side says so, within
  :data:`SETTLED_WITHIN`.
* **T**: what a side says of its decision is true. It calls nothing down that it could not yet have heard, and says "stop"
  beside a primary that it hears. What is said wrongly is in :attr:`Simulation.lies`.

What is not modelled: a managed agent that somebody else starts (the platform, a person), and the probes of a link that
has nothing to publish.
"""

import argparse
import copy
import heapq
import itertools
import random
import sys
import time
from dataclasses import replace
from functools import partial
from math import inf
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple, Type

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from failover.config import Config
from failover.core import CLOCKS_APART, Action, AgentState, Core, Decision, Liveness, Terms
from failover.heartbeat import Heartbeat
from failover.lease import LeaseCore, Remembered

ROLES = ("primary", "secondary")
FOREVER = None
# The documentation's tables: {role: {(the other side is up, VC is up): action}}.
DOCUMENTED = {
    "primary": {(True, True): Action.START, (True, False): Action.START,
                (False, True): Action.START, (False, False): Action.STOP},
    "secondary": {(True, True): Action.STOP, (True, False): Action.STOP,
                  (False, True): Action.VERIFY, (False, False): Action.STOP},
}
# The two ways of a connection, as its opener sees them.
THERE, BACK = 0, 1

# Promise L in lease periods, each as long as the silence before a takeover. One period is that silence itself. Before
# it can begin, connections must be built anew: an answer is missed for up to half of `timeout`, the next attempt comes
# after up to 5 s, and VC must have answered. A machine boots in up to 7 s. After it, a start may wait for its turn.
SETTLED_WITHIN = 3.0

# As in failover.agent, failover.steering and failover.link; seconds.
_LONGEST_TICK, _WATCH_EVERY = 1.0, 1.0
_COMMAND_PAUSES, _LINK_PAUSES = {Action.START: (1.0, 60.0), Action.STOP: (1.0, 4.0)}, (0.25, 5.0)
# How long a message is under way at most while no fault makes it slow.
_QUICK = 0.01


# What is varied

class Fault(NamedTuple):
    """Something goes wrong at ``at`` seconds and is mended ``lasts`` seconds later, or never.

    :ivar kind: a key of :data:`FAULTS`.
    :ivar where: a number for the place: a side, or a link and which of its ways.
    :ivar amount: seconds; how slow, or how often.
    """

    kind: str
    where: int
    at: float
    lasts: Optional[float] = FOREVER
    amount: float = 1.0


class Schedule(NamedTuple):
    """All that differs between one run and another.

    :ivar terms: each side's configuration.
    :ivar rates: seconds that each side's clock counts in a true second.
    :ivar vcp: whether both platforms have an agent of VC's.
    :ivar vcp_loses: how often it gives no answer, as a fraction; never twice in succession.
    :ivar start_takes: the longest that a start takes, seconds.
    :ivar stop_takes: the longest that a stop takes, as a fraction of ``stop_grace``.
    :ivar start_fails: how often a start fails, as a fraction.
    :ivar seed: of everything that is left to chance.
    """

    faults: Tuple[Fault, ...] = ()
    terms: Tuple[Terms, Terms] = (Terms(10.0, 1.0, 10.0),) * 2
    rates: Tuple[float, float] = (1.0, 1.0)
    vcp: bool = True
    vcp_loses: float = 0.0
    start_takes: float = 0.5
    stop_takes: float = 1.0
    start_fails: float = 0.0
    seed: int = 0


# Network

class Wire:
    """One direction of the network between two machines.

    :ivar cuts: how many faults cut it at present.
    :ivar delay: the longest that a message is under way, seconds.
    :ivar noise: how often a heartbeat to the other platform is lost, doubled or overtaken, as a fraction.
    """

    def __init__(self, name: str, chance: random.Random):
        self.name = name
        self.cuts = 0
        self.delay = _QUICK
        self.noise = 0.0
        self.held: List[Callable[[], None]] = []
        self._chance = chance

    def transit(self) -> float:
        return self._chance.random() * self.delay

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

    def __init__(self, world: "Simulation", opener: "Machine", target: "Machine"):
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
    """What :class:`failover.link.Link` does: one publish at a time, and a new connection when an answer is missing."""

    def __init__(self, agent: "FailoverAgent", target: "Machine", on_change: Callable[[], None]):
        self.agent = agent
        self.session: Optional[Connection] = None
        self.up = False
        self._target = target
        self._on_change = on_change
        self._waiting_since: Optional[float] = None
        self._missed = False
        self._opened_at = 0.0
        self._pauses = agent.side.world.pauses(*_LINK_PAUSES)

    def connect(self) -> None:
        if self.session is None and self.agent.lives:
            self._waiting_since = self._opened_at = self.agent.side.clock()
            self.session = Connection(self.agent.side.world, self.agent.side, self._target)
            self.session.send(THERE, self._target.greeted, self)

    def welcomed(self, session: Connection) -> None:
        if session is self.session:
            self.up = True
            self._waiting_since = None
            self._on_change()
            self.agent.wake()

    def publish(self, heartbeat: Heartbeat) -> bool:
        if not self.up or self._waiting_since is not None:
            self._missed = True
            return False
        self._waiting_since = self.agent.side.clock()
        self.session.send(THERE, self._target.published, self, heartbeat)
        return True

    def answered(self, session: Connection) -> None:
        if session is self.session:
            self._waiting_since = None
            if self._missed:
                self._missed = False
                self.agent.wake()

    def check(self, now: float) -> None:
        """Give the connection up if an answer is overdue. To be called at each tick."""
        if self._waiting_since is not None and now - self._waiting_since >= self.agent.answer_within:
            self.ended(self.session)

    def ended(self, session: Connection) -> None:
        """The connection is closed, by this end or by the other one."""
        if session is not self.session:
            return
        session.open = self.up = False
        self.session = self._waiting_since = None
        self._on_change()
        side = self.agent.side
        if side.clock() - self._opened_at > _LINK_PAUSES[1]:
            self._pauses = side.world.pauses(*_LINK_PAUSES)
        side.after(next(self._pauses), self.connect)


# Machines

class Machine:
    """A machine with a platform on it.

    :ivar life: counts the losses and returns of its power: what was under way to a former life is lost.
    :ivar platform: whether the platform's process lives. ``platform_life`` counts its starts.
    """

    def __init__(self, world: "Simulation", name: str, rate: float = 1.0):
        self.world = world
        self.name = name
        self.on = self.platform = True
        self.frozen = False
        self.life = self.platform_life = 0
        self._rate = rate
        self._booted_at = 0.0
        self._stands_since: Optional[float] = None
        self._waiting: List[Tuple[int, Callable, tuple, Optional[float]]] = []

    def clock(self) -> float:
        """Return the time as the processes here see it: it goes on while the machine is frozen, unless it stands."""
        now = self.world.now if self._stands_since is None else self._stands_since
        return 1000.0 + self._rate * (now - self._booted_at)

    def do(self, life: int, call: Callable, args: tuple, due: Optional[float] = None) -> None:
        """Let something happen here: at the thaw if the machine is frozen, never if it has lost its power since.

        :param due: not before this machine's clock says so. It may have stood still since that was planned.
        """
        if life != self.life or not self.on:
            return
        if self.frozen:
            self._waiting.append((life, call, args, due))
        elif due is not None and due - self.clock() > 1e-6:
            self.after(due - self.clock(), call, *args)
        else:
            call(*args)

    def after(self, seconds: float, call: Callable, *args: Any) -> None:
        """Let something happen when this machine's clock has gone on by so many seconds."""
        self.world.at(self.world.now + seconds / self._rate, self.do, self.life, call, args, self.clock() + seconds)

    def power_off(self) -> None:
        self.on = self.frozen = self.platform = False
        self._stands_since = None
        self.life += 1
        self._waiting = []

    def power_on(self) -> None:
        self.on = True
        self.life += 1
        self._booted_at = self.world.now

    def thaw(self) -> None:
        """Go on. What was due meanwhile happens now; whether decisions come first or last is left to chance."""
        self.frozen = False
        waiting, self._waiting = self._waiting, []
        if self.world.random.random() < 0.5:
            waiting.sort(key=lambda event: getattr(event[1], "__func__", None) is not FailoverAgent.tick)
        for event in waiting:
            self.do(*event)

    def greeted(self, session: Connection, link: Link) -> None:
        """A connection to the router of this platform is opened."""
        session.platform_life = self.platform_life
        if self.platform:
            self.joined(session, link)
        session.send(BACK, link.welcomed if self.platform else link.ended)

    def joined(self, session: Connection, link: Link) -> None:
        """The opener is a peer of this platform from now on."""

    def published(self, session: Connection, link: Link, heartbeat: Heartbeat) -> None:
        """A heartbeat for the bus of this platform arrives; a connection to a former platform is unknown here."""
        if self.platform and session.platform_life == self.platform_life:
            self.on_bus(session, link, heartbeat)
        else:
            session.send(BACK, link.ended)

    def on_bus(self, session: Connection, link: Link, heartbeat: Heartbeat) -> None:
        raise NotImplementedError


class Central(Machine):
    """VC's platform, and VC on it. Its bus passes every heartbeat on to both sides, its sender included."""

    def __init__(self, world: "Simulation", name: str):
        super().__init__(world, name)
        self.vc = True
        self._subscribers: Dict[str, Tuple[Connection, Link]] = {}

    def set_vc(self, lives: bool) -> None:
        self.vc = lives

    def start_platform(self) -> None:
        if not self.platform:
            self.platform = True
            self.platform_life += 1

    def kill_platform(self) -> None:
        self.platform = False
        for name in ROLES:
            self.reset(name)

    def reset(self, name: str) -> None:
        """The connection of one side ends, as it does when a firewall has forgotten it."""
        if name in self._subscribers:
            session, link = self._subscribers.pop(name)
            session.platform_life = -1
            session.send(BACK, link.ended)

    def joined(self, session: Connection, link: Link) -> None:
        if session.open:
            self._subscribers[link.agent.side.name] = session, link

    def on_bus(self, session: Connection, link: Link, heartbeat: Heartbeat) -> None:
        for other, subscriber in self._subscribers.values():
            other.send(BACK, subscriber.agent.heard_over_vc, heartbeat)
        if self.vc:
            session.send(BACK, link.agent.vc_answered, heartbeat.sequence)


class Side(Machine):
    """The machine of the primary or of the secondary, with the managed agent.

    :ivar agent: the failover agent, None if it does not run.
    :ivar running: whether the process of the managed agent exists.
    :ivar orphan: whether it is left from a platform that has ended, while the next one runs.
    :ivar starting: how many starts of it are under way.
    :ivar busy_until: when control answers again: a start or an installation keeps it from doing so.
    :ivar excused_until: when promise S ceases to make an exception of the managed agent here.
    :ivar file: what the failover agent has written for its next start.
    :ivar forgot: whether it has lost that file and not heard the other side since.
    :ivar central: the VC that it goes by.

    The name is the machine's. Its role, which may change, is in its configuration.
    """

    def __init__(self, world: "Simulation", name: str, rate: float, config: Config, file: Remembered,
                 central: Central):
        super().__init__(world, name, rate)
        self.config = config
        self.file = file
        self.forgot = False
        self.central = central
        self.agent: Optional[FailoverAgent] = None
        self.running = self.orphan = False
        self.starting = 0
        self.busy_until = self.excused_until = 0.0
        self._supervised_until = 0.0
        self._stopping = False
        self._boots = 0

    @property
    def drives(self) -> bool:
        return self.running and not self.frozen

    def note(self, text: str) -> None:
        self.world.note(self.name, text)

    def busy_for(self) -> float:
        """Return the seconds of this machine's clock until control answers."""
        return max(0.0, self._rate * (self.busy_until - self.world.now))

    def make_busy(self, seconds: float) -> None:
        self.busy_until = max(self.busy_until, self.world.now + seconds / self._rate)

    # The managed agent

    def set_running(self, running: bool, text: str) -> None:
        if running is not self.running:
            self.running = running
            self.orphan = self.orphan and running
            self.note(text)
            if not running and not self.starting:
                self.excused_until = 0.0
            self.world.check_safety()

    def start_managed(self, grace: float, done: Callable[[], None]) -> None:
        """Control starts the managed agent, which drives from some moment of the call on.

        The call takes at most ``stop_grace``, since a stop that must follow it comes too late otherwise.
        """
        chance = self.world.random
        takes = min(chance.random() * self.world.schedule.start_takes, grace)
        fails = chance.random() < self.world.start_fails
        self.note("start asked for")
        self.starting += 1
        self.after(takes * chance.random(), self._started, self.platform_life, fails)
        self.after(takes, done)
        self.make_busy(takes)

    def _started(self, platform_life: int, fails: bool) -> None:
        self.starting -= 1
        if self.orphan:
            self.note("A SECOND COPY RUNS")
            self.world.overlaps.append([self.world.now, self.world.now])
        if fails or not self.platform or platform_life != self.platform_life:
            self.note("start failed")
        else:
            self.set_running(True, "managed agent RUNS")

    def stop_managed(self, grace: float, done: Callable[[], None]) -> None:
        """Stop the managed agent, by control or by signals. Control takes up a stop after a start before it."""
        takes = 0.0
        if self.running or self.starting:
            self.note("stop begins")
            self.world.stops.append((self.world.now, self.name))
            takes = self.world.schedule.stop_takes * grace
            if self.world.random.random() < 0.5:
                takes *= self.world.random.random()
        self.after(max(takes, self.busy_for() if self.starting else 0.0), self._stopped, done)

    def end_orphan(self, grace: float) -> None:
        """A copy that a former process of the platform left is ended, by its own failover agent or by the next one."""
        if self.orphan:
            self.stop_managed(grace, lambda: None)

    def _stopped(self, done: Callable[[], None]) -> None:
        self.set_running(False, "managed agent has stopped")
        done()

    # The failover agent

    def start_agent(self) -> None:
        if self._stopping:
            self.after(0.5, self.start_agent)
        elif self.agent is None and self.platform:
            self._boots += 1
            self.note("failover agent starts")
            self.agent = FailoverAgent(self, "{}-{}".format(self.name, self._boots))
            if self.world.now < self.excused_until:
                self._excuse_until_stopped()

    def end_agent(self) -> "FailoverAgent":
        agent, self.agent = self.agent, None
        agent.lives = False
        return agent

    def stop_agent(self) -> None:
        """The failover agent is stopped in order: it stops its managed agent first, and then forgets its lease."""
        if self.agent is not None:
            self.note("failover agent is stopped in order")
            self._stopping = True
            self.stop_managed(self.end_agent().core.terms.stop_grace, self._stopped_in_order)

    def _stopped_in_order(self) -> None:
        self._stopping = False
        self.file = self.file._replace(lease_until=None)

    def kill_agent(self) -> None:
        """The failover agent dies without its platform, and its managed agent goes on.

        From the end of its lease on nobody stops that: promise S makes an exception of it, until the next start of the
        failover agent had the time to do so. A start that was under way is excepted at once.
        """
        if self.agent is not None:
            self.note("failover agent is killed")
            core = self.end_agent().core
            lease = core.lease_until if core.holds_lease and not self.starting else 0.0
            self._supervised_until = max(self.clock(), lease)
            self.after(self._supervised_until - self.clock() + 0.001, self._check_supervision)

    def _check_supervision(self) -> None:
        if self.agent is None and (self.running or self.starting) and self.clock() >= self._supervised_until:
            self.note("nobody supervises the managed agent")
            self.excused_until = inf

    def _excuse_until_stopped(self) -> None:
        """Its failover agent sees it run at its first look, which a busy control delays, and then stops it."""
        stays = self.busy_for() + _WATCH_EVERY + self.agent.core.terms.stop_grace
        self.excused_until = self.world.now + stays / self._rate
        self.after(stays, self.world.check_safety)

    def reconfigure(self, terms: Terms) -> None:
        """The times are changed, and for that the failover agent is stopped."""
        self.note("is configured with {}".format(terms))
        self.config = replace(self.config, **terms._asdict())
        self.stop_agent()

    def change_role(self) -> None:
        """The role is changed to the other one, and for that the failover agent is stopped."""
        self.config = replace(self.config, agent_id=ROLES[self.config.agent_id == ROLES[0]])
        self.note("is configured as {}".format(self.config.agent_id))
        self.stop_agent()

    def move_vc(self) -> None:
        """The address of VC is changed to that of the other one, and for that the failover agent is stopped."""
        self.central = self.world.centrals[self.central is self.world.centrals[0]]
        self.note("is configured with {}".format(self.central.name))
        self.stop_agent()

    def lose_memory(self) -> None:
        """The failover agent is stopped, and its file is gone."""
        self.file = Remembered()
        self.forgot = True
        self.stop_agent()

    def deafen(self) -> None:
        """Anyone may have the router drop an agent's subscriptions."""
        if self.agent is not None:
            self.agent.deafen()

    def forge(self, number: int) -> None:
        """One heartbeat arrives that nobody sent: of the other side's present start with a number of the future, or of
        a start that never was, with times of its own."""
        other = self.world.other(self)
        genuine = other.agent is not None and number % 2 == 0
        boot_id = other.agent.core.boot_id if genuine else "forged"
        terms = self.config if number % 3 == 0 else Terms(86400.0, self.config.heartbeat_period, 1.0)
        self._hear(Heartbeat(other.name, "failover", self.config.agent_vip_identity, other.config.agent_id, "standard",
                             terms.timeout, terms.heartbeat_period, terms.stop_grace, boot_id,
                             (5, 500, 2 ** 53)[number % 3], None, None, number % 5 > 0))

    # The machine and the platform

    def freeze(self, clock_stands: bool = False) -> None:
        """Nothing happens here any more.

        :param clock_stands: the clock does not go on either, and no process can see that it was frozen.
        """
        self.frozen = self.on
        if self.on and clock_stands and self._stands_since is None:
            self._stands_since = self.world.now
        self.world.check_safety()

    def thaw(self) -> None:
        """Promise S makes an exception of a managed agent whose lease ended while its machine was frozen.

        It drives from the thaw on, and only then can the stop begin. If the clock stood still, only a heartbeat can
        tell that it did: see :meth:`_excuse_lost_time`.
        """
        if self.frozen:
            if self._stands_since is not None:
                stood = self.world.now - self._stands_since
                if self.busy_until > self._stands_since:
                    self.busy_until += stood
                self._booted_at += stood
                self._stands_since = None
                self._excuse_lost_time()
            elif self.agent is None:
                self._check_supervision()
            elif (self.running or self.starting) and not (
                    self.agent.core.holds_lease and self.clock() < self.agent.core.lease_until):
                self._excuse_until_stopped()
            super().thaw()
            self.world.check_safety()

    def _excuse_lost_time(self) -> None:
        """Promise S makes an exception for three heartbeat periods, and ``stop_grace`` and a second more.

        So long it takes a side that does not know how much time has passed to hear of it and to stop, if it is not cut
        off from the other side then. Without a failover agent nobody stops what runs.
        """
        if self.agent is None:
            self.excused_until = inf if self.running or self.starting else self.excused_until
            return
        terms = self.agent.core.terms
        until = self.world.now + 3 * terms.heartbeat_period + terms.stop_grace + 1
        self.excused_until = max(self.excused_until, until)
        self.world.at(until, self.world.check_safety)

    def snapshot(self) -> Optional[Dict[str, Any]]:
        """Return what is in this machine, if its failover agent and its platform live; else None."""
        if self.agent is None or not self.platform:
            return None
        kept = {name: getattr(self, name) for name in (
            "config", "file", "forgot", "central", "running", "orphan", "_supervised_until")}
        return dict(kept, clock=self.clock(), busy=self.busy_for(), agent=self.agent.snapshot())

    def set_back(self, snapshot: Optional[Dict[str, Any]]) -> None:
        """The machine goes on from a snapshot, whether it was on or not: all in it, its clock too, is as it was then.

        Nobody else is set back, and all connections are lost. Promise S makes an exception: see
        :meth:`_excuse_lost_time`.
        """
        if snapshot is None:
            return
        self.note("is set back; managed agent {}".format("RUNS" if snapshot["running"] else "does not run"))
        if self.agent is not None:
            self.end_agent()
        kept = dict(snapshot)
        clock, busy, agent = (kept.pop(name) for name in ("clock", "busy", "agent"))
        super().power_off()
        self.on = self.platform = True
        self.life += 1
        self.platform_life += 1
        self._booted_at = self.world.now - (clock - 1000.0) / self._rate
        self.starting = 0
        self._stopping = False
        self.__dict__.update(kept)
        self.busy_until = self.world.now + busy / self._rate
        self.excused_until = 0.0
        self.agent = FailoverAgent(self, agent["core"].boot_id, agent)
        self._excuse_lost_time()
        self.world.check_safety()

    def power_off(self) -> None:
        """The power goes. The next boot of the kernel has a clock of its own, on which no lease counts."""
        if self.on:
            super().power_off()
            if self.agent is not None:
                self.end_agent()
            self.file = self.file._replace(lease_until=None)
            self.starting = 0
            self.busy_until = 0.0
            self._stopping = False
            self.set_running(False, "managed agent is gone")

    def power_on(self) -> None:
        if not self.on:
            super().power_on()
            self.after(1.0 + 3 * self.world.random.random(), self.start_platform)

    def kill_platform(self) -> None:
        """The platform's process dies alone: its agents go on as orphans."""
        if self.platform:
            self.platform = False
            self.platform_life += 1
            if self.world.now < self.excused_until:
                # A failover agent that has just begun to supervise what runs cannot see it any more: its end does that.
                self.excused_until = inf
            other = self.world.other(self).agent
            if other is not None and other.link.session is not None:
                other.link.session.send(BACK, other.link.ended)

    def start_platform(self) -> None:
        if not self.platform:
            self.note("platform starts")
            if self.agent is not None:
                former = self.end_agent()
                grace = former.core.terms.stop_grace
                self.after(_LONGEST_TICK * self.world.random.random(), self.end_orphan, grace)
                if self.world.now < self.excused_until:
                    # See kill_platform.
                    self.excused_until = self.world.now + (_LONGEST_TICK + grace) / self._rate
                    self.after(_LONGEST_TICK + grace, self.world.check_safety)
            self.orphan = self.running
            self.platform = True
            self.platform_life += 1
            self.after(0.5 + 2 * self.world.random.random(), self.start_agent)

    def on_bus(self, session: Connection, link: Link, heartbeat: Heartbeat) -> None:
        """A heartbeat of the other side arrives; over a noisy wire it may get lost here, or double, or late."""
        chance = self.world.random
        session.send(BACK, link.answered)
        if chance.random() >= session.wires[THERE].noise:
            self._hear(heartbeat)
            return
        for _ in range(chance.randrange(3)):
            self.after(3 * chance.random(), self._hear, heartbeat)

    def _hear(self, heartbeat: Heartbeat) -> None:
        if self.agent is not None and self.platform:
            self.agent.heard_directly(heartbeat)


# The failover agent

class FailoverAgent:
    """What :mod:`failover.agent` and :mod:`failover.steering` do around the core, from one start to its end.

    :param snapshot: from :meth:`snapshot`, if it does not start but goes on from there.
    """

    # What a snapshot keeps. Connections and timers are made anew.
    _KEPT = ("core", "answer_within", "_config", "_decision", "_listens", "_asked_identity", "_looked_for_orphans",
             "_command", "_vcp_asked_at", "_vcp_lost", "_echoed", "_rpc_answered", "_not_before")

    def __init__(self, side: Side, boot_id: str, snapshot: Optional[Dict[str, Any]] = None):
        world, config, now = side.world, side.config, side.clock()
        self.side = side
        self.lives = True
        self.answer_within = min(max(config.timeout / 2, 0.5), 10.0)
        self._standard = not config.simple_behavior
        names = side.name, "failover", boot_id, now
        self.core = world.core(config, *names, side.file) if self._standard else Core(config, *names)
        self.link = Link(self, world.other(side), lambda: None)
        if self._standard:
            self.core.vc_known(side.central.name)
        self._vc_link = Link(self, side.central, self._vc_changed)
        self._config = config
        self._decision = Decision(Action.WAIT, None, Liveness.UNKNOWN)
        self._orphan_since: Optional[float] = None
        self._listens = False
        self._started = now
        self._heard_at = self._contact_at = self._vc_answered_at = -inf
        self._sent_at: Dict[int, float] = {}
        self._had_lease = side.file.lease_until is not None
        self._asked_identity = self._looked_for_orphans = False
        # Only the event with the latest number counts: the others have been overtaken.
        self._tick_number = self._look_number = self._command_number = 0
        self._command: Optional[Action] = None
        self._vcp_asked_at: Optional[float] = None
        self._vcp_lost = False
        self._echoed = self._rpc_answered = 0
        self._pauses: Dict[Action, Iterator[float]] = {}
        self._not_before: Dict[Action, float] = {}
        self._permit_at_once(Action.START, Action.STOP)
        if snapshot is not None:
            self._go_on_from(snapshot)
        chance = world.random
        if not self._listens:
            side.after(0.5 * chance.random(), self._subscribed)
        side.after(chance.random(), self.link.connect)
        if self._standard:
            side.after(chance.random(), self._vc_link.connect)
        side.after(0.2 * chance.random(), self._look, 0)
        self.wake()

    def snapshot(self) -> Dict[str, Any]:
        return copy.deepcopy({name: getattr(self, name) for name in self._KEPT})

    def _go_on_from(self, snapshot: Dict[str, Any]) -> None:
        """Be what that one was. A command that was under way then is so again; a question gets no answer."""
        self.__dict__.update(copy.deepcopy(snapshot))
        self.core.hearing_unproven()
        if self._command is not None:
            self._carry_out(self._command)

    # The loop that decides

    def wake(self, pause: float = 0.0) -> None:
        self._tick_number += 1
        self.side.after(pause + 0.001, self.tick, self._tick_number)

    def tick(self, number: int) -> None:
        if number != self._tick_number or not self.lives:
            return
        core, now = self.core, self.side.clock()
        core.platform_lives(self.side.platform)
        if not self.side.platform and self._ends_as_orphan(now):
            return
        decision = core.decide(now)
        if core.wants_proof_of_hearing(now):
            core.hearing_asked(now)
            self.side.after(0.05 * self.side.world.random.random(), self._hearing_answered, now)
        self._note(decision)
        self._act(decision.command, now)
        heartbeat = core.beat(now)
        if heartbeat is not None and self.link.publish(heartbeat):
            core.beat_sent(heartbeat, now)
            self._sent_at[heartbeat.sequence] = now
        self.link.check(now)
        if self._standard:
            self._ask_vc(now)
            self._write(core.remembered)
        self.wake(min(_LONGEST_TICK, self._config.timeout / 8, core.until_change(now), core.until_next_beat(now)))

    def _ends_as_orphan(self, now: float) -> bool:
        """An orphan stops its managed agent after ``timeout``, if it still runs then, and ends."""
        if self._orphan_since is None:
            self._orphan_since = now
        if now - self._orphan_since <= self._config.timeout:
            return False
        self.side.note("failover agent, an orphan, ends")
        self.side.end_agent()
        self.side.stop_managed(self.core.terms.stop_grace, lambda: None)
        return True

    def _note(self, decision: Decision) -> None:
        before, self._decision = self._decision, decision
        self._check_truth(decision.action)
        if decision.peer is Liveness.UP and before.peer is not Liveness.UP and not self.link.up:
            self.link.connect()
        if decision.wanted is not before.wanted:
            self._permit_at_once(Action.START, Action.STOP)
            self.side.after(0.0, self._look, self._look_number)
        if (decision.action, decision.peer, decision.vc) != (before.action, before.peer, before.vc):
            self.side.note("decides: {}; other side {}, VC {}".format(
                decision.action.value, decision.peer.value, decision.vc.value))

    @property
    def says(self) -> Action:
        """What this side says of its decision."""
        return self._decision.action

    def _check_truth(self, said: Action) -> None:
        """Promise T, with half of ``timeout`` to spare, in which a message may have been under way or not counted."""
        now, lately = self.side.clock(), self._config.timeout / 2
        hears, knows_vc = now - self._heard_at < lately, now - self._vc_answered_at < lately
        is_new, is_primary = now - self._started < lately, self._config.agent_id == "primary"
        if (not self._standard or self.side.world.now < self.side.excused_until
                or any(fault.kind in ("role changed", "VC moved") for fault in self.side.world.schedule.faults)):
            return
        if said is Action.START and (hears and not is_primary or not self._had_lease and -inf == max(
                self._heard_at, self._vc_answered_at)):
            self.side.world.lie(self.side, "may run its agent")
        if said is Action.VERIFY and (hears or is_primary or is_new
                                        or now - self._vc_answered_at > self.side.world.lease_period):
            self.side.world.lie(self.side, "verifies with VC")
        if said is Action.STOP and is_primary and (knows_vc or is_new or now - self._contact_at < lately):
            self.side.world.lie(self.side, "is isolated")
        if said is Action.STOP and not is_primary and self._heard_at == -inf and (knows_vc or is_new):
            self.side.world.lie(self.side, "hears the primary or has lost VC")
        is_silence = (self.side.world.only_power_of(self.side.world.other(self.side)) and knows_vc
                      and now - max(self._heard_at, self._started) > 1.5 * self.side.world.longest_timeout)
        if said is Action.WAIT and not is_primary and (hears or is_silence):
            self.side.world.lie(self.side, "waits for the primary")

    def _write(self, held: Remembered) -> None:
        """Write what the next start should know, but the end of the lease only when it has moved by a good piece."""
        file = self.side.file
        if (held.lease_until is None or file.lease_until is None or held[1:] != file[1:]
                or held.lease_until - file.lease_until > self._config.timeout / 4):
            self.side.file = held

    # The managed agent

    def _act(self, command: Optional[Action], now: float) -> None:
        if command is None or now < self._not_before[command]:
            return
        self._not_before[command] = now + next(self._pauses[command])
        self.core.command_begun(command)
        if command is Action.START:
            self.side.world.start_commands.append((self.side.world.now, self.side.name))
        self._carry_out(command)

    def _carry_out(self, command: Action) -> None:
        self._command = command
        self._command_number += 1
        done = partial(self._command_ended, self._command_number)
        if command is Action.START:
            self._start(done)
        else:
            self.side.stop_managed(self.core.stop_within(self.side.clock()), done)

    def _start(self, done: Callable[[], None]) -> None:
        """Have the agent started as soon as control is free to, if that may still be then."""
        if self.side.busy_for() > 0:
            self.side.after(self.side.busy_for() + 0.001, self._start, done)
        elif self.lives and self.core.may_start(self.side.clock()):
            self.side.start_managed(self.core.terms.stop_grace, done)
        else:
            done()

    def _command_ended(self, number: int) -> None:
        if self.lives and number == self._command_number:
            self._command = None
            if not self.side.running:
                self.core.process_ended()
            self._permit_at_once(Action.STOP)
            self.core.command_ended(self.side.clock())
            self._look(self._look_number)

    def _permit_at_once(self, *commands: Action) -> None:
        for command in commands:
            self._pauses[command] = self.side.world.pauses(*_COMMAND_PAUSES[command])
            self._not_before[command] = 0.0

    def _look(self, number: int) -> None:
        """Ask control for the managed agent's state: once a second, and after each command."""
        if number != self._look_number or not self.lives:
            return
        self._look_number += 1
        busy = self.side.busy_for()
        if not self.side.platform or busy > self.answer_within:
            self.side.after(_WATCH_EVERY, self._look, self._look_number)
        elif busy > 0:
            self.side.after(busy, self._observed, self.side.clock(), self._look_number)
        else:
            self._observed(self.side.clock(), self._look_number)

    def _observed(self, asked_at: float, number: int) -> None:
        """Control answers. While the agent does not run, every other question is for its uuid only."""
        side, core, now = self.side, self.core, self.side.clock()
        if not self.lives:
            return
        before = core.agent
        self._asked_identity = not (self._asked_identity or side.running or before is not AgentState.STOPPED)
        if side.platform:
            if not self._looked_for_orphans:
                self._looked_for_orphans = True
                side.end_orphan(core.terms.stop_grace)
            if self._asked_identity or side.orphan:
                core.platform_answered(now)
            else:
                core.agent_observed(AgentState.RUNNING if side.running else AgentState.STOPPED, asked_at, now)
        if core.agent is not before:
            self.wake()
        side.after(_WATCH_EVERY, self._look, number)

    # The other side and VC

    def _subscribed(self) -> None:
        self._listens = True
        self.core.subscribed()

    def deafen(self) -> None:
        """The bus of this platform drops the subscription and does not say so."""
        self._listens = False

    def _hearing_answered(self, asked_at: float) -> None:
        """The bus says whether the subscription stands; if not, it is renewed. A bus that has ended says nothing."""
        if not self.lives:
            return
        if not self.side.platform:
            self.core.hearing_unproven()
        elif self._listens:
            self.core.hearing_proven(asked_at)
        else:
            self.core.hearing_lost()
            self.side.after(0.1, self._subscribed)
        self.wake()

    def heard_directly(self, heartbeat: Heartbeat) -> None:
        if self._listens:
            self._hear(heartbeat)

    def _hear(self, heartbeat: Heartbeat, over_vc: bool = False) -> None:
        before = self.core.peer
        refusal = self.core.heard(heartbeat, self.side.clock(), over_vc)
        if refusal is None:
            self.side.forgot = False
            self._heard_at = self.side.clock()
            if heartbeat.heard_boot_id == self.core.boot_id:
                self._contact_at = max(self._contact_at, self._sent_at.get(heartbeat.heard_sequence, -inf))
            if self._decision.peer is not Liveness.UP or before is None or before.may_run != heartbeat.may_run:
                self.wake()

    def heard_over_vc(self, session: Connection, heartbeat: Heartbeat) -> None:
        """A heartbeat comes from VC's bus: the other side's, or this one's own, whose publish is thereby answered.

        One of an earlier start of this side, in the role that it has still, is passed over.
        """
        if session is not self._vc_link.session or not self.lives:
            return
        if heartbeat.boot_id == self.core.boot_id:
            self._vc_link.answered(session)
            self._echoed = heartbeat.sequence
            self._check_answer()
        elif heartbeat.agent_id != self._config.agent_id or heartbeat.instance_name != self.side.name:
            self._hear(heartbeat, over_vc=True)

    def vc_answered(self, session: Connection, sequence: int) -> None:
        """VC answered the question that went with a heartbeat."""
        if session is self._vc_link.session and self.lives:
            self._rpc_answered = sequence
            self._check_answer()

    def _check_answer(self) -> None:
        if self._echoed == self._rpc_answered:
            self._vc_answered_at = max(self._vc_answered_at, self._sent_at.get(self._echoed, -inf))
            self.core.vc_answered(self._echoed, self.side.clock())

    def _vc_changed(self) -> None:
        """The connection to VC's platform is new or has ended, and with it every question that is open."""
        self.core.vc_reset()
        if self._vcp_asked_at is not None:
            self._vcp_answered(self._vcp_asked_at, None)

    def _ask_vc(self, now: float) -> None:
        core, side = self.core, self.side
        heartbeat = core.beat_to_vc(now)
        if heartbeat is not None and self._vc_link.publish(heartbeat):
            core.vc_asked(heartbeat, now)
            self._sent_at[heartbeat.sequence] = now
        self._vc_link.check(now)
        if core.wants_vcp(now):
            core.vcp_asked(now)
            self._vcp_asked_at = now
            takes, within = side.world.vcp_takes(side), core.vcp_within(now)
            loses = side.world.schedule.vcp_loses
            self._vcp_lost = loses > 0.0 and not self._vcp_lost and side.world.random.random() < loses
            if takes is not None and self._vcp_lost:
                takes = inf
            if not self._vc_link.up or takes is None and side.world.random.random() < 0.5:
                side.after(0.0, self._vcp_answered, now, None)
            elif takes is None or takes > within:
                side.after(within, self._vcp_answered, now, None)
            else:
                side.after(takes, self._vcp_answered, now, side.world.other(side).running)

    def _vcp_answered(self, asked_at: float, runs: Optional[bool]) -> None:
        if asked_at != self._vcp_asked_at or not self.lives:
            return
        self._vcp_asked_at = None
        if runs is None:
            self.core.vcp_silent(asked_at)
        else:
            self._heard_at = self.side.clock() if runs else self._heard_at
            self.core.vcp_answered(runs, asked_at, self.side.clock())
        self.wake()


# The whole

class Simulation:
    """One run of a schedule.

    :param core: the class that decides in standard failover.
    :ivar overlaps: from when to when both managed agents drove and promise S makes no exception of either.
    :ivar lies: what sides have said that was not true.
    :ivar stops: when and where stops of a managed agent that ran, or was being started, began.
    :ivar settled_after: seconds from the last change of a fault until the right ones ran for good; None if never.
    """

    def __init__(self, schedule: Schedule, core: Type[LeaseCore] = LeaseCore, simple: bool = False):
        self.schedule = schedule
        self.core = core
        self.now = 0.0
        self.random = random.Random(schedule.seed)
        self.start_fails = schedule.start_fails
        self.start_commands: List[Tuple[float, str]] = []
        self.overlaps: List[List[float]] = []
        self.lies: List[str] = []
        self.stops: List[Tuple[float, str]] = []
        self.settled_after: Optional[float] = None
        largest = schedule.terms[0].larger(schedule.terms[1])
        for fault in schedule.faults:
            if fault.kind == "reconfigured":
                largest = largest.larger(_other_terms(fault))
        self.lease_period = sum(largest) * CLOCKS_APART
        self.longest_timeout = largest.timeout
        self.central = Central(self, "vc")
        self.centrals = [self.central]
        if any(fault.kind == "VC moved" for fault in schedule.faults):
            self.centrals.append(Central(self, "vc2"))
        self.sides = []
        for role, rate, own, others, other in zip(
                ROLES, schedule.rates, schedule.terms, schedule.terms[::-1], ROLES[::-1]):
            config = Config(role, simple, "tcp://127.0.0.1:1", "key", "managed", own.heartbeat_period, own.timeout,
                            own.stop_grace)
            # Both have heard each other since they were configured.
            self.sides.append(Side(self, role, rate, config, Remembered(None, own, others, other), self.central))
        self.wires: Dict[Tuple[Machine, Machine], Wire] = {}
        for sender, receiver in itertools.permutations(self.sides + self.centrals, 2):
            self.wires[sender, receiver] = Wire("{} to {}".format(sender.name, receiver.name), self.random)
        self._notes: List[Tuple[float, str, str]] = []
        self._queue: List[tuple] = []
        self._numbers = itertools.count()
        for side in self.sides:
            side.after(self.random.random(), side.start_agent)
        for fault in schedule.faults:
            self._plan(fault)
        self.quiet_from = max([fault.at + (fault.lasts or 0.0) for fault in schedule.faults], default=0.0)
        self._wrong_until = self.quiet_from
        self.at(self.quiet_from, self._quiet)

    def run(self) -> "Simulation":
        end = self.quiet_from + (SETTLED_WITHIN + 1) * self.lease_period
        while self.settled_after is None and self.now < end:
            self.now, _, call, args = heapq.heappop(self._queue)
            call(*args)
        return self

    def at(self, when: float, call: Callable, *args: Any) -> None:
        heapq.heappush(self._queue, (when, next(self._numbers), call, args))

    def other(self, side: Side) -> Side:
        return self.sides[side is self.sides[0]]

    def pauses(self, first: float, longest: float) -> Iterator[float]:
        """As :func:`failover.link.pauses`, with this run's chance."""
        while True:
            yield self.random.uniform(first / 2, first)
            first = min(2 * first, longest)

    def note(self, who: str, text: str) -> None:
        self._notes.append((self.now, who, text))

    def story(self) -> str:
        """Return what happened, a line each."""
        return "\n".join([str(self.schedule)] + ["{:9.3f}  {:10} {}".format(*note) for note in self._notes])

    def vcp_takes(self, asker: Side) -> Optional[float]:
        """Return the seconds until VC's agent on the other platform has answered; None if it cannot."""
        other, central = self.other(asker), asker.central
        if central is not other.central:
            return None
        way = [self.wires[pair] for pair in ((asker, central), (central, other), (other, central), (central, asker))]
        if (not self.schedule.vcp or not central.platform or not other.platform or other.frozen
                or any(wire.cuts for wire in way)):
            return None
        return 0.05 + sum(wire.transit() for wire in way) + other.busy_for()

    # The promises

    def check_safety(self) -> None:
        """Promise S. To be called whenever a managed agent begins or ceases to drive, or an exception ends."""
        both = all(side.drives and self.now >= side.excused_until for side in self.sides)
        if both and (not self.overlaps or self.overlaps[-1][1] < inf):
            self.overlaps.append([self.now, inf])
            self.note("all", "BOTH RUN")
        elif not both and self.overlaps and self.overlaps[-1][1] == inf:
            self.overlaps[-1][1] = self.now
            self.note("all", "no longer both run, after {:.3f} s".format(self.now - self.overlaps[-1][0]))

    @property
    def is_misconfigured(self) -> bool:
        """Whether both sides have the same role, or go by different VCs."""
        first, second = self.sides
        return first.config.agent_id == second.config.agent_id or first.central is not second.central

    def only_power_of(self, side: Side) -> bool:
        """Whether all that goes wrong is that this side loses its power, so that the other one sees all there is."""
        return all(fault.kind == "power lost" and fault.where % 2 == self.sides.index(side)
                   for fault in self.schedule.faults)

    def lie(self, side: Side, what: str) -> None:
        """A side says what is not true."""
        self.note(side.name, "LIES: it {}".format(what))
        self.lies.append(what)

    def wanted(self) -> Dict[Side, Optional[Action]]:
        """Return what each side should do and say in the end, by the documentation's tables; None where either is right.

        One without a failover agent stays as it is. If VCP says that it runs, then the other side should not run,
        unless that one is the primary, which may have held the lease before.

        The tables do not say what two sides in one role, or by two VCs, should do; only promise S is kept then. Nor do
        they count on a side that has lost its memory, before it has heard the other one.
        """
        if self.is_misconfigured:
            return dict.fromkeys(self.sides)
        central = self.sides[0].central
        acts = {side: side.agent is not None and side.platform and not side.frozen for side in self.sides}
        on_bus = {side: central.platform and not self.wires[side, central].cuts and not self.wires[central, side].cuts
                  for side in self.sides}
        direct = not any(self.wires[side, self.other(side)].cuts for side in self.sides)
        peer = all(acts.values()) and (direct or all(on_bus.values()))
        wanted: Dict[Side, Optional[Action]] = {}
        for side in self.sides:
            vc = on_bus[side] and central.vc
            other = self.other(side)
            action = DOCUMENTED[side.config.agent_id][peer, vc]
            revealed = other.drives and not acts[other] and self.vcp_takes(side) is not None
            if side.forgot:
                wanted[side] = None
            elif not acts[side]:
                wanted[side] = None if side.on and not side.frozen and side.agent is None else Action.STOP
            elif action is Action.STOP:
                wanted[side] = action
            elif revealed:
                # It takes the word of VCP for a sighting, and then for none again when that is old.
                wanted[side] = None if side.config.agent_id == "primary" else Action.WAIT
            else:
                wanted[side] = Action.START
        return wanted

    def _is_right(self, side: Side, wanted: Optional[Action]) -> bool:
        if wanted is None:
            return True
        drives = wanted is Action.START
        speaks = side.agent is not None and side.platform and not side.frozen
        return side.drives is drives and (not speaks or wanted is Action.WAIT or side.agent.says is wanted)

    def _quiet(self) -> None:
        self.note("all", "no fault changes any more")
        self.start_fails = 0.0
        self._judge()

    def _judge(self) -> None:
        """Promise L: look twice a second whether those run that should, until it was so for a lease period.

        Where either is right on both sides, go on for as long as settling may take: promise S may be broken late.
        """
        wanted = self.wanted()
        free = all(action is None for action in wanted.values())
        if not all(self._is_right(side, action) for side, action in wanted.items()):
            self._wrong_until = self.now
        elif (self.now - self._wrong_until >= self.lease_period
              and not (free and self.now - self.quiet_from < SETTLED_WITHIN * self.lease_period)):
            self.settled_after = self._wrong_until - self.quiet_from
        self.at(self.now + 0.5, self._judge)

    # The faults

    def _plan(self, fault: Fault) -> None:
        begin, end = FAULTS[fault.kind]
        place = Place(self, fault)
        self.at(fault.at, self._change, "{}, {}".format(fault.kind, place), begin, place)
        if fault.lasts is not FOREVER:
            self.at(fault.at + fault.lasts, self._change, "{}, {}: over".format(fault.kind, place), end, place)

    def _change(self, text: str, change: Callable[["Place"], None], place: "Place") -> None:
        self.note("fault", text)
        change(place)


class Place:
    """Where a fault is: a side, one of the three links or both links of a side, one of its ways or both."""

    def __init__(self, world: Simulation, fault: Fault):
        self.world = world
        self.fault = fault
        self.side = world.sides[fault.where % 2]
        self.central = world.central
        self.snapshot: Optional[Dict[str, Any]] = None
        way = fault.where // 6
        if fault.kind in _AT_SIDES:
            pairs = [(self.side, other) for other in world.sides + world.centrals if other is not self.side]
        else:
            pairs = [list(itertools.combinations(world.sides + [world.central], 2))[fault.where % 3]]
        self.wires = [wire for a, b in pairs
                      for wire in ((world.wires[a, b],) if way == 1 else (world.wires[b, a],) if way == 2 else
                                   (world.wires[a, b], world.wires[b, a]))]

    def __str__(self) -> str:
        if self.fault.kind in _AT_LINKS or self.fault.kind == "cut off":
            return ", ".join(wire.name for wire in self.wires)
        return self.side.name if self.fault.kind in _AT_SIDES else "vc"

    def here(self, call: Callable, *args: Any) -> None:
        """Let something happen on this side, if its machine is on; when it is frozen, at its thaw."""
        self.side.do(self.side.life, call, args)

    def take_snapshot(self) -> None:
        self.snapshot = self.side.snapshot()

    def set(self, name: str, value: float) -> None:
        for wire in self.wires:
            setattr(wire, name, value)

    def cut(self) -> None:
        for wire in self.wires:
            wire.cut()

    def heal(self) -> None:
        for wire in self.wires:
            wire.heal()

    def flap(self) -> None:
        """Cut and heal again and again, as long as the fault lasts."""
        lasts, every = self.fault.lasts, self.fault.amount
        for number in range(int(lasts / every)):
            self.world.at(self.world.now + number * every, self.cut)
            self.world.at(min(self.world.now + lasts, self.world.now + every * (
                number + 0.2 + 0.7 * self.world.random.random())), self.heal)


def _nothing(place: Place) -> None:
    pass


def _other_terms(fault: Fault) -> Terms:
    return (Terms(4.0, 1.0, 1.0), Terms(10.0, 2.0, 5.0), Terms(20.0, 3.0, 10.0))[fault.where // 2 % 3]


# Each kind of fault: how it begins, and how it ends.
_AT_SIDES: Dict[str, Tuple[Callable[[Place], None], Callable[[Place], None]]] = {
    "power lost": (lambda place: place.side.power_off(), lambda place: place.side.power_on()),
    "frozen": (lambda place: place.side.freeze(), lambda place: place.side.thaw()),
    "platform killed": (lambda place: place.here(place.side.kill_platform),
                        lambda place: place.here(place.side.start_platform)),
    "failover agent killed": (lambda place: place.here(place.side.kill_agent),
                              lambda place: place.here(place.side.start_agent)),
    "failover agent stopped": (lambda place: place.here(place.side.stop_agent),
                               lambda place: place.here(place.side.start_agent)),
    "reconfigured": (lambda place: place.here(place.side.reconfigure, _other_terms(place.fault)),
                     lambda place: place.here(place.side.start_agent)),
    "role changed": (lambda place: place.here(place.side.change_role),
                     lambda place: place.here(place.side.start_agent)),
    "VC moved": (lambda place: place.here(place.side.move_vc), lambda place: place.here(place.side.start_agent)),
    "memory lost": (lambda place: place.here(place.side.lose_memory), lambda place: place.here(place.side.start_agent)),
    # It begins with the snapshot, and its end is that the machine is set back to it.
    "set back": (Place.take_snapshot, lambda place: place.side.set_back(place.snapshot)),
    "clock stood still": (lambda place: place.side.freeze(True), lambda place: place.side.thaw()),
    "managed agent killed": (lambda place: place.here(place.side.set_running, False, "managed agent dies"), _nothing),
    "control busy": (lambda place: place.here(place.side.make_busy, min(3.0, place.fault.amount)), _nothing),
    "deafened": (lambda place: place.here(place.side.deafen), _nothing),
    "forged heartbeat": (lambda place: place.here(place.side.forge, round(10 * place.fault.amount)), _nothing),
    "connection to VC reset": (lambda place: place.side.central.reset(place.side.name), _nothing),
    "cut off": (Place.cut, Place.heal),
}
_AT_VC = {
    "VC killed": (lambda place: place.central.set_vc(False), lambda place: place.central.set_vc(True)),
    "VC's platform killed": (lambda place: place.central.kill_platform(), lambda place: place.central.start_platform()),
}
_AT_LINKS = {
    "cut": (Place.cut, Place.heal),
    "flapping": (Place.flap, _nothing),
    "slow": (lambda place: place.set("delay", place.fault.amount), lambda place: place.set("delay", _QUICK)),
    "noisy": (lambda place: place.set("noise", min(1.0, place.fault.amount / 5)),
              lambda place: place.set("noise", 0.0)),
}
FAULTS = {**_AT_SIDES, **_AT_VC, **_AT_LINKS}
# These must end: in them the tables say nothing.
_PASSING = ("flapping", "slow", "noisy")
# The search leaves these out. They have exceptions of their own: two VCs from which neither side has heard the other before
# they are cut off from each other, and a machine that is cut off when it goes on from a snapshot or with an old clock.
_DIRECTED_ONLY = ("VC moved", "clock stood still", "memory lost", "set back")


# The search

class BrokenPromise(AssertionError):
    """The text tells which, and the story."""


@st.composite
def schedules(draw: Callable) -> Schedule:
    """Draw a schedule: up to six faults, of which some are near to each other and some last for ever."""
    terms = [draw(_TERMS)]
    terms.append(draw(_TERMS) if draw(st.booleans()) else terms[0])
    faults, at = [], 0.0
    for _ in range(draw(st.integers(1, 6))):
        at += draw(st.integers(0, 15) | st.integers(0, 200)) / 10
        kind = draw(st.sampled_from(sorted(set(FAULTS) - set(_DIRECTED_ONLY))))
        lasts = draw(st.integers(1, 30) | st.integers(1, 300) | st.none())
        if lasts is None and kind in _PASSING:
            lasts = 200
        faults.append(Fault(kind, draw(st.integers(0, 17)), round(at, 1), lasts and lasts / 10,
                            draw(st.integers(1, 50)) / 10))
    return Schedule(
        faults=tuple(faults),
        terms=tuple(terms),
        rates=tuple(draw(st.sampled_from((1.0, 0.99, 1.01, 0.995, 1.005))) for _ in ROLES),
        vcp=draw(st.booleans()),
        # A VCP that is busy gives late answers; some of them lost in addition, it may give none in a silence.
        vcp_loses=draw(st.sampled_from((0.0, 0.5))) if all(fault.kind != "control busy" for fault in faults) else 0.0,
        start_takes=draw(st.sampled_from((0.5, 0.0, 1.5, 3.0))),
        stop_takes=draw(st.sampled_from((1.0, 0.1, 0.5))),
        start_fails=draw(st.sampled_from((0.0, 0.0, 0.3))),
        seed=draw(st.integers(0, 9999)))


def _some_terms(period: float, timeout: float, stop_grace: float) -> Terms:
    return Terms(max(4.0, 3 * period, timeout), period, max(period, stop_grace))


_TERMS = st.builds(_some_terms, st.sampled_from((0.25, 0.5, 1.0, 2.0, 3.0)), st.sampled_from((4.0, 10.0, 20.0)),
                   st.sampled_from((1.0, 5.0, 10.0)))


def verdict(schedule: Schedule, core: Type[LeaseCore] = LeaseCore) -> Simulation:
    """Run a schedule.

    :raises BrokenPromise: with the story.
    """
    world = Simulation(schedule, core).run()
    if world.overlaps:
        raise BrokenPromise("promise S is broken: both ran\n" + world.story())
    if world.lies:
        raise BrokenPromise("promise T is broken: {}\n{}".format(world.lies[0], world.story()))
    if world.settled_after is None or world.settled_after > SETTLED_WITHIN * world.lease_period:
        raise BrokenPromise("promise L is broken: the right ones do not run within {:.1f} s\n{}".format(
            SETTLED_WITHIN * world.lease_period, world.story()))
    return world


def check(count: int, chance: int, core: Type[LeaseCore] = LeaseCore) -> List[float]:
    """Try so many schedules; return how long each took to settle, in lease periods.

    :param chance: seed of the search.
    :raises BrokenPromise: with the simplest story that was found.
    """
    settled = []

    @seed(chance)
    @settings(max_examples=count, database=None, deadline=None, phases=(Phase.generate, Phase.shrink),
              suppress_health_check=list(HealthCheck), report_multiple_bugs=False, print_blob=False)
    @given(schedules())
    def try_one(schedule: Schedule) -> None:
        world = verdict(schedule, core)
        settled.append(world.settled_after / world.lease_period)

    try_one()
    return settled


def quantiles(values: List[float]) -> str:
    values = sorted(values)
    return "   ".join("{} %: {:.2f}".format(part, values[min(len(values) - 1, part * len(values) // 100)])
                      for part in (5, 50, 95, 100))


def takeover_times(count: int, simple: bool) -> List[float]:
    """Return the seconds from the primary's power loss to the secondary's start command, in so many runs."""
    times = []
    for number in range(count):
        lost = 60 + number / count
        world = Simulation(Schedule((Fault("power lost", 0, lost),), seed=number), simple=simple).run()
        times.append(next(at for at, name in world.start_commands if at > lost and name == "secondary") - lost)
    return times


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("check", "takeover"))
    parser.add_argument("--schedules", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.what == "takeover":
        for mode in ("simple", "standard"):
            print("{:8} failover, takeover in s:  {}".format(mode, quantiles(takeover_times(1000, mode == "simple"))))
        return 0
    try:
        settled = check(options.schedules, options.seed)
    except BrokenPromise as broken:
        print(broken)
        return 1
    print("{} schedules keep both promises, in {:.0f} s of CPU time".format(len(settled), time.process_time()))
    print("settled after so many lease periods:  {}".format(quantiles([value for value in settled if value > 0])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
