"""The peer, by its heartbeats: which of them are new, and what the last one said."""

from typing import NamedTuple, Optional, Tuple

from failover.decision.heartbeat import Heartbeat
from failover.decision.vocabulary import Moment

__all__ = ["Newest", "Peer", "STALE"]

# Why a heartbeat is no sign of life that comes twice, or after one that was sent later. It happens all the time.
STALE = "it is not newer than the last one"

# Of so many starts of the peer it is remembered which heartbeat was the newest.
_BOOTS = 16

# By how much the numbers of one start's heartbeats can plausibly grow: at once, and in a second. A heartbeat that is
# due has a new number at each attempt to send it.
_JUMP, _JUMP_PER_SECOND = 1000, 100


class Newest(NamedTuple):
    """The newest heartbeat of one start of the peer.

    :ivar sequence: its number.
    :ivar at: when it was heard.
    :ivar before: the number of the newest one before it.
    """

    boot_id: str
    sequence: int
    at: Moment
    before: int


class Peer(NamedTuple):
    """What was heard of the peer.

    :ivar mode: by the last heartbeat, or by the topic on which one without content came.
    :ivar heartbeat: the last one that counted; None if that had no content, or none has come.
    :ivar last_heard: when the last one that counted came.
    :ivar farewell: its last heartbeat, if it has ended in order since. It is for the operator, no rule goes by it.
    :ivar newest: one for each start, the last heard at the end.
    """

    mode: str
    heartbeat: Optional[Heartbeat] = None
    last_heard: Optional[Moment] = None
    farewell: Optional[Heartbeat] = None
    newest: Tuple[Newest, ...] = ()

    def refusal(self, heartbeat: Heartbeat, timeout: float, now: Moment) -> Optional[str]:
        """Return why the number of a heartbeat shows that it is not new, or not genuine; None if it may be new.

        A number counts for half of ``timeout``. So one that was forged, or that a fault made too high, does not hide the
        genuine ones until this side believes in a silence that there is not.
        """
        newest = self._newest_of(heartbeat.boot_id)
        if newest is None:
            return None
        if heartbeat.sequence - newest.sequence > _JUMP + _JUMP_PER_SECOND * (now - newest.at):
            return "its number is {}, after {}: it is broken or forged".format(heartbeat.sequence, newest.sequence)
        is_outdated = now - newest.at >= timeout / 2 and heartbeat.sequence != newest.sequence
        return STALE if heartbeat.sequence <= (newest.before if is_outdated else newest.sequence) else None

    def numbered(self, heartbeat: Heartbeat, now: Moment) -> "Peer":
        """Remember the number of a heartbeat that is new."""
        last = self._newest_of(heartbeat.boot_id)
        before = 0
        if last is not None:
            before = last.sequence if last.sequence < heartbeat.sequence else (
                last.before if last.before < heartbeat.sequence else 0)
        others = tuple(one for one in self.newest if one.boot_id != heartbeat.boot_id)
        newest = Newest(heartbeat.boot_id, heartbeat.sequence, now, before)
        return self._replace(newest=others[1 - _BOOTS:] + (newest,))

    def _newest_of(self, boot_id: str) -> Optional[Newest]:
        return next((one for one in self.newest if one.boot_id == boot_id), None)
