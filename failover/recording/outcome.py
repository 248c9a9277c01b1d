"""The last start and the last stop of a managed agent here: why, and where the time went."""

from typing import Iterator, List, NamedTuple, Optional, Tuple

from failover.decision.effects import EndAsOrphan, Launch, PrepareStart, Stop, StopForGood
from failover.decision.events import CommandEnded, Ended, HearingProven, VcpAnswered
from failover.decision.release import is_released
from failover.decision.state import State
from failover.decision.vocabulary import AgentState, Command, Liveness, Moment
from failover.recording.lease_story import why_given_up
from failover.recording.reasons import why
from failover.recording.words import (
    Step,
    Times,
    agent_there,
    counted_from,
    lease_of,
    other,
    seconds,
    silence_due,
    silence_terms,
)

__all__ = ["Outcome"]

# Seconds within which two moments are the same to a reader.
_AT_ONCE = 0.05

_Row = Tuple[Moment, str]


class _Done(NamedTuple):
    """A command, and what came of it.

    :ivar rows: what led to it and what followed.
    :ivar is_over: whether nothing more follows.
    """

    number: Optional[int]
    at: Moment
    reason: str
    rows: Tuple[_Row, ...] = ()
    is_over: bool = False

    def then(self, at: Moment, text: str, is_over: bool = False) -> "_Done":
        return self._replace(rows=self.rows + ((at, text),), is_over=is_over)


