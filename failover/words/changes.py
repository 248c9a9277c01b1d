"""Which problems came and went, each said once. Times are seconds."""

from typing import Callable, Dict, List, NamedTuple, Set

from failover.words.problems import KINDS

__all__ = ["Change", "Problems"]

_FLAPPING = "flapping"

# A problem flaps that appears for so many times within so many timeouts. It is over when nothing came or went for as long.
_FLAPS, _FLAPS_WITHIN = 3, 6


class Change(NamedTuple):
    """A problem that appeared (``bad``) or went away. While it comes and goes all the time, that is not ``news``."""

    bad: bool
    text: str
    news: bool = True


class Problems:
    """The problems that exist now, each said once when it appears and once when it has gone.

    One that flaps is said to: once when that begins, and once when it is over.

    :param timeout: seconds, as configured.
    :ivar texts: what is the matter now, a text for each kind.
    """

    def __init__(self, timeout: float):
        self.texts: Dict[str, str] = {}
        self.watch(timeout)
        self._came: Dict[str, List[float]] = {}
        self._moved: Dict[str, float] = {}
        self._flapping: Set[str] = set()

    def watch(self, timeout: float) -> None:
        """Judge what comes and goes by this ``timeout`` from now on, in seconds."""
        self._watched_for = _FLAPS_WITHIN * timeout

    def update(self, found: Dict[str, str], gone_text: Callable[[str], str], now: float) -> List[Change]:
        """Take what is the matter now, a text for each kind of problem, and return which kinds came and went.

        :param gone_text: returns what is said when a problem of a kind has gone.
        :param now: seconds.
        """
        found = dict(found)
        gone = [key for key in self.texts if key not in found and key != _FLAPPING]
        new = [key for key in found if key not in self.texts]
        calm = self._note_moves(gone, new, now)
        if self._flapping:
            found[_FLAPPING] = "flapping: {} came and went {} times within {:.0f} s; see the log for each time".format(
                ", ".join(sorted(_name(key) for key in self._flapping)),
                max(len(self._came[key]) for key in self._flapping), self._watched_for)
        changes = ([Change(False, gone_text(key), key not in self._flapping) for key in gone]
                   + [Change(True, found[key], key not in self._flapping) for key in new])
        if (_FLAPPING in found) is not (_FLAPPING in self.texts):
            changes.append(Change(True, found[_FLAPPING]) if _FLAPPING in found
                           else Change(False, "no problem is flapping any more"))
        # One that has come to stay is said again: it was not when it came.
        changes += [Change(True, found[key]) for key in calm if key in found and key not in new]
        self.texts = found
        return changes

    def _note_moves(self, gone: List[str], new: List[str], now: float) -> Set[str]:
        """Note which problems came and went now, and return which ones no longer flap."""
        for key in gone + new:
            self._moved[key] = now
        for key in new:
            self._came[key] = [at for at in self._came.get(key, []) if now - at < self._watched_for] + [now]
            if len(self._came[key]) >= _FLAPS:
                self._flapping.add(key)
        calm = {key for key in self._flapping if now - self._moved[key] >= self._watched_for}
        self._flapping -= calm
        return calm


def _name(key: str) -> str:
    return KINDS[key].name or key
