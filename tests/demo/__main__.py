"""The demo: real VOLTTRON platforms on this machine, faults, takeovers and give-backs.

Run it with ``make demo``, or ``make demo MODE=standard``. On a terminal it shows the platforms on a live screen,
into a pipe it prints lines. It is the recipe too: every ``vctl`` command it runs is printed, after the name of
the platform it is run on. All that it starts and writes is gone when it ends.
"""

import signal

if __name__ == "__main__":
    # Until `main` has taken over the signals there is nothing to clean up: Ctrl-C ends the imports at once.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import functools
import json
import os
import shlex
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gevent
from gevent.util import wrap_errors

from failover.decision.vocabulary import CLOCK_DRIFT_BOUND
from failover.vip.link import LinkError, RemoteError
from tests.demo.screen import FailoverView, Lines, Screen, View, fits_screen
from tests.testbed.central import CENTRAL, Central, Vcp
from tests.testbed.pair import FAILOVER, MANAGED, MANAGED_AGENT, REPOSITORY, STANDARD, Pair
from tests.testbed.platforms import PlatformError, wait_for
from tests.testbed.recorder import Recorder

# All times are in seconds.
LOOK_EVERY, LOOK_CLOSELY_EVERY = 0.1, 0.02
LOOK_AROUND = 4
TOO_SLOW = "A machine under heavy load may just have been too slow: try again."
SEE_LOGS = f"The logs above say what the failover agents saw and did. {TOO_SLOW}"


class Unexpected(Exception):
    """Something happened that must not happen."""


FAILURES = (PlatformError, TimeoutError, LinkError, RemoteError, OSError, ValueError, Unexpected)


class Interrupted(BaseException):
    """A signal asked for the end."""

    def __init__(self, number):
        super().__init__(number)
        self.status = 128 + number


