"""Exit statuses of the commands."""

__all__ = ["BAD", "GOOD", "INTERRUPTED", "NO_AGENT", "NO_PLATFORM", "USAGE"]

GOOD, BAD, NO_AGENT, NO_PLATFORM, USAGE, INTERRUPTED = 0, 1, 2, 3, 64, 130
