"""The demo: two real VOLTTRON platforms on this machine, a power loss, a takeover and a give-back.

Run it with ``make demo``. On a terminal it shows both platforms on a live screen, into a pipe it prints
lines. It is the recipe too: every ``vctl`` command it runs is printed, after the name of the platform it is
run on. All that it starts and writes is gone when it ends.
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
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import gevent
from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from failover.link import LinkError, RemoteError
from tests.pair import FAILOVER, MANAGED, MANAGED_AGENT, REPOSITORY, Observer, Pair
from tests.platforms import PlatformError, wait_for

# All times are in seconds.
PERIOD, TIMEOUT = 1, 5
LOOK_EVERY, LOOK_CLOSELY_EVERY, ASK_EVERY, DRAW_EVERY = 0.1, 0.02, 0.2, 0.15
LOOK_AROUND = 4
STEPS = 5
SMALLEST_SCREEN = 80, 24
COLOURS = {"node-primary": "cyan", "node-secondary": "magenta"}
FAILURES = (PlatformError, TimeoutError, LinkError, RemoteError, OSError, ValueError)


class Interrupted(BaseException):
    """A signal asked for the end."""

    def __init__(self, number):
        super().__init__(number)
        self.status = 128 + number


class Line(NamedTuple):
    """Something that happened: `kind` is "step", "command", "note", "event" or "health"."""

    at: float
    kind: str
    who: str
    text: str
    style: str


class View:
    """What the demo sees of one platform: its processes, and what its failover agent says of itself."""

    def __init__(self, side, tell):
        self.side = side
        self.name = side.platform.name
        self.power = "not started"
        self.pid = None
        self.since = None
        self.failover_pid = None
        self.status = None
        self.heard_at = None
        self._asked_at = None
        self._tell = tell
        self._said = {}
        self._alerts_seen = 0

    @property
    def runs(self):
        return self.pid is not None

    @property
    def is_good(self):
        return self.status is not None and self.status["health"] == "GOOD"

    @property
    def has_decided_to_start(self):
        return self.status is not None and self.status["decision"] == "start"

    @property
    def link_up_for(self):
        link = self.status["link"]
        return link["since"] + time.monotonic() - self._asked_at if link["up"] else None

    def observe(self):
        """Connect to the platform's bus. Its server key must be known, for asking it would block."""
        self.side.observer = Observer(self.side.platform)
        self._alerts_seen = 0
        self._said = {}

    def lose(self):
        """Close the connection: the platform is gone."""
        self.side.observer.close()
        self.side.observer = None

    def look(self):
        """Tell the new alerts, and whether the managed agent's process has come or gone."""
        if self.side.observer:
            for status, context in self.side.observer.alerts[self._alerts_seen:]:
                self._alerts_seen += 1
                self._tell(self, f"alert {status}: {context}", "red" if status == "BAD" else "green")
        pid = self._first_pid(MANAGED)
        if pid == self.pid:
            return
        self.pid, self.since = pid, time.monotonic()
        self._tell(self, f"{MANAGED} runs, pid {pid}" if pid else f"{MANAGED} runs no more",
                   "bold green" if pid else "bold red")

    def keep_asking(self):
        """Ask the failover agent for its status, again and again; tell what is new."""
        while True:
            observer = self.side.observer
            status = observer.status() if observer else None
            self.failover_pid = self._first_pid(FAILOVER)
            if observer is self.side.observer:
                self.status, self._asked_at = status, time.monotonic()
                if status:
                    self._tell_changes(status)
            gevent.sleep(ASK_EVERY)

    def _first_pid(self, identity):
        return next((process.pid for process in self.side.platform.processes(identity)), None)

    def _tell_changes(self, status):
        other = status["other"]
        if other["heartbeat_age"] is not None:
            self.heard_at = self._asked_at - other["heartbeat_age"]
        role = other_role(self.side.role)
        self._tell_once("event", f"{role} {other['liveness']}, decision: {status['decision']}")
        self._tell_once("health", f"health {status['health']}: {status['text']}")

    def _tell_once(self, kind, text):
        if self._said.get(kind) != text:
            self._said[kind] = text
            self._tell(self, text, kind=kind)


