"""``python -m failover pause``: nobody on either side starts the managed agent for a while."""

import argparse

from failover.command.order import add_common_arguments, ordered
from failover.command.parsing import length_of_time
from failover.decision.orders import LONGEST_PAUSE

__all__ = ["HELP", "add_arguments", "run"]

HELP = "suspend all starts and takeovers for a while"

_DESCRIPTION = ("Suspend all starts and takeovers on both sides for a while. If the managed agent ends, or its platform "
                "fails, it stays down until you resume or the pause ends. In standard failover an isolated side still stops "
                "the agent.")
_USUAL = 3600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand."""
    add_common_arguments(parser, _DESCRIPTION)
    parser.add_argument("--for", dest="length", type=_length, default=_USUAL, metavar="TIME",
                        help="how long to pause, e.g. 90s, 10m or 2h, at most 24h (default 1h)")


def _length(text: str) -> float:
    """Return the seconds of a pause.

    :raises argparse.ArgumentTypeError: the text is no length of time, or none that a pause can have.
    """
    seconds = length_of_time(text)
    if not 0 < seconds <= LONGEST_PAUSE:
        raise argparse.ArgumentTypeError("found {}; wanted: more than 0 s and at most {:g}h".format(
            text, LONGEST_PAUSE / 3600))
    return seconds


def run(options: argparse.Namespace) -> int:
    """Order it, and return the exit status."""
    return ordered(options, "pause", options.length)