class Demo:
    """A story, told on a screen, with platforms below a folder. What differs by mode is in the classes below."""

    HOW_MANY = STEPS = PERIOD = TIMEOUT = None

    def __init__(self, screen, folder, signals):
        self.title = "the preparation"
        self.hint = f"Give another folder than {folder} with TMPDIR=/...: a short path, on a disk with space."
        self._screen = screen
        self._folder = folder
        self._signals = signals
        self._sides = []
        self._pair = self._central = None
        self._views = self._pair_views = []
        self._askers = []
        self._threads = ThreadPoolExecutor()
        self._calls = []
        self._step = 0
        self._look_every = LOOK_EVERY
        self._closing = False

    def play(self):
        """Tell the story and return the measured times: rows of a value and what it is."""
        self.make()
        self._pair_views = [FailoverView(side, self.tell) for side in self._pair.sides]
        self._primary, self._secondary = self._pair_views
        self._views = self._pair_views + ([self._central] if self._central else [])
        self._screen.views, self._screen.central = self._pair_views, self._central
        for view in self._views:
            view.side.platform.on_command = functools.partial(self._on_command, view)
        self._askers = [gevent.spawn(view.keep_asking) for view in self._pair_views]
        self.start()
        self.install()
        return self.rows()

    def make(self):
        """Make the platforms' folders, without starting anything."""
        self._pair = Pair(self._folder)
        self._sides += self._pair.sides

    def rows(self):
        """Tell what is particular to the mode and return the measured times."""
        raise NotImplementedError

    def start(self):
        self.step(f"{self.HOW_MANY} platforms start", (
            "each has an environment, a VOLTTRON_HOME and a port of its own"), hint=(
            "VOLTTRON refuses to run as root. Therefore root needs user namespaces here: does `unshare "
            "--user --map-user=1000 --map-group=1000 true` work? If not, run the demo as another user."
            if os.getuid() == 0 else "Does `.venv/bin/volttron --version` work? If not: `make clean demo`."))
        self.in_threads(*((self._power_on, view) for view in self._views))

    def install(self):
        self.step("Both agents are installed on both platforms", (
            f"the managed agent, {MANAGED}, and the failover agent, which must be allowed to start and stop "
            "agents, and whose key each other platform is given"), hint=(
            "What vctl and the platform say is above. `make clean demo` begins with a new environment."))
        self._screen.add("note", f"build/{REPOSITORY.name} is a copy of {REPOSITORY}, "
                                 f"build/{MANAGED_AGENT.name} of its {MANAGED_AGENT.relative_to(REPOSITORY)}")
        if self._central:
            self._screen.add("note", f"an agent that does nothing stands for VOLTTRON Central (VC), as {CENTRAL}",
                             self._central.name)
        self.in_threads(*((getattr, side.platform, "serverkey") for side in self._sides))
        primary, secondary = self._pair_views
        installations = [(self._install, primary, secondary), (self._install, secondary, primary)]
        if self._central:
            installations.append((self._central.side.platform.install, MANAGED_AGENT, CENTRAL))
        uuids = self.in_threads(*installations)[:2]
        self.in_threads(*((side.register_at, other) for side in self._pair.sides for other in self._sides
                          if other is not side))
        for view in self._views:
            view.observe()
        self.in_threads(*((side.platform.vctl, "start", uuid) for side, uuid in zip(self._pair.sides, uuids)))
        self._failover_uuid = uuids[0]

    def steady(self, detail, is_steady):
        self.step("Steady state", detail, hint=(
            "What the failover agents say of themselves, above, names the fault and what helps."))
        self.wait(lambda: is_steady() and self._primary.runs and not self._secondary.runs, 60,
                  f"both failover agents' health GOOD and {MANAGED} on the primary only")
        self.pause(LOOK_AROUND)

    def lose_power(self, silence, name):
        """Cut the primary's power, wait for the takeover and return its figures.

        :param silence: seconds since the last heartbeat after which a takeover is due, and `name`, what they are.
        """
        primary, secondary = self._primary, self._secondary
        self._look_every = LOOK_CLOSELY_EVERY
        self.tell(primary, "power loss", "bold white on red")
        self.in_threads((primary.side.platform.power_off,))
        lost_at = time.monotonic()
        primary.power = "killed"
        primary.lose()
        self.wait(lambda: secondary.runs, silence + 20, f"{MANAGED} on the secondary")
        self.wait(lambda: secondary.has_decided_to_start, 10, "the secondary's own word that it is active")
        took, gap = secondary.since - secondary.heard_at, secondary.since - lost_at
        self.tell(secondary, f"takeover: {took:.2f} s after the last heartbeat ({name} {silence:g} s)", "bold yellow")
        self.pause(LOOK_AROUND)
        return [(f"{took:.2f} s", "takeover: from the last heartbeat that the secondary heard until its "
                                  f"{MANAGED} ran; {name} is {silence:g} s"),
                (f"{gap:.2f} s", f"without {MANAGED}: from the power loss until then")]

    def step(self, title, detail, hint):
        self._step += 1
        self.hint = hint
        self.title = f"{self._step}/{self.STEPS} {title}"
        self._screen.add("step", f"{self.title}: {detail}")

    def tell(self, view, text, style="", kind="event"):
        self._screen.add(kind, text, view.name, style)

    def wait(self, condition, timeout, what):
        """Wait for the condition while the screen lives and the processes are watched."""
        return wait_for(condition, timeout, what, self._look_every, sleep=self._turn)

    def pause(self, seconds):
        until = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() >= until, seconds + 30, "the end of a pause")

    def in_threads(self, *calls):
        """Make the calls, each (function, *args), all at once and in threads, as they block."""
        begun = [self._threads.submit(*call) for call in calls]
        self._calls += begun
        self.wait(lambda: all(call.done() for call in begun), 200, "the end of a command")
        return [call.result() for call in begun]

    def close(self):
        """Kill all that was started, even what a command under way still starts. Blocks."""
        self._closing = True
        gevent.killall(self._askers)

        def ended():
            for side in self._sides:
                side.platform.power_off()
            return all(call.done() for call in self._calls)

        wait_for(ended, 60, "the end of all commands")
        for side in self._sides:
            side.close()

    def tails(self):
        """Return the ends of the platforms' logs."""
        platforms = [view.side.platform for view in self._views]
        return "".join(f"--- end of {platform.log}:\n{platform.tail(25)}\n" for platform in platforms)

    def words(self):
        """Return a line for each failover agent that answers: its health, in its own words, and why."""
        return [f"{view.name} {view.status['health']}: {view.status['text']}"
                + (f"; why: {view.status['why']}" if view.status["why"] else "")
                for view in self._pair_views if view.status]

    def _turn(self, seconds):
        gevent.sleep(seconds)
        if self._signals:
            raise Interrupted(self._signals[0])
        # First where an agent may have gone: that tells a stop and a start seen in one turn in their order.
        for view in sorted(self._views, key=lambda view: not view.runs):
            view.look()
        self._screen.show()

    def _power_on(self, view):
        platform = view.side.platform
        view.power = "starting"
        self._screen.add("note", f"VOLTTRON_HOME={platform.home}, address {platform.address}", view.name)
        platform.start()
        view.power = "running"
        self.tell(view, f"the platform runs, pid {platform.pid}")

    def _install(self, view, other):
        """Install both agents on a platform and return the uuid of the failover agent."""
        platform = view.side.platform
        platform.install(MANAGED_AGENT, MANAGED, start=False)
        self.tell(view, f"{MANAGED} is installed")
        config = view.side.config(other.side, self._pair.central, heartbeat_period=self.PERIOD, timeout=self.TIMEOUT)
        self._screen.add("note", f"configuration of {FAILOVER}: {json.dumps(config)}", view.name)
        uuid = platform.install(REPOSITORY, config=config, start=False)
        view.side.authorize()
        self.tell(view, f"{FAILOVER} is installed and authorized")
        return uuid

    def _all_good(self):
        return all(view.is_good for view in self._pair_views)

    def _on_command(self, view, command):
        if self._closing:
            raise PlatformError("the demo is being closed")
        self._screen.add("command", shlex.join(command), view.name)


