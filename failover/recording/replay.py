"""Steps a recording through the present code, and tells where it does something else now."""

from typing import List, NamedTuple, Optional, Tuple

from failover.decision.effects import Effect
from failover.decision.events import Event
from failover.decision.machine import step
from failover.decision.vocabulary import Moment
from failover.recording.recording import Recording

__all__ = ["Difference", "replay"]


class Difference(NamedTuple):
    """A step that led to something else than it did when it was recorded.

    :ivar index: number of the event in the recording, from 0.
    :ivar found: what it leads to now.
    :ivar error: why it leads to nothing now; None if it does not fail.
    """

    index: int  # type: ignore[assignment]  # Hides the method of a tuple, which nobody calls.
    at: Moment
    event: Event
    expected: Tuple[Effect, ...]
    found: Tuple[Effect, ...]
    error: Optional[str] = None

    def __str__(self) -> str:
        missing = [one for one in self.expected if one not in self.found]
        new = [one for one in self.found if one not in self.expected]
        parts = ["missing: {}".format(one) for one in missing] + ["new: {}".format(one) for one in new]
        if self.error is not None:
            parts = [self.error]
        elif not parts:
            parts = ["the same effects in another order: {}".format(list(self.found))]
        return "event {} at {:.3f}, {}: {}".format(self.index, self.at, self.event, "; ".join(parts))


def replay(recording: Recording) -> List[Difference]:
    """Return all steps that lead to something else now. The first one that fails is the last one."""
    state = recording.beginning
    differences: List[Difference] = []
    for index, (at, event, expected) in enumerate(recording.entries):
        try:
            state, found = step(state, event, at)
        except Exception as error:  # Whatever the present code does wrong is what is looked for.
            return differences + [Difference(index, at, event, expected, (),
                                             "{}: {}".format(type(error).__name__, error))]
        if found != expected:
            differences.append(Difference(index, at, event, expected, found))
    return differences
