"""A bounded exhaustive search: whatever happens, in whatever order, never do both managed agents run.

The rules are those of production: :func:`failover.decision.machine.step`. What surrounds them is in
:mod:`tests.simulator.explore_world`; what makes two situations the same, and why they are, in
:mod:`tests.simulator.explore_normal`. The search goes breadth first, from a situation and through all that can follow in so
many steps of time with so many faults. It visits each situation once, unless it comes there again with more faults left:
who has fewer steps and fewer faults left can reach nothing that was not reached before.

What ends a fault is no fault of its own: a link heals, the power comes back, control answers again. The power and control
come back at the beginning of a step of time only, and control falls silent only then: no other side notices when exactly.

Checked are, in each situation: the two managed agents do not both run, no step fails, and the view of each state can be
made. A path to a violation is told as a story. For that it is gone once more without any of the abstractions, with times
and numbers that go on; if the violation is not there then, an abstraction is wrong, and the search says so.
"""

import argparse
import gc
import sys
import time
from contextlib import contextmanager
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple
from unittest.mock import patch

from failover.decision import agreement, incarnation
from failover.decision.vocabulary import CLOCK_DRIFT_BOUND
from tests.simulator.explore_world import ROLES, BothRun, Machinery, Model, World, begun, move

__all__ = ["FAULTS", "Found", "SITUATIONS", "Violation", "actions", "explore", "replay", "situation", "the_rules"]

