"""The commands ``trace`` and ``replay``."""

import argparse
import os
import re
import sys
from math import inf
from pathlib import Path
from typing import Callable, List

from failover.recording.codec import RecordingError
from failover.recording.folder import stored
from failover.recording.recording import Recording, read
from failover.recording.replay import replay
from failover.recording.trace import trace
from failover.text import clean

__all__ = ["replay_main", "trace_main"]

# Exit statuses.
GOOD, DIFFERS, UNREADABLE, USAGE = 0, 1, 2, 64

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}

# Characters of one line. Texts in a recording come from outside.
_LONGEST_LINE = 2000


class _Unreadable(Exception):
    """A recording cannot be read. The text is one line that says which, and why."""


class _Parser(argparse.ArgumentParser):
    """Ends with 64 after wrong usage, because 2 says something else here."""

    def error(self, message: str) -> None:
        self.print_usage(sys.stderr)
        self.exit(USAGE, "{}: error: {}\n".format(self.prog, message))


def trace_main(argv: List[str], default_folder: Callable[[], Path]) -> int:
    """Tell what happened in a recording, and return the exit status.

    :param default_folder: returns where the failover agent of this platform keeps its recordings.
    """
    parser = _Parser(prog="python -m failover trace", description="Tell what happened, and why, from a recording.",
                     epilog="exit status: 0; {} if there is no recording that can be read".format(UNREADABLE))
    parser.add_argument("--last", type=_length, default=inf, metavar="TIME",
                        help="only this long before the end, as 90s, 10m or 2h")
    parser.add_argument("path", nargs="?", type=Path, metavar="FILE",
                        help="a recording, or a folder whose latest one is taken (default: that of this platform's agent)")
    options = parser.parse_args(argv)
    try:
        path = _latest(default_folder() if options.path is None else options.path)
        lines = ["recording {}".format(path)] + trace(_read(path), options.last)
    except _Unreadable as failure:
        return _fail(failure)
    return _print(lines, GOOD)


def replay_main(argv: List[str]) -> int:
    """Step recordings through the present code, tell where it does something else, and return the exit status."""
    parser = _Parser(prog="python -m failover replay", description="Step recordings through the present code.",
                     epilog="exit status: 0 if it does the same, {} if it differs, {} if a file cannot be read".format(
                         DIFFERS, UNREADABLE))
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE", help="a recording")
    lines, status = [], GOOD
    for path in parser.parse_args(argv).paths:
        try:
            recording = _read(path)
        except _Unreadable as failure:
            _print(lines, GOOD)
            return _fail(failure)
        found = replay(recording)
        lines.append("{}: {} events, {}".format(path, len(recording.entries),
                                                "{} of them differ".format(len(found)) if found else "no difference"))
        lines += ["  {}".format(one) for one in found]
        status = DIFFERS if found else status
    return _print(lines, status)


def _latest(path: Path) -> Path:
    """Return the file itself, or the latest recording in a folder."""
    if not path.is_dir():
        return path
    try:
        found = stored(path)
    except OSError as error:
        raise _Unreadable("{}: {}".format(path, error.strerror or error)) from None
    if not found:
        raise _Unreadable("{}: there is no recording in this folder".format(path))
    return found[-1].path


def _read(path: Path) -> Recording:
    try:
        return read(path)
    except OSError as error:
        raise _Unreadable("{}: {}".format(path, error.strerror or error)) from None
    except RecordingError as error:
        raise _Unreadable("{}: {}".format(path, error)) from None


def _length(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if match is None:
        raise argparse.ArgumentTypeError("found {}; wanted: a length of time as 90s, 10m or 2h".format(clean(text)))
    return float(match[1]) * _UNITS[match[2]]


def _fail(failure: _Unreadable) -> int:
    print(clean(failure, _LONGEST_LINE), file=sys.stderr, flush=True)
    return UNREADABLE


def _print(lines: List[str], status: int) -> int:
    """Print the lines, safe to show, and return the status. Nobody may be there to read them to their end."""
    try:
        for line in lines:
            print(clean(line, _LONGEST_LINE))
        sys.stdout.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
    return status
