"""The keys of a terminal, one by one and without echo."""

import contextlib
import os
import select
import signal
import sys
import termios
import tty


def has_keys():
    """Whether standard input is a terminal whose keys are for this process."""
    try:
        return sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        return False


class Keyboard:
    """As a context manager, has the terminal hand over each key at once, and restores it in the end.

    Ctrl-C and Ctrl-\\ stay what they are. Ctrl-Z and Ctrl-S, which would stop the demo but not what it started, do not work.

    :param signals: gets SIGHUP when the terminal is gone.
    """

    def __init__(self, signals):
        self._signals = signals
        self._terminal = sys.stdin.fileno()
        self._before = None

    def __enter__(self):
        self._before = termios.tcgetattr(self._terminal)
        tty.setcbreak(self._terminal, termios.TCSANOW)
        mode = termios.tcgetattr(self._terminal)
        mode[0] &= ~termios.IXON
        mode[6][termios.VSUSP] = b"\0"
        termios.tcsetattr(self._terminal, termios.TCSANOW, mode)
        return self

    def __exit__(self, *error):
        with contextlib.suppress(termios.error):  # The terminal may be gone.
            # What was typed is not for the shell. Not TCSAFLUSH: it waits until all output is read.
            termios.tcflush(self._terminal, termios.TCIFLUSH)
            termios.tcsetattr(self._terminal, termios.TCSANOW, self._before)

    def read(self):
        """Return the keys that were pressed since the last call. Does not wait."""
        try:
            if not select.select([self._terminal], [], [], 0)[0]:
                return ""
            pressed = os.read(self._terminal, 64)
        except OSError:
            pressed = b""
        if not pressed:
            self._signals.append(signal.SIGHUP)
        # An arrow or a function key is a sequence that begins with an escape.
        return "" if pressed.startswith(b"\x1b") else pressed.decode(errors="ignore").lower()
