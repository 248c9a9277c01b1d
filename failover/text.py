"""Text from outside, made safe to show. Whatever another process says comes through here before it goes anywhere."""

import hashlib
from typing import Any, List, Set, Union

__all__ = ["LONGEST", "Once", "clean", "digest", "integer"]

# Characters of foreign text that are kept.
LONGEST = 300
# Digits. Python reads a number of a million of them for a second, and longer ones for minutes.
_LONGEST_INTEGER = 400
# Characters of a hash.
_DIGITS = 12


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


def digest(content: Union[bytes, str]) -> str:
    """Return a short hash, for comparison."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:_DIGITS]


def integer(digits: str) -> int:
    """Return the number, for ``json.loads(..., parse_int=integer)``.

    :raises ValueError: it has too many digits.
    """
    if len(digits) > _LONGEST_INTEGER:
        raise ValueError("a number of {} digits".format(len(digits)))
    return int(digits)


class Once:
    """Decides which lines are logged that would otherwise come again and again, or in a flood of differing ones.

    :param most: so many lines in so many seconds at most.
    """

    def __init__(self, most: int = 20, seconds: float = 60.0):
        self._most = most
        self._seconds = seconds
        self._said: Set[str] = set()
        self._times: List[float] = []
        self._silent_until = float("-inf")

    def filter(self, text: str, now: float) -> List[str]:
        """Return the lines to log for this text: itself if it is new, or that from now on some are left out, or none."""
        if text in self._said or now < self._silent_until:
            return []
        self._times = [at for at in self._times if now - at < self._seconds]
        if len(self._times) >= self._most:
            self._silent_until = now + self._seconds
            return ["there are too many messages like the last ones: for {:.0f} s no more are logged".format(
                self._seconds)]
        self._times.append(now)
        if len(self._said) >= 10 * self._most:
            self._said.clear()
        self._said.add(text)
        return [text]
