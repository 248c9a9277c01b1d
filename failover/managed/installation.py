"""What is installed of the managed agent, so that both sides can be compared: its version, its configuration, and what is in
VOLTTRON's configuration store for it.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Callable, Optional, Tuple

from failover import files
from failover.text import clean

__all__ = ["Installation"]

# Bytes of a file.
_LARGEST = 16 * 1024 * 1024
# Characters of a hash, and of a name.
_DIGITS, _LONGEST = 12, 100
_NOTHING = "-"


class Installation:
    """Describes an installation in a line of three words, which are made anew when a file has changed.

    :param find: returns name and version, and the file with the configuration; None if it is not installed.
    :param store: the file with what is in the configuration store for it.
    """

    def __init__(self, find: Callable[[], Optional[Tuple[str, Path]]], store: Path):
        self._find = find
        self._store = store
        self._seen: Optional[Tuple[Any, ...]] = None
        self._text: Optional[str] = None

    def text(self) -> Optional[str]:
        """Return name and version, a hash of the configuration and one of what is stored, or "-" for what there is not.

        None if it is not installed.
        """
        found = self._find()
        seen = None if found is None else found + (files.stamp(found[1]), files.stamp(self._store))
        if seen != self._seen:
            self._seen, self._text = seen, None if found is None else self._describe(*found)
        return self._text

    def _describe(self, name: str, config: Path) -> str:
        return "{} {} {}".format("_".join(clean(name, _LONGEST).split()) or _NOTHING, _hash(_read(config)),
                                 _hash(_stored(_read(self._store))))


def _read(path: Path) -> Optional[bytes]:
    try:
        return files.read(str(path), _LARGEST)
    except OSError:
        return None


def _stored(content: Optional[bytes]) -> Optional[bytes]:
    """Return what is stored without the times at which it was."""
    try:
        entries = json.loads((content or b"{}").decode())
        said = sorted((name, entry["type"], entry["data"]) for name, entry in entries.items())
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return content
    return json.dumps(said).encode() if said else None


def _hash(content: Optional[bytes]) -> str:
    return _NOTHING if content is None else hashlib.sha256(content).hexdigest()[:_DIGITS]
