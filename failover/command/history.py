"""``python -m failover history``: what changed, when and why."""

import argparse
import json
import sys
from typing import Any, Dict

from failover.command.asking import NoAnswer, list_once
from failover.command.exit_status import GOOD
from failover.command.output import show
from failover.command.parsing import add_vip_identity
from failover.text import clean

__all__ = ["HELP", "add_arguments", "run"]

HELP = "tell where the managed agent ran, and why"

_EXIT_STATUSES = ("exit status: 0; 2 if no failover agent answers, 3 if no platform does; 64 after wrong usage, 74 if the "
                  "output cannot be written")
_LONGEST = 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand."""
    parser.description = "Tell where the managed agent ran, since when, and why, as this side has seen it. Times are UTC."
    parser.epilog = _EXIT_STATUSES
    parser.add_argument("-n", dest="count", type=int, default=20, metavar="N", help="only the last N changes (default 20)")
    parser.add_argument("--json", action="store_true", help="print each change as a line of JSON")
    add_vip_identity(parser)


def run(options: argparse.Namespace) -> int:
    """Show the history."""
    try:
        entries = list_once(options.vip_identity, "history", options.count)
    except NoAnswer as failure:
        print(failure, file=sys.stderr, flush=True)
        return failure.exit_status
    for entry in entries:
        show(json.dumps(entry) if options.json else _line(entry))
    return GOOD


def _line(entry: Dict[str, Any]) -> str:
    """Return an entry as a line for a person."""
    event, planned = entry.get("event"), " (planned)" if entry.get("planned") else ""
    if event == "active":
        text = "{} became active{}{}".format(
            clean(entry.get("on")), "" if entry.get("from") is None else ", previously " + clean(
            entry["from"]), planned)
        if entry.get("outage") is not None:
            text += "; outage {} s".format(clean(entry["outage"]))
    elif event == "stopped":
        text = "stopped on {}{}".format(clean(entry.get("on")), planned)
    else:
        text = clean(event)
    return "{}  {}: {}".format(clean(entry.get("at"))[:23].replace("T", " "), text, clean(entry.get("why"), _LONGEST))