class Outcome:
    """Takes the steps in, and tells in the end.

    :param started: when the failover agent was, if the recording goes back to that.
    """

    def __init__(self, started: Optional[Moment]) -> None:
        self._waits: Tuple[_Row, ...] = () if started is None else ((started, "this failover agent starts"),)
        self._down: Optional[Moment] = None
        self._released: Optional[Moment] = None
        self._way: Tuple[_Row, ...] = ()
        self._has_failed = False
        self._start: Optional[_Done] = None
        self._stop: Optional[_Done] = None

    def add(self, step: Step) -> None:
        """Take a step into account."""
        before, after, now = step.before, step.after, step.now
        if after.decision.peer is not before.decision.peer:
            self._down = now if after.decision.peer is Liveness.DOWN else None
        if after.roles.acting != before.roles.acting:
            self._waits = ((now, "this side acts as the {} from now on".format(after.roles.acting)),)
        elif not after.is_simple and lease_of(before).is_held and not lease_of(after).is_held:
            self._waits = ((now, "lease given up"),)
        beat = after.peer.heartbeat
        if beat is not before.peer.heartbeat:
            self._released = None if beat is None or beat.may_run else self._released or now
        if after.decision.wanted is not before.decision.wanted:
            self._way = tuple(self._led_here(step)) if after.decision.wanted is Command.START else ()
        for effect in step.effects:
            if isinstance(effect, PrepareStart):
                self._start = _Done(effect.number, now, why(after, now, step.times), self._way)
                if not self._way or self._way[-1][0] < now - _AT_ONCE:
                    self._start = self._start.then(now, "start {} commanded{}".format(
                        effect.number, ", after an attempt that failed" if self._has_failed else ""))
            elif isinstance(effect, Launch) and self._start is not None:
                self._start = self._start.then(now, "start {} launched".format(effect.number))
            elif isinstance(effect, Stop):
                is_given_up = not after.is_simple and lease_of(before).is_held and not lease_of(after).is_held
                self._stop = _Done(effect.number, now, why_given_up(step) if is_given_up else why(after, now, step.times))
            elif isinstance(effect, (StopForGood, EndAsOrphan)):
                self._stop = _Done(None, now, "this failover agent ends")
        self._ended(step)

    def _ended(self, step: Step) -> None:
        event, now = step.event, step.now
        if isinstance(event, CommandEnded):
            result = "done" if event.succeeded else "failed"
            if self._stop is not None and event.number == self._stop.number:
                self._stop = self._stop.then(now, result, True)
            elif self._start is not None and event.number == self._start.number and not event.succeeded:
                self._start, self._has_failed = self._start.then(now, "start {} failed".format(event.number), True), True
        elif isinstance(event, Ended) and self._stop is not None and self._stop.number is None:
            self._stop = self._stop.then(now, "done" if event.is_gone else "not done", True)
        for was, agent in zip(step.before.agents, step.after.agents):
            if agent.state is AgentState.RUNNING is not was.state:
                self._way, self._has_failed = (), False
                if self._start is not None and not self._start.is_over:
                    self._start = self._start.then(now, "{} seen running".format(agent.identity), True)

    def tell(self, times: Times, now: Moment) -> Iterator[str]:
        """Return the lines for the end of the story."""
        start, stop = self._start, self._stop
        if start is None:
            yield "last start: none in this recording"
        else:
            yield "last start: {}, because {}".format(_day_and_time(times, start.at, now), start.reason)
            yield from _table(start.rows, times)
        if stop is None:
            yield "last stop: none in this recording"
        else:
            result = "not done yet" if not stop.rows else "{} at {}".format(stop.rows[0][1], times.at(stop.rows[0][0]))
            yield "last stop: {}, because {}; {}".format(_day_and_time(times, stop.at, now), stop.reason, result)

    # What led to a start

    def _led_here(self, step: Step) -> List[_Row]:
        """Return what led to a start being wanted, from the last sign of life of the peer on."""
        state, now, who = step.after, step.now, other(step.after)
        heard, listens = state.peer.last_heard, state.sight.listening_since
        rows: List[_Row] = [] if heard is None else [(heard, "{} last heard".format(who))]
        if not state.is_simple and is_released(state, now):
            return self._by_word(state, rows, now)
        if self._down is None:
            return list(self._waits)
        rows.append((self._down, "{} down (timeout {:g} s)".format(who, state.timing.timeout)))
        since = heard
        if not state.is_simple:
            since, due, reason = lease_of(state).silent_since(state), silence_due(state), counted_from(state)
            if since is None or due is None:
                return []
            if reason is not None:
                rows.append((since, "silence counts from here, because " + reason))
            rows += [(due, "silence complete: " + silence_terms(state)),
                     (now, "lease obtained" + ("" if now - due < _AT_ONCE else _waited(step)))]
        if since is None or listens > since + _AT_ONCE:
            rows.append((listens, "this side listens to the {} from here on".format(who)))
        return sorted(rows, key=lambda row: row[0])

    def _by_word(self, state: State, rows: List[_Row], now: Moment) -> List[_Row]:
        if state.roles.acting == "secondary":
            return rows + [(now, "farewell of the primary: lease obtained")]
        rows = list(self._waits)
        if self._released is not None and self._released < now - _AT_ONCE:
            rows.append((self._released, "secondary first says that {} does not run there".format(agent_there(state))))
        return rows + [(now, "release notice of the secondary: lease obtained")]


def _waited(step: Step) -> str:
    """Return what a start still waited for when the silence was complete."""
    before, instance = step.before, step.after.agreement.peer_instance
    if before.orders.is_paused:
        return ": the pause is over"
    if isinstance(step.event, VcpAnswered):
        return ": the VCP of {}, asked at {}, {}".format(
            instance, step.times.at(step.event.asked_at),
            "had until then to answer" if step.event.runs is None else "answered only then")
    if isinstance(step.event, HearingProven):
        return ": the local bus confirmed only then that this side is still subscribed"
    return ""


def _day_and_time(times: Times, at: Moment, now: Moment) -> str:
    return times.at(at) if times.day(at) == times.day(now) else "{} {}".format(times.day(at), times.at(at))


def _table(rows: Tuple[_Row, ...], times: Times) -> Iterator[str]:
    last = None
    for at, text in rows:
        yield "  {}  {:>8}  {}{}".format(
            times.at(at), "" if last is None else "+{:.1f} s".format(at - last), text,
            " ({} in all)".format(seconds(at - rows[0][0])) if len(rows) > 1 and (at, text) == rows[-1] else "")
        last = at