class SimpleDemo(Demo):
    """Simple failover: power loss of the primary, and its return."""

    HOW_MANY, STEPS = "Two", 5
    PERIOD, TIMEOUT = 1, 5

    def rows(self):
        self.steady(f"the agents hear each other every {self.PERIOD} s; only the primary's {MANAGED} runs",
                    self._all_good)
        self.step("Power loss of the primary", (
            "all its processes are killed at once; the secondary takes over when it has heard nothing for "
            f"timeout = {self.TIMEOUT} s"), hint=(
            f"The log of node-secondary, above, says what its failover agent saw and did. {TOO_SLOW}"))
        return self.lose_power(self.TIMEOUT, "timeout") + self.give_back()

    def give_back(self):
        self.step("The primary returns", (
            f"its failover agent starts {MANAGED}; the secondary hears it and stops its own"), hint=SEE_LOGS)
        primary, secondary = self._primary, self._secondary
        began = time.monotonic()
        self.tell(primary, "is switched on again", "bold yellow")
        self.in_threads((self._power_on, primary))
        primary.observe()
        self.in_threads((primary.side.platform.vctl, "start", self._failover_uuid))
        self.wait(lambda: primary.runs and not secondary.runs, 30, f"{MANAGED} on the primary only")
        back, ended = primary.since - began, secondary.since - began
        overlap = f"{abs(ended - back):.2f} s"
        where = "both platforms" if ended >= back else "neither platform"
        remark = ", a known limit of simple failover" if ended >= back else ""
        self.tell(secondary, f"give-back: {MANAGED} ran on {where} for {overlap}", "bold yellow")
        self.wait(self._all_good, 30, "both failover agents' health GOOD")
        self.pause(LOOK_AROUND)
        return [(f"{back:.2f} s", f"from switching the primary on until its {MANAGED} ran"),
                (f"{ended:.2f} s", f"until the secondary's {MANAGED} had stopped"),
                (overlap, f"it ran on {where} at the give-back{remark}")]


