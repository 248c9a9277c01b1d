"""``python -m failover resume``: ends a pause."""

import argparse

from failover.command.order import add_common_arguments, ordered

__all__ = ["HELP", "add_arguments", "run"]

HELP = "end a pause"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand."""
    add_common_arguments(parser, "End a pause on both sides.")


def run(options: argparse.Namespace) -> int:
    """Order it, and return the exit status."""
    return ordered(options, "resume")
