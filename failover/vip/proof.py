"""What proves a connection: the router's answer to the request that is under way, and how long a slow router may take."""

from dataclasses import dataclass
from typing import Optional

from failover import clock

__all__ = ["Proof", "Times"]

# A connection that ends after this part of the time that an answer may take was given up by this machine.
_NEARLY = 0.9


@dataclass
class Times:
    """When a connection counts as dead, in seconds. Its link may change this.

    :ivar answer_within: that a round trip may take.
    :ivar probe_every: of quiet after which a sign of life is asked for.
    """

    answer_within: float
    probe_every: float


class Proof:
    """The request to the router whose answer is awaited, if there is one.

    :ivar pending: its id; None if there is none.
    :ivar waits_until: seconds on :mod:`failover.clock`; when the wait for a slow router ends.
    """

    def __init__(self, times: Times):
        self.pending: Optional[bytes] = None
        self._times = times
        self._pending_since = self._waits_since = self.waits_until = 0.0
        self._last_answer = clock.now()

    @property
    def is_nearly_overdue(self) -> bool:
        """Whether it is likely that nothing that this side sends reaches the router any more."""
        return self.pending is not None and clock.now() > self._pending_since + _NEARLY * self._times.answer_within

    def asked(self, ident: bytes) -> None:
        """From now on the answer to this request is awaited."""
        self.pending, self._pending_since = ident, clock.now()

    def heard(self) -> None:
        """Something came that shows that the router passes messages on."""
        self._last_answer = clock.now()

    def wait(self, within: float) -> None:
        """From now on a router that may be slow is waited for.

        :param within: seconds.
        """
        self._waits_since = clock.now()
        self.waits_until = self._waits_since + within

    def wait_no_longer(self) -> None:
        """Have that wait end when an answer may take no longer."""
        self.waits_until = min(self.waits_until, self._waits_since + self._times.answer_within)

    def until_overdue(self) -> float:
        """Return the seconds until an answer is overdue, or, while none is awaited, until one should be asked for."""
        if self.pending is None:
            due = self._last_answer + self._times.probe_every
        else:
            due = self._pending_since + self._times.answer_within
        return max(0.0, due - clock.now())