class StandardDemo(Demo):
    """Standard failover: a cut link, an isolated primary, and a power loss. Two copies never run at once."""

    HOW_MANY, STEPS = "Three", 7
    PERIOD, TIMEOUT, GRACE = 0.5, 4, STANDARD["stop_grace"]
    SILENCE = (TIMEOUT + PERIOD + GRACE) * CLOCK_DRIFT_BOUND

    def __init__(self, *args):
        super().__init__(*args)
        self._recorder = None
        self._vcps = []

    def make(self):
        central = Central(self._folder / "c")
        self._sides.append(central)
        self._central = View(central, self.tell, CENTRAL)
        self._pair = Pair(self._folder, central=central)
        self._sides += self._pair.sides
        self._recorder = Recorder([side.platform for side in self._pair.sides]).start()

    def install(self):
        super().install()
        for side in self._pair.sides:
            self._screen.add("note", "a stand-in for VC's agent on this platform (VCP) connects to VC as "
                                     f"{side.platform.name}.platform.agent", side.platform.name)
        begun = [gevent.spawn(wrap_errors(FAILURES, Vcp), side, self._central.side) for side in self._pair.sides]
        self._askers += begun
        self.wait(lambda: all(one.ready() for one in begun), 60, "the stand-ins for VCP")
        for result in (one.value for one in begun):
            if isinstance(result, Exception):
                raise result
            self._vcps.append(result)

    def rows(self):
        self.steady(f"both sides hear each other and VC every {self.PERIOD} s; only the primary's {MANAGED} runs",
                    self._all_seen)
        rows = self.cut_direct_links() + self.isolate() + self.reconnect() + self.power_loss()
        return rows + [(f"{self._recorder.overlap():.2f} s",
                        f"overlap: {MANAGED} ran on both platforms, from start to end; never more than "
                        f"{self._recorder.longest_gap:.2f} s between two looks")]

    def cut_direct_links(self):
        self.step("The direct links are cut", (
            "nothing gets from one platform to the other any more, but their heartbeats still do so through VC"),
            hint=SEE_LOGS)
        direct = [side.to_other for side in self._pair.sides]
        cut_at = self._cut(direct, "its link to the other platform is cut")
        self.wait(lambda: not any(view.has_link for view in self._pair_views), 30, "both direct links down")
        # As long as a takeover would need, and more.
        self.pause(cut_at + self.SILENCE + 2 - time.monotonic())
        lasted = time.monotonic() - cut_at
        if self._recorder.intervals(self._secondary.side.platform) or not self._primary.runs:
            raise Unexpected(f"the cut of the direct links changed where {MANAGED} runs")
        self.tell(self._secondary, f"no takeover for {lasted:.1f} s: the primary is heard through VC", "bold yellow")
        self._resume(direct, "its link to the other platform is restored")
        self.wait(self._all_seen, 60, "both direct links up and both failover agents' health GOOD")
        self.pause(LOOK_AROUND / 2)
        return [(f"{lasted:.1f} s", "without the direct links, and no takeover: the heartbeats went through VC")]

    def isolate(self):
        self.step("The primary is isolated", (
            f"it reaches neither the secondary nor VC, so it stops its {MANAGED} after timeout = {self.TIMEOUT} s; the "
            f"secondary waits longer, {self.SILENCE:.2f} s"), hint=SEE_LOGS)
        primary, secondary = self._primary, self._secondary
        self._look_every = LOOK_CLOSELY_EVERY
        self._tell_why(True)
        cut_at = self._cut(self._links_of_primary(), "its links to the other platform and to VC are cut")
        self.wait(lambda: not primary.runs, self.TIMEOUT + self.GRACE + 20, f"the end of {MANAGED} on the primary")
        stopped = primary.since - cut_at
        self.tell(primary, f"isolated: {MANAGED} had stopped {stopped:.2f} s after the cut", "bold yellow")
        self.wait(lambda: secondary.runs, self.SILENCE + 20, f"{MANAGED} on the secondary")
        started = secondary.since - cut_at
        self.tell(secondary, f"takeover {started:.2f} s after the cut: {started - stopped:.2f} s after the primary's "
                             f"{MANAGED} had stopped, overlap {self._recorder.overlap():.2f} s", "bold yellow")
        self.wait(lambda: secondary.has_decided_to_start, 10, "the secondary's own word that it is active")
        self._tell_why(False)
        self.pause(LOOK_AROUND)
        return [(f"{stopped:.2f} s", f"from the primary's isolation until its {MANAGED} had stopped; timeout is "
                                     f"{self.TIMEOUT} s"),
                (f"{started:.2f} s", f"until the secondary's ran; the silence it waits for is {self.SILENCE:.2f} s"),
                (f"{started - stopped:.2f} s", "it ran on neither platform in between")]

    def reconnect(self):
        self.step("The primary is connected again", (
            f"the secondary hears it, stops its {MANAGED} and says so; only then the primary starts its own"),
            hint=SEE_LOGS)
        primary, secondary = self._primary, self._secondary
        began = time.monotonic()
        self._tell_why(True)
        self._resume(self._links_of_primary(), "its links are restored")
        self.wait(lambda: primary.runs and not secondary.runs, 60, f"{MANAGED} on the primary only")
        self._tell_why(False)
        ended, gap = secondary.since - began, primary.since - secondary.since
        self.tell(primary, f"give-back: {MANAGED} ran on neither platform for {gap:.2f} s, overlap "
                           f"{self._recorder.overlap():.2f} s", "bold yellow")
        self.wait(self._all_seen, 60, "all links up and both failover agents' health GOOD")
        self.pause(LOOK_AROUND)
        return [(f"{ended:.2f} s", f"from the primary's reconnection until the secondary's {MANAGED} had stopped"),
                (f"{gap:.2f} s", "it ran on neither platform at the give-back")]

    def power_loss(self):
        self.step("Power loss of the primary", (
            f"the secondary hears nothing of it for {self.SILENCE:.2f} s, neither directly nor through VC, and asks "
            "its VCP there in vain"), hint=(
            f"The log of node-secondary, above, says what its failover agent saw and did. {TOO_SLOW}"))
        self._tell_why(True)
        self._secondary.side.to_other.stall()  # A machine without power refuses no connection.
        return self.lose_power(round(self.SILENCE, 2), "the silence it waits for")

    def close(self):
        super().close()
        for vcp in self._vcps:
            vcp.close()
        if self._recorder:
            self._recorder.close()

    def _links_of_primary(self):
        primary, secondary = self._pair.sides
        return [primary.to_other, primary.to_central, secondary.to_other]

    def _cut(self, relays, text):
        """Let nothing through these relays any more, and return the moment."""
        for relay in relays:
            relay.stall()
        cut_at = time.monotonic()
        self.tell(self._primary, text, "bold white on red")
        return cut_at

    def _resume(self, relays, text):
        for relay in relays:
            relay.resume()
        self.tell(self._primary, text, "bold yellow")

    def _tell_why(self, tells):
        for view in self._pair_views:
            view.tells_why = tells

    def _all_seen(self):
        return self._all_good() and all(view.has_all_links for view in self._pair_views)

    def _turn(self, seconds):
        super()._turn(seconds)
        if self._recorder.overlap():
            story = self._recorder.story().replace("\n", "; ")
            self.hint = "This must never happen. Please report it, with the logs above."
            raise Unexpected(f"{MANAGED} ran on both platforms for {self._recorder.overlap():.2f} s: {story}")


