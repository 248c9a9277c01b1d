"""How a link tries again: what it has learnt from the attempts before."""

import random
import re
import secrets
from typing import NamedTuple, Optional

from failover.backoff import pauses
from failover.vip.errors import Ended, Refused

__all__ = ["Attempts", "Patience", "wants_ipv6"]

# Seconds.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0

# As parts of what an attempt took that nobody welcomed: the pause after it, at most.
_PAUSE_PART = 0.05

# As multiples of the time that an answer may take: how long a slow router is waited for, at first and at most.
_PATIENCE, _MOST_PATIENCE = 3.0, 6.0


class Patience(NamedTuple):
    """How long a router that was reached may take, in seconds, before the attempt is given up.

    :ivar handshake: from the connection to the end of the handshake.
    :ivar welcome: from the hello to the answer.
    """

    handshake: float
    welcome: float


class Attempts:
    """By which name and which kind of address the next attempt connects, and after which pause.

    :ivar prefers_ipv6: whether a name is to be resolved to an IPv6 address, if it has one.
    """

    def __init__(self) -> None:
        self.prefers_ipv6 = True
        self._name_held: Optional[bool] = None
        self._was_welcome, self._is_welcome = False, True
        self._waited = 0.0
        self.begin_anew()

    def begin_anew(self) -> None:
        """From now on the pauses are short again. Names and addresses stay as they were learnt."""
        self._pauses = pauses(_FIRST_PAUSE, _LONGEST_PAUSE)

    def name(self, identity: str) -> str:
        """Return the name to present oneself by: the right one, or while that may be held, one that nobody knows."""
        return "{}_{}".format(identity, secrets.token_hex(4)) if self._name_held else identity

    def failed(self, error: BaseException, welcome: bool) -> None:
        """Learn from the end of a session.

        :param welcome: whether the router had welcomed it.
        """
        if isinstance(error, Ended):
            self._name_held = error.name_held
        elif isinstance(error, Refused) and self._name_held is None:
            self._name_held = False
        self._is_welcome = welcome
        self._was_welcome = self._was_welcome or welcome
        if not welcome:
            self.prefers_ipv6 = not self.prefers_ipv6

    def patience(self, answer_within: float) -> Patience:
        """Return how long the next attempt waits for a router that was reached.

        Too short a time throws away what a busy router has done, and adds to what it has to do. So it is longer than an
        answer may take, and longer still after an attempt for which even that was too short. But a router that does not
        know the key gives no answer to the handshake either, so that it must have welcomed this side once; and one that
        may hold the name gives none to the hello, so that it must be known to have let go of it, or have got another one.

        :param answer_within: seconds that an answer may take on a connection.
        """
        longer = min(max(_PATIENCE * answer_within, 2 * self._waited), _MOST_PATIENCE * answer_within)
        if not self._was_welcome:
            return Patience(answer_within, answer_within)
        return Patience(longer, answer_within if self._name_held is None else longer)

    def pause(self, lasted: float) -> float:
        """Return the seconds to wait before the next attempt: few after one that lasted, more the longer nobody welcomed it.

        :param lasted: seconds from the beginning of the last attempt to the end of its session.
        """
        if lasted > _LONGEST_PAUSE:
            self.begin_anew()
        self._waited = 0.0 if self._is_welcome else lasted
        return max(next(self._pauses), random.uniform(_PAUSE_PART / 2, _PAUSE_PART) * self._waited)


def wants_ipv6(address: str, preferred: bool) -> bool:
    """Say whether ZeroMQ is to look for an IPv6 address.

    If so, it takes a name's IPv6 address if there is one, else its IPv4 address; if not, only the latter. It never
    tries both.
    """
    return "[" in address or preferred and re.match(r"tcp://[\d.]+:", address) is None
