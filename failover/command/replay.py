"""``python -m failover replay``: steps recordings through the present code."""

import argparse
import sys
from pathlib import Path

from failover.command.asking import NoAnswer
from failover.command.exit_status import DIFFERS, GOOD
from failover.command.output import show
from failover.command.recordings import LONGEST_LINE, open_recording
from failover.recording.replay import replay
from failover.text import clean

__all__ = ["HELP", "add_arguments", "run"]

HELP = "step recordings through the present code"

_EXIT_STATUSES = ("exit status: 0 if the present code does the same, 1 if it does something else, 2 if a file cannot be "
                  "read, 64 after wrong usage, 74 if the output cannot be written")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand."""
    parser.description = "Step recordings through the present code, and say where it decides otherwise."
    parser.epilog = _EXIT_STATUSES
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE", help="a recording")


def run(options: argparse.Namespace) -> int:
    """Replay each recording in turn."""
    status = GOOD
    for path in options.paths:
        try:
            recording = open_recording(path)
        except NoAnswer as failure:
            print(failure, file=sys.stderr, flush=True)
            return failure.exit_status
        found = replay(recording)
        show("\n".join(clean(line, LONGEST_LINE) for line in [
            "{}: {} events, {}".format(path, len(recording.entries),
                                       "{} of them differ".format(len(found)) if found else "no difference")
        ] + ["  {}".format(one) for one in found]))
        status = DIFFERS if found else status
    return status
