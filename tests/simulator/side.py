"""The machine of the primary or of the secondary: its platform, its disk, its managed agent, and its failover agent."""

import copy
from math import inf
from typing import TYPE_CHECKING, Any, Dict, Optional

from failover.config import Config
from failover.decision.effects import Publish
from failover.decision.events import AgentFailed, PauseAsked, Reconfigured, ResumeAsked, SwitchoverAsked
from failover.decision.heartbeat import Heartbeat
from failover.decision.orders import Orders
from failover.decision.setup import Record, Settings
from failover.decision.vocabulary import Path, Timing
from failover.setup_of_config import settings_of
from tests.simulator.agent import MANAGED, FailoverAgent
from tests.simulator.control import Control, Process
from tests.simulator.excuses import Excuses
from tests.simulator.machine import ROLES, Central, Machine
from tests.simulator.network import BACK, THERE, Connection, Link

if TYPE_CHECKING:
    from tests.simulator.world import World

__all__ = ["Side"]

# Seconds that a disk needs.
_DISK_TAKES, _SLOW_DISK_TAKES = 0.02, 3.0


class Side(Machine):
    """One side of the pair. The name is the machine's. Its role, which may change, is in its configuration.

    :ivar agent: the failover agent, None if it does not run.
    :ivar file: what the failover agent has written for its next start.
    :ivar forgot: whether it has lost that file and not heard the other side since.
    :ivar signs: whether its failover agent is of a release that signs.
    :ivar central: the VC that it goes by.
    :ivar has_wrong_key: whether its configuration names another key than that of the other side's platform.
    :ivar disk: how many faults make it full, slow, or hang.
    """

    def __init__(self, world: "World", name: str, rate: float, timing: Timing, file: Record, central: Central):
        super().__init__(world, name, rate)
        self.role, self.timing, self.file, self.central = name, timing, file, central
        self.forgot = self.has_wrong_key = False
        self.signs = world.schedule.signs
        self.agent: Optional[FailoverAgent] = None
        self.disk = {"full": 0, "slow": 0, "hung": 0}
        self.excuses = Excuses(self)
        self.control = Control(self)
        self._is_ending = False
        self._boots = 0
        self.control.platform_started()

    @property
    def drives(self) -> bool:
        """Whether a managed agent does its work here."""
        return not self.frozen and any(one.works for one in self.control.processes)

    @property
    def grace(self) -> float:
        """Seconds that a stop may take here."""
        return self.timing.stop_grace if self.agent is None else self.agent.grace

    @property
    def has_lease(self) -> bool:
        """Whether the managed agent may run here, as far as this machine's clock says."""
        if self.agent is None or self.world.simple:
            return False
        policy = self.agent.state.policy
        return policy.is_held and self.clock() < policy.until(self.agent.state)

    def note(self, text: str) -> None:
        self.world.note(self.name, text)

    # The disk

    def disk_takes(self) -> float:
        """Return the seconds until something is written; infinity if the disk hangs."""
        if self.disk["hung"]:
            return inf
        return (_SLOW_DISK_TAKES if self.disk["slow"] else _DISK_TAKES) * self.world.random.random()

    def write(self, record: Record) -> bool:
        """Write what the next start should know, and return whether there was room for it."""
        if self.disk["full"] or self.disk["hung"]:
            return False
        self.file = record
        return True

    # The failover agent

    def start_agent(self) -> None:
        """The failover agent starts, as soon as the one before it has ended."""
        if self._is_ending:
            self.after(0.5, self.start_agent)
        elif self.agent is None and self.platform:
            self._boots += 1
            self.note("failover agent starts")
            self.agent = FailoverAgent(self, "{}-{}".format(self.name, self._boots))
            self.excuses.agent_started()

    def stop_agent(self) -> None:
        """The failover agent is stopped in order: it stops its managed agent first, and then forgets its lease."""
        if self.agent is not None and not self._is_ending:
            self.note("failover agent is stopped in order")
            self._is_ending = True
            self.agent.end()

    def agent_ended(self, agent: FailoverAgent) -> None:
        """The process of a failover agent has ended by itself."""
        self._is_ending = False
        if agent is self.agent:
            self.agent = None
            self.excuses.check_supervision()

    def kill_agent(self) -> None:
        """The failover agent dies without its platform, and its managed agent goes on."""
        if self.agent is not None:
            self.note("failover agent is killed")
            agent, self.agent = self.agent, None
            lease = agent.state.policy.until(agent.state) if agent.state.policy.is_held else 0.0
            agent.die()
            self._is_ending = False
            self.excuses.agent_killed(0.0 if self.control.forking else lease)

    # What its operator does

    def switch_over(self) -> None:
        """The operator wants the other side to run the managed agent, or this one if the other does."""
        if self.agent is not None:
            self.agent.post(SwitchoverAsked(ROLES[self.world.preferred == ROLES[0]]))

    def fail(self) -> None:
        """The managed agent has ended unbidden, once too often."""
        if self.agent is not None:
            self.agent.post(AgentFailed(MANAGED))

    def pause(self, seconds: float) -> None:
        """The operator pauses the pair for so long."""
        if self.agent is not None:
            self.agent.post(PauseAsked(seconds))

    def resume(self) -> None:
        """The operator ends the pause."""
        if self.agent is not None:
            self.agent.post(ResumeAsked())

    @property
    def orders(self) -> Orders:
        """What this side knows of the operators' orders."""
        return (self.file.orders or Orders()) if self.agent is None else self.agent.state.orders

    # Its configuration

    def reconfigure(self, timing: Timing) -> None:
        """The times are changed, and for that the failover agent is stopped."""
        self.note("is configured with {}".format(timing))
        self.timing = timing
        self.stop_agent()

    def reconfigure_live(self, timing: Timing) -> None:
        """The times are changed while the failover agent runs."""
        self.note("is configured with {} while it runs".format(timing))
        self.timing = timing
        if self.agent is not None:
            self.agent.post(Reconfigured(self.settings))

    @property
    def settings(self) -> Settings:
        """What is configured here and may change while the failover agent runs."""
        return settings_of(Config(self.role, self.world.simple, "", "", MANAGED, fail_back=self.world.schedule.fail_back,
                                  max_failures=1, **self.timing._asdict()))

    def change_role(self) -> None:
        """The role is changed to the other one, and for that the failover agent is stopped."""
        self.role = ROLES[self.role == ROLES[0]]
        self.note("is configured as {}".format(self.role))
        self.stop_agent()

    @property
    def pair_key(self) -> Optional[str]:
        """What the key is known by with which this side signs."""
        return ("wrong" if self.has_wrong_key else "right") if self.signs else None

    def mistype_key(self) -> None:
        """Another key is configured than that of the other side's platform, and for that the failover agent is stopped."""
        self.has_wrong_key = True
        self.note("is configured with a wrong remote_serverkey")
        self.stop_agent()

    def move_vc(self) -> None:
        """The address of VC is changed to that of the other one, and for that the failover agent is stopped."""
        self.central = self.world.centrals[self.central is self.world.centrals[0]]
        self.note("is configured with {}".format(self.central.name))
        self.stop_agent()

    def lose_memory(self) -> None:
        """The failover agent is stopped, and its file is gone."""
        self.stop_agent()
        self.after(0.0, self._forget)

    def _forget(self) -> None:
        if self._is_ending:
            self.after(0.1, self._forget)
        else:
            self.file = Record()
            self.forgot = True

    # The machine and the platform

    def freeze(self, clock_stands: bool = False) -> None:
        """Nothing happens here any more.

        :param clock_stands: the clock does not go on either, and no process can see that it was frozen.
        """
        self.frozen = self.on
        if self.on and clock_stands and self._stands_since is None:
            self._stands_since = self.world.now
        self.world.check_safety()

    def thaw(self) -> None:
        """Go on. If the clock stood still, only a heartbeat can tell that it did."""
        if self.frozen:
            if self._stands_since is not None:
                stood = self.world.now - self._stands_since
                self.control.busy_until += stood if self.control.busy_until > self._stands_since else 0.0
                self._booted_at += stood
                self._stands_since = None
                self.excuses.lost_time()
            else:
                self.excuses.thawed()
            super().thaw()
            self.world.check_safety()

    def power_off(self) -> None:
        """The power goes. The next boot of the kernel has a clock of its own, on which no lease counts."""
        if self.on:
            super().power_off()
            self._lose_everything()
            self.file = self.file._replace(lease_until=None)
            self.note("power is off")
            self.world.check_safety()

    def _lose_everything(self) -> None:
        if self.agent is not None:
            self.agent.die()
            self.agent = None
        self._is_ending = False
        silent, wrong = self.control.silent, self.control.wrong
        self.control = Control(self)
        self.control.silent, self.control.wrong = silent, wrong
        self.excuses.managed_ended()

    def power_on(self) -> None:
        if not self.on:
            super().power_on()
            self.after(1.0 + 3 * self.world.random.random(), self.start_platform)

    def kill_platform(self) -> None:
        """The platform's process dies alone: its agents go on as orphans."""
        if self.platform:
            self.note("the platform's process dies")
            self.platform = False
            self.platform_life += 1
            self.excuses.platform_killed()
            other = self.world.other(self).agent
            if other is not None:
                link = other.links[Path.DIRECT]
                if link.session is not None:
                    link.session.send(BACK, link.ended)

    def start_platform(self) -> None:
        """The platform starts. What is left of the former one ends when it notices."""
        if not self.platform:
            self.note("platform starts")
            former, self.agent = self.agent, None
            self._is_ending = False
            self.platform = True
            self.platform_life += 1
            self.control.platform_started()
            if former is not None:  # Else nobody ends what is left, before the next failover agent does.
                self.excuses.platform_started(former.grace)
            self.after(0.5 + 2 * self.world.random.random(), self.start_agent)

    def process_appeared(self, process: Process) -> None:
        """The platform has started a process of the managed agent."""
        if self.agent is not None:
            self.agent.shell.appeared(process)

    def process_ended(self, process: Process) -> None:
        """The main process of the managed agent has ended."""
        if self.agent is not None:
            self.agent.shell.ended(process)

    def on_bus(self, session: Connection, link: Link, effect: Publish) -> None:
        """A heartbeat of the other side arrives; over a noisy wire it may get lost here, or double, or late."""
        chance = self.world.random
        session.send(BACK, link.answered)
        if session.wires[THERE].noise == 0.0 or chance.random() >= session.wires[THERE].noise:
            self.hears(effect.heartbeat)
            return
        for _ in range(chance.randrange(3)):
            self.after(3 * chance.random(), self.hears, effect.heartbeat)

    def hears(self, heartbeat: Heartbeat, is_forged: bool = False) -> None:
        """A heartbeat is on the bus of this platform."""
        if self.agent is not None and self.platform_life == self.agent.platform_life:
            self.forgot = self.forgot and is_forged
            self.agent.hears(heartbeat, Path.DIRECT, is_forged)

    # What others do to it

    def deafen(self) -> None:
        """The bus of this platform drops the subscription and does not say so."""
        if self.agent is not None:
            self.agent.listens = False

    def poison(self) -> None:
        """A malformed message comes on the topic of the other side."""
        if self.agent is not None and self.platform_life == self.agent.platform_life:
            self.agent.hears_nonsense()

    def forge(self, number: int) -> None:
        """One heartbeat arrives that nobody sent: of the other side's present start with a number of the future, or of
        a start that never was, with times of its own."""
        other = self.world.other(self)
        genuine = other.agent is not None and number % 2 == 0
        boot_id = other.agent.state.incarnation.boot_id if genuine else "forged"
        timing = self.timing if number % 3 == 0 else Timing(86400.0, self.timing.heartbeat_period, 1.0)
        self.hears(Heartbeat(other.name, "failover", MANAGED, other.role, "standard", *timing, boot_id,
                             (5, 500, 2 ** 53)[number % 3], None, None, number % 5 > 0), is_forged=True)

    def forge_on(self, number: int) -> None:
        """Somebody who can connect, and knows all that is not secret, forges a heartbeat of either side on either bus."""
        of = self.world.sides[number % 2]
        state = None if of.agent is None else of.agent.state
        boot_id = state.incarnation.boot_id if state is not None and number % 3 == 0 else "forged-{}".format(number)
        sequence = state.outbox.sequence + 1 if state is not None else number + 1
        other = None if self.world.other(of).agent is None else self.world.other(of).agent.state
        heard = (None, None) if other is None else (other.incarnation.boot_id, other.outbox.sequence)
        forged = Heartbeat(of.name, "failover", MANAGED, of.role, "standard", *of.timing, boot_id, sequence, *heard,
                           number % 5 > 1, number % 7 == 0)
        self._play(forged, (Path.DIRECT, Path.VC)[number // 2 % 2], True)

    def play_back(self, number: int) -> None:
        """Somebody plays what was recorded on this side's bus, or on VC's, before the last start of this side."""
        recordings = [one for one in self.world.recordings if one[1] is Path.VC or one[0] is self]
        if recordings:
            _, path, heartbeat = recordings[number % len(recordings)]
            self._play(heartbeat, path, False)

    def _play(self, heartbeat: Heartbeat, path: Path, is_forged: bool) -> None:
        if path is Path.DIRECT:
            self.hears(heartbeat, is_forged)
        elif self.agent is not None and path in self.agent.links and self.agent.links[path].up:
            self.agent.hears(heartbeat, path, is_forged)

    def upgrade(self) -> None:
        """The failover agent is stopped, and the next one is of a release that signs."""
        self.stop_agent()
        self.signs = True

    # Snapshots

    def snapshot(self) -> Optional[Dict[str, Any]]:
        """Return what is in this machine, if its failover agent and its platform live; else None."""
        if self.agent is None or not self.platform:
            return None
        kept = {name: getattr(self, name) for name in ("role", "timing", "file", "forgot", "central")}
        return dict(kept, clock=self.clock(), state=self.agent.state, listens=self.agent.listens,
                    boot_id=self.agent.setup.boot_id, command=self.agent.shell.command,
                    processes=copy.copy(self.control.processes), known=self.control.known,
                    exit_status=self.control.exit_status)

    def set_back(self, snapshot: Optional[Dict[str, Any]]) -> None:
        """The machine goes on from a snapshot, whether it was on or not: all in it, its clock too, is as it was then.

        Nobody else is set back, and all connections are lost.
        """
        if snapshot is None:
            return
        self.note("is set back; managed agent {}".format("RUNS" if snapshot["processes"] else "does not run"))
        kept = dict(snapshot)
        clock, state, listens, boot_id, command, processes, known, exit_status = (kept.pop(name) for name in (
            "clock", "state", "listens", "boot_id", "command", "processes", "known", "exit_status"))
        super().power_off()
        self._lose_everything()
        self.on = self.platform = True
        self.life += 1
        self.platform_life += 1
        self._booted_at = self.world.now - (clock - 1000.0) / self.rate
        self.__dict__.update(kept)
        self.control.platform_started()
        self.control.processes, self.control.known, self.control.exit_status = processes, known, exit_status
        for one in processes:
            one.platform_life = self.platform_life
        self.agent = FailoverAgent(self, boot_id, state, listens)
        self.agent.go_on(command)
        self.excuses.lost_time()
        self.world.check_safety()
