"""Each kind of fault: where it is, how it begins, and how it ends."""

import itertools
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Tuple

from failover.decision.vocabulary import Timing
from tests.simulator.network import QUICK
from tests.simulator.schedule import Fault

if TYPE_CHECKING:
    from tests.simulator.world import World

__all__ = ["DIRECTED_ONLY", "FAULTS", "PASSING", "Place", "is_over_at", "other_timing"]

# Seconds of a pause, for each second of the fault's amount.
_PAUSE = 20.0
# Seconds between two forged messages.
_EVERY = 0.3


class Place:
    """Where a fault is: a side, one of the three links or both links of a side, one of its ways or both."""

    def __init__(self, world: "World", fault: Fault):
        self.world = world
        self.fault = fault
        self.side = world.sides[fault.where % 2]
        self.central = world.central
        self.snapshot: Optional[Dict[str, Any]] = None
        way = fault.where // 6
        if fault.kind in _AT_SIDES:
            pairs = [(self.side, other) for other in world.sides + world.centrals if other is not self.side]
        else:
            pairs = [list(itertools.combinations(world.sides + [world.central], 2))[fault.where % 3]]
        self.wires = [wire for a, b in pairs
                      for wire in ((world.wires[a, b],) if way == 1 else (world.wires[b, a],) if way == 2 else
                                   (world.wires[a, b], world.wires[b, a]))]

    def __str__(self) -> str:
        if self.fault.kind in _AT_LINKS or self.fault.kind == "cut off":
            return ", ".join(wire.name for wire in self.wires)
        return self.side.name if self.fault.kind in _AT_SIDES else "vc"

    def here(self, call: Callable, *args: Any) -> None:
        """Let something happen on this side, if its machine is on; when it is frozen, at its thaw."""
        self.side.do(self.side.life, call, args)

    def take_snapshot(self) -> None:
        self.snapshot = self.side.snapshot()

    def set(self, name: str, value: float) -> None:
        for wire in self.wires:
            setattr(wire, name, value)

    def cut(self) -> None:
        for wire in self.wires:
            wire.cut()

    def heal(self) -> None:
        for wire in self.wires:
            wire.heal()

    def again_and_again(self, call: Callable[[int], None]) -> None:
        """Let something happen several times a second on this side, as long as the fault lasts."""
        for number in range(int(self.fault.lasts / _EVERY)):
            self.world.at(self.world.now + number * _EVERY, self.here, call, number)

    def flap(self) -> None:
        """Cut and heal again and again, as long as the fault lasts."""
        lasts, every = self.fault.lasts, self.fault.amount
        for number in range(int(lasts / every)):
            self.world.at(self.world.now + number * every, self.cut)
            self.world.at(min(self.world.now + lasts, self.world.now + every * (
                number + 0.2 + 0.7 * self.world.random.random())), self.heal)

    def busy(self) -> None:
        """Control answers nothing for a while, as during an installation."""
        control = self.side.control
        control.busy_until = max(control.busy_until, self.world.now + min(3.0, self.fault.amount) / self.side.rate)

    def control(self, name: str, by: int) -> None:
        """Control does not answer, or answers with errors."""
        setattr(self.side.control, name, getattr(self.side.control, name) + by)

    def slow_control(self, longest: float) -> None:
        """Control needs up to so many seconds for each answer."""
        self.side.control.slow = longest

    def disk(self, name: str, by: int) -> None:
        """The disk is full, slow, or hangs."""
        self.side.disk[name] += by

    def mute(self, by: int) -> None:
        """VC's bus passes nothing on to this side: it has lost the subscription, and gives none."""
        central = self.side.central
        central.mute[self.side.name] += by
        if by > 0:
            central.drop_subscription(self.side.name)


def _nothing(place: Place) -> None:
    pass


