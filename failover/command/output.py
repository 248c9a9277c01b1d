"""What the commands print, for readers that may end early."""

import os

__all__ = ["CLEAR", "discard", "show"]

# Empties a terminal.
CLEAR = "\033[H\033[2J"


def show(text: str) -> None:
    """Print a text at once.

    :raises BrokenPipeError: nobody reads any more.
    """
    print(text, flush=True)


def discard() -> None:
    """Nobody reads any more. What is still buffered must not fail again when the interpreter ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
