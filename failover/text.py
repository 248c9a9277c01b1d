"""Text from outside, made safe to show. Whatever another process says comes through here before it goes anywhere."""

from typing import Any

__all__ = ["LONGEST", "clean"]

# Characters of foreign text that are kept.
LONGEST = 300


def clean(value: Any, longest: int = LONGEST) -> str:
    """Return the text as one printable line of at most ``longest`` characters.

    Newlines and other control characters are escaped, so that nobody can forge a line of a log or steer a terminal.
    """
    try:
        text = value if isinstance(value, str) else str(value)
    except Exception as error:  # Whatever kind of object came, showing it must not fail.
        text = "<{} without a text: {}>".format(type(value).__name__, type(error).__name__)
    cut = text[:longest + 1]
    shown = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in cut)
    return shown if len(shown) <= longest else shown[:longest - 3] + "..."
