"""The demo's two faces: the live screen on a terminal, and the lines in a pipe; and what both show of a platform."""

import os
import shutil
import signal
import sys
import time
from collections import deque
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

from tests.testbed.pair import FAILOVER, MANAGED, Observer

# All times are in seconds.
ASK_EVERY, DRAW_EVERY, WHY_EVERY = 0.2, 0.15, 1
SMALLEST_SCREEN = 80, 24
HIGH_ENOUGH = 26
SHORTEST_TIMELINE = 4
LINES_OF_AN_EVENT = 2
COLOURS = {"node-primary": "cyan", "node-secondary": "magenta", "node-central": "blue"}
LONGEST_NAME = max(map(len, COLOURS))
TIMELINE_INDENT = 7 + LONGEST_NAME + 1


class Line(NamedTuple):
    """Something that happened: `kind` is "step", "command", "note", "event", "health" or "why"."""

    at: float
    kind: str
    who: str
    text: str
    style: str


class View:
    """What the demo sees of one platform: whether it runs, and the process of one of its agents.

    `since` is when that process came or went.
    """

    def __init__(self, side, tell, identity=MANAGED):
        self.side = side
        self.name = side.platform.name
        self.power = "not started"
        self.identity = identity
        self.pid = None
        self.since = None
        self._tell = tell

    @property
    def runs(self):
        return self.pid is not None

    def observe(self):
        """Connect to the platform's bus. Its server key must be known, for asking it would block."""
        self.side.observer = Observer(self.side.platform)

    def look(self):
        """Tell whether the agent's process has come or gone."""
        pid = self._first_pid(self.identity)
        if pid == self.pid:
            return
        self.pid, self.since = pid, time.monotonic()
        self._tell(self, f"{self.identity} runs, pid {pid}" if pid else f"{self.identity} runs no more",
                   "bold green" if pid else "bold red")

    def _first_pid(self, identity):
        return next((process.pid for process in self.side.platform.processes(identity)), None)


