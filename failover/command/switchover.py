"""``python -m failover switchover``: the other side runs the managed agent from now on."""

import argparse
from typing import Any, Dict

from failover import clock
from failover.command.asking import MISSING, Asker
from failover.command.order import add_common_arguments, ordered

if MISSING is None:
    import gevent

__all__ = ["HELP", "add_arguments", "run"]

HELP = "move the managed agent to the other side"

_DESCRIPTION = ("Move the managed agent to the side that is not preferred now, or to NAME: the active side stops it, then "
                "the other one starts it. It may be given on either side, and is refused if the target is not ready. It "
                "lasts until the next switchover, or until the target fails. The command waits for the move; Ctrl-C does "
                "not cancel it.")

# Seconds: beyond what a stop may take, and between two looks.
_EXTRA, _LOOK_EVERY = 60.0, 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand."""
    add_common_arguments(parser, _DESCRIPTION)
    parser.add_argument("--to", metavar="NAME",
                        help="instance name of the target, or its configured role, primary or secondary "
                                                     "(default: the side that is not preferred now)")


def run(options: argparse.Namespace) -> int:
    """Order it, wait until that side is active, and return the exit status."""
    return ordered(options, "switchover", options.to, then=_await)


def _await(asker: Asker, answer: Dict[str, Any]) -> Dict[str, Any]:
    """Wait until that side is active, and nobody has ordered anything else."""
    begin, grace, to = clock.now(), 10.0, answer.get("to")
    while clock.now() < begin + 2 * grace + _EXTRA:
        status = asker.ask_status()
        there, orders, said = status.get("other"), status.get("orders"), status.get("stop_grace")
        grace = said if isinstance(said, (int, float)) else grace
        side = status if status.get("instance_name") == to else there if isinstance(there, dict) else {}
        if not isinstance(orders, dict) or orders.get("number") != answer.get("order"):
            return dict(answer, done=False, text="{}, but then something else was ordered".format(answer.get("text")))
        if side.get("standing") == "ACTIVE":
            took = clock.now() - begin
            return dict(answer, took=round(took, 1), text="{} is active, after {:.1f} s".format(to, took))
        gevent.sleep(_LOOK_EVERY)
    return dict(answer, done=False, text="{}, but it is not active after {:.0f} s: see `python -m failover status` on both "
                                         "sides".format(answer.get("text"), clock.now() - begin))
