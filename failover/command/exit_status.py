"""Exit statuses of the commands."""

__all__ = ["BAD", "DIFFERS", "GOOD", "INTERRUPTED", "NO_AGENT", "NO_PLATFORM", "REFUSED", "UNREADABLE", "UNWRITABLE",
           "USAGE"]

GOOD, BAD, NO_AGENT, NO_PLATFORM, USAGE, UNWRITABLE, INTERRUPTED = 0, 1, 2, 3, 64, 74, 130
# Of the commands that order something.
REFUSED = 1
# Of the commands about recordings.
DIFFERS, UNREADABLE = 1, 2
