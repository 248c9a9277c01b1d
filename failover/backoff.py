"""How long to wait before the next attempt at something that has failed."""

import random
from typing import Iterator

__all__ = ["pauses"]


def pauses(first: float, longest: float) -> Iterator[float]:
    """Yield the seconds to wait before each next attempt: doubling, capped, and spread so that none go in step.

    :param first: seconds, at most, before the second attempt.
    :param longest: seconds that no pause exceeds.
    """
    pause = first
    while True:
        yield random.uniform(pause / 2, pause)
        pause = min(2 * pause, longest)
