"""The decision core: evidence and the time go in, what to do comes out.

Nothing here does I/O or reads a clock: each method that needs the time takes ``now``, seconds on a clock that knows
no steps. The agent drives this class on real platforms; anything else that drives it drives the same rules.

The rules are these two tables of VOLTTRON's documentation, :data:`SIMPLE` and :data:`STANDARD`, and what the words
in them mean:

* *up*: the other failover agent was heard less than ``timeout`` ago.
* *down*: it was not, for ``timeout`` during which this side could have heard it.
* *unknown*: neither yet. This side has just started, or it was itself blind: it had no subscription, its process
  did not run, or its own platform did not answer, for half of ``timeout``. Being blind is not silence of the other side, so the silence
  is counted anew from when sight returns.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Dict, List, Optional, Tuple

from failover.config import Config
from failover.heartbeat import Heartbeat

__all__ = ["Action", "AgentState", "Core", "Decision", "Liveness", "SIMPLE", "STANDARD"]


class Liveness(Enum):
    """What is known of something that should be heard from."""

    UP = "up"
    UNKNOWN = "unknown"
    DOWN = "down"


class Action(Enum):
    """What the table says of the managed agent."""

    START = "start"
    STOP = "stop"
    WAIT = "wait"
    VERIFY = "verify with VC, then start"


class AgentState(Enum):
    """What is known of the managed agent on this platform."""

    RUNNING = "running"
    STOPPED = "stopped"
    MISSING = "not installed"
    STARTING = "starting"
    UNKNOWN = "unknown"


_UP, _UNKNOWN, _DOWN = Liveness.UP, Liveness.UNKNOWN, Liveness.DOWN
_START, _STOP, _WAIT, _VERIFY = Action.START, Action.STOP, Action.WAIT, Action.VERIFY

# Simple failover: {role: {the other side: action}}.
SIMPLE: Dict[str, Dict[Liveness, Action]] = {
    "primary":   {_UP: _START, _UNKNOWN: _START, _DOWN: _START},
    "secondary": {_UP: _STOP,  _UNKNOWN: _WAIT,  _DOWN: _START},
}

# Standard failover: {role: {the other side: {VOLTTRON Central: action}}}. The documentation's two tables are the
# cells in which both are known; where one is not, nothing changes.
STANDARD: Dict[str, Dict[Liveness, Dict[Liveness, Action]]] = {
    "primary": {
        _UP:      {_UP: _START, _UNKNOWN: _WAIT, _DOWN: _START},
        _UNKNOWN: {_UP: _WAIT,  _UNKNOWN: _WAIT, _DOWN: _WAIT},
        _DOWN:    {_UP: _START, _UNKNOWN: _WAIT, _DOWN: _STOP},
    },
    "secondary": {
        _UP:      {_UP: _STOP,   _UNKNOWN: _WAIT, _DOWN: _STOP},
        _UNKNOWN: {_UP: _WAIT,   _UNKNOWN: _WAIT, _DOWN: _WAIT},
        _DOWN:    {_UP: _VERIFY, _UNKNOWN: _WAIT, _DOWN: _STOP},
    },
}


@dataclass(frozen=True)
class Decision:
    """What follows from the evidence at one moment.

    :ivar action: what the table says.
    :ivar command: START or STOP if the managed agent is known not to be as the table wants it, else None.
    :ivar peer: liveness of the other failover agent.
    """

    action: Action
    command: Optional[Action]
    peer: Liveness


class Core:
    """The state of one failover agent, from its start on.

    :param boot_id: a text that no other start of a failover agent ever had.
    :param now: seconds; the moment of the start.
    """

    def __init__(self, config: Config, instance_name: str, vip_identity: str, boot_id: str, now: float):
        self._config = config
        self._instance_name = instance_name
        self._vip_identity = vip_identity
        self.boot_id = boot_id
        self.agent = AgentState.UNKNOWN
        self.peer: Optional[Heartbeat] = None
        self.last_heard: Optional[float] = None
        self._rival: Optional[Tuple[str, float]] = None
        self._former_boots: List[str] = []
        self._listens = False
        self._listening_since = now
        self._last_decision = now
        self._platform_lives = True
        self._last_answer = now
        self._pending: Optional[Action] = None
        self._ended_at = now
        self._observed_at = now
        self._sequence = 0
        self._next_beat = now
        self._said_may_run: Optional[bool] = None

    # Evidence

    def heard(self, heartbeat: Optional[Heartbeat], now: float) -> Optional[str]:
        """Take in a heartbeat of the other failover agent; None stands for one without content of ours.

        :return: None, or why it is no sign of life.
        """
        if heartbeat is not None:
            refusal = self._refusal(heartbeat, now)
            if refusal is not None:
                return refusal
            if self.peer is not None and heartbeat.boot_id != self.peer.boot_id:
                self._former_boots = self._former_boots[-15:] + [self.peer.boot_id]
        self.peer = heartbeat
        self.last_heard = now
        return None

    def subscribed(self) -> None:
        """From now on the bus of the own platform passes on the heartbeats of the other side."""
        self._listens = True

    def platform_answered(self, now: float) -> None:
        """Control of the own platform answered, whatever it said."""
        self._last_answer = now

    def agent_observed(self, state: AgentState, asked_at: float, now: float) -> None:
        """Control of the own platform answered at ``now``: the managed agent is in this state.

        The answer to a question asked before a command had ended says nothing about what the command did.
        """
        self.platform_answered(now)
        if self._pending is not Action.START and asked_at >= self._ended_at:
            self.agent = state
            self._observed_at = asked_at

    def platform_lives(self, lives: bool) -> None:
        """The process of the own platform exists, or no longer does."""
        self._platform_lives = lives

    def command_begun(self, command: Action) -> None:
        """A start or a stop is about to be asked for. From the moment before a start on, the agent may run."""
        self._pending = command
        if command is Action.START:
            self.agent = AgentState.STARTING

    def command_ended(self, now: float) -> None:
        """The command has succeeded or failed; what came of it, the next observation says."""
        self._pending = None
        self._ended_at = now

    # Conclusions

    @property
    def blind_after(self) -> float:
        """Seconds without a look of its own, or an answer of its platform, after which this side sees nothing."""
        return self._config.timeout / 2

    @property
    def may_run(self) -> bool:
        """False only if the managed agent is known not to run here."""
        return self.agent not in (AgentState.STOPPED, AgentState.MISSING)

    def platform_answers(self, now: float) -> bool:
        """Whether the own platform's process lives and its control answered within half of ``timeout``."""
        return self._platform_lives and now - self._last_answer <= self.blind_after

    def liveness(self, now: float) -> Liveness:
        """Return what is known of the other failover agent."""
        if self.last_heard is not None and now - self.last_heard < self._config.timeout:
            return Liveness.UP
        if now - self._listening_since < self._config.timeout:
            return Liveness.UNKNOWN
        return Liveness.DOWN

    def until_silence_counts(self, now: float) -> float:
        """Return the seconds until the other side, if it stays silent, is no longer up or unknown; 0 if it is not."""
        since = self._listening_since if self.last_heard is None else max(self.last_heard, self._listening_since)
        return max(0.0, since + self._config.timeout - now)

    def decide(self, now: float) -> Decision:
        """Return what to do. To be called often: a pause of half of ``timeout`` between two calls is blindness."""
        answers = self.platform_answers(now)
        if not answers:
            self.agent = AgentState.UNKNOWN
        if not answers or not self._listens or now - self._last_decision >= self.blind_after:
            self._listening_since = now
        self._last_decision = now
        peer = self.liveness(now)
        action = SIMPLE[self._config.agent_id][peer]
        command = None
        if self._pending is None and self._observed_at >= self._ended_at:
            if action is Action.START and self.agent is AgentState.STOPPED:
                command = Action.START
            elif action is Action.STOP and self.agent is AgentState.RUNNING:
                command = Action.STOP
        return Decision(action, command, peer)

    def beat(self, now: float) -> Optional[Heartbeat]:
        """Return the heartbeat to send now, or None.

        One is due every ``heartbeat_period``, and at once when ``may_run`` has changed. None is sent while the own
        platform is dead or silent: a heartbeat vouches for a living platform.
        """
        if not self.platform_answers(now) or (now < self._next_beat and self.may_run == self._said_may_run):
            return None
        self._sequence += 1
        return Heartbeat(
            instance_name=self._instance_name,
            vip_identity=self._vip_identity,
            agent_vip_identity=self._config.agent_vip_identity,
            agent_id=self._config.agent_id,
            mode=self._config.mode,
            timeout=self._config.timeout,
            heartbeat_period=self._config.heartbeat_period,
            boot_id=self.boot_id,
            sequence=self._sequence,
            heard_boot_id=self.peer.boot_id if self.peer else None,
            heard_sequence=self.peer.sequence if self.peer else None,
            may_run=self.may_run)

    def beat_sent(self, heartbeat: Heartbeat, now: float) -> None:
        """The heartbeat went out at ``now``. One that could not be sent stays due, and is made anew."""
        self._said_may_run = heartbeat.may_run
        if now >= self._next_beat:
            self._next_beat += self._config.heartbeat_period
            if self._next_beat <= now:
                self._next_beat = now + self._config.heartbeat_period

    def until_next_beat(self, now: float) -> float:
        """Return the seconds until a heartbeat is due by the period; 0 if one is."""
        return max(0.0, self._next_beat - now)

    def rival(self, now: float) -> Optional[str]:
        """Return the name of another instance that, by a heartbeat within ``timeout``, has this side's role.

        It is this side's own name if its heartbeats come back to itself.
        """
        if self._rival is None or now - self._rival[1] >= self._config.timeout:
            return None
        return self._rival[0]

    def _refusal(self, heartbeat: Heartbeat, now: float) -> Optional[str]:
        if heartbeat.agent_vip_identity != self._config.agent_vip_identity:
            return "it is about another managed agent, {}".format(heartbeat.agent_vip_identity)
        if heartbeat.agent_id == self._config.agent_id:
            self._rival = heartbeat.instance_name, now
            return "its sender {} is configured as {} too".format(heartbeat.instance_name, heartbeat.agent_id)
        if heartbeat.boot_id in self._former_boots:
            return "it is from an earlier start of the other failover agent"
        if self.peer is not None and heartbeat.boot_id == self.peer.boot_id:
            if heartbeat.sequence <= self.peer.sequence:
                return "it is not newer than the last one"
        return None
