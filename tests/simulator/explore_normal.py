"""Makes equal situations coincide: a state as seen from the present moment, whatever its clock and its counters say.

What is changed, and why :func:`failover.decision.machine.step` cannot tell the difference:

* **Moments** are counted from now. No rule uses a moment but to compare it with another one, or with ``now``, so that all
  of them can be shifted alike. Which fields hold moments, their annotations say. ``Heartbeat.clock`` is one on the
  sender's clock; both clocks are the same here.
* **Old moments** are clamped to :data:`HORIZON` seconds ago. What is older than every span that a rule compares an age
  with is just old: the longest is the silence that is needed. There are three exceptions, none of which can be reached
  in a search of less than fifty seconds: the silence that a peer whose times are not known is given, the reset of the
  pause between two starts, and the bound on the growth of a peer's numbers. Two moments that are both old lose their
  order. That matters for one comparison alone, of :class:`failover.decision.witness.Missing` with the beginning of an
  unbroken time of VC's answers, and only if the former has outlived eight seconds without any direct heartbeat.
* **Numbers of heartbeats** are replaced by their ranks: of all numbers of one start that occur anywhere, in either state
  or under way, the highest gets the number :data:`BASE`, the next one the number before it, and so on. Rules ask which of
  two numbers of one start is higher. Only a number that is implausibly high is found by a difference, and there is none
  here. 0 stands for "none". **Commands** are counted from the last one.
* **Boot ids** are compared for equality alone, so they are named by the side and by how many starts came after it.
  The numbers of a start that has ended, and of which nothing is under way, are forgotten: nothing of it can come any more.
* **What no rule reads again** is dropped: of the peer's last heartbeat its clock, the words for people and
  ``vc_sequence``, which count at its arrival only, of the last decision the moment before which to start, and when the peer
  was last heard on the pair's topic: it decides only on what other topics a heartbeat goes out, and there are none here.

The explorer's tests go the same random ways with and without all this, and compare what is done.
"""

import ast
import importlib
import inspect
import pkgutil
import textwrap
from math import isinf
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence, Set, Tuple, Union

import failover.decision
from failover.decision.heartbeat import Heartbeat
from failover.decision.state import State
from failover.decision.vocabulary import AgentState

__all__ = ["BASE", "COMMANDS", "HORIZON", "Ranks", "heartbeat_from_now", "moment_fields", "numbers_in",
           "numbers_in_heartbeat", "renamed", "side_from_now"]

# Seconds. Longer than the longest span that matters in the model: timeout + heartbeat_period + stop_grace.
HORIZON = 8.0
# The number of the last heartbeat, and the number of the last command.
BASE, COMMANDS = 1000, 10

_BOOT_IDS = ("boot_id", "first_boot_id", "heard_boot_id")
# What the peer says of its managed agent, where a rule reads that: whether a switchover to it can be done.
_UNREADY = (AgentState.MISSING.value, AgentState.UNKNOWN.value)


class _MomentMark:
    """Stands for ``Moment`` in annotations, which at run time is no other type than ``float``."""


class _BootMark:
    """Stands for the type of a boot id."""


# Which parts of a value are moments

def _annotations(cls: type) -> Dict[str, Any]:
    """Return the annotations of a NamedTuple, in which moments and boot ids are marked."""
    module = importlib.import_module(cls.__module__)
    source = textwrap.dedent(inspect.getsource(cls))
    marks = {}
    for node in ast.parse(source).body[0].body:
        if isinstance(node, ast.AnnAssign):
            text = ast.get_source_segment(source, node.annotation)
            marks[node.target.id] = eval(text, dict(vars(module), Moment=_MomentMark))
    for name in _BOOT_IDS:
        if name in marks:
            marks[name] = Optional[_BootMark]
    if cls is Heartbeat:
        marks["clock"] = Optional[_MomentMark]
    return marks