class Lines:
    """Prints one line for each thing that happens. For pipes, files and terminals that are too small."""

    def __init__(self, signals):
        self._signals = signals
        self._start = time.monotonic()
        self._new = deque()

    def add(self, kind, text, who="", style=""):
        """Take in a line. Any thread may; it is printed by the next `show`."""
        self._new.append(Line(time.monotonic() - self._start, kind, who, text, style))

    def show(self):
        while self._new:
            self.put(self._new.popleft())

    def put(self, line):
        self.say(f"{line.at:6.1f}  {plain(line)}")

    def summary(self, title, rows):
        self.show()
        self.say("\n".join(["", title, *(f"{value:>8}  {what}" for value, what in rows)]))

    def say(self, text):
        try:
            print(text, flush=True)
        except BrokenPipeError:
            # Nobody reads any more: that ends the demo, and what is still printed goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self._signals.append(signal.SIGPIPE)

    def close(self):
        """Print what has not been printed. May be called twice."""
        self.show()


class Screen(Lines):
    """The live screen: platforms and timeline. Steps and commands pass above it into the scroll-back."""

    def __init__(self, signals):
        super().__init__(signals)
        self.views = []
        self._console = Console(highlight=False)
        self._step = ""
        self._detail = ""
        self._timeline = []
        self._drawn_at = 0.0
        self._live = Live(
            console=self._console, get_renderable=self._render, auto_refresh=False, transient=True)
        self._live.start()

    def show(self):
        super().show()
        if time.monotonic() - self._drawn_at >= DRAW_EVERY:
            self._drawn_at = time.monotonic()
            self._live.refresh()

    def put(self, line):
        if line.kind == "event":
            self._timeline.append(line)
        if line.kind in ("event", "health"):
            return
        if line.kind == "step":
            self._step, _, self._detail = line.text.partition(": ")
        # A Group, because print joins bare texts and forgets that they are not to be wrapped.
        self._console.print(Group(self._styled(line)), crop=False)

    def summary(self, title, rows):
        self.close()
        table = Table(
            title=title, title_style="bold", title_justify="left", box=box.ROUNDED, show_header=False)
        table.add_column(justify="right", style="bold green", no_wrap=True)
        table.add_column()
        for value, what in rows:
            table.add_row(value, what)
        self._console.print()
        self._console.print(table)

    def say(self, text):
        self._console.print(Text(text))

    def close(self):
        """End the live screen, and leave its timeline, complete, in the scroll-back."""
        if not self._live.is_started:
            return
        super().show()
        self._live.stop()
        if self._timeline:
            self._console.print(self._rule())
            self._console.print(self._table(self._timeline))

    def _styled(self, line):
        if line.kind == "step":
            title, colon, detail = line.text.partition(":")
            return Text.assemble((title, "bold yellow"), colon, detail)
        if line.kind == "note":
            return Text(plain(line), style="dim")
        # Not wrapped here but by the terminal, so that the command can be copied from it as one line.
        return Text.assemble((f"{line.who}$", f"bold {COLOURS[line.who]}"), " ", line.text, no_wrap=True,
                             overflow="ignore")

    def _render(self):
        console = self._console
        parts = [self._header(), self._platforms(), self._health(), self._rule()]
        used = sum(len(console.render_lines(part, console.options, pad=False)) for part in parts)
        # What is left above belongs to the commands. The height is constant, for a calm picture.
        room = max(SMALLEST_SCREEN[1] - 3, console.height * 2 // 3) - used
        events = []
        for line in reversed(self._timeline):
            room -= len(console.render_lines(self._table([line]), console.options, pad=False))
            if room < 0:
                break
            events.insert(0, line)
        return Group(*parts, self._table(events), Text("\n" * (room - 1)) if room > 0 else Text("", end=""))

    def _header(self):
        table = Table.grid(expand=True, padding=(0, 1))
        table.add_column(ratio=1)
        table.add_column(justify="right", no_wrap=True)
        table.add_row(Rule(Text(self._step, "bold yellow"), align="left", style="yellow"),
                      Text(f"{time.monotonic() - self._start:.1f} s", "bold"))
        return Group(table, Text(self._detail))

    def _platforms(self):
        grid = Table.grid(expand=True)
        for _ in self.views:
            grid.add_column(ratio=1)
        grid.add_row(*map(self._platform, self.views))
        return grid

    def _platform(self, view):
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(style="dim", no_wrap=True)
        table.add_column(ratio=1)
        for name, text in (("platform", power_text(view)), ("failover", failover_text(view)),
                           ("managed", managed_text(view)), ("heartbeat", heartbeat_text(view)),
                           ("link", link_text(view))):
            table.add_row(name, text)
        colour = COLOURS[view.name]
        return Panel(table, title=Text(view.name, f"bold {colour}"), border_style=colour, box=box.ROUNDED)

    def _health(self):
        return Group(*(
            Text.assemble((view.name, COLOURS[view.name]), " ", health_text(view)) for view in self.views))

    def _rule(self):
        return Rule("timeline, seconds", align="left", style="dim")

    def _table(self, lines):
        table = Table.grid(padding=(0, 1))
        table.add_column(justify="right", width=5, style="dim")
        table.add_column(no_wrap=True)
        table.add_column()
        for line in lines:
            table.add_row(f"{line.at:.1f}", Text(line.who, COLOURS[line.who]), Text(line.text, line.style))
        return table


def plain(line):
    """Return the line as it is without colours."""
    if line.kind == "command":
        return f"{line.who}$ {line.text}"
    if line.kind == "note":
        return f"{line.who}# {line.text}"
    if line.kind == "step":
        return f"== {line.text}"
    return f"{line.who}: {line.text}"


def power_text(view):
    pid = view.side.platform.pid
    styles = {"not started": "dim", "starting": "yellow", "running": "green", "killed": "bold white on red"}
    return Text(f"{view.power}, pid {pid}" if view.power == "running" else view.power, styles[view.power])


def failover_text(view):
    if view.status:
        good = view.status["health"] == "GOOD"
        return Text.assemble(f"decision {view.status['decision']}, ",
                             (view.status["health"], "bold green" if good else "bold red"))
    if view.failover_pid:
        return Text("starting", "yellow")
    return Text("does not run", "dim")


def managed_text(view):
    if not view.runs:
        return Text("does not run", "dim")
    return Text(f"runs, pid {view.pid}", "bold green")


def heartbeat_text(view):
    """Return the age of the other's last heartbeat, with a bar that is full at the timeout."""
    if not view.status:
        return Text("-", "dim")
    if view.heard_at is None or view.status["other"]["heartbeat_age"] is None:
        return Text("none heard yet", "yellow")
    age = time.monotonic() - view.heard_at
    style = "green" if age < 2 * PERIOD else "yellow" if age < TIMEOUT else "bold red"
    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(no_wrap=True)
    bar.add_column(ratio=1)
    bar.add_column(no_wrap=True)
    bar.add_row(Text(f"heard {age:.1f} s ago", style),
                ProgressBar(TIMEOUT, min(age, TIMEOUT), complete_style=style, finished_style=style),
                Text(f"{TIMEOUT} s", "dim"))
    return bar


def link_text(view):
    if not view.status:
        return Text("-", "dim")
    up_for = view.link_up_for
    return Text("down", "bold red") if up_for is None else Text(f"up for {up_for:.0f} s", "green")


def health_text(view):
    if not view.status:
        return Text("no word from its failover agent", "dim")
    health = view.status["health"]
    style = "bold green" if health == "GOOD" else "bold red"
    return Text.assemble((f"{health}:", style), f" {view.status['text']}")


def other_role(role):
    return "secondary" if role == "primary" else "primary"


class Demo:
    """The story, told on a screen, with two platforms below a folder."""

    def __init__(self, screen, folder, signals):
        self.title = "the preparation"
        self.hint = f"Give another folder than {folder} with TMPDIR=/...: a short path, on a disk with space."
        self._screen = screen
        self._folder = folder
        self._signals = signals
        self._pair = None
        self._views = []
        self._askers = []
        self._threads = ThreadPoolExecutor()
        self._calls = []
        self._step = 0
        self._look_every = LOOK_EVERY
        self._closing = False

    def play(self):
        """Tell the story and return the measured times: rows of a value and what it is."""
        self._pair = Pair(self._folder)
        self._views = [View(side, self.tell) for side in self._pair.sides]
        self._primary, self._secondary = self._views
        for view in self._views:
            view.side.platform.on_command = functools.partial(self._on_command, view)
        self._screen.views = self._views
        self._askers = [gevent.spawn(view.keep_asking) for view in self._views]
        self.start()
        self.install()
        self.steady()
        return self.takeover() + self.give_back()

    def start(self):
        self.step("Two platforms start", (
            "each has an environment, a VOLTTRON_HOME and a port of its own"), hint=(
            "VOLTTRON refuses to run as root. Therefore root needs user namespaces here: does `unshare "
            "--user --map-user=1000 --map-group=1000 true` work? If not, run the demo as another user."
            if os.getuid() == 0 else "Does `.venv/bin/volttron --version` work? If not: `make clean demo`."))
        self.in_threads(*((self._power_on, view) for view in self._views))

    def install(self):
        self.step("Both agents are installed on both platforms", (
            f"the managed agent, {MANAGED}, and the failover agent, which must be allowed to start and stop "
            "agents, and whose key the other platform is given"), hint=(
            "What vctl and the platform say is above. `make clean demo` begins with a new environment."))
        (primary, secondary), views = self._pair.sides, self._views
        self._screen.add("note", f"build/{REPOSITORY.name} is a copy of {REPOSITORY}, "
                                 f"build/{MANAGED_AGENT.name} of its tests/{MANAGED_AGENT.name}")
        self.in_threads(*((getattr, side.platform, "serverkey") for side in self._pair.sides))
        uuids = self.in_threads((self._install, views[0], secondary), (self._install, views[1], primary))
        self.in_threads((primary.register_at, secondary), (secondary.register_at, primary))
        for view in views:
            view.observe()
        self.in_threads(*((view.side.platform.vctl, "start", uuid) for view, uuid in zip(views, uuids)))
        self._failover_uuid = uuids[0]

    def steady(self):
        self.step("Steady state", (
            f"the agents hear each other every {PERIOD} s; only the primary's {MANAGED} runs"), hint=(
            "What the failover agents say of themselves, above, names the fault and what helps."))
        self.wait(lambda: self._all_good() and self._primary.runs and not self._secondary.runs, 30,
                  f"both failover agents' health GOOD and {MANAGED} on the primary only")
        self.pause(LOOK_AROUND)

    def takeover(self):
        self.step("Power loss of the primary", (
            "all its processes are killed at once; the secondary takes over when it has heard nothing for "
            f"timeout = {TIMEOUT} s"), hint=(
            "The log of node-secondary, above, says what its failover agent saw and did. A machine under "
            "heavy load may just have been too slow: try again."))
        primary, secondary = self._primary, self._secondary
        self._look_every = LOOK_CLOSELY_EVERY
        self.tell(primary, "power loss", "bold white on red")
        self.in_threads((primary.side.platform.power_off,))
        lost_at = time.monotonic()
        primary.power = "killed"
        primary.lose()
        self.wait(lambda: secondary.runs, TIMEOUT + 20, f"{MANAGED} on the secondary")
        self.wait(lambda: secondary.has_decided_to_start, 10, "the secondary's own word that it is active")
        took, gap = secondary.since - secondary.heard_at, secondary.since - lost_at
        self.tell(secondary, f"takeover: {took:.2f} s after the last heartbeat (timeout {TIMEOUT} s)",
                  "bold yellow")
        self.pause(LOOK_AROUND)
        return [(f"{took:.2f} s", "takeover: from the last heartbeat that the secondary heard until its "
                                  f"{MANAGED} ran; timeout is {TIMEOUT} s"),
                (f"{gap:.2f} s", f"without {MANAGED}: from the power loss until then")]

    def give_back(self):
        self.step("The primary returns", (
            f"its failover agent starts {MANAGED}; the secondary hears it and stops its own"), hint=(
            "The logs above say what the failover agents saw and did. A machine under heavy load may just "
            "have been too slow: try again."))
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
        self.tell(secondary, f"give-back: {MANAGED} ran on {where} for {overlap}", "bold yellow")
        self.wait(self._all_good, 30, "both failover agents' health GOOD")
        self.pause(LOOK_AROUND)
        return [(f"{back:.2f} s", f"from switching the primary on until its {MANAGED} ran"),
                (f"{ended:.2f} s", f"until the secondary's {MANAGED} had stopped"),
                (overlap, f"it ran on {where} at the give-back, a known limit of simple failover")]

    def step(self, title, detail, hint):
        self._step += 1
        self.hint = hint
        self.title = f"{self._step}/{STEPS} {title}"
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
        if self._pair is None:
            return
        gevent.killall(self._askers)

        def ended():
            for side in self._pair.sides:
                side.platform.power_off()
            return all(call.done() for call in self._calls)

        wait_for(ended, 60, "the end of all commands")
        self._pair.close()

    def tails(self):
        """Return the ends of the platforms' logs."""
        platforms = [view.side.platform for view in self._views]
        return "".join(f"--- end of {platform.log}:\n{platform.tail(25)}\n" for platform in platforms)

    def words(self):
        """Return a line for each failover agent that answers: its health, in its own words."""
        return [f"{view.name} {view.status['health']}: {view.status['text']}"
                for view in self._views if view.status]

    def _turn(self, seconds):
        gevent.sleep(seconds)
        if self._signals:
            raise Interrupted(self._signals[0])
        for view in self._views:
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
        config = view.side.config(other, heartbeat_period=PERIOD, timeout=TIMEOUT)
        self._screen.add("note", f"configuration of {FAILOVER}: {json.dumps(config)}", view.name)
        uuid = platform.install(REPOSITORY, config=config, start=False)
        view.side.authorize()
        self.tell(view, f"{FAILOVER} is installed and authorized")
        return uuid

    def _all_good(self):
        return all(view.is_good for view in self._views)

    def _on_command(self, view, command):
        if self._closing:
            raise PlatformError("the demo is being closed")
        self._screen.add("command", shlex.join(command), view.name)


def main():
    """Run the demo and return its exit status: 0, 1 after a failure, 128 + the signal that ended it."""
    signals = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: signals.append(number))
    folder = Path(tempfile.mkdtemp(prefix="failover-demo-"))
    screen = (Screen if fits_screen() else Lines)(signals)
    demo = Demo(screen, folder, signals)
    try:
        status = perform(demo, screen)
    finally:
        demo.close()
        shutil.rmtree(folder)
    screen.say("Both platforms have ended and their files are removed.")
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


def fits_screen():
    """Whether standard output is a terminal on which the live screen looks right."""
    size = shutil.get_terminal_size()
    large = size.columns >= SMALLEST_SCREEN[0] and size.lines >= SMALLEST_SCREEN[1]
    return large and sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


if __name__ == "__main__":
    sys.exit(main())
