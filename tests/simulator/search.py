"""The search for a schedule that breaks a promise, and the simplest of that kind."""

import random
from typing import Iterator, List, NamedTuple, Optional

from tests.simulator.faults import DIRECTED_ONLY, FAULTS, PASSING
from tests.simulator.promises import SETTLED_WITHIN
from tests.simulator.schedule import Fault, Schedule, draw
from tests.simulator.world import Runaway, World

__all__ = ["BrokenPromise", "check", "nth", "takeover_times", "verdict"]

_KINDS = tuple(sorted(set(FAULTS) - set(DIRECTED_ONLY)))


class BrokenPromise(AssertionError):
    """The text tells which, and the story.

    :ivar world: in which it was broken.
    """

    def __init__(self, text: str, world: World):
        super().__init__("{}\n{}".format(text, world.story()))
        self.world = world


class Found(NamedTuple):
    """What came of a search: how long each schedule took to settle, in lease periods."""

    settled: List[float]


def verdict(schedule: Schedule, records: bool = False) -> World:
    """Run a schedule.

    :raises BrokenPromise: with the story.
    """
    world = World(schedule, records=records)
    try:
        world.run()
    except Runaway:
        raise BrokenPromise("promise L is broken: the failover agents do not come to rest", world) from None
    if world.overlaps:
        raise BrokenPromise("promise S is broken: both ran", world)
    if world.lies:
        raise BrokenPromise("promise T is broken: {}".format(world.lies[0]), world)
    settled = world.liveness.settled_after
    if settled is None or settled > SETTLED_WITHIN * world.lease_period:
        raise BrokenPromise("promise L is broken: the right ones do not run within {:.1f} s".format(
            SETTLED_WITHIN * world.lease_period), world)
    return world


def nth(seed: int, number: int) -> Schedule:
    """Return the schedule of this number in a search."""
    return draw(random.Random(seed * 1000003 + number), _KINDS, PASSING)


def check(count: int, seed: int) -> List[float]:
    """Try so many schedules; return how long each took to settle, in lease periods.

    :raises BrokenPromise: with the simplest story that was found.
    """
    settled = []
    for number in range(count):
        schedule = nth(seed, number)
        try:
            world = verdict(schedule)
        except BrokenPromise as broken:
            raise simplest(schedule, broken, "seed {}, number {}".format(seed, number)) from None
        settled.append(world.liveness.settled_after / world.lease_period)
    return settled


def simplest(schedule: Schedule, broken: BrokenPromise, name: str) -> BrokenPromise:
    """Return the story of a schedule that is as simple as can be and breaks a promise too."""
    goes_on = True
    while goes_on:
        goes_on = False
        for simpler in _simpler(schedule):
            found = _broken(simpler)
            if found is not None:
                schedule, broken, goes_on = simpler, found, True
                break
    broken.args = ("{}\n{}".format(name, broken.args[0]),)
    return broken


def _broken(schedule: Schedule) -> Optional[BrokenPromise]:
    try:
        verdict(schedule)
        return None
    except BrokenPromise as broken:
        return broken


def _simpler(schedule: Schedule) -> Iterator[Schedule]:
    faults = schedule.faults
    for number in range(len(faults)):
        yield schedule._replace(faults=faults[:number] + faults[number + 1:])
    plain = Schedule()
    for field in Schedule._fields[1:-1]:
        if getattr(schedule, field) != getattr(plain, field):
            yield schedule._replace(**{field: getattr(plain, field)})
    for number, fault in enumerate(faults):
        for simpler in _rounder(fault):
            yield schedule._replace(faults=faults[:number] + (simpler,) + faults[number + 1:])


def _rounder(fault: Fault) -> Iterator[Fault]:
    if fault.at != round(fault.at):
        yield fault._replace(at=float(round(fault.at)))
    if fault.lasts is not None and fault.lasts != round(fault.lasts) > 0:
        yield fault._replace(lasts=float(round(fault.lasts)))
    if fault.where > 1:
        yield fault._replace(where=fault.where % 2)


def takeover_times(count: int, simple: bool) -> List[float]:
    """Return the seconds from the primary's power loss to the secondary's start command, in so many runs."""
    times = []
    for number in range(count):
        lost = 60 + number / count
        world = World(Schedule((Fault("power lost", 0, lost),), seed=number), simple).run()
        times.append(next(at for at, name in world.start_commands if at > lost and name == "secondary") - lost)
    return times
