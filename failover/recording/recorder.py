"""Keeps what happened in memory. This is on the way of every event, so nothing is made here that is not needed."""

from collections import deque
from typing import Deque, List, Tuple

from failover.decision.effects import Effect
from failover.decision.events import Event
from failover.decision.state import State
from failover.decision.vocabulary import Moment
from failover.recording.recording import FORMAT, Entry, Head, Recording

__all__ = ["EVERY", "MOST", "Recorder"]

# So many events are kept. After every so many, the state is kept too: a recording can begin from it.
MOST = 20000
EVERY = 1000


class Recorder:
    """Keeps the last events of one start of the failover agent, with what each led to.

    :param version: of this package.
    :param state: the initial one.
    """

    def __init__(self, version: str, state: State):
        self._version = version
        self._initial = state
        self._entries: Deque[Entry] = deque(maxlen=MOST)
        self._states: Deque[Tuple[int, State]] = deque([(0, state)], maxlen=MOST // EVERY + 1)
        self._total = 0

    def add(self, at: Moment, event: Event, effects: Tuple[Effect, ...], state: State) -> None:
        """Keep an event.

        :param at: the moment that was given to the step.
        :param state: the one after the step.
        """
        self._entries.append((at, event, effects))
        self._total = total = self._total + 1
        if not total % EVERY:
            self._states.append((total, state))

    def snapshot(self, why: str, wall_offset: float) -> Recording:
        """Return what is kept, as a value that another thread can write.

        :param why: why it is to be written, in words.
        :param wall_offset: what the wall clock is ahead of this package's clock now, in seconds.
        """
        kept_from = self._total - len(self._entries)
        states = tuple(one for one in self._states if one[0] >= kept_from)
        first, entries = states[0][0], tuple(self._entries)[states[0][0] - kept_from:]
        start = self._initial
        return Recording(Head(FORMAT, self._version, start.setup, start.record, start.now, wall_offset, first,
                              len(entries), why), states, entries)

    def dump(self, why: str, wall_offset: float) -> List[str]:
        """Return what is kept as lines of text."""
        return list(self.snapshot(why, wall_offset).lines())
