"""Two failover agents and VOLTTRON Central (VC) in a script: who reaches whom is set by hand, and chance has no part in it.

Each side is the decision itself; what its shell would do is done here in the simplest way. All that goes into a side is
recorded. ``python -m tests.scripted`` makes the recordings in ``tests/traces`` anew.
"""

import gzip
import heapq
import itertools

from failover.decision.effects import AskVcp, ForbidRestart, Launch, PrepareStart, ProveHearing, Publish, SaveRecord, Stop
from failover.decision.events import (
    AgentObserved,
    CommandEnded,
    HearingProven,
    HeartbeatReceived,
    LinkChanged,
    LinkFree,
    PlatformAnswered,
    ReadyToStart,
    RecordSaved,
    RestartForbidden,
    StartAnswered,
    Subscribed,
    Tick,
    VcAnswered,
    VcKnown,
    VcpAnswered,
)
from failover.decision.machine import deadline, initial, step
from failover.decision.setup import Record, Setup
from failover.decision.vocabulary import AgentState, Command, Path, Timing
from failover.recording.recorder import Recorder
from tests.testbed.pair import REPOSITORY

TRACES = REPOSITORY / "tests" / "traces"

# Seconds.
QUICK = 0.01
LATE = 0.001
ANSWERS_WITHIN, START_TAKES, STOP_TAKES = 0.05, 0.6, 0.3

# 2026-11-26 03:10:00 UTC.
BEGIN = 1795662600.0


class Script:
    """The world of both sides: what happens when, and which ways are open."""

    def __init__(self, mode="standard", timing=Timing(10.0, 1.0, 10.0)):
        self.now = 0.0
        self.direct = True
        self._due = []
        self._order = itertools.count()
        self.primary = Side(self, mode, "primary", "node-a", 1000.0, timing)
        self.secondary = Side(self, mode, "secondary", "node-b", 5000.0, timing)
        self.primary.other, self.secondary.other = self.secondary, self.primary

    def later(self, seconds, call, *arguments):
        heapq.heappush(self._due, (self.now + seconds, next(self._order), call, arguments))

    def run(self, seconds):
        """Let so much time pass."""
        until = self.now + seconds
        while self._due and self._due[0][0] <= until:
            self.now, _, call, arguments = heapq.heappop(self._due)
            call(*arguments)
        self.now = until

    def cut(self, direct=None, **vc):
        """Open or cut the way between the platforms, and those of the sides to VC: ``primary=False``."""
        if direct is not None:
            self.direct = direct
            for side in (self.primary, self.secondary):
                self.later(2.0, side.post, LinkChanged(Path.DIRECT, direct))
        for name, is_open in vc.items():
            side = getattr(self, name)
            side.sees_vc = is_open
            self.later(2.0, side.post, LinkChanged(Path.VC, is_open))


