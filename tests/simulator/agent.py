"""One start of a failover agent: the production decision, driven over virtual time."""

from collections import deque
from math import inf
from typing import TYPE_CHECKING, Any, Deque, Dict, Optional

from failover.decision.effects import (
    AskVcp,
    EndAsOrphan,
    Note,
    ProveHearing,
    Publish,
    ReconnectNow,
    RenewVcLink,
    Resubscribe,
    SaveRecord,
    StopForGood,
)
from failover.decision.events import (
    EndAsked,
    Ended,
    HearingProven,
    HeartbeatReceived,
    LinkChanged,
    PlatformSeen,
    PublishRefused,
    RecordSaved,
    Subscribed,
    Tick,
    VcpAnswered,
    WrongSignature,
)
from failover.decision.heartbeat import Heartbeat
from failover.decision.machine import State, deadline, initial, step
from failover.decision.setup import Setup
from failover.decision.table import Action
from failover.decision.vocabulary import Path
from tests.simulator.network import Link
from tests.simulator.shell import Shell
from tests.simulator.truth import Truth

if TYPE_CHECKING:
    from tests.simulator.side import Side

__all__ = ["FailoverAgent", "MANAGED"]

MANAGED = "managed"

# Seconds.
_LONGEST_TICK = 1.0
_DISK_WITHIN = 5.0
_ORPHAN_KILLED_WITHIN = 1.0


