"""What the explorer searches: both sides of standard failover, and facts about what surrounds them.

Time goes in steps. In each of them either side looks once, in whatever order or in a given one, and before, between and
after that anything may happen to the surroundings. What a message causes that can arrive, happens in the same moment. No
rule of failover stands here: the surroundings know which processes run, which ways are cut, and what is under way.

* Three **links** join three machines: the primary's, the secondary's, and VOLTTRON Central's (VC). Each may be cut, both
  ways or one way. What is sent meanwhile is held up. When the link heals, either all of that arrives, if the cut was
  shorter than the shell waits for an answer, or none of it, and the connections are new ones. A side hears of a broken
  connection only then. That is late, and gives its evidence the longest life.
* A **machine** may lose its power, and come back: with a new start, and with the record on disk, in which no lease counts
  any more. The failover agent alone may **die**, and come back at once; the managed agent goes on meanwhile, and a lease
  on file counts. It does not die during a start or a stop: promise S makes an exception of that.
* A failover agent may be stopped **in order**, and its platform with it: it stops the managed agent, says farewell, and
  comes back like a machine. An **operator** may order a switchover on either side.
* **Control** of a platform may fall silent. Stops go on, by signals.
* A **start** has the managed agent run at once or ``stop_grace`` later, and a **stop** ends it at once or at the end of
  the time that it has. What ends and what begins in the same moment does not overlap: the bound is strict in real time.
* **VCP** either never knows anything (then it prevents nothing), or says what is true where it can be reached.

The clocks of both sides are exact. So that every span falls on a step, nothing is added to the silence for their drift,
unless a model says otherwise: with whole steps, the 2 % would be worth up to a step, and hide what is too short by less.
"""

from collections import deque
from math import inf
from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple

from failover.decision import effects as does
from failover.decision import events as happens
from failover.decision.heartbeat import Heartbeat
from failover.decision.machine import step
from failover.decision.setup import Record, Setup
from failover.decision.state import State, initial
from failover.decision.view import view
from failover.decision.vocabulary import AgentState, Command, Path, Timing
from tests.simulator.explore_normal import (
    COMMANDS,
    Ranks,
    heartbeat_from_now,
    numbers_in,
    numbers_in_heartbeat,
    renamed,
    side_from_now,
)

__all__ = ["AGENT", "BothRun", "Cut", "Facts", "Machinery", "Model", "ROLES", "World", "begun", "move"]

ROLES = ("primary", "secondary")
AGENT, _KEY = "managed", "key-of-vc"
LINKS = ("the primary and VC", "the secondary and VC", "the two sides")
# Ways: from a machine to another one, in the order of the links, there and back.
WAYS = ("from the primary to VC", "from VC to the primary", "from the secondary to VC", "from VC to the secondary",
        "from the primary to the secondary", "from the secondary to the primary")
# Seconds for which a connection outlives that nothing comes through.
_HELD_WITHIN = 2.0


class Model(NamedTuple):
    """What does not change in a search.

    :ivar beat: seconds of one step of time.
    :ivar first: number of the side that looks first in each step; None if that may be either.
    :ivar vcp: whether VCP knows anything.
    :ivar drift: whether the silence is prolonged for the drift of the clocks.
    """

    timing: Timing = Timing(3.0, 1.0, 1.0)
    beat: float = 1.0
    first: Optional[int] = None
    vcp: bool = False
    drift: bool = False


class Cut(NamedTuple):
    """A link that is cut: both ways, or that with this number; for so many seconds."""

    way: Optional[int]
    lasts: float


class Pending(NamedTuple):
    """A command that takes its time: it has ended when ``left`` seconds have passed."""

    side: int
    command: Command
    number: int
    left: float


class Message(NamedTuple):
    """What is under way: a heartbeat to VC, one from its bus, VC's answer, a heartbeat to the peer, or its receipt.

    :ivar side: whose heartbeat it is, or whom the rest is for.
    """

    kind: str
    side: int
    content: Any = None


