"""``python -m failover trace``: tells what happened, and why."""

import argparse
import sys
from math import inf
from pathlib import Path
from typing import List, Tuple

from failover.command.asking import NoAnswer, order_once, volttron_home
from failover.command.exit_status import GOOD
from failover.command.output import show
from failover.command.parsing import add_vip_identity, length_of_time
from failover.command.recordings import LONGEST_LINE, latest, latest_below, open_recording
from failover.recording.trace import trace
from failover.text import clean

__all__ = ["HELP", "add_arguments", "run"]

HELP = "tell what happened, and why"

_EXIT_STATUSES = ("exit status: 0; 2 if there is no recording that can be read; 64 after wrong usage, 74 if the output cannot "
                  "be written")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand."""
    parser.description = ("Tell what happened, and why: what the failover agent heard, decided and did. The last lines say "
                          "why the managed agent runs here or does not, and why it was last started and stopped, with what "
                          "a takeover waited for. Times are UTC.")
    parser.epilog = _EXIT_STATUSES
    parser.add_argument("--last", type=length_of_time, default=inf, metavar="TIME",
                        help="only this long before the end, as 90s, 10m or 2h (default: all)")
    add_vip_identity(parser)
    parser.add_argument("path", nargs="?", type=Path, metavar="FILE",
                        help="a recording (recording-*.jsonl.gz), or a folder whose latest one is taken (default: the "
                             "failover agent of this platform is asked to write one now; if it does not answer, the last "
                             "that it wrote)")


def run(options: argparse.Namespace) -> int:
    """Tell what is in a recording."""
    lines: List[str] = []
    try:
        path = None if options.path is None else latest(options.path)
        if path is None:
            path, lines = _ask_for_one(options.vip_identity)
        lines = ["recording {}".format(path)] + lines + trace(open_recording(path), options.last)
    except NoAnswer as failure:
        print(failure, file=sys.stderr, flush=True)
        return failure.exit_status
    show("\n".join(clean(line, LONGEST_LINE) for line in lines))
    return GOOD


def _ask_for_one(vip_identity: str) -> Tuple[Path, List[str]]:
    """Return a recording up to now, or the last one and why it is not up to now."""
    try:
        path = order_once(vip_identity, "record")
        if isinstance(path, str):
            return Path(path), []
        why = "its disk did not take a recording"
    except NoAnswer as failure:
        why = str(failure).split("\n")[0]
    return latest_below(Path(volttron_home())), ["the failover agent was not asked for a new one: {}".format(why)]
