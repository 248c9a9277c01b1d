"""``vctl failover``: the commands of ``python -m failover``, for modular VOLTTRON.

vctl imports the modules of this namespace from all installed packages, and takes the commands that they register. A fault
here costs these commands alone: vctl says so and goes on.
"""

import argparse
from typing import Any

from volttron.client.decorators import vctl_subparser
from volttron.types.factories import ControlParser

__all__ = ["FailoverParser"]


@vctl_subparser
class FailoverParser(ControlParser):
    """Adds ``vctl failover``."""

    class Meta:
        """By what VOLTTRON registers it."""

        name = "failover"

    def configure(self, ctx: Any) -> None:
        """Register the command. What follows it is for the failover agent's own command line."""
        command = ctx.register_command("failover", help="status, switchover, pause and more of the failover agent")
        command.add_argument("arguments", nargs=argparse.REMAINDER, metavar="SUBCOMMAND ...",
                             help="as of `python -m failover`, whose --help tells more")
        command.set_defaults(func=_run)


def _run(options: Any) -> int:
    from failover.command import main  # Here, so that vctl starts as fast as without.

    return main(options.arguments)
