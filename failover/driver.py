"""Drives the decision: the one greenlet that owns the state.

Everything else posts events or performs one effect. An event is stamped when it is posted, so that a late look does not
date old news as new. An effect is performed at once and never waits; what comes of it is posted as an event.
"""

from typing import Any, Callable, Mapping, Optional, Tuple

import gevent
from gevent.queue import Empty, Queue

from failover import clock
from failover.decision.effects import Effect
from failover.decision.events import Event, Tick
from failover.decision.machine import deadline, step
from failover.decision.state import State
from failover.loops import survived, surviving
from failover.recordist import Recordist

__all__ = ["Driver"]

# Seconds. A side that does not look for half of `timeout` is blind.
_LONGEST_TICK = 1.0
_TICKS_IN_TIMEOUT = 8


class Driver:
    """Steps the state from one event to the next, and has the effects performed.

    :param state: to begin with.
    :param perform: for each kind of effect, the function that performs it.
    :param look: called before each wait; returns an event if there is one.
    :param observe: called after each step with the state before, the state after, the event and the effects.
    :param recordist: keeps what happened.
    :param give_up: called when no step has succeeded for half of ``timeout``: nobody decides any more.
    :ivar state: the present one. Whoever reads it must not keep parts of it for later.
    """

    def __init__(self, state: State, perform: Mapping[type, Callable[[Any], None]],
                 look: Callable[[], Optional[Event]], observe: Callable[[State, State, Event, Tuple[Effect, ...]], None],
                 recordist: Recordist, give_up: Callable[[], None]):
        self.state = state
        self._perform = perform
        self._look = look
        self._observe = observe
        self._recordist = recordist
        self._give_up = give_up
        self._inbox: Queue[Tuple[float, Event]] = Queue()
        self._stepped_at = clock.now()

    def post(self, event: Event) -> None:
        """Have an event taken in, as of now."""
        self._inbox.put((clock.now(), event))

    def run(self) -> None:
        """Take in what is posted, for ever. At least eight times in ``timeout``, and once a second, time passes."""
        while True:
            is_done = False
            with surviving("a turn of the driver"):
                self._turn()
                is_done = True
            if clock.now() - self._stepped_at >= self.state.setup.timing.timeout / 2:
                self._give_up()
            if not is_done:
                gevent.sleep(self._longest_wait)

    def _turn(self) -> None:
        seen = self.look()
        if seen is not None:
            self.take(seen)
        now = clock.now()
        due = self._safely("the next deadline", deadline, self.state)
        wait = self._longest_wait if due is None else min(self._longest_wait, due - now)
        try:
            at, event = self._inbox.get(timeout=max(0.0, wait))
        except Empty:
            at, event = clock.now(), Tick()
        self.take(event, at)

    @property
    def _longest_wait(self) -> float:
        return min(_LONGEST_TICK, self.state.setup.timing.timeout / _TICKS_IN_TIMEOUT)

    def look(self) -> Optional[Event]:
        """Return what is seen now, None if it is nothing, or if the look fails."""
        seen: Optional[Event] = self._safely("the look at the platform", self._look)
        return seen

    def take(self, event: Event, at: Optional[float] = None) -> None:
        """Step, and have the effects performed.

        :param at: when the event came; now if it is not given.
        """
        before = self.state
        effects = self.decide(event, at)
        for effect in effects:
            self._safely("the effect {}".format(type(effect).__name__), self._act, effect)
        self._safely("what follows a {}".format(type(event).__name__), self._observe, before, self.state, event, effects)

    def catch_up(self) -> None:
        """Take in what has been posted, though nobody waits for it any more. Nothing is performed."""
        while not self._inbox.empty():
            at, event = self._inbox.get_nowait()
            self.decide(event, at)

    def decide(self, event: Event, at: Optional[float] = None) -> Tuple[Effect, ...]:
        """Step, and return what is to be done.

        An error in a step costs that event: the state stays as it was, and time goes on.
        """
        at = clock.now() if at is None else at
        stepped = self._safely("the decision on a {}".format(type(event).__name__), step, self.state, event, at)
        if stepped is None:
            return ()
        effects: Tuple[Effect, ...]
        self.state, effects = stepped
        self._stepped_at = clock.now()
        self._safely("the recording of a {}".format(type(event).__name__), self._recordist.add, at, event, effects,
                     self.state)
        return effects

    def _act(self, effect: Effect) -> None:
        self._perform[type(effect)](effect)

    def _safely(self, what: str, act: Callable[..., Any], *args: Any) -> Any:
        """Return what an action returns; None if it raises, which is logged and worth a recording."""
        try:
            return act(*args)
        except Exception as error:
            survived(what, error)
            self._recordist.failed(what)
            return None
