"""What is varied from one run to another: faults, times, clocks, and how well the platforms work."""

import random
from math import inf
from typing import NamedTuple, Optional, Tuple

from failover.decision.vocabulary import Timing

__all__ = ["FOREVER", "Fault", "Schedule", "draw", "timing"]

FOREVER = None


class Fault(NamedTuple):
    """Something goes wrong at ``at`` seconds and is mended ``lasts`` seconds later, or never.

    :ivar kind: a key of :data:`tests.simulator.faults.FAULTS`.
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

    :ivar timings: each side's configuration.
    :ivar rates: seconds that each side's clock counts in a true second.
    :ivar vcp: whether both platforms have an agent of VC's.
    :ivar vcp_loses: how often it gives no answer, as a fraction; never twice in succession.
    :ivar start_takes: the longest that control needs until the agent's process exists, seconds.
    :ivar answer_takes: by how much later it answers the start at most, seconds.
    :ivar stop_takes: the longest that the agent needs to end, as a fraction of ``stop_grace``.
    :ivar start_fails: how often a start fails, as a fraction.
    :ivar obeys: whether the managed agent ends when it is asked to; else it must be killed.
    :ivar workers: whether it has processes of its own, which outlive it for a moment.
    :ivar fail_back: seconds that the home primary must have been well before the agent goes back to it; 0 is at once,
        infinity never.
    :ivar signs: whether both sides sign their heartbeats.
    :ivar seed: of everything that is left to chance.
    """

    faults: Tuple[Fault, ...] = ()
    timings: Tuple[Timing, Timing] = (Timing(10.0, 1.0, 10.0),) * 2
    rates: Tuple[float, float] = (1.0, 1.0)
    vcp: bool = True
    vcp_loses: float = 0.0
    start_takes: float = 0.5
    answer_takes: float = 0.5
    stop_takes: float = 1.0
    start_fails: float = 0.0
    obeys: bool = True
    workers: bool = False
    fail_back: float = 0.0
    signs: bool = True
    seed: int = 0


def draw(chance: random.Random, kinds: Tuple[str, ...], passing: Tuple[str, ...]) -> Schedule:
    """Draw a schedule: up to six faults, of which some are near to each other and some last for ever.

    :param kinds: of faults.
    :param passing: those that must end.
    """
    one = _some_timing(chance)
    other = _some_timing(chance) if chance.random() < 0.5 else one
    faults, at = [], 0.0
    for _ in range(chance.randint(1, 6)):
        at += chance.randint(0, chance.choice((15, 200))) / 10
        kind = chance.choice(kinds)
        longest = chance.choice((30, 300, 0))
        lasts = chance.randint(1, longest) / 10 if longest else 20.0 if kind in passing else FOREVER
        faults.append(Fault(kind, chance.randrange(18), round(at, 1), lasts, chance.randint(1, 50) / 10))
    # A VCP whose control is slow gives late answers; some of them lost in addition, it may give none in a silence.
    is_slow = any(fault.kind.startswith("control") for fault in faults)
    return Schedule(
        faults=tuple(faults),
        timings=(one, other),
        rates=tuple(chance.choice((1.0, 0.99, 1.01, 0.995, 1.005)) for _ in range(2)),
        vcp=chance.random() < 0.5,
        vcp_loses=0.0 if is_slow else chance.choice((0.0, 0.5)),
        start_takes=chance.choice((0.5, 0.0, 1.5, 3.0)),
        answer_takes=chance.choice((0.5, 0.0, 5.0)),
        stop_takes=chance.choice((1.0, 0.1, 0.5)),
        start_fails=chance.choice((0.0, 0.0, 0.3)),
        obeys=chance.random() < 0.7,
        workers=chance.random() < 0.3,
        fail_back=chance.choice((0.0, 0.0, 0.0, 8.0, inf)),
        seed=chance.randrange(10000),
        signs=chance.random() < 0.7)


def timing(period: float, timeout: float, stop_grace: float) -> Timing:
    """Return times that a configuration may have, near to these."""
    return Timing(max(4.0, 3 * period, timeout), period, max(period, stop_grace))


def _some_timing(chance: random.Random) -> Timing:
    return timing(chance.choice((0.25, 0.5, 1.0, 2.0, 3.0)), chance.choice((4.0, 10.0, 20.0)),
                  chance.choice((1.0, 5.0, 10.0)))
