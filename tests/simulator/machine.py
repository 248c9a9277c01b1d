"""A machine with a platform on it: power, clock, freezing, and the router. VC's machine."""

from typing import TYPE_CHECKING, Callable, Dict, List, Optional, Tuple

from failover.decision.effects import Publish
from tests.simulator.network import BACK, Connection, Link

if TYPE_CHECKING:
    from tests.simulator.world import World

__all__ = ["Central", "Machine", "ROLES"]

ROLES = ("primary", "secondary")


class Machine:
    """A machine with a platform on it.

    :ivar rate: seconds that its clock counts in a true second.
    :ivar life: counts the losses and returns of its power: what was under way to a former life is lost.
    :ivar platform: whether the platform's process lives. ``platform_life`` counts its starts and ends.
    """

    def __init__(self, world: "World", name: str, rate: float = 1.0):
        self.world = world
        self.name = name
        self.on = self.platform = True
        self.frozen = False
        self.life = self.platform_life = 0
        self.rate = rate
        self._booted_at = 0.0
        self._stands_since: Optional[float] = None
        self._waiting: List[Tuple[int, Callable, tuple, Optional[float]]] = []

    def clock(self) -> float:
        """Return the time as the processes here see it: it goes on while the machine is frozen, unless it stands."""
        now = self.world.now if self._stands_since is None else self._stands_since
        return 1000.0 + self.rate * (now - self._booted_at)

    def seconds_until(self, moment: float) -> float:
        """Return the seconds of this machine's clock until a moment of true time; 0 if it is over."""
        return max(0.0, self.rate * (moment - self.world.now))

    def do(self, life: int, call: Callable, args: tuple, due: Optional[float] = None) -> None:
        """Let something happen here: at the thaw if the machine is frozen, never if it has lost its power since.

        :param due: not before this machine's clock says so. It may have stood still since that was planned.
        """
        if life != self.life or not self.on:
            return
        if self.frozen:
            self._waiting.append((life, call, args, due))
        elif due is not None and due - self.clock() > 1e-6:
            self.after(due - self.clock(), call, *args)
        else:
            call(*args)

    def after(self, seconds: float, call: Callable, *args) -> None:
        """Let something happen when this machine's clock has gone on by so many seconds."""
        self.world.at(self.world.now + seconds / self.rate, self.do, self.life, call, args, self.clock() + seconds)

    def power_off(self) -> None:
        self.on = self.frozen = self.platform = False
        self._stands_since = None
        self.life += 1
        self._waiting = []

    def power_on(self) -> None:
        self.on = True
        self.life += 1
        self._booted_at = self.world.now

    def thaw(self) -> None:
        """Go on. What was due meanwhile happens now: who comes first is left to chance, each in its own order."""
        self.frozen = False
        waiting, self._waiting = self._waiting, []
        turns: Dict[int, float] = {}
        for event in waiting:
            turns.setdefault(id(getattr(event[1], "__self__", None)), self.world.random.random())
        waiting.sort(key=lambda event: turns[id(getattr(event[1], "__self__", None))])
        for event in waiting:
            self.do(*event)

    # The router

    def greeted(self, session: Connection, link: Link) -> None:
        """A connection to the router of this platform is opened."""
        session.platform_life = self.platform_life
        if self.platform:
            self.joined(session, link)
        session.send(BACK, link.welcomed if self.platform else link.ended)

    def puzzled(self, session: Connection, link: Link) -> None:
        """A connection is opened with a key that is not this router's."""
        session.send(BACK, link.ended)

    def joined(self, session: Connection, link: Link) -> None:
        """The opener is a peer of this platform from now on."""

    def published(self, session: Connection, link: Link, effect: Publish) -> None:
        """A heartbeat for the bus of this platform arrives; a connection to a former platform is unknown here."""
        if self.platform and session.platform_life == self.platform_life:
            self.on_bus(session, link, effect)
        else:
            session.send(BACK, link.ended)

    def on_bus(self, session: Connection, link: Link, effect: Publish) -> None:
        raise NotImplementedError


class Central(Machine):
    """VC's platform, and VC on it. Its bus passes heartbeats on to both sides, the sender included.

    :ivar mute: to which sides it passes nothing on.
    """

    def __init__(self, world: "World", name: str):
        super().__init__(world, name)
        self.vc = True
        self.mute: Dict[str, int] = dict.fromkeys(ROLES, 0)
        self._subscribers: Dict[str, Tuple[Connection, Link]] = {}

    def set_vc(self, lives: bool) -> None:
        self.vc = lives

    def start_platform(self) -> None:
        if not self.platform:
            self.platform = True
            self.platform_life += 1

    def kill_platform(self) -> None:
        self.platform = False
        for name in ROLES:
            self.reset(name)

    def reset(self, name: str) -> None:
        """The connection of one side ends, as it does when a firewall has forgotten it."""
        if name in self._subscribers:
            session, link = self._subscribers.pop(name)
            session.platform_life = -1
            session.send(BACK, link.ended)

    def drop_subscription(self, name: str) -> None:
        """One side's subscription is gone, and its connection does not show that."""
        self._subscribers.pop(name, None)

    def joined(self, session: Connection, link: Link) -> None:
        if session.open and not self.mute[link.agent.side.name]:
            self._subscribers[link.agent.side.name] = session, link

    def on_bus(self, session: Connection, link: Link, effect: Publish) -> None:
        wrong_keys = sum(side.has_wrong_key for side in self.world.sides)
        for other, subscriber in self._subscribers.values():
            # Each side knows the topics that have its own platform's key in them.
            is_of_pair = not wrong_keys or subscriber is link
            if is_of_pair or effect.widely and wrong_keys < len(self.world.sides):
                other.send(BACK, subscriber.delivered, effect.heartbeat, not is_of_pair)
        session.send(BACK, link.answered)
        if self.vc:
            session.send(BACK, link.replied, effect.heartbeat.sequence)