class Facts(NamedTuple):
    """The surroundings. Where there are two of a thing, the first is the primary's, the second the secondary's.

    :ivar on: whether the machine has power.
    :ivar muted: whether control of the platform is silent.
    :ivar runs: whether the process of the managed agent exists.
    :ivar linked: whether a connection stands: of either side to VC, and of either side to the other's platform.
    :ivar cuts: one for each link; None if it is whole.
    :ivar held: for each way, what is held up.
    :ivar disk: the record of a side that is off.
    :ivar starts: how often the failover agent has started.
    """

    on: Tuple[bool, bool] = (True, True)
    muted: Tuple[bool, bool] = (False, False)
    runs: Tuple[bool, bool] = (False, False)
    pending: Tuple[Pending, ...] = ()
    linked: Tuple[bool, ...] = (True,) * 4
    cuts: Tuple[Optional[Cut], ...] = (None,) * 3
    held: Tuple[Tuple[Message, ...], ...] = ((),) * 6
    disk: Tuple[Optional[Record], Optional[Record]] = (None, None)
    starts: Tuple[int, int] = (1, 1)


class World(NamedTuple):
    """Everything: the numbers of both states (None without power), the facts, and which sides have looked in this step."""

    sides: Tuple[Optional[int], Optional[int]]
    facts: Facts
    looked: Tuple[bool, bool] = (False, False)


class BothRun(Exception):
    """Both managed agents run."""


class Machinery:
    """Steps, each of which is done once: the states have numbers, and what follows from a state and an event is kept.

    :ivar states: by their numbers.
    :ivar cells: for each cell of the tables that was asked for, how many states decided by it.
    """

    def __init__(self, model: Model, plain: bool = False):
        """:param plain: whether times and numbers go on as they do in reality, and nothing is made to coincide."""
        self.model = model
        self.plain = plain
        self.states: List[State] = []
        self.cells: Dict[Tuple, int] = {}
        self._numbers: Dict[State, int] = {}
        self._after: Dict[Tuple[int, Any, float], Tuple[int, Tuple]] = {}
        self._from_now: Dict[Tuple, int] = {}
        self._occur: Dict[int, Tuple] = {}

    def numbers_in(self, number: int, boots: Tuple[str, str]) -> Tuple:
        """Return the numbers of both sides' heartbeats that occur in a state."""
        found = self._occur.get(number)
        if found is None:
            found = self._occur[number] = numbers_in(self.states[number], boots)
        return found

    def number_of(self, state: State) -> int:
        number = self._numbers.get(state)
        if number is None:
            number = self._numbers[state] = len(self.states)
            self.states.append(state)
            view(state, state.now)
            decision = state.decision
            cell = state.roles.acting, decision.peer, decision.vc, decision.lease, decision.action
            self.cells[cell] = self.cells.get(cell, 0) + 1
        return number

    def step(self, number: int, event: Any, now: float) -> Tuple[int, Tuple]:
        key = number, event, now
        done = self._after.get(key)
        if done is None:
            state, effects = step(self.states[number], event, now)
            done = self._after[key] = self.number_of(state), effects
        return done

    def from_now(self, number: int, boots: Tuple[str, str], numbers: Tuple[Tuple[int, ...], ...],
                 alive: Tuple[str, ...]) -> int:
        """Return the number of the normal form of a state.

        :param numbers: all that occur of this side's heartbeats, and of the peer's.
        """
        key = number, boots, numbers, alive
        found = self._from_now.get(key)
        if found is None:
            ranks = tuple(map(Ranks, numbers))
            state = side_from_now(self.states[number], self.model.beat, boots, ranks, alive)
            found = self._from_now[key] = self.number_of(state)
        return found

    def setup(self, side: int, boot_id: str) -> Setup:
        name = ROLES[side]
        return Setup("standard", name, self.model.timing,
                     min(self.model.timing.heartbeat_period, self.model.timing.timeout / 3),
                     name, "failover", (AGENT,), boot_id, self.model.timing.timeout / 2, quiet_until=-inf)


