"""One run of a schedule: both sides, VC, the network between them, and virtual time."""

import heapq
import itertools
import random
from math import inf
from typing import Any, Callable, Dict, List, Optional, Tuple

from failover.decision.heartbeat import Heartbeat
from failover.decision.setup import Record
from failover.decision.vocabulary import CLOCK_DRIFT_BOUND, Path
from tests.simulator.faults import FAULTS, Place, is_over_at, other_timing
from tests.simulator.machine import ROLES, Central, Machine
from tests.simulator.network import Wire
from tests.simulator.promises import SETTLED_WITHIN, Liveness, Safety
from tests.simulator.schedule import Fault, Schedule
from tests.simulator.side import Side

__all__ = ["Runaway", "World"]

# Steps of both failover agents in one run. A thousand are usual.
_MOST_STEPS = 40000


class Runaway(Exception):
    """The failover agents take more steps than can be of use."""


class World:
    """The whole, and what comes of it.

    :param simple: simple failover instead of standard.
    :param records: keep what goes into each failover agent.
    :ivar recordings: each genuine heartbeat that has come to a side, and on which way.
    :ivar lies: what sides have said that was not true.
    :ivar stops: when and where stops of a managed agent that ran, or was being started, began.
    :ivar start_commands: when and where starts were commanded.
    """

    def __init__(self, schedule: Schedule, simple: bool = False, records: bool = False):
        self.schedule, self.simple, self.records = schedule, simple, records
        self.now, self._steps = 0.0, 0
        self.random = random.Random(schedule.seed)
        self.start_fails = schedule.start_fails
        self.start_commands: List[Tuple[float, str]] = []
        self.stops: List[Tuple[float, str]] = []
        self.lies: List[str] = []
        self.recordings: List[Tuple[Side, Path, Heartbeat]] = []
        self._notes: List[Tuple[float, str, str]] = []
        self._queue: List[tuple] = []
        self._numbers = itertools.count()
        largest = schedule.timings[0].larger(schedule.timings[1])
        for fault in schedule.faults:
            if fault.kind.startswith("reconfigured"):
                largest = largest.larger(other_timing(fault))
        self.lease_period = sum(largest) * CLOCK_DRIFT_BOUND
        self.longest_timeout = largest.timeout
        self.central = Central(self, "vc")
        self.centrals = [self.central]
        if any(fault.kind == "VC moved" for fault in schedule.faults):
            self.centrals.append(Central(self, "vc2"))
        self.safety = Safety(self)
        self.sides: List[Side] = []
        for role, rate, own, others, other in zip(
                ROLES, schedule.rates, schedule.timings, schedule.timings[::-1], ROLES[::-1]):
            # Both have heard each other since they were configured.
            self.sides.append(Side(self, role, rate, own, Record(None, own, others, other), self.central))
        self.wires: Dict[Tuple[Machine, Machine], Wire] = {
            pair: Wire("{} to {}".format(*(one.name for one in pair)), self.random)
            for pair in itertools.permutations(self.sides + self.centrals, 2)}
        for side in self.sides:
            side.after(self.random.random(), side.start_agent)
        for fault in schedule.faults:
            self._plan(fault)
        heals = all(fault.lasts for fault in schedule.faults)
        self.quiet_from = max([is_over_at(fault, heals) for fault in schedule.faults], default=0.0)
        self.liveness = Liveness(self, self.quiet_from)
        self.at(self.quiet_from, self._quiet)

    def run(self) -> "World":
        """Let everything happen until those run that should, or the time for that is over."""
        end = self.quiet_from + (SETTLED_WITHIN + 1) * self.lease_period
        queue, pop, liveness = self._queue, heapq.heappop, self.liveness
        while liveness.settled_after is None and self.now < end:
            self.now, _, call, args = pop(queue)
            call(*args)
        return self

    @property
    def overlaps(self) -> List[List[float]]:
        """From when to when both managed agents drove without an exception."""
        return self.safety.overlaps

    def count_step(self) -> None:
        """A failover agent takes a step.

        :raises Runaway: that is no step of a rule that ever comes to rest.
        """
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise Runaway()

    def check_safety(self) -> None:
        self.safety.check()

    def at(self, when: float, call: Callable, *args: Any) -> None:
        """Let something happen at a moment of true time."""
        if when < inf:
            heapq.heappush(self._queue, (when, next(self._numbers), call, args))

    def named(self, name: str) -> Side:
        return self.sides[name != self.sides[0].name]

    def other(self, side: Side) -> Side:
        return self.sides[side is self.sides[0]]

    def note(self, who: str, text: str) -> None:
        self._notes.append((self.now, who, text))

    def lie(self, side: Side, what: str) -> None:
        """A side says what is not true."""
        self.note(side.name, "LIES: it {}".format(what))
        self.lies.append(what)

    def second_copy(self, side: Side) -> None:
        """A managed agent is started beside one that is left from before."""
        self.note(side.name, "A SECOND COPY RUNS")
        self.overlaps.append([self.now, self.now])

    def story(self) -> str:
        """Return what happened, a line each."""
        return "\n".join([str(self.schedule)] + ["{:9.3f}  {:10} {}".format(*note) for note in self._notes])

    def vcp_takes(self, asker: Side) -> Optional[float]:
        """Return the seconds until VC's agent on the other platform has answered; None if it cannot."""
        other, central = self.other(asker), asker.central
        if (not self.schedule.vcp or central is not other.central or not central.platform or not other.platform
                or other.frozen or other.control.is_mute):
            return None
        way = [self.wires[pair] for pair in ((asker, central), (central, other), (other, central), (central, asker))]
        if any(wire.cuts for wire in way):
            return None
        return 0.05 + sum(wire.transit() for wire in way) + other.control.delay

    @property
    def preferred(self) -> str:
        """The configured role of the side that the last orders prefer."""
        return max(side.orders[:3] for side in self.sides)[2]

    @property
    def is_paused(self) -> bool:
        """Whether either side is paused, and its failover agent could end that."""
        return any(side.orders.is_paused and not side.frozen for side in self.sides)

    @property
    def is_misconfigured(self) -> bool:
        """Whether both sides have the same role, or go by different VCs, or cannot check each other's signatures."""
        first, second = self.sides
        return (first.role == second.role or first.central is not second.central
                or first.signs and second.signs and any(side.has_wrong_key for side in self.sides))

    @property
    def cannot_agree(self) -> bool:
        """Whether times have changed, but a disk takes nothing."""
        return (any(fault.kind.startswith("reconfigured") for fault in self.schedule.faults)
                and any(side.disk["full"] or side.disk["hung"] for side in self.sides))

    def only_power_of(self, side: Side) -> bool:
        """Whether all that goes wrong is that this side loses its power, so that the other one sees all there is."""
        return all(fault.kind == "power lost" and fault.where % 2 == self.sides.index(side)
                   for fault in self.schedule.faults)

    def _quiet(self) -> None:
        self.note("all", "no fault changes any more")
        self.start_fails = 0.0
        self.liveness.judge()

    def _plan(self, fault: Fault) -> None:
        begin, end = FAULTS[fault.kind]
        place = Place(self, fault)
        self.at(fault.at, self._change, "{}, {}".format(fault.kind, place), begin, place)
        if fault.lasts is not None:
            self.at(fault.at + fault.lasts, self._change, "{}, {}: over".format(fault.kind, place), end, place)

    def _change(self, text: str, change: Callable[[Place], None], place: Place) -> None:
        self.note("fault", text)
        change(place)