# What may go wrong: by kind, the actions.
FAULTS: Dict[str, Tuple[Tuple, ...]] = {
    "cut": tuple(("cut", link, None) for link in range(3)),
    "one-way": tuple(("cut", way // 2, way) for way in range(6)),
    "crash": (("crash", 0), ("crash", 1)),
    "die": (("die", 0), ("die", 1)),
    "mute": (("mute", 0), ("mute", 1)),
    "leave": (("leave", 0), ("leave", 1)),
    "order": (("order", 0), ("order", 1)),
}
# Where a search may begin: both have just started; the primary runs; the two sides cannot reach each other, but VC; the
# primary has no power, and the secondary runs.
SITUATIONS = ("begun", "settled", "apart", "taken over")
_AFTER = {"apart": ("cut", 2, None), "taken over": ("crash", 0)}
# Seconds. A connection that was cut for longer is closed, and what it held up is lost.
_HELD_WITHIN = 2.0
# Steps of time until nothing changes any more, at most.
_SETTLES_WITHIN = 100

# An action, and which commands take their time.
Move = Tuple[Tuple, Tuple[bool, ...]]


class Violation(Exception):
    """A promise is broken, or a step has failed.

    :ivar story: what happens on the way there, one line each.
    """

    def __init__(self, why: str, story: List[str]):
        super().__init__("\n".join([why] + story))
        self.story = story


class Found(NamedTuple):
    """What a search has gone through without finding a violation.

    :ivar situations: how many different ones.
    :ivar transitions: how many moves.
    :ivar states: how many different states of one side, in all of them together.
    :ivar cells: for each cell of the tables that was asked for, how many states decided by it.
    :ivar starts: how often the managed agent began to run on either side.
    :ivar seconds: of processor time.
    """

    steps: int
    faults: int
    situations: int
    transitions: int
    states: int
    cells: Dict[Tuple, int]
    starts: Tuple[int, int]
    seconds: float

    def __str__(self) -> str:
        return ("{steps} steps of time, {faults} faults: {situations} situations, {transitions} transitions, {states} "
                "states, {starts[0]} + {starts[1]} starts, {seconds:.1f} s".format(**self._asdict()))


@contextmanager
def the_rules(model: Model) -> Iterator[None]:
    """The rules as the model wants them: see there for the drift of the clocks."""
    bound = CLOCK_DRIFT_BOUND if model.drift else 1.0
    with patch.object(agreement, "CLOCK_DRIFT_BOUND", bound), patch.object(incarnation, "CLOCK_DRIFT_BOUND", bound):
        yield


def situation(machinery: Machinery, name: str) -> Tuple[World, List[Move]]:
    """Return a situation to begin with, and the moves that lead there from the beginning."""
    world, moves = begun(machinery), []  # type: World, List[Move]
    if name != "begun":
        world = _settled(machinery, world, moves)
    if name in _AFTER:
        world = _moved(machinery, world, _AFTER[name], moves)
        world = _settled(machinery, world, moves)
    return world, moves


def _moved(machinery: Machinery, world: World, action: Tuple, moves: List[Move]) -> World:
    world, choices, _ = move(machinery, world, action)
    moves.append((action, choices))
    return world


def _settled(machinery: Machinery, world: World, moves: List[Move]) -> World:
    """Go on until a step of time changes nothing."""
    for _ in range(_SETTLES_WITHIN):
        before = world
        for side in (0, 1):
            world = _moved(machinery, world, ("look", side), moves)
        if world == before:
            return world
    raise AssertionError("nothing settles: two situations that should be the same are not")


def actions(world: World, first: Optional[int], may_fail: bool, faults: List[Tuple]) -> List[Tuple[Tuple, int]]:
    """Return all that may happen, and how many faults each costs."""
    facts = world.facts
    actions: List[Tuple[Tuple, int]] = [(("look", side), 0) for side in (0, 1)
                                        if not world.looked[side] and (first in (None, side) or any(world.looked))]
    for link, cut in enumerate(facts.cuts):
        if cut is not None:
            actions.append((("heal", link, False), 0))
            if cut.lasts <= _HELD_WITHIN and (facts.held[2 * link] or facts.held[2 * link + 1]):
                actions.append((("heal", link, True), 0))
    for side in (0, 1):
        if any(world.looked):
            continue
        if not facts.on[side]:
            actions.append((("restart", side), 0))
        elif facts.muted[side]:
            actions.append((("unmute", side), 0))
    if may_fail:
        for fault in faults:
            kind, where = fault[:2]
            if kind == "cut":
                possible = facts.cuts[where] is None
            elif kind == "die":
                possible = facts.on[where] and not any(one.side == where for one in facts.pending)
            elif kind == "mute":
                possible = facts.on[where] and not facts.muted[where] and not any(world.looked)
            else:
                possible = facts.on[where]
            if possible:
                actions.append((fault, 1))
    return actions


def explore(model: Model, begin: str, steps: int, faults: int, kinds: Tuple[str, ...] = tuple(FAULTS),
            within: Optional[float] = None) -> Found:
    """Search, and return what was gone through.

    :param steps: of time.
    :param faults: how many there may be on one path.
    :param kinds: of faults.
    :param within: seconds after which no further step is begun; the result says how far it came.
    :raises Violation: a promise is broken.
    """
    collects = gc.isenabled()
    gc.disable()  # There are millions of tuples, and no cycles.
    try:
        with the_rules(model):
            return _Search(model, begin, faults, kinds).run(steps, within)
    finally:
        if collects:
            gc.enable()


class _Search:

    def __init__(self, model: Model, begin: str, faults: int, kinds: Tuple[str, ...]):
        self._began, self._worked = time.monotonic(), time.process_time()
        self._machinery = Machinery(model)
        self._faults = faults
        self._allowed = [action for kind in kinds for action in FAULTS[kind]]
        self._begin = begin
        world, self._prelude = situation(self._machinery, begin)
        self._machinery.cells.clear()
        self._layer: List[Tuple[World, int]] = [(world, faults)]
        self._left: Dict[World, int] = {world: faults}
        # How each situation was reached: from which one, and by what.
        self._from: Dict[Tuple[World, int], Optional[Tuple[Tuple[World, int], Move]]] = {(world, faults): None}
        self._transitions = 0
        self._starts = [0, 0]

    def run(self, steps: int, within: Optional[float]) -> Found:
        done = 0
        while done < steps and (within is None or time.monotonic() - self._began < within):
            self._go_on()
            done += 1
        return Found(done, self._faults, len(self._left), self._transitions, len(self._machinery.states),
                     dict(self._machinery.cells), tuple(self._starts), time.process_time() - self._worked)

    def _go_on(self) -> None:
        """Go on to the end of the present step of time, on all ways."""
        layer: List[Tuple[World, int]] = []
        open_nodes = self._layer
        known, came_from = self._left, self._from
        while open_nodes:
            node = open_nodes.pop()
            world, left = node
            if known[world] > left:
                continue
            for action, cost in actions(world, self._machinery.model.first, left > 0, self._allowed):
                remains = left - cost
                is_end = action[0] == "look" and any(world.looked)
                for after, choices in self._outcomes(node, action):
                    if known.get(after, -1) < remains:
                        known[after] = remains
                        came_from[after, remains] = node, (action, choices)
                        (layer if is_end else open_nodes).append((after, remains))
        self._layer = layer

    def _outcomes(self, node: Tuple[World, int], action: Tuple) -> Iterator[Tuple[World, Tuple[bool, ...]]]:
        """Yield what can come of a move: each command may be carried out at once, or take its time."""
        open_choices: List[Tuple[bool, ...]] = [()]
        while open_choices:
            choices = open_choices.pop()
            self._transitions += 1
            try:
                after, made, started = move(self._machinery, node[0], action, choices)
            except Exception as error:
                raise self._violation(node, (action, choices), error) from error
            for side in started:
                self._starts[side] += 1
            open_choices.extend(made[:place] + (True,) for place in range(len(choices), len(made)))
            yield after, made

    def _violation(self, node: Tuple[World, int], last: Move, error: Exception) -> Violation:
        moves = [last]
        step = self._from[node]
        while step is not None:
            node, before = step
            moves.append(before)
            step = self._from[node]
        moves = self._prelude + moves[::-1]
        why = "both managed agents run" if isinstance(error, BothRun) else repr(error)
        story, repeated = replay(self._machinery.model, moves, silent=len(self._prelude))
        if type(repeated) is not type(error):
            why += "; but not without the abstractions, one of which must be wrong"
        return Violation("{}, from \"{}\" on:".format(why, self._begin), story)


def replay(model: Model, moves: List[Move], silent: int = 0) -> Tuple[List[str], Optional[Exception]]:
    """Go a way once more, without abstractions, and return what happens, and how it ends if that is an error.

    :param silent: of so many moves nothing is told.
    """
    story: List[str] = []
    machinery = Machinery(model, plain=True)
    world, now, begins = begun(machinery), 0.0, 0.0
    for place, (action, choices) in enumerate(moves):
        told: List[Tuple[float, str]] = []
        if place == silent:
            begins = now
        try:
            is_end = action[0] == "look" and any(world.looked)
            world, _, _ = move(machinery, world, action, choices, now, told)
        except Exception as error:
            return story + _lines(told, begins), error
        if place >= silent:
            if action[0] == "look" and world.sides[action[1]] is not None:
                told.append((now, "{}: {}".format(ROLES[action[1]], _stance(machinery, world, action[1]))))
            story.extend(_lines(told, begins))
        if is_end:
            now += model.beat
    return story, None


def _lines(told: List[Tuple[float, str]], begins: float) -> List[str]:
    return ["{:5g} s  {}".format(at - begins, text) for at, text in sorted(told, key=lambda one: one[0])]


def _stance(machinery: Machinery, world: World, side: int) -> str:
    state = machinery.states[world.sides[side]]
    decision, now = state.decision, state.now
    since = state.policy.silent_since(state)
    return "the peer {}, VC {}, lease {}{}, silent for {}: {}".format(
        decision.peer.value, decision.vc.value, decision.lease.value,
        " for {:g} s".format(state.policy.until(state) - now) if state.policy.is_held else "",
        "-" if since is None else "{:g} s".format(now - since), decision.action.value)


def main() -> int:
    """Search as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulator.explore", description=__doc__.split("\n")[0])
    parser.add_argument("--begin", choices=SITUATIONS + ("all",), default="settled")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--faults", type=int, default=2)
    parser.add_argument("--kinds", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--first", choices=ROLES, help="who looks first in each step; either may if it is not given")
    parser.add_argument("--vcp", action="store_true", help="VCP says what it can know")
    parser.add_argument("--drift", action="store_true", help="the silence is prolonged for the drift of the clocks")
    parser.add_argument("--within", type=float, help="seconds after which no further step is begun")
    arguments = parser.parse_args()
    model = Model(first=None if arguments.first is None else ROLES.index(arguments.first), vcp=arguments.vcp,
                  drift=arguments.drift)
    for begin in SITUATIONS if arguments.begin == "all" else (arguments.begin,):
        try:
            found = explore(model, begin, arguments.steps, arguments.faults, tuple(arguments.kinds), arguments.within)
        except Violation as violation:
            print(violation)
            return 1
        print("{}: {}".format(begin, found), flush=True)
        for cell, count in sorted(found.cells.items(), key=str):
            print("  {:9} peer {:7} VC {:7} lease {:8} -> {:26} {:7}".format(
                cell[0], *(one.value for one in cell[1:]), count))
    return 0


if __name__ == "__main__":
    sys.exit(main())
