"""The command line: wrong usage, and arguments that more than one subcommand may have."""

import argparse
import math
import re
import sys
from typing import Any, NoReturn

from failover.command import output
from failover.command.exit_status import UNWRITABLE, USAGE
from failover.text import clean

__all__ = ["Parser", "add_vip_identity", "identity", "interval", "length_of_time"]

# Seconds.
_SHORTEST_INTERVAL, _LONGEST_INTERVAL = 0.1, 86400.0
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


class Parser(argparse.ArgumentParser):
    """An argument parser that ends with 64 after wrong usage, because 2 says something else here."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, "{}: error: {}\n".format(self.prog, message))

    def _print_message(self, message: str, file: Any = None) -> None:
        try:
            print(message or "", end="", file=file, flush=True)
        except BrokenPipeError:
            output.discard()
        except OSError as error:
            output.failed(error)
            raise SystemExit(UNWRITABLE) from None


def add_vip_identity(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names the failover agent."""
    parser.add_argument("--vip-identity", type=identity, default="failover",
                        help="of the failover agent (default failover)")


def interval(text: str) -> float:
    """Return the seconds between two looks.

    :raises argparse.ArgumentTypeError: the text is no number of seconds, or one out of bounds.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not _SHORTEST_INTERVAL <= seconds <= _LONGEST_INTERVAL:
        raise argparse.ArgumentTypeError("found {}; wanted: a number of seconds from {:g} to {:g}".format(
            clean(text), _SHORTEST_INTERVAL, _LONGEST_INTERVAL))
    return seconds


def identity(text: str) -> str:
    """Return the VIP identity of an agent.

    :raises argparse.ArgumentTypeError: the text cannot be one.
    """
    if not text.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError("found {!r}; wanted: the VIP identity of an agent".format(text))
    return text


def length_of_time(text: str) -> float:
    """Return the seconds that a text such as 90s, 10m or 2h stands for.

    :raises argparse.ArgumentTypeError: it stands for none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if match is None:
        raise argparse.ArgumentTypeError("found {}; wanted: a length of time as 90s, 10m or 2h".format(clean(text)))
    return float(match[1]) * _UNITS[match[2]]
