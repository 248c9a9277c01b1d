"""Keeps what happened in memory. This is on the way of every event, so nothing is made here that is not needed."""

from collections import deque
from typing import TYPE_CHECKING, Deque, List, Tuple

from failover.decision.effects import Effect
from failover.decision.events import Event
from failover.decision.state import State
from failover.decision.vocabulary import Moment
from failover.recording.parts import Entry, Packed, Part, packed

if TYPE_CHECKING:
    from failover.recording.recording import Recording

__all__ = ["EVERY", "MOST", "Recorder"]

# So many events are kept, in parts of so many, of which the oldest goes as a whole.
MOST = 20000
EVERY = 200


class Recorder:
    """Keeps the last events of one start of the failover agent, with what each led to.

    :param version: of this package.
    :param state: the initial one.
    """

    def __init__(self, version: str, state: State):
        self._version = version
        self._initial = state
        self._packed: Deque[Packed] = deque()
        self._beginning = state
        self._entries: List[Entry] = []
        self._total = 0

    def add(self, at: Moment, event: Event, effects: Tuple[Effect, ...], state: State) -> None:
        """Keep an event.

        :param at: the moment that was given to the step.
        :param state: the one after the step.
        """
        if not self._entries and len(self._packed) == MOST // EVERY:
            self._packed.popleft()
        self._entries.append((at, event, effects))
        if len(self._entries) == EVERY:
            self._packed.append(packed(Part(self._beginning, tuple(self._entries))))
            self._total += EVERY
            self._beginning, self._entries = state, []

    def snapshot(self, why: str, wall_offset: float) -> "Recording":
        """Return what is kept, as a value that another thread can write.

        :param why: why it is to be written, in words.
        :param wall_offset: what the wall clock is ahead of this package's clock now, in seconds.
        """
        from failover.recording.recording import FORMAT, Head, Recording  # Not before something is written.

        before = len(self._packed) * EVERY
        start = self._initial
        return Recording(Head(FORMAT, self._version, start.setup, start.record, start.now, wall_offset, self._total - before,
                              before + len(self._entries), why),
                         (*self._packed, Part(self._beginning, tuple(self._entries))))

    def dump(self, why: str, wall_offset: float) -> List[str]:
        """Return what is kept as lines of text."""
        return list(self.snapshot(why, wall_offset).lines())