def moment_fields() -> Dict[str, Tuple[str, ...]]:
    """Return, for each class of the decision that has any, the names of its fields in which there are moments."""
    found = {}
    for info in pkgutil.iter_modules(failover.decision.__path__):
        for cls in vars(importlib.import_module("failover.decision." + info.name)).values():
            if inspect.isclass(cls) and hasattr(cls, "_fields") and cls.__module__.endswith("." + info.name):
                names = tuple(name for name, hint in _annotations(cls).items() if "_MomentMark" in repr(hint))
                if names:
                    found[cls.__name__] = names
    return found


# A function that returns a value with its moments and boot ids replaced, or the value itself.
_Walk = Callable[[Any, Callable[[float], float], Callable[[str], str]], Any]
_walks: Dict[Any, Optional[_Walk]] = {}


def _walk_of(hint: Any) -> Optional[_Walk]:
    """Return how to walk through values with this annotation; None if there is nothing in them to replace."""
    if hint is _MomentMark:
        return lambda value, moment, boot: moment(value)
    if hint is _BootMark:
        return lambda value, moment, boot: boot(value)
    origin, arguments = getattr(hint, "__origin__", None), getattr(hint, "__args__", ())
    if origin is Union:
        walks = [_walk_of(one) for one in arguments if one is not type(None)]
        if not any(walks):
            return None
        if len(walks) == 1:
            only = walks[0]
            return lambda value, moment, boot: None if value is None else only(value, moment, boot)
        return lambda value, moment, boot: None if value is None else _walk_of(type(value))(value, moment, boot)
    if origin is tuple:
        walks = [_walk_of(one) for one in arguments if one is not Ellipsis]
        if not any(walks):
            return None
        if Ellipsis in arguments:
            return lambda value, moment, boot: tuple(walks[0](one, moment, boot) for one in value)
        return lambda value, moment, boot: tuple(
            one if walk is None else walk(one, moment, boot) for walk, one in zip(walks, value))
    if inspect.isclass(hint) and hasattr(hint, "_fields"):
        if hint not in _walks:
            _walks[hint] = _walk_through(hint)
        return _walks[hint]
    return None


def _walk_through(cls: type) -> Optional[_Walk]:
    hints = _annotations(cls)
    walks = [(place, _walk_of(hints[name])) for place, name in enumerate(cls._fields)]
    walks = [(place, walk) for place, walk in walks if walk is not None]
    if not walks:
        return None

    def through(value: Any, moment: Callable, boot: Callable) -> Any:
        fields = list(value)
        for place, walk in walks:
            fields[place] = walk(fields[place], moment, boot)
        return cls._make(fields)

    return through


def _same(value: Any) -> Any:
    return value


def renamed(value: NamedTuple, names: Dict[str, str]) -> Any:
    """Return a value in which starts have other names."""
    return _walk_of(type(value))(value, _same, lambda one: names.get(one, one))


# Numbers

class Ranks:
    """What the numbers of one start become.

    :param numbers: all that occur, in ascending order.
    """

    def __init__(self, numbers: Tuple[int, ...]):
        first = BASE + 1 - len(numbers)
        self._ranks: Dict[Optional[int], Optional[int]] = {number: first + rank for rank, number in enumerate(numbers)}
        self._ranks[0] = 0
        self._ranks[None] = None

    def __getitem__(self, number: Optional[int]) -> Optional[int]:
        return self._ranks[number]


def numbers_in(state: State, boots: Tuple[str, str]) -> Tuple[Set[Optional[int]], Set[Optional[int]]]:
    """Return the numbers of this side's present start that occur in its state, and those of the peer's.

    :param boots: these starts.
    """
    witness = state.policy.witness
    own = {number for number, _ in state.outbox.sent}
    own.update(one.sequence for one in witness.questions)
    own.update((state.outbox.sequence, witness.proven))
    peers: Set[Optional[int]] = set()
    if witness.missing is not None and witness.missing.boot_id == boots[1]:
        peers.add(witness.missing.sequence)
    for newest in state.peer.newest:
        if newest.boot_id == boots[1]:
            peers.update((newest.sequence, newest.before))
    for heartbeat in (state.peer.heartbeat, state.peer.farewell):
        if heartbeat is not None:
            theirs, ours = numbers_in_heartbeat(heartbeat, (boots[1], boots[0]))
            peers.update(theirs[:1])
            own.update(ours)
    return own, peers


