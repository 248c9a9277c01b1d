"""What is wrong with a configuration, as lines for the operator."""

from typing import Any, List

from failover.text import clean
from failover.vip import address as vip_address

__all__ = ["LONGEST_SHOWN", "ConfigError", "show"]

# Characters of a line, and of a value or a key that it shows.
_LONGEST_LINE, LONGEST_SHOWN = 1000, 80


class ConfigError(ValueError):
    """The configuration cannot be used.

    :ivar problems: one line for each thing that is wrong with it.
    :ivar is_stored: whether it is the one in the configuration store, as far as that was told.
    """

    is_stored = False

    def __init__(self, problems: List[str]):
        self.problems = [clean(problem, _LONGEST_LINE) for problem in problems]
        super().__init__("\n".join(self.problems))


def show(value: Any) -> str:
    """Return a value as a line may show it: cut off, printable, and without a password or a secret key."""
    if isinstance(value, str):
        return clean(repr(vip_address.shown(value)), LONGEST_SHOWN)
    try:
        return clean("[{}]".format(", ".join(map(show, value))) if isinstance(value, list) else repr(value), LONGEST_SHOWN)
    except Exception:  # A number of too many digits, or what is nested too deeply, has no text.
        return "a {} that cannot be shown".format(type(value).__name__)
