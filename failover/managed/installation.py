"""What is installed of the managed agent, so that both sides can be compared: its version, its configuration, and what is in
VOLTTRON's configuration store for it.
"""

import json
from pathlib import Path
from typing import Any, Callable, List, Optional, Tuple

from failover import files
from failover.decision.vocabulary import together
from failover.heartbeat import LONGEST_TEXT
from failover.text import clean, digest

__all__ = ["Installation", "of_all"]

# Bytes of a file.
_LARGEST = 16 * 1024 * 1024
# Characters of a name.
_LONGEST = 100
_NOTHING = "-"


def of_all(lines: List[str]) -> str:
    """Return one line of three words for several agents, made from one of each. What a heartbeat could not carry is hashed."""
    words = [together(each) for each in zip(*(line.split(" ") for line in lines))]
    while len(" ".join(words)) > LONGEST_TEXT:
        longest = max(words, key=len)
        words[words.index(longest)] = digest(longest)
    return " ".join(words)


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
    return _NOTHING if content is None else digest(content)
