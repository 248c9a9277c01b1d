"""What is installed of the managed agent, so that both sides can be compared: its version, its configuration, and what is in
VOLTTRON's configuration store for it.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Callable, NamedTuple, Optional, Tuple

from failover import files
from failover.text import clean

__all__ = ["Installation", "Place"]

# Bytes of a file.
_LARGEST = 16 * 1024 * 1024
# Characters of a hash, and of a name.
_DIGITS, _LONGEST = 12, 100
NOTHING = "-"


class Place(NamedTuple):
    """Where the parts of an installed agent are.

    :ivar name: the agent's name and version.
    :ivar config: the file with its configuration.
    """

    name: str
    config: Path


class Installation:
    """Describes an installation in a line of three words, which are made anew when a file has changed.

    :param find: returns where it is; None if it is not installed.
    :param store: the file with what is in the configuration store for it.
    """

    def __init__(self, find: Callable[[], Optional[Place]], store: Path):
        self._find = find
        self._store = store
        self._seen: Optional[tuple] = None
        self._text: Optional[str] = None

    def text(self) -> Optional[str]:
        """Return name and version, a hash of the configuration and one of what is stored, or "-" for what there is not.

        None if it is not installed.
        """
        place = self._find()
        seen = None if place is None else (place, _stamp(place.config), _stamp(self._store))
        if seen != self._seen:
            self._seen = seen
            self._text = None if place is None else "{} {} {}".format(
                "_".join(clean(place.name, _LONGEST).split()) or NOTHING, _hash(_read(place.config)), _hash(_stored(_read(self._store))))
        return self._text


def _stamp(path: Path) -> Optional[Tuple[int, int]]:
    try:
        found = os.stat(str(path))
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


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
    return NOTHING if content is None else hashlib.sha256(content).hexdigest()[:_DIGITS]
