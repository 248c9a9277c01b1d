"""The promises that are judged from outside: which ones, and by what.

S: the managed agents never both drive. L: once the faults no longer change, those run that the documentation's tables say.
"""

from math import inf
from typing import TYPE_CHECKING, Dict, List, Optional

from failover.decision.table import Action

if TYPE_CHECKING:
    from tests.simulator.side import Side
    from tests.simulator.world import World

__all__ = ["DOCUMENTED", "Liveness", "SETTLED_WITHIN", "Safety"]

# The documentation's tables: {role: {(the other side is up, VC is up): action}}.
DOCUMENTED = {
    "primary": {(True, True): Action.START, (True, False): Action.START,
                (False, True): Action.START, (False, False): Action.STOP},
    "secondary": {(True, True): Action.STOP, (True, False): Action.STOP,
                  (False, True): Action.VERIFY, (False, False): Action.STOP},
}

# Promise L in lease periods, each as long as the silence before a takeover. One period is that silence itself. Before
# it can begin, connections must be built anew: an answer is missed for up to half of `timeout`, the next attempt comes
# after up to 5 s, and VC must have answered. A machine boots in up to 7 s. After it, a start may wait for its turn.
SETTLED_WITHIN = 3.0


class Safety:
    """Watches promise S.

    :ivar overlaps: from when to when both managed agents drove and promise S makes no exception of either.
    """

    def __init__(self, world: "World"):
        self._world = world
        self.overlaps: List[List[float]] = []

    def check(self) -> None:
        """To be called whenever a managed agent begins or ceases to drive, or an exception ends."""
        world, overlaps = self._world, self.overlaps
        both = all(side.drives and world.now >= side.excuses.until for side in world.sides)
        if both and (not overlaps or overlaps[-1][1] < inf):
            overlaps.append([world.now, inf])
            world.note("all", "BOTH RUN")
        elif not both and overlaps and overlaps[-1][1] == inf:
            overlaps[-1][1] = world.now
            world.note("all", "no longer both run, after {:.3f} s".format(world.now - overlaps[-1][0]))


class Liveness:
    """Watches promise L, from when the faults no longer change.

    :ivar settled_after: seconds from then until the right ones ran for good; None if never.
    """

    def __init__(self, world: "World", quiet_from: float):
        self._world = world
        self._quiet_from = self._wrong_until = quiet_from
        self.settled_after: Optional[float] = None

    def judge(self) -> None:
        """Look twice a second whether those run that should, until it was so for a lease period.

        Where either is right on both sides, go on for as long as settling may take: promise S may be broken late.
        """
        world = self._world
        wanted = self.wanted()
        free = all(action is None for action in wanted.values())
        if not all(self._is_right(side, action) for side, action in wanted.items()):
            self._wrong_until = world.now
        elif (world.now - self._wrong_until >= world.lease_period
              and not (free and world.now - self._quiet_from < SETTLED_WITHIN * world.lease_period)):
            self.settled_after = self._wrong_until - self._quiet_from
        world.at(world.now + 0.5, self.judge)

    def wanted(self) -> "Dict[Side, Optional[Action]]":
        """Return what each side should do and say in the end, by the documentation's tables; None where either is right.

        One without a failover agent stays as it is. If VCP says that it runs, then the other side should not run,
        unless that one is the primary, which may have held the lease before.

        The tables do not say what two sides in one role, or by two VCs, or with a wrong key, or in a pause should do; only
        promise S is kept then.
        Nor do they count on a side that has lost its memory, before it has heard the other one; or whose control never
        answers again, or answers with errors only; or, without VC, on one that cannot write down what other times it has
        been told of.
        """
        world = self._world
        if world.is_misconfigured or world.is_paused or world.simple or any(side.control.is_mute for side in world.sides):
            return dict.fromkeys(world.sides)
        central = world.sides[0].central
        acts = {side: side.agent is not None and side.platform and not side.frozen for side in world.sides}
        publishes = {side: central.platform and not world.wires[side, central].cuts
                     and not world.wires[central, side].cuts for side in world.sides}
        on_bus = {side: publishes[side] and not central.mute[side.name] for side in world.sides}
        if world.cannot_agree and not all(on_bus[side] and central.vc for side in world.sides):
            return dict.fromkeys(world.sides)
        direct = not any(world.wires[side, world.other(side)].cuts for side in world.sides)
        hears = {side: all(acts.values()) and (direct or publishes[world.other(side)] and on_bus[side])
                 for side in world.sides}
        wanted: Dict[Side, Optional[Action]] = {}
        for side in world.sides:
            other = world.other(side)
            role = "primary" if side.role == world.preferred else "secondary"
            # To a primary, "up" means contact both ways.
            peer = hears[side] and (role == "secondary" or hears[other])
            action = DOCUMENTED[role][peer, on_bus[side] and central.vc]
            is_revealed = other.drives and not acts[other] and world.vcp_takes(side) is not None
            if side.forgot:
                wanted[side] = None
            elif not acts[side]:
                wanted[side] = None if side.on and not side.frozen and side.agent is None else Action.STOP
            elif action is Action.STOP:
                wanted[side] = action
            elif is_revealed:
                # It takes the word of VCP for a sighting, and then for none again when that is old.
                wanted[side] = None if role == "primary" else Action.WAIT
            else:
                wanted[side] = Action.START
        return wanted

    @staticmethod
    def _is_right(side: "Side", wanted: Optional[Action]) -> bool:
        if wanted is None:
            return True
        speaks = side.agent is not None and side.platform and not side.frozen
        return side.drives is (wanted is Action.START) and (
            not speaks or wanted is Action.WAIT or side.agent.says is wanted)
