"""``python -m failover check``: whether all that a takeover needs is in order."""

import argparse
import json
import sys

from failover.command.asking import NoAnswer, list_once
from failover.command.exit_status import BAD, GOOD
from failover.command.output import show
from failover.command.parsing import add_vip_identity
from failover.text import clean

__all__ = ["HELP", "add_arguments", "run"]

HELP = "check all that a takeover needs"

_EXIT_STATUSES = ("exit status: 0 if all is in order, 1 if not; 2 if no failover agent answers, 3 if no platform does; 64 "
                  "after wrong usage, 74 if the output cannot be written")
_LONGEST = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand."""
    parser.description = ("Tell whether all that a takeover needs is in order, a line for each thing: OK, WARN for what "
                          "works but is better set otherwise, or BAD.")
    parser.epilog = _EXIT_STATUSES
    parser.add_argument("--json", action="store_true", help="print the list as one line of JSON")
    add_vip_identity(parser)


def run(options: argparse.Namespace) -> int:
    """Show the list."""
    try:
        items = list_once(options.vip_identity, "check")
    except NoAnswer as failure:
        print(failure, file=sys.stderr, flush=True)
        return failure.exit_status
    if options.json:
        show(json.dumps(items))
    else:
        for one in items:
            show("{:4} {}: {}".format(clean(one.get("level")), clean(one.get("name")), clean(
                one.get("text"), _LONGEST)))
    return GOOD if all(one.get("is_ok") for one in items) else BAD
