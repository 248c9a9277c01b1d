"""Tells in words what happened in a recording, and why: one line for each thing that matters.

What comes all the time is counted. The last lines say for each managed agent why it runs here, or what is missing for it
to run, and why it was last started and stopped, with figures.
"""

from math import inf
from typing import Iterator, List, NamedTuple, Optional

from failover.decision.effects import Note, NoteKind, Publish
from failover.decision.events import HeartbeatReceived, PublishRefused, VcAnswered, VcpAnswered
from failover.decision.machine import step
from failover.decision.vocabulary import Moment
from failover.recording import peer_story
from failover.recording.agent_story import AgentStory
from failover.recording.lease_story import LeaseStory
from failover.recording.outcome import Outcome
from failover.recording.own_story import OwnStory
from failover.recording.reasons import verdict
from failover.recording.recording import Recording
from failover.recording.silence_story import SilenceStory
from failover.recording.words import Step, Times

__all__ = ["trace"]

# Routine is summed up before the next line once it has gone on for so many seconds without one.
_ROUTINE = 5.0


class Line(NamedTuple):
    """A line of the story, and when that was; None if it is about the whole."""

    at: Optional[Moment]
    text: str


def trace(recording: Recording, last: float = inf) -> List[str]:
    """Return the story as lines.

    :param last: only so many seconds before its end, though what was before is taken into account.
    """
    times, since = Times(recording.head.wall_offset), recording.end - last
    lines = []
    for line in _story(recording, times):
        if line.at is None:
            lines.append(line.text)
        elif line.at >= since:
            lines.append("{} {}".format(times.at(line.at), line.text))
    return lines


def _story(recording: Recording, times: Times) -> Iterator[Line]:
    state = recording.beginning
    yield from _beginning(recording, times)
    routine, own, lease, silence, agents = Routine(state.now), OwnStory(), LeaseStory(), SilenceStory(), AgentStory()
    outcome = Outcome(None if recording.head.first else recording.head.started)
    differing = 0
    for at, event, expected in recording.entries:
        before = state
        try:
            state, effects = step(state, event, at)
        except Exception as error:  # A recording of another release, or a fault: told as far as it goes.
            yield Line(before.now, "the present code fails here: {}: {}".format(type(error).__name__, error))
            break
        differing += effects != expected
        one = Step(before, event, effects, state, times)
        told = [*own.tell(one), *peer_story.tell(one), *silence.tell(one), *lease.tell(one),
                *silence.tell_due(one, lease.lapsed), *agents.tell(one)]
        outcome.add(one)
        if times.day(before.now) != times.day(state.now):
            yield Line(None, "on {}".format(times.day(state.now)))
        if told:
            yield from routine.summed_up(before.now)
        routine.add(one)
        for text in told:
            yield Line(state.now, text)
    yield from routine.summed_up(state.now)
    if differing:
        yield Line(None, "at {} events the release that recorded this did something else, so the story may differ too: "
                         "see replay".format(differing))
    yield Line(None, "at the end of the recording:")
    for text in verdict(state, state.now, times, lease.lapsed):
        yield Line(state.now, text)
    for text in outcome.tell(times, state.now):
        yield Line(None, text)


def _beginning(recording: Recording, times: Times) -> Iterator[Line]:
    head, state = recording.head, recording.beginning
    setup = head.setup
    yield Line(None, "{} {} on {}, release {}; written because of: {}".format(
        setup.mode, setup.role, setup.instance_name, head.version, head.why))
    yield Line(None, "{}; manages {}".format(", ".join("{} {:g} s".format(*one) for one in setup.timing._asdict().items()),
                                             ", ".join(setup.agents)))
    yield Line(None, "times are UTC, on {}".format(times.day(state.now)))
    if not head.first:
        until = head.record.lease_until
        yield Line(state.now, "this failover agent starts; {}".format(
            "no lease on file" if until is None else "lease on file until " + times.at(until)))
        return
    yield Line(None, "{} events since {} are not in this recording; then:".format(head.first, times.at(head.started)))
    for text in verdict(state, state.now, times):
        yield Line(state.now, text)


class Routine:
    """Counts what comes all the time."""

    def __init__(self, now: Moment):
        self._told = now
        self._clear(now)

    def _clear(self, now: Moment) -> None:
        self._since = now
        self._heard = self._refused = self._stale = self._sent = self._lost = self._answers = self._vcp = self._vain = 0

    def add(self, one: Step) -> None:
        """Take a step into account."""
        event = one.event
        if isinstance(event, HeartbeatReceived):
            if one.after.peer is not one.before.peer:
                self._heard += 1
            elif any(isinstance(effect, Note) and effect.kind is NoteKind.WARNING for effect in one.effects):
                self._refused += 1
            elif event.heartbeat is not None and event.heartbeat.boot_id != one.after.incarnation.boot_id:
                self._stale += 1
        elif isinstance(event, PublishRefused):
            self._lost += 1
        elif isinstance(event, VcAnswered):
            self._answers += 1
        elif isinstance(event, VcpAnswered):
            self._vcp += event.runs is not None
            self._vain += event.runs is None
        self._sent += sum(isinstance(effect, Publish) for effect in one.effects)

    def summed_up(self, now: Moment) -> Iterator[Line]:
        """Return a line for what was counted, if nothing was told for long enough. After this, a line is told."""
        told, self._told = self._told, now
        if now - told < _ROUTINE:
            return
        text = "... {:.0f} s: {} heartbeats heard, {} refused, {} sent".format(
            now - self._since, self._heard, self._refused, self._sent)
        for count, what in ((self._answers, "VC answered {}x"), (self._vcp, "VCP answered {}x"),
                            (self._vain, "VCP did not answer {}x"), (self._stale, "{} heard twice or overtaken"),
                            (self._lost, "{} could not be sent")):
            if count:
                text += ", " + what.format(count)
        self._clear(now)
        yield Line(now, text)
