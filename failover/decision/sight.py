"""Could this side have heard the peer? Only what could be heard and was not is silence.

A side is *blind* while it has no subscription, while its platform does not answer, and when it did not look for half of
``timeout``. Being blind is no silence of the peer, so silence is counted anew from when sight returns. And before a silence
is believed, the local bus must say that the subscription still stood at its end.
"""

from typing import NamedTuple, Optional

from failover.decision.vocabulary import Liveness, Moment

__all__ = ["Sight"]


class Sight(NamedTuple):
    """Since when this side can hear, and until when that is proven.

    :ivar timeout: seconds, as configured here.
    :ivar listening_since: since when it has not been blind.
    :ivar platform_answered: when control of the local platform answered last.
    :ivar heard_until: until when it is proven that it would have heard the peer.
    :ivar proof_asked: when the local bus was asked for that; None while no question is open.
    :ivar listens: whether it has a subscription.
    :ivar platform_lives: whether the process of the local platform exists.
    """

    timeout: float
    listening_since: Moment
    platform_answered: Moment
    heard_until: Moment
    proof_asked: Optional[Moment] = None
    listens: bool = False
    platform_lives: bool = True

    @classmethod
    def at_start(cls, timeout: float, now: Moment) -> "Sight":
        """Return that of a failover agent that starts now."""
        return cls(timeout, now, now, now)

    def answers(self, now: Moment) -> bool:
        """Whether the local platform's process lives and its control answered within half of ``timeout``."""
        return self.platform_lives and now - self.platform_answered <= self.timeout / 2

    def after(self, looked: Moment, now: Moment) -> "Sight":
        """Return this one at ``now``, when the last look was at ``looked``."""
        if self.listens and now - looked < self.timeout / 2 and self.answers(now):
            return self
        return self._replace(listening_since=now)

    def proven(self, asked_at: Moment, stands: Optional[bool]) -> "Sight":
        """Take in what the local bus says of the subscription. If it stands, it did at ``asked_at``."""
        if stands:
            return self._replace(proof_asked=None, heard_until=max(self.heard_until, asked_at))
        return self._replace(proof_asked=None, listens=self.listens and stands is None)

    def wants_proof(self, last_heard: Optional[Moment], timeout: float, now: Moment) -> bool:
        """Whether the local bus should be asked if the subscription stands: now and then in silence, and at its end.

        :param last_heard: when the peer was; None if never.
        :param timeout: seconds of silence.
        """
        if not self.listens or self.proof_asked is not None and now - self.proof_asked < 2 * timeout:
            return False
        since = self.quiet_since(last_heard)
        if now - since < timeout / 4:
            return False
        return now - self.heard_until >= timeout / 4 or self.heard_until < since + timeout <= now

    def quiet_since(self, last_heard: Optional[Moment]) -> Moment:
        """Return since when nothing was heard, though this side listened."""
        return self.listening_since if last_heard is None else max(last_heard, self.listening_since)

    def liveness(self, last_sign: Optional[Moment], last_heard: Optional[Moment], timeout: float,
                 now: Moment) -> Liveness:
        """Return what follows from when the last sign of life was, and when the peer was last heard at all."""
        if last_sign is not None and now - last_sign < timeout:
            return Liveness.UP
        heard_until = self.heard_until if last_heard is None else max(self.heard_until, last_heard)
        is_silent = self.listens and self.quiet_since(last_sign) + timeout <= min(now, heard_until)
        return Liveness.DOWN if is_silent else Liveness.UNKNOWN
