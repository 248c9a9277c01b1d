"""What the commands print, for readers that may end early."""

import contextlib
import os
import sys

__all__ = ["CLEAR", "discard", "failed", "show"]

# Empties a terminal.
CLEAR = "\033[H\033[2J"


def show(text: str) -> None:
    """Print a text at once.

    :raises BrokenPipeError: nobody reads any more.
    :raises OSError: it cannot be written.
    """
    print(text, flush=True)


def failed(error: OSError) -> None:
    """Say that the output could not be written, and write no more of it."""
    with contextlib.suppress(OSError):
        print("the output ends here: {}".format(error.strerror or error), file=sys.stderr, flush=True)
    discard()


def discard() -> None:
    """Nobody reads any more. What is still buffered must not fail again when the interpreter ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
