"""The demo's two faces: the live screen on a terminal, and the lines in a pipe."""

import os
import shutil
import signal
import sys
import time
from collections import deque

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table

from tests.demo.scene import Line
from tests.demo.screen import SMALLEST, draw

# Seconds.
DRAW_EVERY = 0.2
EVENTS_KEPT = 200


class Output:
    """Standard output, until nobody reads it any more: that ends the demo, and what is still written goes nowhere."""

    def __init__(self, signals):
        self._signals = signals

    def write(self, text):
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self._signals.append(signal.SIGPIPE if isinstance(error, BrokenPipeError) else signal.SIGHUP)

    def __getattr__(self, name):
        return getattr(sys.stdout, name)


class Lines:
    """Prints one line for each thing that happens. For pipes, files and terminals that are too small.

    The commands, and what belongs to them, are also written to the file `commands`.
    """

    def __init__(self, output, commands):
        self._output = output
        self._commands = commands
        self._start = time.monotonic()
        self._new = deque()

    @property
    def clock(self):
        return time.monotonic() - self._start

    def add(self, kind, text, who="", style=""):
        """Take in a line. Any thread may; it is printed by the next `show`."""
        self._new.append(Line(self.clock, kind, who, text, style))

    def show(self, scene):
        """Show what is new, and how all looks now. `scene` returns that."""
        while self._new:
            line = self._new.popleft()
            if line.kind in ("command", "note"):
                print(plain(line), file=self._commands, flush=True)
            self.put(line)

    def put(self, line):
        self.say(f"{line.at:6.1f}  {plain(line)}")

    def summary(self, title, rows):
        self.close()
        self.say("\n".join(["", title, *(f"{value:>8}  {what}" for value, what in rows)]))

    def say(self, text):
        print(text, file=self._output)

    def close(self):
        """Print what has not been printed. May be called twice."""
        Lines.show(self, None)


class Screen(Lines):
    """The live screen. It has the terminal for itself until it is closed; then what happened is printed as lines."""

    def __init__(self, output, commands):
        super().__init__(output, commands)
        self.events = deque(maxlen=EVENTS_KEPT)
        self._console = Console(file=output, highlight=False)
        self._drawn_at = 0.0
        self._live = Live(console=self._console, screen=True, auto_refresh=False, redirect_stdout=False,
                          redirect_stderr=False)
        self._live.start()

    def show(self, scene):
        super().show(scene)
        if time.monotonic() - self._drawn_at >= DRAW_EVERY:
            self._drawn_at = time.monotonic()
            self._live.update(draw(scene()._replace(events=list(self.events)), *self._console.size), refresh=True)

    def put(self, line):
        if line.kind in ("step", "event"):
            self.events.append(line)

    def summary(self, title, rows):
        self.close()
        table = Table(title=title, title_style="bold", title_justify="left", box=box.ROUNDED, show_header=False)
        table.add_column(justify="right", style="bold green", no_wrap=True)
        table.add_column()
        for value, what in rows:
            table.add_row(value, what)
        self._console.print(table)

    def close(self):
        super().close()
        if self._live.is_started:
            self._live.stop()
            for line in self.events:
                self.say(f"{line.at:6.1f}  {plain(line)}")


def plain(line):
    """Return the line as it is without colours."""
    if line.kind == "command":
        return f"{line.who}$ {line.text}"
    if line.kind == "note":
        return f"{line.who}# {line.text}"
    if line.kind == "step":
        return f"== {line.text}"
    return f"{line.who}: {line.text}" if line.who else line.text


def fits_screen():
    """Whether standard output is a terminal on which the live screen looks right, and this process may draw there."""
    size = shutil.get_terminal_size()
    return (size.columns >= SMALLEST[0] and size.lines >= SMALLEST[1] and sys.stdout.isatty()
            and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
            and str(sys.stdout.encoding).lower().startswith("utf")
            and os.tcgetpgrp(sys.stdout.fileno()) == os.getpgrp())