STORIES = {"simple": SimpleDemo, "standard": StandardDemo}


def main(mode="simple", *rest):
    """Run the demo and return its exit status: 0, 1 after a failure, 2 if there is no such mode, 128 + the signal
    that ended it."""
    if mode not in STORIES or rest:
        print(f"MODE is {' '.join([mode, *rest])}; it can be {' or '.join(STORIES)}", file=sys.stderr)
        return 2
    signals = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: signals.append(number))
    folder = Path(tempfile.mkdtemp(prefix="failover-demo-"))
    screen = (Screen if fits_screen() else Lines)(signals)
    demo = STORIES[mode](screen, folder, signals)
    try:
        status = perform(demo, screen)
    finally:
        demo.close()
        shutil.rmtree(folder)
    screen.say("All platforms have ended and their files are removed.")
    return status


def perform(demo, screen):
    """Play the demo, print how it ended, and return the exit status."""
    status = 0
    try:
        rows = demo.play()
    except Interrupted as interruption:
        status = interruption.status
    except FAILURES as error:
        status = 1
        screen.close()
        # A PlatformError brings the end of its platform's log; of others the first line says it all.
        screen.say(f"{error}\n" if isinstance(error, PlatformError) else demo.tails())
        reason = str(error).partition("\n")[0] or type(error).__name__
        screen.say("\n".join([f"FAILED: {demo.title}", reason, *demo.words(), f"What to do: {demo.hint}"]))
    else:
        screen.summary("What was measured", rows)
        screen.say(f"Where to go next: {REPOSITORY / 'README.md'} says how to set it up on your machines.")
    finally:
        screen.close()  # also before the traceback of an error that nobody foresaw
    screen.say("cleaning up ...")
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
