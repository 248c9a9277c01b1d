"""The demo on a terminal: a visitor breaks real platforms with the keys, and nothing is left behind."""

import contextlib
import fcntl
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
from types import SimpleNamespace

import psutil
import pytest

from tests.demo.keyboard import Keyboard
from tests.demo.views import FailoverView
from tests.test_demo_screen import SIZES, halves, shows
from tests.testbed import screenshot
from tests.testbed.pair import LIMIT, MANAGED, REPOSITORY
from tests.testbed.platforms import MONOLITHIC_ROOT, wait_for

# Seconds.
INSTALLED_WITHIN = 240


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


@pytest.mark.parametrize("is_settled, changes", [
    (True, {}), (True, {"vc": None}), (False, {"health": "BAD"}), (False, {"other": {"liveness": "unknown"}}),
    (False, {"other": {"liveness": "down"}}), (False, {"link": {"up": False}}), (False, {"vc": {"up": False, "liveness": "up"}}),
    (False, {"vc": {"up": True, "liveness": "unknown"}})])
def test_the_story_begins_when_all_hear_each_other(is_settled, changes):
    """A link that is up has not yet brought a heartbeat: who loses its power now was never heard."""
    view = FailoverView(SimpleNamespace(platform=SimpleNamespace(name="node-secondary")), None)
    assert not view.is_settled
    view.status = {"health": "GOOD", "link": {"up": True}, "other": {"liveness": "up"}, "vc": {"up": True, "liveness": "up"},
                   **changes}
    assert view.is_settled == is_settled


# On real platforms


class Terminal:
    """The demo on a terminal of 160x50. What it makes is below `folder`.

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
            env=dict(without_size(os.environ), TERM="xterm-256color", TMPDIR=str(folder)), start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))  # noqa: PLW1509
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
    def picture(self):
        """The last one that is complete, with its colours."""
        self._read()
        pictures = self._output.rsplit("\x1b[H", 2)
        return pictures[1] if len(pictures) == 3 else ""

    @property
    def lines(self):
        """The lines of that picture."""
        return plain(self.picture).splitlines()

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


def without_size(environment):
    """The size of another terminal would be taken for that of this one."""
    return {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")}


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


def real(test):
    """Mark a test of the demo on real platforms."""
    skip = pytest.mark.skipif(bool(MONOLITHIC_ROOT), reason="the demo is of VOLTTRON 11")
    return skip(pytest.mark.timeout(600)(test))


def is_at(word, side):
    """Return a condition of a picture: this side, 0 or 1, shows this word in large letters."""
    return lambda lines: shows(lines, word, True, halves(Terminal.SIZE)[side])


@real
def test_a_visitor_breaks_it_and_mends_it(terminal, own_folder):
    terminal.await_sight(lambda lines: any("0 of 15 " in line for line in lines), "a picture before anything is installed")
    terminal.await_sight(is_at("ACTIVE", 0), "the installed pair", INSTALLED_WITHIN)
    terminal.await_sight(lambda lines: "power off" in lines[-1], "the keys")
    terminal.press("p")
    terminal.await_sight(is_at("OFF", 0), "the power loss")
    terminal.await_sight(lambda lines: any("OUTAGE NOW" in line for line in lines), "the outage")
    terminal.await_sight(is_at("ACTIVE", 1), "the takeover")
    terminal.await_sight(lambda lines: any("last outage" in line for line in lines), "the end of the outage")
    assert "power on primary" in terminal.lines[-1]
    screenshot.save("demo", "make demo", terminal.picture, terminal.SIZE[0])
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
    done = subprocess.run([sys.executable, "-m", "tests.demo"], cwd=REPOSITORY, stdin=subprocess.DEVNULL, text=True,
                          capture_output=True, env=dict(os.environ, TMPDIR=str(own_folder)), timeout=2 * INSTALLED_WITHIN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\x1b" not in done.stdout and "1/2 Power loss of the primary" in done.stdout
    assert f"node-secondary: {MANAGED} runs, pid" in done.stdout and "until the secondary's" in done.stdout
