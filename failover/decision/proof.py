"""Which signed heartbeats count, and when unsigned ones do.

A signature (:mod:`failover.seal`) shows that one of the two sides made a heartbeat, not when. So once the peer has proved
itself, by a signed heartbeat that acknowledges this start, only such heartbeats count, each number once. That is remembered.

A heartbeat that was made before the peer had heard of this start *greets*: it may be a recording. It is answered at once, by
one that names its start, and then the peer's next one counts. Until it does, a greeting is no sign of life: it stops nothing
and keeps nobody up. But in standard failover it may come of a primary that has just started, so it counts against silence
for as long as an answer may take. Once in a silence: recordings cannot hold a takeover up for longer.

Before the peer has proved itself with the key that this side has now, a wrong signature may mean that one of the two has a
wrong ``remote_serverkey``, so that they cannot hear each other. Then it counts against silence, and ends a lease; in simple
failover a peer that is not heard is not taken for down.
"""

from typing import NamedTuple, Optional, Tuple

from failover.decision.heartbeat import Heartbeat
from failover.decision.vocabulary import Moment

__all__ = ["Greeting", "Proof", "acknowledges"]

# So many starts that have greeted are answered at a time.
_GREETINGS = 16


class Greeting(NamedTuple):
    """The start of a sender whose heartbeats are signed, and acknowledge nothing of this start; and when the last one came."""

    boot_id: str
    at: Moment


class Proof(NamedTuple):
    """What signatures have shown.

    :ivar is_required: whether unsigned heartbeats do not count, because the peer has proved itself.
    :ivar greeted: starts that have greeted and do not count yet, the last one at the end.
    :ivar doubted_since: when the first greeting came since the peer was heard last; None if none has.
    :ivar doubted: when the last greeting came that counts against silence; None if none did.
    :ivar refused: when the last unsigned heartbeat came that did not count; None if none did.
    :ivar wrong: when the last heartbeat came with a wrong signature; None if none did.
    """

    is_required: bool = False
    greeted: Tuple[Greeting, ...] = ()
    doubted_since: Optional[Moment] = None
    doubted: Optional[Moment] = None
    refused: Optional[Moment] = None
    wrong: Optional[Moment] = None

    def greets(self, boot_id: str) -> bool:
        """Whether this start has greeted and does not count yet."""
        return any(one.boot_id == boot_id for one in self.greeted)

    def met(self, boot_id: str, counts_for: float, now: Moment) -> "Proof":
        """A heartbeat of this start greets.

        :param counts_for: seconds for which greetings count against silence, from the first one on.
        """
        since = now if self.doubted_since is None else self.doubted_since
        others = tuple(one for one in self.greeted if one.boot_id != boot_id)
        return self._replace(greeted=others[1 - _GREETINGS:] + (Greeting(boot_id, now),), doubted_since=since,
                             doubted=now if now - since < counts_for else self.doubted)

    def misled(self, now: Moment) -> "Proof":
        """A heartbeat came with a wrong signature."""
        return self._replace(wrong=now) if self.is_required else self._replace(wrong=now, doubted=now)

    def is_misled(self, timeout: float, now: Moment) -> bool:
        """Whether the peer may be there though it is not heard, because of a wrong key: for ``timeout`` seconds each time."""
        return not self.is_required and self.wrong is not None and now - self.wrong < timeout

    def proven(self, boot_id: str) -> "Proof":
        """A heartbeat of this start counts."""
        if self.is_required and not self.greeted and self.doubted_since is None:
            return self
        return self._replace(is_required=True, doubted_since=None,
                             greeted=tuple(one for one in self.greeted if one.boot_id != boot_id))

    def hears(self, peer: Optional[Heartbeat], acknowledged: Optional[str], keeps: float, now: Moment) -> Tuple[str, ...]:
        """Return the starts that this side's heartbeats name, so that the peer knows them to be new.

        :param peer: the last heartbeat that counted.
        :param acknowledged: the start that the heartbeat acknowledges anyway.
        :param keeps: seconds for which a greeting is answered.
        """
        if not self.is_required:
            return ()
        named = [one.boot_id for one in self.greeted if now - one.at < keeps]
        if peer is not None and not self.greets(peer.boot_id):
            named.append(peer.boot_id)
        return tuple(one for one in named if one != acknowledged)


def acknowledges(heartbeat: Heartbeat, boot_id: str) -> bool:
    """Whether a heartbeat was made after its sender had heard of this start of the receiver."""
    return boot_id == heartbeat.heard_boot_id or boot_id in heartbeat.hears