class FailoverView(View):
    """What the demo sees of a platform with a failover agent: also what that one says of itself.

    While `tells_why` is set, it is also told now and then why the side runs the managed agent, or not.
    """

    def __init__(self, side, tell):
        super().__init__(side, tell)
        self.failover_pid = None
        self.status = None
        self.heard_at = None
        self.tells_why = False
        self._asked_at = None
        self._told_why_at = 0.0
        self._said = {}
        self._alerts_seen = 0

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

    @property
    def has_link(self):
        """Whether its link to the other platform is up, as far as is known."""
        return self.status is not None and self.status["link"]["up"]

    @property
    def has_all_links(self):
        return self.status is not None and all(self.links.values())

    @property
    def links(self):
        """Whether each of its links is up, by the name of what is at the other end. Needs a status."""
        vc = self.status["vc"]
        links = {other_role(self.side.role): self.status["link"]["up"]}
        return links | {"VC": vc["up"]} if vc else links

    def observe(self):
        super().observe()
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
        super().look()

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

    def _tell_changes(self, status):
        other = status["other"]
        if other["heartbeat_age"] is not None:
            self.heard_at = self._asked_at - other["heartbeat_age"]
        seen = f"{other_role(self.side.role)} {other['liveness']}"
        if status["vc"]:
            seen += f", VC {status['vc']['liveness']}"
            self._tell_once("links", f"links: {links_text(self).plain}", "event")
        self._tell_once("decision", f"{seen}, decision: {status['decision']}", "event")
        self._tell_once("health", f"health {status['health']}: {status['text']}", "health")
        if self.tells_why and self._asked_at - self._told_why_at >= WHY_EVERY:
            self._told_why_at = self._asked_at
            self._tell_once("why", f"why: {status['why']}", "why")

    def _tell_once(self, subject, text, kind):
        if self._said.get(subject) != text:
            self._said[subject] = text
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
    """The live screen: platforms and timeline. Steps and commands pass above it into the scroll-back.

    `views` are of the two platforms with a failover agent, `central` is of VOLTTRON Central's, if there is one.
    """

    def __init__(self, signals):
        super().__init__(signals)
        self.views = []
        self.central = None
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
        if line.kind in ("event", "health", "why"):
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
        # What is left above belongs to the commands. The height is constant, for a calm picture.
        room = max(self._console.height * 2 // 3, min(self._console.height - 3, HIGH_ENOUGH))
        above, rule = [self._header(), self._platforms()], self._rule()
        if self.central:
            above.append(central_text(self.central))
        room -= sum(map(self._height, [*above, rule]))
        words = [self._words(view, (room - SHORTEST_TIMELINE) // len(self.views)) for view in self.views]
        room -= sum(map(self._height, words))
        events = []
        for line in reversed(self._timeline):
            text = self._cut(Text(line.text), self._console.width - TIMELINE_INDENT, LINES_OF_AN_EVENT).plain
            height = text.count("\n") + 1
            if height > room:
                break
            room -= height
            events.insert(0, line._replace(text=text))
        return Group(*above, *words, rule, self._table(events), *[Text()] * room)

    def _height(self, part):
        return len(self._console.render_lines(part, self._console.options, pad=False))

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

    def _words(self, view, room):
        """Return the failover agent's own words: its health, cut to what there is room for, and why."""
        why = view.status and view.status["why"]
        health = Text.assemble((view.name, COLOURS[view.name]), " ", health_text(view))
        width = self._console.width
        parts = [self._cut(health, width, max(1, room - bool(why)))]
        if why:
            parts.append(Text.assemble(("  why: ", "dim"), why, no_wrap=True, overflow="ellipsis"))
        return Group(*parts)

    def _cut(self, text, width, most):
        """Return the text as lines of this width, and no more of them than `most`."""
        lines = list(text.wrap(self._console, width))
        if len(lines) > most:
            del lines[most:]
            lines[-1].truncate(width - 1)
            lines[-1].rstrip()
            lines[-1].append("…")
        return Text("\n").join(lines)

    def _rule(self):
        return Rule("timeline, seconds", align="left", style="dim")

    def _table(self, lines):
        table = Table.grid(padding=(0, 1))
        table.add_column(justify="right", width=5, style="dim")
        table.add_column(width=LONGEST_NAME)
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
        return Text.assemble(f"decision {view.status['decision'].partition(' ')[0]}, ",
                             (view.status["health"], "bold green" if good else "bold red"))
    if view.failover_pid:
        return Text("starting", "yellow")
    return Text("does not run", "dim")


def central_text(view):
    return Text.assemble((view.name, COLOURS[view.name]), " ", power_text(view), f"; {view.identity} (VC) ",
                         managed_text(view))


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
    age, timeout = time.monotonic() - view.heard_at, view.status["timeout"]
    style = "green" if age < 2 * view.status["heartbeat_period"] else "yellow" if age < timeout else "bold red"
    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(no_wrap=True)
    bar.add_column(ratio=1)
    bar.add_column(no_wrap=True)
    bar.add_row(Text(f"heard {age:.1f} s ago", style),
                ProgressBar(timeout, min(age, timeout), complete_style=style, finished_style=style),
                Text(f"{timeout:g} s", "dim"))
    return bar


def link_text(view):
    if not view.status:
        return Text("-", "dim")
    if view.status["vc"]:
        return links_text(view)
    up_for = view.link_up_for
    return Text("down", "bold red") if up_for is None else Text(f"up for {up_for:.0f} s", "green")


def links_text(view):
    links = [Text(f"{name} {'up' if up else 'down'}", "green" if up else "bold red") for name, up in view.links.items()]
    return Text(", ").join(links)


def health_text(view):
    if not view.status:
        return Text("no word from its failover agent", "dim")
    health = view.status["health"]
    style = "bold green" if health == "GOOD" else "bold red"
    return Text.assemble((f"{health}:", style), f" {view.status['text']}")


def other_role(role):
    return "secondary" if role == "primary" else "primary"


def fits_screen():
    """Whether standard output is a terminal on which the live screen looks right."""
    size = shutil.get_terminal_size()
    large = size.columns >= SMALLEST_SCREEN[0] and size.lines >= SMALLEST_SCREEN[1]
    return large and sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
