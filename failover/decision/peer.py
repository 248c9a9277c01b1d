"""The peer, by its heartbeats: which of them are new, and what the last one said."""

from typing import NamedTuple, Optional, Tuple

from failover.decision.heartbeat import Heartbeat
from failover.decision.vocabulary import Moment

__all__ = ["Newest", "Peer", "STALE"]

# Why a heartbeat is no sign of life that comes twice, or after one that was sent later. It happens all the time.
STALE = "it is not newer than the last one"

# Of so many starts of the peer it is remembered which heartbeat was the newest.
_BOOTS = 256

# By how much the numbers of one start's heartbeats can plausibly grow: at once, and in a second. A heartbeat that is
# due has a new number at each attempt to send it.
_JUMP, _JUMP_PER_SECOND = 1000, 100


class Newest(NamedTuple):
    """The newest heartbeat of one start of the peer.

    :ivar sequence: its number.
    :ivar at: when it was heard.
    :ivar before: the number of the newest one before it.
    :ivar on_vc: the highest number that came over VC's bus, if signatures are required.
    """

    boot_id: str
    sequence: int
    at: Moment
    before: int
    on_vc: int = 0


class Peer(NamedTuple):
    """What was heard of the peer.

    :ivar mode: by the last heartbeat, or by the topic on which one without content came.
    :ivar heartbeat: the last one that counted; None if that had no content, or none has come.
    :ivar last_heard: when the last one that counted came.
    :ivar farewell: its last heartbeat, if it has ended in order since.
    :ivar left_at: when the heartbeat of this side was sent that the farewell acknowledges, if that is so fresh, and the
        managed agents so surely gone there, that they need not be waited for; None if not.
    :ivar released_at: when the heartbeat of this side was sent that the last one of the peer acknowledged, if that one said
        that the managed agents do not run there; None if it did not.
    :ivar newest: one for each start, the last heard at the end.
    """

    mode: str
    heartbeat: Optional[Heartbeat] = None
    last_heard: Optional[Moment] = None
    farewell: Optional[Heartbeat] = None
    left_at: Optional[Moment] = None
    released_at: Optional[Moment] = None
    newest: Tuple[Newest, ...] = ()

    def refusal(self, heartbeat: Heartbeat, timeout: float, is_proven: bool, now: Moment) -> Optional[str]:
        """Return why the number of a heartbeat shows that it is not new, or not genuine; None if it may be new.

        A number counts for half of ``timeout``. So one that was forged, or that a fault made too high, does not hide the
        genuine ones until this side believes in a silence that there is not.

        :param is_proven: whether numbers cannot be forged: then each counts for good.
        """
        newest = self._newest_of(heartbeat.boot_id)
        if newest is None:
            return None
        if heartbeat.sequence - newest.sequence > _JUMP + _JUMP_PER_SECOND * (now - newest.at):
            return "its number is {}, after {}: it is broken or forged".format(heartbeat.sequence, newest.sequence)
        is_outdated = not is_proven and now - newest.at >= timeout / 2 and heartbeat.sequence != newest.sequence
        return STALE if heartbeat.sequence <= (newest.before if is_outdated else newest.sequence) else None

    def numbered(self, heartbeat: Heartbeat, now: Moment) -> "Peer":
        """Remember the number of a heartbeat that is new."""
        last = self._newest_of(heartbeat.boot_id)
        before = 0
        if last is not None:
            before = last.sequence if last.sequence < heartbeat.sequence else (
                last.before if last.before < heartbeat.sequence else 0)
        others = tuple(one for one in self.newest if one.boot_id != heartbeat.boot_id)
        newest = Newest(heartbeat.boot_id, heartbeat.sequence, now, before, 0 if last is None else last.on_vc)
        return self._replace(newest=others[1 - _BOOTS:] + (newest,))

    def on_vc(self, heartbeat: Heartbeat) -> "Peer":
        """A heartbeat of the last start that counted came over VC's bus, though perhaps overtaken; itself if it is not new there."""
        newest = self.newest[-1]
        if newest.boot_id != heartbeat.boot_id or heartbeat.sequence <= newest.on_vc:
            return self
        return self._replace(newest=self.newest[:-1] + (newest._replace(on_vc=heartbeat.sequence),))

    def heard(self, mode: str, heartbeat: Optional[Heartbeat], released_at: Optional[Moment], now: Moment) -> "Peer":
        """A heartbeat that counts came. One without content says nothing of the managed agents."""
        return self._replace(mode=mode, heartbeat=heartbeat, last_heard=now, farewell=None, left_at=None,
                             released_at=released_at)

    def under_new_orders(self) -> "Peer":
        """What the peer said of its managed agents, it said under the former orders."""
        return self if self.released_at is None and self.left_at is None else self._replace(
            released_at=None, left_at=None)

    def left(self, farewell: Heartbeat, sent: Optional[Moment], counts_for: float, now: Moment) -> "Peer":
        """The peer's failover agent has ended in order.

        That the managed agents do not run there counts only if the farewell acknowledges a heartbeat of this side that is
        so young, and no other start of the peer was heard since that was sent. Whatever the peer's next start
        runs by silence, it runs later than this side may start by that; and what it runs by a release notice, it runs only
        when it has been heard. The farewell comes both ways: the one that comes later takes nothing back.

        :param sent: when that heartbeat was sent; None if it acknowledges none.
        :param counts_for: how old that heartbeat may be, in seconds.
        """
        if self.heartbeat is not None and self.heartbeat.boot_id != farewell.boot_id:
            return self  # Another start has been heard since.
        is_sure = not farewell.may_run and sent is not None and now - sent < counts_for and all(
            one.at <= sent for one in self.newest if one.boot_id != farewell.boot_id)
        is_said_again = (not farewell.may_run and self.farewell is not None
                         and self.farewell.boot_id == farewell.boot_id)
        return self._replace(farewell=farewell, left_at=sent if is_sure else self.left_at if is_said_again else None)

    @property
    def has_left(self) -> bool:
        """Whether it has ended in order, and its managed agents do not run, by what it said itself."""
        return self.left_at is not None

    def _newest_of(self, boot_id: str) -> Optional[Newest]:
        return next((one for one in self.newest if one.boot_id == boot_id), None)
