"""What the demo runs on: real platforms below a folder, and what can be done to them."""

import functools
import shlex
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import gevent

from failover.decision.vocabulary import CLOCK_DRIFT_BOUND
from failover.vip.link import LinkError, RemoteError
from tests.demo.scene import Runs, Scene
from tests.demo.views import FailoverView, View
from tests.testbed.central import CENTRAL, Central
from tests.testbed.pair import MANAGED, STANDARD, Pair
from tests.testbed.platforms import PlatformError, wait_for
from tests.testbed.recorder import Recorder
from tests.testbed.relay import Relay

# All times are in seconds.
LOOK_EVERY, COMMANDS_WITHIN = 0.1, 200
ALARM, NEWS = "bold white on red", "bold yellow"


class Unexpected(Exception):
    """Something happened that must not happen."""


FAILURES = (PlatformError, TimeoutError, LinkError, RemoteError, OSError, ValueError, Unexpected)


class Interrupted(BaseException):
    """A signal asked for the end."""

    def __init__(self, number):
        super().__init__(number)
        self.status = 128 + number


class Task:
    """A call that is made in a greenlet of its own, and goes on whatever becomes of who waits for it."""

    def __init__(self, call, *args):
        self._greenlet = gevent.spawn(self._outcome, call, args)

    @staticmethod
    def _outcome(call, args):
        try:
            return call(*args), None
        except Exception as error:  # It is raised where the result is wanted.
            return None, error

    @property
    def is_over(self):
        return self._greenlet.ready()

    def result(self):
        """Wait for the call, and return what it returned or raise what it raised."""
        result, error = self._greenlet.get()
        if error:
            raise error
        return result

    def give_up(self):
        self._greenlet.kill()


class Mode(NamedTuple):
    """What differs between the modes. `silence` is how long the secondary hears nothing before it takes over."""

    name: str
    summary: str
    period: float
    timeout: float
    silence: float


MODES = {
    "simple": Mode("simple", "two platforms; a secondary that hears nothing takes over", 1, 5, 5),
    "standard": Mode("standard", "with VOLTTRON Central (VC) as the third: never on both sides", 0.5, 4,
                     round((4 + 0.5 + STANDARD["stop_grace"]) * CLOCK_DRIFT_BOUND, 2)),
}


