"""The demo: what its screen shows, and that a visitor can break real platforms with the keys and leaves nothing behind."""

import contextlib
import fcntl
import io
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from tests.demo.keyboard import Keyboard
from tests.demo.letters import big
from tests.demo.scene import Line, Runs, Scene, Side
from tests.demo.screen import LARGE, draw
from tests.testbed.pair import LIMIT, MANAGED, REPOSITORY
from tests.testbed.platforms import MONOLITHIC_ROOT, wait_for

SIZES = (160, 50), (80, 24)

# Seconds.
INSTALLED_WITHIN = 300


def status(standing, other, **changes):
    return dict(dict(standing=standing, health="GOOD", text="all is well", why=None, timeout=5, heartbeat_period=1,
                     link={"up": True}, vc=None, other={"standing": other}), **changes)


PRIMARY = Side("node-primary", "primary", 100, 101, 102, status=status("ACTIVE", "STANDBY"), heard_ago=0.4)
SECONDARY = Side("node-secondary", "secondary", 200, None, 202, status=status("STANDBY", "ACTIVE"), heard_ago=0.7)
OFF = Side("node-primary", "primary", is_off=True)
SCENE = Scene(clock=62.3, headline="steady state", detail="all is well", managed=MANAGED, sides=(PRIMARY, SECONDARY), central="",
              progress=None, runs=Runs(80.0, {"node-primary": [(60.0, 80.0)], "node-secondary": []}), overlap=0.0,
              events=[], keys=[("p", "power off"), ("q", "quit")], notice="")


def drawn(size, **changes):
    console = Console(width=size[0], height=size[1], file=io.StringIO(), force_terminal=False)
    console.print(draw(SCENE._replace(**changes), *size))
    return console.file.getvalue().splitlines()


def shows(lines, word, large, columns=slice(None)):
    """Whether the word is in the lines, in large letters one below the other, within these columns."""
    wanted = [row.rstrip() for row in big(word, large)]
    lines = [line[columns] for line in lines]
    return any(all(row in line for row, line in zip(wanted, lines[at:])) for at in range(len(lines) - len(wanted) + 1))


def is_large(size):
    return size[0] >= LARGE[0]