def other_timing(fault: Fault) -> Timing:
    """Return the times with which a side is reconfigured."""
    return (Timing(4.0, 1.0, 1.0), Timing(10.0, 2.0, 5.0), Timing(20.0, 3.0, 10.0),
            Timing(30.0, 10.0, 10.0))[fault.where // 2 % 4]


def is_over_at(fault: Fault, heals: bool) -> float:
    """Return when a fault no longer changes anything: when it is mended, or has begun if it never is.

    What is forged or played again changes nothing that the promises go by. A pause ends by itself. It may have to if `heals`
    is false: where something is never mended, not both sides may be told.
    """
    if fault.kind in ("forger", "recordings played"):
        return fault.at
    ends = fault.at + 1.02 * _PAUSE * fault.amount if fault.kind == "paused" and not (heals and fault.lasts) else fault.at
    return max(ends, fault.at + (fault.lasts or 0.0))


_Fault = Tuple[Callable[[Place], None], Callable[[Place], None]]

_AT_SIDES: Dict[str, _Fault] = {
    "power lost": (lambda place: place.side.power_off(), lambda place: place.side.power_on()),
    "frozen": (lambda place: place.side.freeze(), lambda place: place.side.thaw()),
    "platform killed": (lambda place: place.here(place.side.kill_platform),
                        lambda place: place.here(place.side.start_platform)),
    "failover agent killed": (lambda place: place.here(place.side.kill_agent),
                              lambda place: place.here(place.side.start_agent)),
    "failover agent stopped": (lambda place: place.here(place.side.stop_agent),
                               lambda place: place.here(place.side.start_agent)),
    "reconfigured live": (lambda place: place.here(place.side.reconfigure_live, other_timing(place.fault)), _nothing),
    "reconfigured": (lambda place: place.here(place.side.reconfigure, other_timing(place.fault)),
                     lambda place: place.here(place.side.start_agent)),
    "role changed": (lambda place: place.here(place.side.change_role),
                     lambda place: place.here(place.side.start_agent)),
    "switchover ordered": (lambda place: place.here(place.side.switch_over), _nothing),
    "managed agent fails": (lambda place: place.here(place.side.fail), _nothing),
    "paused": (lambda place: place.here(place.side.pause, _PAUSE * place.fault.amount),
               lambda place: place.here(place.side.resume)),
    "key mistyped": (lambda place: place.here(place.side.mistype_key), lambda place: place.here(place.side.start_agent)),
    "VC moved": (lambda place: place.here(place.side.move_vc), lambda place: place.here(place.side.start_agent)),
    "memory lost": (lambda place: place.here(place.side.lose_memory), lambda place: place.here(place.side.start_agent)),
    # It begins with the snapshot, and its end is that the machine is set back to it.
    "set back": (Place.take_snapshot, lambda place: place.side.set_back(place.snapshot)),
    "clock stood still": (lambda place: place.side.freeze(True), lambda place: place.side.thaw()),
    "managed agent killed": (lambda place: place.here(place.side.control.crash), _nothing),
    "control busy": (lambda place: place.busy(), _nothing),
    "control slow": (lambda place: place.slow_control(place.fault.amount), lambda place: place.slow_control(0.0)),
    "control silent": (lambda place: place.control("silent", 1), lambda place: place.control("silent", -1)),
    "control wrong": (lambda place: place.control("wrong", 1), lambda place: place.control("wrong", -1)),
    "disk full": (lambda place: place.disk("full", 1), lambda place: place.disk("full", -1)),
    "disk slow": (lambda place: place.disk("slow", 1), lambda place: place.disk("slow", -1)),
    "disk hung": (lambda place: place.disk("hung", 1), lambda place: place.disk("hung", -1)),
    "deafened": (lambda place: place.here(place.side.deafen), _nothing),
    "forged heartbeat": (lambda place: place.here(place.side.forge, round(10 * place.fault.amount)), _nothing),
    "forger": (lambda place: place.again_and_again(place.side.forge_on), _nothing),
    "recordings played": (lambda place: place.again_and_again(place.side.play_back), _nothing),
    "upgraded": (lambda place: place.here(place.side.upgrade), lambda place: place.here(place.side.start_agent)),
    "poisoned message": (lambda place: place.here(place.side.poison), _nothing),
    "connection to VC reset": (lambda place: place.side.central.reset(place.side.name), _nothing),
    "VC's bus mute": (lambda place: place.mute(1), lambda place: place.mute(-1)),
    "cut off": (Place.cut, Place.heal),
}
_AT_VC: Dict[str, _Fault] = {
    "VC killed": (lambda place: place.central.set_vc(False), lambda place: place.central.set_vc(True)),
    "VC's platform killed": (lambda place: place.central.kill_platform(), lambda place: place.central.start_platform()),
}
_AT_LINKS: Dict[str, _Fault] = {
    "cut": (Place.cut, Place.heal),
    "flapping": (Place.flap, _nothing),
    "slow": (lambda place: place.set("delay", place.fault.amount), lambda place: place.set("delay", QUICK)),
    "noisy": (lambda place: place.set("noise", min(1.0, place.fault.amount / 5)),
              lambda place: place.set("noise", 0.0)),
}
FAULTS: Dict[str, _Fault] = {**_AT_SIDES, **_AT_VC, **_AT_LINKS}
# These must end: in them the tables say nothing.
PASSING = ("flapping", "slow", "noisy", "control slow", "control silent", "control wrong")
# The search leaves these out. They have exceptions of their own: two wrong keys, two VCs from which neither side has heard
# the other before they are cut off from each other, and a machine that is cut off when it goes on from a snapshot or with an
# old clock.
DIRECTED_ONLY = ("key mistyped", "VC moved", "clock stood still", "memory lost", "set back", "forger", "recordings played",
                 "upgraded")
