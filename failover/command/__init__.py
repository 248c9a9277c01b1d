"""The commands for operators: ``python -m failover SUBCOMMAND``.

A subcommand is a module of this package, named in ``_SUBCOMMANDS``. It has

* ``HELP``: what it does in a few words, for the list of subcommands;
* ``add_arguments(parser)``: adds its own arguments, and may add to the parser's help;
* ``run(options)``: does the work and returns the exit status, one of :mod:`failover.command.exit_status` if it can. A
  KeyboardInterrupt or BrokenPipeError that it raises is taken for a quiet end, another OSError for output that cannot be
  written.

It can be imported where VOLTTRON is not installed, so that help is always to be had.
"""

import sys
from importlib import import_module
from typing import List, Optional

from failover.command import output
from failover.command.exit_status import GOOD, INTERRUPTED, UNWRITABLE
from failover.command.parsing import Parser

__all__ = ["main"]

_SUBCOMMANDS = (
    "status",
    "check",
    "pause",
    "resume",
    "switchover",
    "history",
    "trace",
    "replay",
)


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command and return its exit status.

    :param arguments: as on the command line, which is the default.
    :raises SystemExit: after wrong usage and after --help.
    """
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        output.discard()
        return GOOD
    except OSError as error:
        output.failed(error)
        return UNWRITABLE


def _parser() -> Parser:
    modules = {name: import_module("{}.{}".format(__name__, name)) for name in _SUBCOMMANDS}
    parser = Parser(prog="python -m failover", description=(
        "Commands for the operators of a failover pair. Each one asks the failover agent of the local platform, and has its "
        "own --help."))
    commands = parser.add_subparsers(dest="command", metavar="|".join(modules), required=True)
    for name, module in modules.items():
        subparser = commands.add_parser(name, help=module.HELP)
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    return parser