def halves(size):
    return slice(0, size[0] // 2), slice(size[0] // 2, None)


@pytest.mark.parametrize("size", SIZES)
def test_at_a_glance_where_the_agent_runs(size):
    left, right = halves(size)
    lines = drawn(size)
    assert shows(lines, "ACTIVE", is_large(size), left) and shows(lines, "STANDBY", is_large(size), right)
    lines = drawn(size, sides=(OFF, SECONDARY._replace(managed_pid=203, status=status("ACTIVE", "DOWN"))))
    assert shows(lines, "OFF", is_large(size), left) and shows(lines, "ACTIVE", is_large(size), right)
    assert "POWER CUT" in "".join(line[left] for line in lines)


@pytest.mark.parametrize("side, word", [
    (OFF, "OFF"), (PRIMARY._replace(is_frozen=True), "FROZEN"), (PRIMARY._replace(status=None), "SILENT"),
    (PRIMARY._replace(status=None, failover_pid=None), "NO AGENT"), (PRIMARY._replace(status=status("PAUSED", "PAUSED")), "PAUSED")])
@pytest.mark.parametrize("size", SIZES)
def test_a_side_that_cannot_say_what_it_does(size, side, word):
    assert shows(drawn(size, sides=(side, SECONDARY)), word, is_large(size), halves(size)[0])


@pytest.mark.parametrize("size", SIZES)
def test_the_outage_is_counted_while_it_lasts_and_remembered(size):
    assert "no outage yet" in "".join(drawn(size))
    runs = {"node-primary": [(60.0, 80.0)], "node-secondary": []}
    lines = drawn(size, runs=Runs(83.4, runs))
    assert "OUTAGE NOW" in "".join(lines) and shows(lines, "3.4", is_large(size))
    runs["node-secondary"] = [(85.1, 90.0)]
    lines = drawn(size, runs=Runs(90.0, runs))
    assert "last outage" in "".join(lines) and shows(lines, "5.1", is_large(size))


@pytest.mark.parametrize("size", SIZES)
def test_the_timeline_has_a_column_for_each_second(size):
    lines = drawn(size, runs=Runs(90.0, {"node-primary": [(70.0, 80.0)], "node-secondary": [(85.0, 90.0)]}))
    columns = {name: line.partition(f"││ {name}")[2].count("█") for line in lines for name in ("node-primary", "node-secondary",
                                                                                             "nowhere") if f"││ {name}" in line}
    assert columns == {"node-primary": 10, "node-secondary": 5, "nowhere": 5}


@pytest.mark.parametrize("size", SIZES)
def test_the_installation_is_a_bar(size):
    text = "".join(drawn(size, progress=(7, 15, "the failover agent is installed")))
    assert "7 of 15" in text and "━" in text and "the failover agent is installed" in text


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("events", [0, 3, 100])
def test_the_picture_has_the_size_of_the_terminal(size, events):
    log = [Line(float(at), "event", "node-primary", f"number {at}: " + "what happened " * 20) for at in range(events)]
    for changes in ({}, {"central": "VC runs", "notice": "press a key"}, {"progress": (1, 15, "it starts")}):
        lines = drawn(size, events=log, **changes)
        assert len(lines) == size[1] and max(map(len, lines)) <= size[0]
        assert " q  quit" in lines[-1]
        assert not events or f"number {events - 1}:" in "".join(lines)


def test_outages_are_where_no_side_ran():
    runs = Runs(100.0, {"a": [(10.0, 20.0), (50.0, 60.0)], "b": [(25.0, 55.0), (62.0, 100.0)]})
    assert runs.outages == [(20.0, 25.0), (60.0, 62.0)]
    assert runs.on == ["b"] and runs.current_outage is None
    assert Runs(101.5, runs.intervals).current_outage == 1.5
    assert Runs(5.0, {"a": [], "b": []}).current_outage is None


@pytest.fixture
def keys(monkeypatch):
    """Standard input is a terminal, whose keys are pressed by writing them here."""
    master, slave = pty.openpty()
    with os.fdopen(slave, "rb", buffering=0) as terminal, os.fdopen(master, "wb", buffering=0) as keys:
        monkeypatch.setattr(sys, "stdin", terminal)
        yield keys


def test_the_terminal_is_as_before_even_after_an_error(keys):
    before = termios.tcgetattr(sys.stdin)
    with pytest.raises(ZeroDivisionError), Keyboard([]):
        assert not termios.tcgetattr(sys.stdin)[3] & (termios.ECHO | termios.ICANON)
        raise ZeroDivisionError
    assert termios.tcgetattr(sys.stdin) == before


def test_keys_are_read_at_once_and_arrows_are_none(keys):
    signals = []
    with Keyboard(signals) as keyboard:
        assert keyboard.read() == ""
        for pressed, read in ((b"P", "p"), (b"\x1b[A", ""), (b"sq", "sq")):
            keys.write(pressed)
            assert select.select([sys.stdin], [], [], LIMIT)[0]
            assert keyboard.read() == read
        keys.close()
        wait_for(lambda: keyboard.read() or signals, LIMIT, "the end of the terminal", 0.01)
    assert signals[0] == signal.SIGHUP


# On real platforms


class Terminal:
    """The demo on a terminal of 160x50, or without one, which it takes as lines. What it makes is below `folder`.

    Whoever makes one calls `close` in the end.
    """

    SIZE = SIZES[0]

    def __init__(self, folder):
        self._folder = folder
        self._master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", self.SIZE[1], self.SIZE[0], 0, 0))
        self.mode = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.demo"], cwd=REPOSITORY, stdin=self.slave, stdout=self.slave, stderr=self.slave,
            env=dict(os.environ, TERM="xterm-256color", TMPDIR=str(folder)), start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self._output = ""

    def press(self, key):
        os.write(self._master, key.encode())

    def hang_up(self):
        """Close the terminal, as who closes its window."""
        os.close(self.slave)
        os.close(self._master)
        self.slave = self._master = None

    @property
    def text(self):
        """What was written so far, without colours."""
        self._read()
        return plain(self._output)

    @property
    def lines(self):
        """The lines of the last picture that is complete."""
        self._read()
        pictures = self._output.rsplit("\x1b[H", 2)
        return plain(pictures[1]).splitlines() if len(pictures) == 3 else []

    def await_sight(self, condition, what, timeout=LIMIT):
        try:
            wait_for(lambda: condition(self.lines), timeout, what, 0.1)
        except TimeoutError as error:
            raise AssertionError("\n".join([str(error), *self.lines, self.text[-2000:]])) from None

    def await_end(self):
        """Wait until the demo has ended, and return its exit status."""
        def ended():
            self._read()
            return self.process.poll() is not None

        wait_for(ended, LIMIT, "the end of the demo", 0.1)
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self._master is not None:
            self.hang_up()

    def _read(self):
        while self._master is not None and select.select([self._master], [], [], 0)[0]:
            self._output += os.read(self._master, 65536).decode(errors="replace")


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")


def processes_of(folder):
    """The command lines of the processes that have something of this folder in their environment."""
    found = []
    for pid in psutil.pids():
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            if str(folder).encode() in Path(f"/proc/{pid}/environ").read_bytes():
                found.append(psutil.Process(pid).cmdline())
    return found


@pytest.fixture
def own_folder(folder):
    """A folder of the demo's own, in which nothing but the file of commands is left in the end, and no process outside."""
    own = Path(tempfile.mkdtemp(prefix="d", dir=str(folder)))
    yield own
    wait_for(lambda: not processes_of(own), LIMIT, "the end of all processes")
    assert [path.name for path in own.iterdir() if not path.name.startswith("failover-demo-commands-")] == []


@pytest.fixture
def terminal(own_folder):
    terminal = Terminal(own_folder)
    yield terminal
    terminal.close()


real = pytest.mark.skipif(bool(MONOLITHIC_ROOT), reason="the demo is of VOLTTRON 11")


def is_at(word, side):
    """Return a condition of a picture: this side, 0 or 1, shows this word in large letters."""
    return lambda lines: shows(lines, word, True, halves(Terminal.SIZE)[side])


@real
def test_a_visitor_breaks_it_and_mends_it(terminal, own_folder):
    terminal.await_sight(lambda lines: any(" of 15 " in line for line in lines), "the first picture", 10)
    terminal.await_sight(is_at("ACTIVE", 0), "the installed pair", INSTALLED_WITHIN)
    terminal.await_sight(lambda lines: "power off" in lines[-1], "the keys")
    terminal.press("p")
    terminal.await_sight(is_at("OFF", 0), "the power loss")
    terminal.await_sight(lambda lines: any("OUTAGE NOW" in line for line in lines), "the outage")
    terminal.await_sight(is_at("ACTIVE", 1), "the takeover")
    terminal.await_sight(lambda lines: any("last outage" in line for line in lines), "the end of the outage")
    assert "power on primary" in terminal.lines[-1]
    terminal.press("p")
    terminal.await_sight(lambda lines: is_at("ACTIVE", 0)(lines) and is_at("STANDBY", 1)(lines), "the failback")
    terminal.press("s")
    terminal.await_sight(lambda lines: is_at("STANDBY", 0)(lines) and is_at("ACTIVE", 1)(lines), "the switchover")
    terminal.press("q")
    assert terminal.await_end() == 0, terminal.text[-2000:]
    assert processes_of(own_folder) == []
    assert termios.tcgetattr(terminal.slave) == terminal.mode
    [commands] = own_folder.glob("failover-demo-commands-*")
    assert f"The commands that were run are in {commands}" in terminal.text
    assert re.search(r"^node-primary\$ vctl install .* --enable --priority 50$", commands.read_text(), re.MULTILINE)
    assert "node-primary$ vctl failover switchover" in commands.read_text()


@real
@pytest.mark.parametrize("end, status", [(lambda terminal: terminal.press("\x03"), 130), (Terminal.hang_up, 129)],
                         ids=["ctrl_c", "hang_up"])
def test_an_end_during_the_installation_leaves_nothing_behind(terminal, own_folder, end, status):
    terminal.await_sight(lambda lines: any(f"the managed agent, {MANAGED}, is installed" in line for line in lines),
                         "the installation", INSTALLED_WITHIN)
    assert processes_of(own_folder)
    end(terminal)
    assert terminal.await_end() == status, terminal.text[-2000:]
    assert processes_of(own_folder) == []
    assert terminal.slave is None or termios.tcgetattr(terminal.slave) == terminal.mode


@real
def test_without_a_terminal_the_story_is_told(own_folder):
    done = subprocess.run([sys.executable, "-m", "tests.demo"], cwd=REPOSITORY, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, env=dict(os.environ, TMPDIR=str(own_folder)), timeout=INSTALLED_WITHIN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\x1b" not in done.stdout and "1/2 Power loss of the primary" in done.stdout
    assert f"node-secondary: {MANAGED} runs, pid" in done.stdout and "until the secondary's" in done.stdout