class Side:
    """One failover agent, its platform and its managed agent."""

    def __init__(self, script, mode, role, instance, clock, timing):
        self.script, self.instance, self.timing = script, instance, timing
        self.role, self.mode, self.clock = role, mode, clock
        self.lives, self.sees_vc, self.fails_to_start = False, True, False
        self.agent = AgentState.STOPPED
        self.record = Record()
        self.starts = 0

    def start(self):
        """The failover agent starts."""
        self.starts += 1
        self.lives = True
        setup = Setup(self.mode, self.role, self.timing, 1.0, self.instance, "failover", ("controller",),
                      "{}{:031d}".format(self.role[0], self.starts), 5.0)
        self.state = initial(setup, self.record, self.now)
        self.recorder = Recorder("1.0.0", self.state)
        if self.other.lives:
            self.other.post(LinkChanged(Path.DIRECT, True))
        for event in (Subscribed(), VcKnown("vc-key"), LinkChanged(Path.DIRECT, True), LinkChanged(Path.VC, True)):
            if self.mode == "standard" or not (isinstance(event, VcKnown) or getattr(event, "path", None) is Path.VC):
                self.post(event)
        self._look(self.starts)

    def end(self):
        """Power off: nothing is said any more, and the managed agent is gone."""
        self.lives, self.agent = False, AgentState.STOPPED
        self.script.later(2.0, self._lost, self.starts)

    def _lost(self, start):
        if not self.lives and self.starts == start:
            self.other.post(LinkChanged(Path.DIRECT, False))

    @property
    def now(self):
        return self.script.now + self.clock

    def post(self, event):
        if not self.lives:
            return
        now = self.now
        self.state, effects = step(self.state, event, now)
        self.recorder.add(now, event, effects, self.state)
        for effect in effects:
            self._perform(effect, now)
        due = deadline(self.state)
        if due < now + 1.0:
            self.script.later(due - now + LATE, self._wake, due)

    def _wake(self, due):
        """The driver steps when a deadline has come, and not only once a second."""
        if self.lives and self.state.now < due:
            self.post(Tick())

    def _look(self, start):
        if self.lives and self.starts == start:
            self.post(AgentObserved("controller", self.agent, self.now))
            self.post(PlatformAnswered())
            self.post(Tick())
            self.script.later(1.0, self._look, start)

    def _perform(self, effect, now):
        later = self.script.later
        if isinstance(effect, Publish):
            self._publish(effect)
        elif isinstance(effect, ProveHearing):
            later(QUICK, self.post, HearingProven(now, True))
        elif isinstance(effect, AskVcp):
            if self.sees_vc and self.other.lives and self.other.sees_vc:
                later(ANSWERS_WITHIN, self.post, VcpAnswered(now, self.other.agent is AgentState.RUNNING))
            else:
                later(effect.within, self.post, VcpAnswered(now, None))
        elif isinstance(effect, SaveRecord):
            self.record = effect.record
            later(QUICK, self.post, RecordSaved(effect.record, True))
        elif isinstance(effect, PrepareStart):
            later(0.2, self.post, ReadyToStart(effect.agent, effect.number))
        elif isinstance(effect, (Launch, Stop)):
            later(START_TAKES if isinstance(effect, Launch) else STOP_TAKES, self._carried_out, effect)
        elif isinstance(effect, ForbidRestart):
            later(QUICK, self.post, RestartForbidden(effect.agent, now, True))

    def _carried_out(self, effect):
        is_start = isinstance(effect, Launch)
        succeeded = self.lives and not (is_start and self.fails_to_start)
        if succeeded:
            self.agent = AgentState.RUNNING if is_start else AgentState.STOPPED
        if is_start:
            self.post(StartAnswered(effect.agent, effect.number))
        self.post(CommandEnded(effect.agent, effect.number, Command.START if is_start else Command.STOP, succeeded,
                               not is_start))
        self.post(AgentObserved(effect.agent, self.agent, self.now))

    def _publish(self, effect):
        beat, later, other = effect.heartbeat, self.script.later, self.other
        if effect.path is Path.DIRECT:
            if self.script.direct and other.lives:
                later(QUICK, other.post, HeartbeatReceived(Path.DIRECT, beat, "failover", beat.agent_id, beat.mode,
                                                           beat.agent_vip_identity))
                later(2 * QUICK, self.post, LinkFree(Path.DIRECT))
            return
        if self.sees_vc:
            for side in (self, other):
                if side.sees_vc:
                    later(QUICK, side.post, HeartbeatReceived(Path.VC, beat, "failover", subject=beat.agent_vip_identity))
            later(2 * QUICK, self.post, VcAnswered(beat.sequence))
            later(2 * QUICK, self.post, LinkFree(Path.VC))

    def recording(self, why="test"):
        """Return what went into this start."""
        return self.recorder.snapshot(why, BEGIN - self.clock)


# The stories

def both(**options):
    """Return a script in which both sides have run for a while."""
    script = Script(**options)
    script.primary.start()
    script.secondary.start()
    script.run(30.0)
    return script


def takeover():
    """The primary's machine dies, and the secondary takes over. It is still starting the agent at the end."""
    script = both()
    script.primary.end()
    script.run(30.0)
    return script.secondary.recording()


def isolation():
    """The primary loses everybody, and stops its agent in time."""
    script = both()
    script.cut(direct=False, primary=False)
    script.run(25.0)
    return script.primary.recording()


def failback(of="secondary"):
    """The primary comes back; the secondary hands the agent over."""
    script = both()
    script.primary.end()
    script.run(30.0)
    script.primary.start()
    script.run(15.0)
    return getattr(script, of).recording()


def forgery():
    """Somebody forges heartbeats of the primary; the last ones are from this platform, or about another agent."""
    script = both()
    beat = script.secondary.state.peer.heartbeat
    for seconds, forged in enumerate([
            HeartbeatReceived(Path.DIRECT, beat._replace(sequence=beat.sequence + 10 ** 6), "intruder", "primary",
                              "standard", "controller"),
            HeartbeatReceived(Path.DIRECT, beat._replace(sequence=beat.sequence + 10), "intruder", "secondary",
                              "standard", "controller"),
            HeartbeatReceived(Path.DIRECT, None, "intruder", "primary", "standard", "another"),
            HeartbeatReceived(Path.DIRECT, None, "intruder", "primary", "standard", is_local=True)]):
        script.later(1.5 + seconds, script.secondary.post, forged)
    script.run(10.0)
    return script.secondary.recording()


def simple_takeover():
    """Simple failover: the primary dies, and every start on the secondary fails."""
    script = both(mode="simple")
    script.primary.end()
    script.secondary.fails_to_start = True
    script.run(20.0)
    return script.secondary.recording()


STORIES = {"takeover": takeover, "isolation": isolation, "failback": failback,
           "failback-primary": lambda: failback("primary"), "forgery": forgery, "simple-takeover": simple_takeover}


def main():
    for name, story in STORIES.items():
        text = "".join(line + "\n" for line in story().lines())
        (TRACES / (name + ".jsonl.gz")).write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
