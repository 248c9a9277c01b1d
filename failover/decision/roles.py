"""As which one this side acts: as it is configured, unless an operator ordered otherwise or both sides are configured alike.

The side that acts as the primary is *preferred*: it runs the managed agents whenever it can.

Of two sides that are, the one whose instance name comes first in the alphabet acts as the primary. The other one yields,
which means that it acts as the secondary, and says so. To a peer that should yield and does not say so this side yields
itself, unless it is a primary that has just met it.
"""

from typing import NamedTuple, Optional, Tuple

from failover.decision.heartbeat import Heartbeat
from failover.decision.setup import Setup
from failover.decision.vocabulary import Moment, Suspicion, suspect

__all__ = ["Rival", "Roles"]


class Rival(NamedTuple):
    """The peer, when by its own configuration it has this side's role.

    :ivar since: when that was first heard.
    :ivar at: when it was last heard.
    :ivar is_certain: whether a second heartbeat has said so: one alone may be forged.
    :ivar yields: whether it says that it acts as the secondary.
    """

    instance: str
    boot_id: str
    since: Moment
    at: Moment
    is_certain: bool
    yields: bool


class Roles(NamedTuple):
    """Which side is preferred.

    :ivar acting: as which one this side acts, ``primary`` or ``secondary``. All that depends on the role goes by this.
    :ivar yields: whether this side acts as the secondary because both have the same role.
    :ivar stranger: instance name of a sender with this side's role that is not the peer, and when it was last heard.
    :ivar preferred: the configured role of the preferred side.
    :ivar orderless: the suspicion that the peer is of a release that knows no orders.
    """

    acting: str
    yields: bool = False
    rival: Optional[Rival] = None
    stranger: Optional[Tuple[str, Moment]] = None
    preferred: str = "primary"
    orderless: Optional[Suspicion] = None

    @classmethod
    def at_start(cls, setup: Setup, preferred: str) -> "Roles":
        """Return those of a failover agent that starts now."""
        return cls(_acting(setup, preferred), preferred=preferred)

    def preferring(self, preferred: str, setup: Setup, now: Moment) -> "Roles":
        """The side with this configured role is preferred from now on."""
        return self if preferred == self.preferred else self._replace(preferred=preferred).decided(setup, now)

    def beside(self, knows_orders: bool, boot_id: str, preferred: str, setup: Setup, now: Moment) -> "Roles":
        """Go by the orders if the peer does too. A peer that knows none acts as it is configured, and so does this side.

        :param knows_orders: whether a heartbeat of it says so.
        :param boot_id: that heartbeat's; "" of one without content.
        """
        if knows_orders:
            roles = self if self.orderless is None else self._replace(orderless=None)
            return roles.preferring(preferred, setup, now)
        if self.preferred == "primary":
            return self
        orderless, is_certain = suspect(self.orderless, boot_id, setup.timing.heartbeat_period, now)
        roles = self._replace(orderless=orderless)
        return roles.preferring("primary", setup, now) if is_certain else roles

    def met(self, heartbeat: Heartbeat, setup: Setup, now: Moment) -> "Roles":
        """Take note of a sender whose configured role is this side's, or no longer is."""
        before = self.rival
        if heartbeat.agent_id != setup.role:
            if before is None or before.instance != heartbeat.instance_name:
                return self
            return self._replace(rival=None).decided(setup, now)
        if before is None or before.instance != heartbeat.instance_name or now - before.at >= setup.timing.timeout:
            before = Rival(heartbeat.instance_name, heartbeat.boot_id, now, now, False, False)
        is_certain = before.is_certain or (before.boot_id == heartbeat.boot_id
                                           and now - before.since >= setup.timing.heartbeat_period / 2)
        rival = Rival(before.instance, heartbeat.boot_id, before.since, now, is_certain, heartbeat.yields)
        return self._replace(rival=rival).decided(setup, now)

    def decided(self, setup: Setup, now: Moment) -> "Roles":
        """Decide which side is preferred."""
        rival, acting, yields = self.rival, _acting(setup, self.preferred), False
        if rival is not None and now - rival.at >= setup.timing.timeout:
            return self._replace(rival=None).decided(setup, now)
        if rival is not None and rival.is_certain:
            yields = (rival.instance, rival.boot_id) < (setup.instance_name, setup.boot_id)
            has_time = setup.role == "primary" and now - rival.since < setup.timing.timeout
            acting = "primary" if not yields and (rival.yields or has_time) else "secondary"
        if (acting, yields) == (self.acting, self.yields):
            return self
        return self._replace(acting=acting, yields=yields)

    def heard_alike(self, timeout: float, now: Moment) -> Optional[str]:
        """Return the name of an instance that, by a heartbeat within ``timeout``, is configured with this side's role.

        It is this side's own name if its heartbeats come back to itself.
        """
        if self.rival is not None and now - self.rival.at < timeout:
            return self.rival.instance
        if self.stranger is not None and now - self.stranger[1] < timeout:
            return self.stranger[0]
        return None


def _acting(setup: Setup, preferred: str) -> str:
    return "primary" if setup.role == preferred else "secondary"