class Stage:
    """The platforms, and what happens there, observed and shown.

    :ivar headline: what is going on, and `detail`, more of it; `hint`, what to do if it fails.
    :ivar progress: of the installation, None outside of it.
    :ivar keys: which keys there are and what they do, and `notice`, what else the visitor should know.
    """

    def __init__(self, mode, folder, face, signals):
        self.mode = mode
        self.hint = f"Give another folder than {folder} with TMPDIR=/...: a short path, on a disk with space."
        self.headline, self.detail, self.notice = f"{mode.name} failover", mode.summary, ""
        self.progress = None
        self.keys = []
        self.sides, self.views, self.pair_views, self.vcps = [], [], [], {}
        self.pair = self.central = self.recorder = None
        self._folder, self._face, self._signals = folder, face, signals
        self._askers, self._calls = [], []
        self._threads = ThreadPoolExecutor()
        self._closing = False
        self._told_outages, self._told_both = 0, False

    def make(self):
        """Make the platforms' folders, without starting anything."""
        # Where commands that are killed leave what they have begun.
        temporary = self._folder / "tmp"
        temporary.mkdir()
        extra_env = {"TMPDIR": str(temporary)}
        central = Central(self._folder / "c", extra_env=extra_env) if self.mode.name == "standard" else None
        self.sides += [central] if central else []
        self.pair = Pair(self._folder, extra_env, central)
        self.sides += self.pair.sides
        if central is None:
            for side, other in self.pair.each_way:
                side.to_other = Relay(other.platform.address)
        self.pair_views = [FailoverView(side, self.tell) for side in self.pair.sides]
        self.central = View(central, self.tell, CENTRAL) if central else None
        self.views = self.pair_views + ([self.central] if central else [])
        for view in self.views:
            view.platform.on_command = functools.partial(self._on_command, view)
        self.recorder = Recorder([side.platform for side in self.pair.sides]).start()
        self._askers = [gevent.spawn(view.keep_asking) for view in self.pair_views]

    def run(self, play):
        """Have `play` done, while what happens is observed and shown, and return what it returns."""
        self.make()
        task = Task(play)
        try:
            while not task.is_over:
                gevent.sleep(LOOK_EVERY)
                if self._signals:
                    raise Interrupted(self._signals[0])
                self._look()
                self._face.show(self.scene)
        finally:
            task.give_up()
        return task.result()

    def scene(self):
        central = ""
        if self.central:
            state = f"runs, pid {self.central.pid}" if self.central.pid else "does not run"
            central = f"{self.central.name}: {CENTRAL} (VC) {state}"
        return Scene(
            clock=self._face.clock, headline=self.headline, detail=self.detail, managed=MANAGED,
            sides=tuple(view.seen() for view in self.pair_views), central=central, progress=self.progress,
            runs=self.runs, overlap=self.recorder.overlap(), events=[], keys=self.keys, notice=self.notice)

    @property
    def runs(self):
        return Runs(*self.recorder.snapshot())

    @property
    def active(self):
        """The side that is active, by its own word and by its process; the primary if both are. None if none is."""
        return next((view for view in self.pair_views if view.is_active), None)

    # What is told

    def step(self, headline, detail, hint):
        self.headline, self.detail, self.hint = headline, detail, hint
        self._face.add("step", f"{headline}: {detail}", "", NEWS)

    def tell(self, view, text, style="", kind="event"):
        self._face.add(kind, text, view.name if view else "", style)

    def wait(self, condition, timeout, what):
        return wait_for(condition, timeout, what, LOOK_EVERY / 2, sleep=gevent.sleep)

    def in_threads(self, *calls):
        """Make the calls, each (function, *args), all at once and in threads, as they block; return their results."""
        if self._closing:
            raise PlatformError("the demo is being closed")
        begun = [self._threads.submit(*call) for call in calls]
        self._calls += begun
        self.wait(lambda: all(call.done() for call in begun), COMMANDS_WITHIN, "the end of a command")
        return [call.result() for call in begun]

    # What is seen

    def _look(self):
        # First where an agent may have gone: that tells a stop and a start seen in one turn in their order.
        for view in sorted(self.views, key=lambda view: not view.runs):
            view.look()
        runs = self.runs
        over = [end - begin for begin, end in runs.outages if end < runs.at]
        for lasted in over[self._told_outages:]:
            self.tell(None, f"outage over after {lasted:.1f} s: {MANAGED} runs on {' and '.join(runs.on)}", NEWS)
        self._told_outages = len(over)
        if len(runs.on) > 1 and not self._told_both:
            limit = ", a known limit of simple failover" if self.mode.name == "simple" else ""
            self.tell(None, f"{MANAGED} runs on both sides{limit}", ALARM)
        self._told_both = len(runs.on) > 1

    def _on_command(self, view, command):
        if self._closing:
            raise PlatformError("the demo is being closed")
        self._face.add("command", shlex.join(command), view.name)

    # The end

    def close(self):
        """Kill all that was started, even what a command under way still starts. Blocks."""
        self._closing = True
        gevent.killall(self._askers)

        def ended():
            for side in self.sides:
                side.platform.power_off()
            return all(call.done() for call in self._calls)

        wait_for(ended, 60, "the end of all commands")
        for vcp in self.vcps.values():
            vcp.close()
        for side in self.sides:
            side.close()
        if self.recorder:
            self.recorder.close()

    def tails(self):
        """Return the ends of the platforms' logs."""
        platforms = [view.platform for view in self.views]
        return "".join(f"--- end of {platform.log}:\n{platform.tail(25)}\n" for platform in platforms)

    def words(self):
        """Return a line for each failover agent that answers: its health, in its own words, and why."""
        return [f"{view.name} {view.status['health']}: {view.status['text']}"
                + (f"; why: {view.status['why']}" if view.status["why"] else "")
                for view in self.pair_views if view.status]
