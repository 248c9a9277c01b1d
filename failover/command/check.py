"""``python -m failover check``: whether all that a takeover needs is in order."""

import argparse
import json
import sys

from failover.command.asking import Asker, NoAnswer
from failover.command.exit_status import BAD, GOOD
from failover.command.output import show
from failover.command.parsing import identity
from failover.text import clean

__all__ = ["HELP", "SUMMARY", "add_arguments", "run"]

SUMMARY = "tells whether all that a takeover needs is in order on both sides."
HELP = "check all that a takeover needs"

_EXIT_STATUSES = ("exit status: 0 if all is in order, 1 if not; 2 if no failover agent answers, 3 if no platform does; 64 after "
                  "wrong usage")
_LONGEST = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand."""
    parser.description = ("Tell whether all that a takeover needs is in order, a line for each thing: OK, WARN for what works but "
                          "is better set otherwise, or BAD.")
    parser.epilog = _EXIT_STATUSES
    parser.add_argument("--json", action="store_true", help="print the list as one line of JSON")
    parser.add_argument("--vip-identity", type=identity, default="failover",
                        help="of the failover agent (default failover)")


def run(options: argparse.Namespace) -> int:
    """Show the list."""
    asker = Asker(options.vip_identity)
    try:
        items = asker.ask("check")
    except NoAnswer as failure:
        print(failure, file=sys.stderr, flush=True)
        return failure.exit_status
    finally:
        asker.close()
    if options.json:
        show(json.dumps(items))
    else:
        for one in items:
            show("{:4} {}: {}".format(clean(one.get("level")), clean(one.get("name")), clean(
                one.get("text"), _LONGEST)))
    return GOOD if all(one.get("is_ok") for one in items) else BAD