class _Change:
    """A copy of a world, while it changes."""

    def __init__(self, machinery: Machinery, world: World, now: float, choices: Tuple[bool, ...],
                 told: Optional[List[Tuple[float, str]]]):
        facts = world.facts
        self._machinery = machinery
        self._model = machinery.model
        self._now = now
        self._choices = choices
        self.made: List[bool] = []
        self._told = told
        self.sides = list(world.sides)
        self.on, self.muted, self.runs = list(facts.on), list(facts.muted), list(facts.runs)
        self.pending, self.linked, self.cuts = list(facts.pending), list(facts.linked), list(facts.cuts)
        self.held = [list(one) for one in facts.held]
        self.disk, self.starts = list(facts.disk), list(facts.starts)
        self._coming: deque = deque()
        self.started: List[int] = []

    def facts(self) -> Facts:
        return Facts(tuple(self.on), tuple(self.muted), tuple(self.runs), tuple(self.pending), tuple(self.linked),
                     tuple(self.cuts), tuple(map(tuple, self.held)), tuple(self.disk), tuple(self.starts))

    def tell(self, text: str, *values: Any) -> None:
        if self._told is not None:
            self._told.append((self._now, text.format(*values)))

    def _choose(self) -> bool:
        """Return a choice: the next one that is given, or else no. Which ones were made is noted."""
        place = len(self.made)
        chosen = self._choices[place] if place < len(self._choices) else False
        self.made.append(chosen)
        return chosen

    # Time

    def pass_time(self) -> None:
        """A step of time has passed. What must end by now ends, before anything else happens."""
        beat = self._model.beat
        for link, cut in enumerate(self.cuts):
            if cut is not None:
                lasts = min(cut.lasts + beat, _HELD_WITHIN + beat)
                self.cuts[link] = cut._replace(lasts=lasts)
                if lasts > _HELD_WITHIN:
                    self._drop(link)
        self.pending = [one._replace(left=one.left - beat) for one in self.pending]
        for command in (Command.STOP, Command.START):
            for one in [one for one in self.pending if one.command is command and one.left <= 0]:
                if one in self.pending:
                    self.pending.remove(one)
                    self._end_command(one.side, one.command, one.number)

    # Processes

    def _end_command(self, side: int, command: Command, number: int) -> None:
        """A start or a stop has done what it is for."""
        if command is Command.START:
            self.tell("{}: the managed agent RUNS", ROLES[side])
            self.runs[side] = True
            self.started.append(side)
            if all(self.runs):
                raise BothRun()
            self._post(side, happens.StartAnswered(AGENT, number))
            self._post(side, happens.CommandEnded(AGENT, number, command, True))
        else:
            self.tell("{}: the managed agent has stopped", ROLES[side])
            self.runs[side] = False
            for one in [one for one in self.pending if one.side == side]:
                self.pending.remove(one)
                self._post(side, happens.StartAnswered(AGENT, one.number))
            self._post(side, happens.CommandEnded(AGENT, number, command, True, is_gone=True))
        self.look(side)

    def _start_failover(self, side: int, record: Record) -> None:
        """A failover agent starts. Its connections are made, where they can be."""
        self.starts[side] += 1
        boot_id = "{}-{}".format(ROLES[side], self.starts[side]) if self._machinery.plain else ROLES[side]
        if not self._machinery.plain:
            self._rename(side)
        self.sides[side] = self._machinery.number_of(
            initial(self._machinery.setup(side, boot_id), record, self._now))
        self.begin(side)

    def begin(self, side: int) -> None:
        self._post(side, happens.Subscribed())
        self._post(side, happens.VcKnown(_KEY))
        self._connect(side)
        self._connect(2 + side)
        self._connect(3 - side)

    def _rename(self, side: int) -> None:
        """What the other side knows of the start before this one, is knowledge of a former start from now on."""
        name, other = ROLES[side], self.sides[1 - side]
        names = {name + "'" * count: name + "'" * (count + 1) for count in range(4)}
        if other is not None:
            state = self._machinery.states[other]
            self.sides[1 - side] = self._machinery.number_of(renamed(state, names))
        for way, held in enumerate(self.held):
            self.held[way] = [one._replace(content=renamed(one.content, names)) if isinstance(one.content, Heartbeat)
                              else one for one in held]

    def look(self, side: int) -> None:
        """Control is asked for the managed agent. If it is silent, nothing but time passes."""
        if not self.muted[side]:
            state = AgentState.RUNNING if self.runs[side] else AgentState.STOPPED
            self._post(side, happens.AgentObserved(AGENT, state, self._now))
        else:
            self._post(side, happens.Tick())

    # Connections: 0 and 1 are those to VC, 2 and 3 those to the other side.

    def _link_of(self, connection: int) -> int:
        return min(connection, 2)

    def _connect(self, connection: int) -> None:
        """A new connection takes the place of the former one, if its machines are on and nothing is cut."""
        side, path = connection % 2, Path.DIRECT if connection > 1 else Path.VC
        self.linked[connection] = (self.cuts[self._link_of(connection)] is None and self.on[side]
                                   and (connection < 2 or self.on[1 - side]))
        if self.on[side]:
            self._post(side, happens.LinkChanged(path, False))
            if self.linked[connection]:
                self._post(side, happens.LinkChanged(path, True))

    def _is_cut(self, way: int) -> bool:
        cut = self.cuts[way // 2]
        return cut is not None and cut.way in (None, way)

    def _send(self, way: int, message: Message) -> None:
        if self._is_cut(way):
            self.held[way].append(message)
        else:
            self._coming.append(message)

    def _drop(self, link: int) -> None:
        """Nothing that is under way on a link will arrive, and its connections are of no use any more."""
        for connection in range(4):
            if self._link_of(connection) == link:
                self.linked[connection] = False
        self.held[2 * link] = []
        self.held[2 * link + 1] = []

    # Steps, and what they cause

    def _post(self, side: int, event: Any) -> None:
        self._coming.append(Message("event", side, event))

    def settle(self) -> None:
        """Have everything happen that follows in this moment."""
        while self._coming:
            message = self._coming.popleft()
            getattr(self, "_on_" + message.kind)(message.side, message.content)

    def _on_event(self, side: int, event: Any) -> None:
        if self.sides[side] is None:
            return
        self.sides[side], effects = self._machinery.step(self.sides[side], event, self._now)
        for effect in effects:
            perform = _PERFORM[type(effect)]
            if perform is not None:
                perform(self, side, effect)

    def _on_publish(self, side: int, heartbeat: Heartbeat) -> None:
        """A heartbeat is on VC's platform."""
        for other in (0, 1):
            if self.linked[other]:
                self._send(2 * other + 1, Message("bus", other, heartbeat))
        self._send(2 * side + 1, Message("answer", side, heartbeat.sequence))

    def _on_bus(self, side: int, heartbeat: Heartbeat) -> None:
        self._on_event(side, happens.HeartbeatReceived(Path.VC, heartbeat, "sender", subject=AGENT))

    def _on_answer(self, side: int, sequence: int) -> None:
        self._on_event(side, happens.VcAnswered(sequence))
        self._on_event(side, happens.LinkFree(Path.VC))

    def _on_direct(self, side: int, heartbeat: Heartbeat) -> None:
        other = 1 - side
        if self.on[other]:
            self._send(5 - side, Message("receipt", side))
            self._on_event(other, happens.HeartbeatReceived(
                Path.DIRECT, heartbeat, "sender", ROLES[side], "standard", AGENT))

    def _on_receipt(self, side: int, content: None) -> None:
        self._on_event(side, happens.LinkFree(Path.DIRECT))

    def _publish(self, side: int, effect: does.Publish) -> None:
        connection = side if effect.path is Path.VC else 2 + side
        if self.linked[connection]:
            way, kind = (2 * side, "publish") if connection < 2 else (4 + side, "direct")
            self._send(way, Message(kind, side, effect.heartbeat))

    def _ask_vcp(self, side: int, effect: does.AskVcp) -> None:
        other, runs = 1 - side, None
        if self._model.vcp and self.on[other] and not self.muted[other] and self.linked[side] \
                and self.cuts[0] is None and self.cuts[1] is None:
            runs = self.runs[other]
        self._post(side, happens.VcpAnswered(self._now, runs))

    def _prepare(self, side: int, effect: does.PrepareStart) -> None:
        self._post(side, happens.ReadyToStart(AGENT, effect.number))

    def _launch(self, side: int, effect: does.Launch) -> None:
        if effect.before is not None and self._now >= effect.before:
            self._post(side, happens.StartAnswered(AGENT, effect.number))
            self._post(side, happens.CommandEnded(AGENT, effect.number, Command.START, True))
            return
        if self._choose():
            self.tell("{}: a start begins, and takes its time", ROLES[side])
            self.pending.append(Pending(side, Command.START, effect.number, self._model.timing.stop_grace))
        else:
            self._end_command(side, Command.START, effect.number)

    def _stop(self, side: int, effect: does.Stop) -> None:
        matters = self.runs[side] or any(one.side == side for one in self.pending)
        if matters and effect.within >= self._model.beat and self._choose():
            self.tell("{}: a stop begins, and takes its time", ROLES[side])
            self.pending.append(Pending(side, Command.STOP, effect.number, effect.within))
        else:
            self._end_command(side, Command.STOP, effect.number)

    def _prove(self, side: int, effect: does.ProveHearing) -> None:
        self._post(side, happens.HearingProven(self._now, True))

    def _save(self, side: int, effect: does.SaveRecord) -> None:
        self._post(side, happens.RecordSaved(effect.record, True))

    # What may happen to the surroundings

    def act(self, action: Tuple) -> None:
        kind, where = action[0], action[1:]
        getattr(self, "_do_" + kind)(*where)

    def _do_look(self, side: int) -> None:
        self.look(side)

    def _do_cut(self, link: int, way: Optional[int]) -> None:
        self.tell("cut: {}", LINKS[link] if way is None else WAYS[way])
        self.cuts[link] = Cut(way, 0.0)

    def _do_heal(self, link: int, arrives: bool) -> None:
        held = self.held[2 * link] + self.held[2 * link + 1]
        self.tell("whole again: {}; {}", LINKS[link], "{} held up messages arrive".format(len(held)) if arrives else
                  "the connections are new ones")
        self.cuts[link] = None
        if arrives:
            self._coming.extend(held)
            self.held[2 * link] = []
            self.held[2 * link + 1] = []
            return
        self._drop(link)
        for connection in ((link,) if link < 2 else (2, 3)):
            self._connect(connection)

    def _do_crash(self, side: int) -> None:
        self.tell("{}: the power goes{}", ROLES[side], "; the managed agent is gone" if self.runs[side] else "")
        record = self._machinery.states[self.sides[side]].record
        self.disk[side] = record._replace(lease_until=None)
        self.sides[side] = None
        self.on[side] = self.runs[side] = self.muted[side] = False
        self.pending = [one for one in self.pending if one.side != side]
        self._lose_connections(side)

    def _lose_connections(self, side: int) -> None:
        """Whatever comes through a cut later is not for this start."""
        for link in (side, 2):
            self._drop(link)
            if self.cuts[link] is not None:
                self.cuts[link] = self.cuts[link]._replace(lasts=_HELD_WITHIN + self._model.beat)

    def _do_restart(self, side: int) -> None:
        self.tell("{}: the power is back, and the failover agent starts", ROLES[side])
        record, self.disk[side] = self.disk[side], None
        self.on[side] = True
        self._start_failover(side, record)

    def _do_die(self, side: int) -> None:
        self.tell("{}: the failover agent dies, and starts again at once", ROLES[side])
        record = self._machinery.states[self.sides[side]].record
        self._lose_connections(side)
        self._start_failover(side, record)

    def _do_leave(self, side: int) -> None:
        self.tell("{}: the platform is shut down in order", ROLES[side])
        self._post(side, happens.EndAsked())
        self.settle()
        self.runs[side] = False
        self.pending = [one for one in self.pending if one.side != side]
        self._post(side, happens.Ended(True))
        self.settle()
        self._do_crash(side)

    def _do_order(self, side: int) -> None:
        state = self._machinery.states[self.sides[side]]
        to = ROLES[state.roles.preferred == ROLES[0]]
        self.tell("{}: a switchover to the {} is ordered", ROLES[side], to)
        self._post(side, happens.SwitchoverAsked(to))

    def _do_mute(self, side: int) -> None:
        self.tell("{}: control falls silent", ROLES[side])
        self.muted[side] = True

    def _do_unmute(self, side: int) -> None:
        self.tell("{}: control answers again", ROLES[side])
        self.muted[side] = False


_PERFORM = {
    does.Publish: _Change._publish, does.AskVcp: _Change._ask_vcp, does.PrepareStart: _Change._prepare,
    does.Launch: _Change._launch, does.Stop: _Change._stop, does.ProveHearing: _Change._prove,
    does.SaveRecord: _Change._save, does.StopForGood: None, does.Want: None, does.Note: None, does.ReconnectNow: None,
    does.RenewVcLink: None}


def begun(machinery: Machinery, now: float = 0.0) -> World:
    """Return the world in which both sides have just started, after both had known each other."""
    timing = machinery.model.timing
    sides = []
    for side in (0, 1):
        record = Record(None, timing, timing, ROLES[1 - side], "standard")
        boot_id = ROLES[side] + "-1" if machinery.plain else ROLES[side]
        sides.append(machinery.number_of(initial(machinery.setup(side, boot_id), record, now)))
    change = _Change(machinery, World((sides[0], sides[1]), Facts()), now, (), None)
    change.begin(0)
    change.begin(1)
    change.settle()
    return World(tuple(change.sides), change.facts())


def move(machinery: Machinery, world: World, action: Tuple, choices: Tuple[bool, ...] = (), now: float = 0.0,
         told: Optional[List[Tuple[float, str]]] = None) -> Tuple[World, Tuple[bool, ...], Tuple[int, ...]]:
    """Return what comes of an action, the choices that were made, and where the managed agent began to run.

    :param action: ``("look", side)``, or what happens to the surroundings. When both have looked, a step of time passes.
    :param choices: whether each command takes its time. Those that are not given are at once.
    """
    change = _Change(machinery, world, now, choices, told)
    change.act(action)
    change.settle()
    if action[0] != "look":
        return World(tuple(change.sides), change.facts(), world.looked), tuple(change.made), tuple(change.started)
    looked = (world.looked[0] or action[1] == 0, world.looked[1] or action[1] == 1)
    world = World(tuple(change.sides), change.facts(), looked)
    if not all(looked):
        return world, tuple(change.made), tuple(change.started)
    world = World(world.sides, world.facts) if machinery.plain else _from_now(machinery, world.sides, world.facts)
    later = _Change(machinery, world, now + machinery.model.beat if machinery.plain else now,
                    choices[len(change.made):], told)
    later.pass_time()
    later.settle()
    return (World(tuple(later.sides), later.facts()), tuple(change.made + later.made),
            tuple(change.started + later.started))


def _from_now(machinery: Machinery, sides: Tuple[Optional[int], ...], facts: Facts) -> World:
    """Return the world as it is seen from the next step of time."""
    occur: Tuple[Set, Set] = set(), set()
    for side, number in enumerate(sides):
        if number is not None:
            own, peers = machinery.numbers_in(number, (ROLES[side], ROLES[1 - side]))
            occur[side].update(own)
            occur[1 - side].update(peers)
    alive = {side: {ROLES[side]} if facts.on[side] else set() for side in (0, 1)}
    for one in (one for way in facts.held for one in way):
        if one.kind == "answer":
            occur[one.side].add(one.content)
        elif one.content is not None:
            sender = ROLES.index(one.content.agent_id)
            alive[sender].add(one.content.boot_id)
            senders, receivers = numbers_in_heartbeat(one.content, (ROLES[sender], ROLES[1 - sender]))
            occur[sender].update(senders)
            occur[1 - sender].update(receivers)
    numbers = tuple(tuple(sorted(one for one in some if one)) for some in occur)
    new = tuple(None if number is None else machinery.from_now(
        number, (ROLES[side], ROLES[1 - side]), (numbers[side], numbers[1 - side]), tuple(sorted(alive[1 - side])))
        for side, number in enumerate(sides))
    pending = tuple(one._replace(number=one.number + COMMANDS - machinery.states[sides[one.side]].agents[0].number)
                    for one in facts.pending)
    held = facts.held
    if any(held):
        ranks = tuple(map(Ranks, numbers))
        held = tuple(tuple(_message_from_now(one, machinery.model.beat, ranks) for one in way) for way in held)
    return World(new, facts._replace(pending=pending, held=held, starts=(1, 1)))


def _message_from_now(message: Message, passed: float, ranks: Tuple[Ranks, ...]) -> Message:
    if message.kind == "answer":
        return message._replace(content=ranks[message.side][message.content])
    if message.content is None:
        return message
    sender = ROLES.index(message.content.agent_id)
    return message._replace(content=heartbeat_from_now(
        message.content, passed, (ROLES[sender], ROLES[1 - sender]), (ranks[sender], ranks[1 - sender])))