def numbers_in_heartbeat(heartbeat: Heartbeat, boots: Tuple[str, str]) -> Tuple[Tuple, Tuple]:
    """Return the numbers of the sender that occur in a heartbeat, and those of its receiver."""
    return ((heartbeat.sequence, heartbeat.vc_sequence) if heartbeat.boot_id == boots[0] else (),
            (heartbeat.heard_sequence,) if heartbeat.heard_boot_id == boots[1] else ())


def heartbeat_from_now(heartbeat: Heartbeat, passed: float, boots: Tuple[str, str], ranks: Sequence[Ranks]) -> Heartbeat:
    """Return a heartbeat that is under way.

    :param passed: seconds since the moment from which its times are counted.
    :param boots: the present starts of its sender and of its receiver.
    :param ranks: of the numbers of either.
    """
    if heartbeat.boot_id == boots[0]:
        heartbeat = heartbeat._replace(sequence=ranks[0][heartbeat.sequence], vc_sequence=ranks[0][heartbeat.vc_sequence])
    if heartbeat.heard_boot_id == boots[1]:
        heartbeat = heartbeat._replace(heard_sequence=ranks[1][heartbeat.heard_sequence])
    return heartbeat if heartbeat.clock is None else heartbeat._replace(clock=heartbeat.clock - passed)


def side_from_now(state: State, passed: float, boots: Tuple[str, str], ranks: Sequence[Ranks],
                  alive: Tuple[str, ...]) -> State:
    """Return a state in the form in which equal situations coincide.

    :param passed: seconds since the moment from which its times are counted.
    :param boots: the present starts of this side and of the peer.
    :param ranks: of the numbers of either.
    :param alive: starts of the peer of which something may come.
    """
    def moment(value: float) -> float:
        value -= passed
        return value if value >= -HORIZON or isinf(value) else -HORIZON

    state = _walk_of(State)(state, moment, _same)
    own, peers = ranks
    witness, peer = state.policy.witness, state.peer
    missing = witness.missing
    if missing is not None and missing.boot_id == boots[1]:
        missing = missing._replace(sequence=peers[missing.sequence])
    witness = witness._replace(
        questions=tuple(one._replace(sequence=own[one.sequence]) for one in witness.questions),
        proven=own[witness.proven], missing=missing, met_at=None)
    newest = tuple(one if one.boot_id != boots[1] else
                   one._replace(sequence=peers[one.sequence], before=peers[one.before])
                   for one in peer.newest if one.boot_id in alive)
    peer = peer._replace(newest=newest, heartbeat=_heard(peer.heartbeat, boots, ranks),
                         farewell=_heard(peer.farewell, boots, ranks))
    agents = tuple(one._replace(number=COMMANDS, launched=max(0, one.launched + COMMANDS - one.number))
                   for one in state.agents)
    outbox = state.outbox._replace(sequence=own[state.outbox.sequence],
                                   sent=tuple((own[number], at) for number, at in state.outbox.sent))
    return state._replace(policy=state.policy._replace(witness=witness), peer=peer, agents=agents, outbox=outbox,
                          decision=state.decision._replace(start_before=None))


def _heard(heartbeat: Optional[Heartbeat], boots: Tuple[str, str], ranks: Sequence[Ranks]) -> Optional[Heartbeat]:
    if heartbeat is None:
        return None
    heartbeat = heartbeat._replace(
        clock=None, state=heartbeat.state if heartbeat.state in _UNREADY else None, vc_sequence=None)
    return heartbeat_from_now(heartbeat, 0.0, (boots[1], boots[0]), (ranks[1], ranks[0]))