class FailoverAgent:
    """Steps the decision, and has the environment perform the effects.

    :ivar lives: whether its process exists.
    :ivar listens: whether the bus of its platform delivers heartbeats to it.
    :ivar record: what went in and came out, if the world keeps recordings: (at, event, effects).
    """

    def __init__(self, side: "Side", boot_id: str, state: Optional[State] = None, listens: bool = False):
        simple, chance = side.world.simple, side.world.random
        self.side = side
        self.lives = True
        self.listens = listens
        self.platform_life = side.platform_life
        setup = Setup("simple" if simple else "standard", side.role, instance_name=side.name, vip_identity="failover",
                      agents=(MANAGED,), boot_id=boot_id, pair_key=side.pair_key, **side.settings._asdict())
        self.state = initial(setup, side.file, side.clock()) if state is None else state
        self.truth = Truth(self, side.file.lease_until is not None)
        self.record: Optional[list] = [] if side.world.records else None
        self.began_with = self.state
        self.shell = Shell(self)
        self.links: Dict[Path, Link] = {Path.DIRECT: Link(self, side.world.other(side), Path.DIRECT)}
        if not simple:
            self.links[Path.VC] = Link(self, side.central, Path.VC)
        self._perform = dict(self.shell.performers)
        self._perform.update({
            Publish: self._publish, ReconnectNow: lambda effect: self.links[Path.DIRECT].connect(),
            RenewVcLink: lambda effect: self.links[Path.VC].ended(self.links[Path.VC].session),
            ProveHearing: self._prove_hearing, Resubscribe: lambda effect: side.after(0.1, self._subscribed),
            AskVcp: self._ask_vcp, SaveRecord: self._save, StopForGood: self._stop_for_good,
            EndAsOrphan: self._end_as_orphan, Note: lambda effect: side.note(effect.text)})
        self._inbox: Deque[Any] = deque()
        self._is_stepping = self._stops_for_good = False
        self._tick_due: Optional[float] = None
        self._seen: Optional[PlatformSeen] = None
        self._vcp_open: Optional[int] = None
        self._vcp_number = 0
        self._vcp_lost = False
        if not listens:
            side.after(0.5 * chance.random(), self._subscribed)
        for link in self.links.values():
            side.after(chance.random(), link.connect)
        self.shell.start()
        self.post(Tick())

    @property
    def says(self) -> Action:
        """What this side says of its decision."""
        return self.state.decision.action

    @property
    def grace(self) -> float:
        """Seconds that a stop may take here."""
        return self.state.timing.stop_grace

    @property
    def setup(self) -> Setup:
        """What it goes by now."""
        return self.state.setup

    @property
    def answer_within(self) -> float:
        """Seconds after which an answer is overdue."""
        return self.state.setup.answer_within

    # The driver

    def post(self, event: Any) -> None:
        """Have an event taken in, after those that have been posted before."""
        self._inbox.append(event)
        if self._is_stepping:
            return
        self._is_stepping = True
        try:
            while self._inbox and self.lives:
                self._take(self._inbox.popleft())
        finally:
            self._is_stepping = False
        if self.lives:
            self._plan_tick()

    def _take(self, event: Any) -> None:
        self.side.world.count_step()
        before, now = self.state, self.side.clock()
        self.state, effects = step(before, event, now)
        if self.record is not None:
            self.record.append((now, event, effects))
        for effect in effects:
            self._perform[type(effect)](effect)
        said, decision = before.decision, self.state.decision
        if decision[:3] != said[:3]:
            self.side.note("decides: {}; other side {}, VC {}".format(
                decision.action.value, decision.peer.value, decision.vc.value))
        self.truth.check()

    def _plan_tick(self) -> None:
        now = self.side.clock()
        due = min(now + min(_LONGEST_TICK, self.setup.timing.timeout / 8), deadline(self.state)) + 0.001
        if self._tick_due is None or due < self._tick_due - 1e-9:
            self._tick_due = due
            self.side.after(max(0.0, due - now), self._tick, due)

    def _tick(self, due: float) -> None:
        if due != self._tick_due or not self.lives:
            return
        self._tick_due = None
        side = self.side
        if side.platform_life != self.platform_life:
            seen = PlatformSeen(False, side.platform)
            if seen != self._seen:
                self._seen = seen
                self.post(seen)
        self.post(Tick())

    def die(self) -> None:
        """Its process is gone, and all that it was about to do."""
        self.lives = False
        self._inbox.clear()

    def go_on(self, command: Any) -> None:
        """It goes on from a snapshot: its connections are gone, and a command that was under way then is so again."""
        for path in self.links:
            self.post(LinkChanged(path, False))
        if self.state.sight.proof_asked is not None:
            self.post(HearingProven(self.state.now, None))
        if self.setup.mode != "simple" and self.state.policy.witness.vcp_is_asked:
            self.post(VcpAnswered(self.state.now, None))
        if self.state.save_from == inf:
            self.post(RecordSaved(self.state.record, False))
        if command is not None:
            self._perform[type(command)](command)

    # The heartbeats

    def _publish(self, effect: Publish) -> None:
        if self.links[effect.path].publish(effect):
            self.truth.sent(effect.heartbeat.sequence)
        else:
            self.post(PublishRefused(effect.path, effect.heartbeat.sequence))

    def _subscribed(self) -> None:
        self.listens = True
        self.post(Subscribed())

    def _prove_hearing(self, effect: ProveHearing) -> None:
        self.side.after(0.05 * self.side.world.random.random(), self._hearing_answered, self.side.clock())

    def _hearing_answered(self, asked_at: float) -> None:
        """The bus says whether the subscription stands. One that has ended says nothing."""
        self.post(HearingProven(asked_at, self.listens if self.side.platform_life == self.platform_life else None))

    def hears(self, heartbeat: Heartbeat, path: Path, is_forged: bool = False, widely: bool = False) -> None:
        """A heartbeat comes from a bus. Its signature is right if both its sender and this side sign, and nobody forged it."""
        if not self.lives or path is Path.DIRECT and not self.listens:
            return
        topic = (heartbeat.agent_id, heartbeat.mode) if path is Path.DIRECT else (None, None)
        if not is_forged:
            self.side.world.recordings.append((self.side, path, heartbeat))
        sender, world = self.side.world.named(heartbeat.instance_name), self.side.world
        is_signed = not is_forged and self.side.signs and sender.signs
        if is_signed and sender is not self.side and any(one.has_wrong_key for one in world.sides):
            self.post(WrongSignature("somebody", heartbeat.agent_vip_identity))
            return
        if heartbeat.boot_id == self.state.incarnation.boot_id:
            self.truth.echoed(heartbeat.sequence)
        if heartbeat.leaving and not heartbeat.may_run:
            self.truth.left()
        self.post(HeartbeatReceived(path, heartbeat, "somebody", *topic, heartbeat.agent_vip_identity, widely=widely,
                                    is_signed=is_signed))
        if self.lives and self.state.peer.last_heard == self.side.clock() and self.state.peer.heartbeat == heartbeat:
            self.truth.hears(heartbeat)

    def hears_nonsense(self) -> None:
        """Something malformed comes on the topic of the peer."""
        if self.listens:
            peer = "secondary" if self.setup.role == "primary" else "primary"
            self.post(HeartbeatReceived(Path.DIRECT, None, "somebody", peer, self.setup.mode, fault="nonsense"))
            if self.state.peer.last_heard == self.side.clock():
                self.truth.hears(None)

    # VC

    def link_ended(self, path: Path) -> None:
        """A question that went over a connection that has ended gets no answer."""
        if path is Path.VC and self._vcp_open is not None:
            self._vcp_answered(self._vcp_open, self.side.clock(), None)

    def _ask_vcp(self, effect: AskVcp) -> None:
        side, chance = self.side, self.side.world.random
        self._vcp_number += 1
        self._vcp_open = number = self._vcp_number
        now, takes, loses = side.clock(), side.world.vcp_takes(side), side.world.schedule.vcp_loses
        self._vcp_lost = loses > 0.0 and not self._vcp_lost and chance.random() < loses
        if not self.links[Path.VC].up or takes is None and chance.random() < 0.5:
            side.after(0.0, self._vcp_answered, number, now, None)
        elif takes is None or self._vcp_lost or takes > effect.within:
            side.after(effect.within, self._vcp_answered, number, now, None)
        else:
            side.after(takes, self._vcp_answered, number, now, side.world.other(side))

    def _vcp_answered(self, number: int, asked_at: float, other: Optional["Side"]) -> None:
        if number != self._vcp_open or not self.lives:
            return
        self._vcp_open = None
        runs = None if other is None else other.control.is_running
        self.truth.vcp_answered(runs)
        self.post(VcpAnswered(asked_at, runs))

    # The disk

    def _save(self, effect: SaveRecord) -> None:
        if self.state.is_ending:
            self.side.write(effect.record)
            return
        takes = self.side.disk_takes()
        self.side.after(min(takes, _DISK_WITHIN), self._saved, effect.record, takes <= _DISK_WITHIN)

    def _saved(self, record: Any, in_time: bool) -> None:
        if self.lives:
            self.post(RecordSaved(record, in_time and self.side.write(record)))

    # The end

    def end(self) -> None:
        """It is told to end in order."""
        self.post(EndAsked())
        if not self._stops_for_good:
            self._end_in_order(False)

    def _stop_for_good(self, effect: StopForGood) -> None:
        self._stops_for_good = True
        self.shell.end_all(self.state.stop_within(self.side.clock()), lambda: self._end_in_order(True))

    def _end_in_order(self, is_gone: bool) -> None:
        if self.lives:
            self.side.control.clear_status()
            self.post(Ended(is_gone))
            self.die()
            self.side.agent_ended(self)

    def _end_as_orphan(self, effect: EndAsOrphan) -> None:
        """End what the former platform has started. What the next one starts is spared."""
        side = self.side
        side.note("failover agent, an orphan, ends")
        mine = [one for one in side.control.processes if one.platform_life == self.platform_life]
        takes, _ = self.shell.ending_takes(effect.within)
        self.die()
        side.agent_ended(self)
        side.after(takes if mine else 0.0, side.control.end, mine, -9)
