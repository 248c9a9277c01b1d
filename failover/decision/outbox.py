"""The heartbeats that this side sends: their numbers, when they are due on which path, and when which was sent."""

from math import inf
from typing import NamedTuple, Optional, Tuple

from failover.decision.vocabulary import Moment, Path

__all__ = ["Cadence", "Outbox"]

# So many sent heartbeats are remembered. An acknowledgement comes within the next two or three.
_MOST = 256


class Cadence(NamedTuple):
    """When heartbeats are due on one path: every period, and at once when ``may_run`` has changed.

    :ivar due: when the next one is.
    :ivar said: what the last one said; None if it is not known to have gone out.
    :ivar is_free: whether the connection can take one now.
    """

    due: Moment
    said: Optional[bool] = None
    is_free: bool = False

    def wants(self, may_run: bool, now: Moment) -> bool:
        """Whether a heartbeat should go out now."""
        return self.is_free and self.is_due(may_run, now)

    def is_due(self, may_run: bool, now: Moment) -> bool:
        """Whether there is something to say, if the connection can take it."""
        return now >= self.due or may_run is not self.said

    def due_by(self, moment: Moment) -> "Cadence":
        """The next one is due by then, if not before."""
        return self if self.due <= moment else self._replace(due=moment)

    def sent(self, may_run: bool, period: float, now: Moment) -> "Cadence":
        """One goes out."""
        due = self.due
        if now >= due:
            due = due + period if due + period > now else now + period
        return Cadence(due, may_run, False)


class Outbox(NamedTuple):
    """What this side has sent.

    :ivar sequence: the number of the last heartbeat that was made.
    :ivar vc: None in simple failover.
    :ivar sent: numbers, and when the heartbeats with them were made.
    """

    direct: Cadence
    vc: Optional[Cadence]
    sequence: int = 0
    sent: Tuple[Tuple[int, Moment], ...] = ()

    def cadence(self, path: Path) -> Optional[Cadence]:
        """Return that of a path."""
        return self.direct if path is Path.DIRECT else self.vc

    def with_cadence(self, path: Path, cadence: Cadence) -> "Outbox":
        """Return this with another cadence of a path."""
        return self._replace(direct=cadence) if path is Path.DIRECT else self._replace(vc=cadence)

    def free(self, path: Path, is_free: bool) -> "Outbox":
        """The connection can take a heartbeat now, or cannot."""
        cadence = self.cadence(path)
        return self if cadence is None else self.with_cadence(path, cadence._replace(is_free=is_free))

    def refused(self, path: Path) -> "Outbox":
        """The last heartbeat did not go out: it stays due, and is made anew."""
        cadence = self.cadence(path)
        return self if cadence is None else self.with_cadence(path, cadence._replace(said=None))

    def hurried(self) -> "Outbox":
        """There is something to say that should not wait until the next heartbeat is due."""
        return self._replace(direct=self.direct._replace(said=None),
                             vc=None if self.vc is None else self.vc._replace(said=None))

    def due_by(self, moment: Moment) -> "Outbox":
        """The next heartbeats are due by then, if not before."""
        return self._replace(direct=self.direct.due_by(moment), vc=None if self.vc is None else self.vc.due_by(moment))

    def sending(self, path: Path, may_run: bool, period: float, window: float, now: Moment) -> "Outbox":
        """The next heartbeat is made, and goes out on this path.

        :param period: seconds between two.
        :param window: seconds for which it matters when one was sent.
        """
        sequence = self.sequence + 1
        first = max(0, len(self.sent) + 1 - _MOST)
        while first < len(self.sent) and self.sent[first][1] <= now - window:
            first += 1
        sent = self.sent[first:] + ((sequence, now),)
        outbox, cadence = self._replace(sequence=sequence, sent=sent), self.cadence(path)
        return outbox if cadence is None else outbox.with_cadence(path, cadence.sent(may_run, period, now))

    def sent_at(self, sequence: int) -> Optional[Moment]:
        """Return when a heartbeat was sent; None if it was not, or too long ago to matter."""
        return next((at for number, at in reversed(self.sent) if number == sequence), None)

    def forgotten(self) -> "Outbox":
        """It is not known any more when what was sent."""
        return self._replace(sent=())

    def deadline(self) -> Moment:
        """Return when the next heartbeat is due that can go out; infinity if none can."""
        return min((one.due for one in (self.direct, self.vc) if one is not None and one.is_free), default=inf)
