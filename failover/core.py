"""The decision core: evidence and the time go in, what to do comes out.

Nothing here does I/O or reads a clock: each method that needs the time takes ``now``, seconds on a clock that knows
no steps. The agent drives this class on real platforms; anything else that drives it drives the same rules.

The rules are the tables of VOLTTRON's documentation, :data:`SIMPLE` and :data:`STANDARD`, which :func:`look_up` alone
reads, and what the words in them mean:

* *up*: the other failover agent was heard less than ``timeout`` ago.
* *down*: it was not, for ``timeout`` during which this side could have heard it.
* *unknown*: neither yet. This side has just started, or it was itself blind: it had no subscription, its process
  did not run, or its own platform did not answer, for half of ``timeout``. Being blind is not silence of the other
  side, so the silence is counted anew from when sight returns.

Standard failover has the lease besides, by which the two never run at once: :mod:`failover.lease`.
"""

from dataclasses import dataclass, replace
from enum import Enum
from math import inf
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from failover.config import Config
from failover.heartbeat import Heartbeat

__all__ = ["Action", "AgentState", "CLOCKS_APART", "Cadence", "Core", "Decision", "Lease", "Liveness", "ROLES", "SIMPLE",
           "STALE", "STANDARD", "Terms", "look_up"]


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


class Lease(Enum):
    """Whether this side may run the managed agent: it holds the lease, it may obtain it now, or neither.

    It may obtain it when it is *verified* that the other side does not run the agent: :mod:`failover.lease`.
    """

    NONE = "none"
    HELD = "held"
    VERIFIED = "verified"


class AgentState(Enum):
    """What is known of the managed agent on this platform."""

    RUNNING = "running"
    STOPPED = "stopped"
    MISSING = "not installed"
    STARTING = "starting"
    UNKNOWN = "unknown"


_UP, _UNKNOWN, _DOWN = Liveness.UP, Liveness.UNKNOWN, Liveness.DOWN
_START, _STOP, _WAIT, _VERIFY = Action.START, Action.STOP, Action.WAIT, Action.VERIFY
_NONE, _HELD, _VERIFIED = Lease.NONE, Lease.HELD, Lease.VERIFIED

ROLES = ("primary", "secondary")

# The clocks of two machines may each be wrong by 1 %: so many seconds of one may pass in a second of the other.
CLOCKS_APART = 1.01 / 0.99

# Why a heartbeat is no sign of life that comes twice, or after one that was sent later.
STALE = "it is not newer than the last one"

# Of so many starts of the other failover agent it is remembered which heartbeat was the newest.
_BOOTS = 16

# By how much the numbers of one start's heartbeats can plausibly grow: at once, and in a second. A heartbeat that is
# due has a new number at each attempt to send it.
_JUMP, _JUMP_PER_SECOND = 1000, 100

# Simple failover: {role: {the other side: action}}.
SIMPLE: Dict[str, Dict[Liveness, Action]] = {
    "primary":   {_UP: _START, _UNKNOWN: _START, _DOWN: _START},
    "secondary": {_UP: _STOP,  _UNKNOWN: _WAIT,  _DOWN: _START},
}

# Standard failover: {role: {(the other side, VOLTTRON Central): {lease: action}}}. The documentation's two tables are the
# rows in which both are known. A cell that is not there cannot be, or not for longer than the local bus takes to confirm
# its subscription: a lease ends before both that it could come from are down, VC is known once the other side is known to
# be down and the reverse, and only the silence of a side that is down is complete.
STANDARD: Dict[str, Dict[Tuple[Liveness, Liveness], Dict[Lease, Action]]] = {
    "primary": {
        (_UP, _UP):           {_NONE: _WAIT, _HELD: _START, _VERIFIED: _START},
        (_UP, _UNKNOWN):      {_NONE: _WAIT, _HELD: _START, _VERIFIED: _START},
        (_UP, _DOWN):         {_NONE: _WAIT, _HELD: _START, _VERIFIED: _START},
        (_UNKNOWN, _UP):      {_NONE: _WAIT, _HELD: _START},
        (_UNKNOWN, _UNKNOWN): {_NONE: _WAIT, _HELD: _START},
        (_DOWN, _UP):         {_NONE: _WAIT, _HELD: _START, _VERIFIED: _START},
        (_DOWN, _DOWN):       {_NONE: _STOP},
    },
    "secondary": {
        (_UP, _UP):           {_NONE: _STOP, _HELD: _STOP},
        (_UP, _UNKNOWN):      {_NONE: _STOP, _HELD: _STOP},
        (_UP, _DOWN):         {_NONE: _STOP},
        (_UNKNOWN, _UP):      {_NONE: _WAIT, _HELD: _START},
        (_UNKNOWN, _UNKNOWN): {_NONE: _WAIT, _HELD: _START},
        (_DOWN, _UP):         {_NONE: _VERIFY, _HELD: _START, _VERIFIED: _START},
        (_DOWN, _DOWN):       {_NONE: _STOP},
    },
}


def look_up(mode: str, role: str, peer: Liveness, vc: Liveness = _UNKNOWN, lease: Lease = _NONE) -> Action:
    """Return what the table says. Nothing else decides what becomes of the managed agent.

    :param mode: ``simple`` or ``standard``. Simple failover knows neither VC nor lease.
    :param role: as which one this side acts, ``primary`` or ``secondary``.
    :return: STOP, which never lets both run, where there is no cell.
    """
    if mode == "simple":
        return SIMPLE[role][peer]
    return STANDARD[role].get((peer, vc), {}).get(lease, _STOP)


@dataclass(frozen=True)
class Decision:
    """What follows from the evidence at one moment.

    :ivar action: what the table says.
    :ivar command: START or STOP if the managed agent is known not to be as the table wants it, else None.
    :ivar peer: liveness of the other failover agent.
    :ivar vc: liveness of VOLTTRON Central; UNKNOWN in simple failover, which does not ask it.
    :ivar wanted: START or STOP if the managed agent should run or should not, None if it is left as it is.
    """

    action: Action
    command: Optional[Action]
    peer: Liveness
    vc: Liveness = Liveness.UNKNOWN
    wanted: Optional[Action] = None


class Terms(NamedTuple):
    """The times, in seconds, that both sides must agree on. Where they do not, the larger ones hold."""

    timeout: float
    heartbeat_period: float
    stop_grace: float

    @classmethod
    def of(cls, source: Any) -> "Terms":
        """Return the terms in a configuration or in a heartbeat."""
        return cls(source.timeout, source.heartbeat_period, source.stop_grace)

    def larger(self, other: Optional["Terms"]) -> "Terms":
        """Return the larger of each; the own ones if the others are not known."""
        return self if other is None else Terms(*map(max, self, other))


class _Newest(NamedTuple):
    """The newest heartbeat of one start of the other failover agent.

    :ivar sequence: its number.
    :ivar at: seconds; when it was heard.
    :ivar before: the number of the newest one before it.
    """

    sequence: int
    at: float
    before: int


class _Rival(NamedTuple):
    """The other side, when by its own configuration it has this side's role.

    :ivar since: seconds; when that was first heard.
    :ivar at: seconds; when it was last heard.
    :ivar is_certain: whether a second heartbeat has said so: one alone may be forged.
    :ivar yields: whether it says that it acts as the secondary.
    """

    instance: str
    boot_id: str
    since: float
    at: float
    is_certain: bool
    yields: bool


class _ClockLead(NamedTuple):
    """By how much this side's clock is ahead of the other side's, in seconds.

    :ivar at_least: by two heartbeats in a row, as of ``at``.
    :ivar last: at least, by the last heartbeat that says so.
    """

    boot_id: str
    at_least: float
    at: float
    last: float


class _Suspicion(NamedTuple):
    """What one heartbeat alone shows may be forged. It is believed when a later one of the same start shows it too."""

    boot_id: str
    since: float


class Cadence:
    """When heartbeats are due on one way to the other side: every period, and at once when ``may_run`` has changed."""

    def __init__(self, period: float, now: float):
        self._period = period
        self._next = now
        self._said: Optional[bool] = None

    def due(self, may_run: bool, now: float) -> bool:
        """Whether a heartbeat should go out."""
        return now >= self._next or may_run != self._said

    def sent(self, may_run: bool, now: float) -> None:
        """A heartbeat went out. One that could not be sent stays due."""
        self._said = may_run
        if now >= self._next:
            self._next += self._period
            if self._next <= now:
                self._next = now + self._period

    def until_next(self, now: float) -> float:
        """Return the seconds until the next is due by the period; infinity if one is overdue, as on a dead link."""
        return self._next - now if self._next > now else inf


class Core:
    """The state of one failover agent, from its start on.

    :ivar farewell: the last heartbeat of the other failover agent if it has ended in order since, else None.
    :ivar role: as which one this side acts, ``primary`` or ``secondary``: as it is configured, unless both sides are
        configured alike.
    :ivar news: what the operator should know of and has not been told yet.
    :ivar doubt: what the last heartbeat said that is not believed, in words; None if it is believed.
    :ivar trouble: what is wrong with the managed agent here, for the other side to show; None if nothing is.

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
        self.farewell: Optional[Heartbeat] = None
        self.role = config.agent_id
        self.news: List[str] = []
        self._first_boot_id = boot_id
        self._rival: Optional[_Rival] = None
        self._stranger: Optional[Tuple[str, float]] = None
        self._yields = False
        self._set_back: Optional[_Suspicion] = None
        self._slept: Optional[_Suspicion] = None
        self._clock_lead: Optional[_ClockLead] = None
        self._sent: Dict[int, float] = {}
        self._newest: Dict[str, _Newest] = {}
        self._listens = False
        self._listening_since = now
        self._proof_asked: Optional[float] = None
        self._heard_until = now
        self._last_decision = now
        self.has_platform = True
        self.trouble: Optional[str] = None
        self.doubt: Optional[str] = None
        self._last_answer = now
        self._known_instance: Optional[str] = None
        self._pending: Optional[Action] = None
        self._ended_at = now
        self._observed_at = now
        self._sequence = 0
        self._cadence = Cadence(config.beat_every, now)
        self._hold_until = now + (2 * config.heartbeat_period if config.agent_id == "primary" else 0.0)
        self._hold_extended = False

    # Evidence

    def heard(self, heartbeat: Optional[Heartbeat], now: float, over_vc: bool = False) -> Optional[str]:
        """Take in a heartbeat of the other failover agent; None stands for one without content of ours.

        One that says farewell is no sign of life. It is kept for the operator, and no rule goes by it.

        :param over_vc: whether it came over VC's bus, not directly.
        :return: None, or why it is no sign of life.
        """
        if heartbeat is not None:
            refusal = self._refusal(heartbeat, now)
            if refusal is not None:
                return refusal
            self._note_role(heartbeat, now)
            before = self._newest.pop(heartbeat.boot_id, None)
            lower = () if before is None else (before.before, before.sequence)
            self._newest[heartbeat.boot_id] = _Newest(
                heartbeat.sequence, now, max((number for number in lower if number < heartbeat.sequence), default=0))
            if len(self._newest) > _BOOTS:
                del self._newest[next(iter(self._newest))]
            if heartbeat.leaving:
                self.farewell = heartbeat
                return None
            self._check_own_past(heartbeat, now)
            self._hear_word(heartbeat, now)
        self.farewell = None
        self.peer = heartbeat
        self.last_heard = now
        return None

    def subscribed(self) -> None:
        """From now on the bus of the own platform passes on the heartbeats of the other side."""
        self._listens = True

    def hearing_asked(self, now: float) -> None:
        """The own platform's bus is being asked whether the subscription still stands."""
        self._proof_asked = now

    def hearing_proven(self, asked_at: float) -> None:
        """It still stood when the answer was given, so that what was sent until ``asked_at`` would have been heard."""
        self._proof_asked = None
        self._heard_until = max(self._heard_until, asked_at)

    def hearing_unproven(self) -> None:
        """The bus gave no answer. It may be asked again."""
        self._proof_asked = None

    def hearing_lost(self) -> None:
        """The bus has dropped the subscription, nobody knows when. Silence counts anew from :meth:`subscribed` on."""
        self._proof_asked = None
        self._listens = False

    def platform_answered(self, now: float) -> None:
        """Control of the own platform answered, whatever it said."""
        self._last_answer = now

    def agent_observed(self, state: AgentState, asked_at: float, now: float) -> None:
        """Control of the own platform answered at ``now``: the managed agent is in this state.

        The answer to a question asked before a command had ended says nothing about what the command did.
        """
        self.platform_answered(now)
        if self._pending is None and asked_at >= self._ended_at:
            self.agent = state
            self._observed_at = asked_at
            if state is AgentState.RUNNING:
                self._hold_until = now

    def process_ended(self) -> None:
        """No process of the managed agent is left, whether control can say so or not."""

    def platform_lives(self, lives: bool) -> None:
        """The process of the own platform exists, or no longer does."""
        self.has_platform = lives

    def command_begun(self, command: Action) -> None:
        """A start or a stop is about to be asked for. From the moment before a start on, the agent may run.

        A stop may take the place of a start that has not ended.
        """
        self._pending = command
        if command is Action.START:
            self.agent = AgentState.STARTING

    def command_ended(self, now: float) -> None:
        """The command has succeeded or failed; what came of it, the next observation says."""
        self._pending = None
        self._ended_at = now

    # Conclusions

    @property
    def terms(self) -> Terms:
        """The times that hold on this side."""
        return Terms.of(self._config)

    def stop_within(self, now: float) -> float:
        """Return the seconds in which a stop that begins now must have ended the managed agent."""
        return self.terms.stop_grace

    @property
    def blind_after(self) -> float:
        """Seconds without a look of its own, or an answer of its platform, after which this side sees nothing."""
        return self._config.timeout / 2

    def may_start(self, now: float) -> bool:
        """Whether a start that was decided on may still be carried out."""
        return True

    @property
    def may_run(self) -> bool:
        """False only if the managed agent is known not to run here."""
        return self.agent not in (AgentState.STOPPED, AgentState.MISSING)

    def platform_answers(self, now: float) -> bool:
        """Whether the own platform's process lives and its control answered within half of ``timeout``."""
        return self.has_platform and now - self._last_answer <= self.blind_after

    def liveness(self, now: float) -> Liveness:
        """Return what is known of the other failover agent."""
        return self._liveness(self.last_heard, self._config.timeout, now)

    def wants_proof_of_hearing(self, now: float) -> bool:
        """Whether the own bus should be asked if the subscription stands: now and then in silence, and at its end."""
        if not self._listens or self._proof_asked is not None:
            return False
        timeout, since = self.terms.timeout, self._quiet_since
        if now - since < timeout / 4:
            return False
        return now - self._heard_until >= timeout / 4 or self._heard_until < since + timeout <= now

    def until_change(self, now: float) -> float:
        """Return the seconds until the passing of time alone may change the decision; infinity if it cannot."""
        return min((moment - now for moment in self._turning_points() if moment > now), default=inf)

    def _turning_points(self) -> Tuple[float, ...]:
        """Return the moments at which, while nothing new is heard, the decision may change."""
        return self._quiet_since + self._config.timeout, self._hold_until

    @property
    def _quiet_since(self) -> float:
        """Since when nothing was heard on the own bus, though this side listened."""
        return self._listening_since if self.last_heard is None else max(self.last_heard, self._listening_since)

    def _liveness(self, last_sign: Optional[float], timeout: float, now: float) -> Liveness:
        """Return what follows from when the last sign of life was. Only what could be heard and was not is silence."""
        if last_sign is not None and now - last_sign < timeout:
            return Liveness.UP
        since = self._listening_since if last_sign is None else max(last_sign, self._listening_since)
        heard_until = self._heard_until if self.last_heard is None else max(self._heard_until, self.last_heard)
        return Liveness.DOWN if self._listens and since + timeout <= min(now, heard_until) else Liveness.UNKNOWN

    def decide(self, now: float) -> Decision:
        """Return what to do. To be called often: a pause of half of ``timeout`` between two calls is blindness."""
        answers = self.platform_answers(now)
        if not answers:
            self.agent = AgentState.UNKNOWN
        if not answers or not self._listens or now - self._last_decision >= self.blind_after:
            self._listening_since = now
        self._last_decision = now
        self._take_role(now)
        return self._conclude(now)

    def _conclude(self, now: float) -> Decision:
        peer = self.liveness(now)
        action = look_up("simple", self.role, peer)
        command = self._command(action)
        if command is Action.START and now < self._hold_until:
            command = None
        return Decision(action, command, peer, wanted=None if action is Action.WAIT else action)

    def _command(self, action: Action) -> Optional[Action]:
        """Return the command that makes the managed agent as the action wants it, None if it is or may yet become."""
        if self._pending is not None or self._observed_at < self._ended_at:
            return None
        if action is Action.START and self.agent is AgentState.STOPPED:
            return Action.START
        if action is Action.STOP and self.agent is AgentState.RUNNING:
            return Action.STOP
        return None

    def _hear_word(self, heartbeat: Heartbeat, now: float) -> None:
        """A simple primary that finds its agent not running at its start gives the secondary time to stop its own.

        It waits for the secondary's first word up to two periods, and for the end of what runs there ``stop_grace``.
        """
        if now >= self._hold_until:
            return
        if not heartbeat.may_run:
            self._hold_until = now
        elif not self._hold_extended:
            self._hold_extended = True
            own = Terms.of(self._config)
            # One heartbeat alone may be forged, and then nothing that it says lasts for longer than a silence.
            self._hold_until = now + min(own.larger(Terms.of(heartbeat)).stop_grace, sum(own))

    def beat(self, now: float) -> Optional[Heartbeat]:
        """Return the heartbeat to send now to the other platform, or None.

        One is due every ``heartbeat_period``, and at once when ``may_run`` has changed. None is sent while the own
        platform is dead or silent: a heartbeat vouches for a living platform.
        """
        return self._next_heartbeat(self._cadence, now)

    def beat_sent(self, heartbeat: Heartbeat, now: float) -> None:
        """The heartbeat went out at ``now``. One that could not be sent stays due, and is made anew."""
        self._cadence.sent(heartbeat.may_run, now)

    def until_next_beat(self, now: float) -> float:
        """Return the seconds until a heartbeat is due by the period; infinity if only overdue ones are."""
        return self._cadence.until_next(now)

    def last_heartbeat(self, gone: bool) -> Heartbeat:
        """Return the heartbeat with which this failover agent, which ends in order, says farewell.

        :param gone: whether the managed agent has been stopped here.
        """
        return replace(self._new_heartbeat(), leaving=True, may_run=not gone and self.may_run,
                       state=AgentState.STOPPED.value if gone else self.agent.value)

    def believes(self, heartbeat: Heartbeat) -> bool:
        """Whether what this heartbeat says of its sender is known for good, so that it may be acknowledged."""
        return True

    def _next_heartbeat(self, cadence: Cadence, now: float) -> Optional[Heartbeat]:
        if not self.platform_answers(now) or not cadence.due(self.may_run, now):
            return None
        heartbeat = self._new_heartbeat(clock=now)
        self._sent[heartbeat.sequence] = now
        while self._sent[next(iter(self._sent))] <= now - self.terms.timeout:
            del self._sent[next(iter(self._sent))]
        return heartbeat

    def _new_heartbeat(self, **more: Any) -> Heartbeat:
        self._sequence += 1
        acknowledges = self.peer is not None and self.believes(self.peer)
        return Heartbeat(
            instance_name=self._instance_name,
            vip_identity=self._vip_identity,
            agent_vip_identity=self._config.agent_vip_identity,
            agent_id=self._config.agent_id,
            mode=self._config.mode,
            timeout=self._config.timeout,
            heartbeat_period=self._config.heartbeat_period,
            stop_grace=self._config.stop_grace,
            boot_id=self.boot_id,
            sequence=self._sequence,
            heard_boot_id=self.peer.boot_id if acknowledges else None,
            heard_sequence=self.peer.sequence if acknowledges else None,
            may_run=self.may_run,
            state=self.agent.value,
            trouble=self.trouble,
            yields=self._yields,
            **more)

    def rival(self, now: float) -> Optional[str]:
        """Return the name of an instance that, by a heartbeat within ``timeout``, is configured with this side's role.

        It is this side's own name if its heartbeats come back to itself.
        """
        names = [(self._rival.instance, self._rival.at)] if self._rival is not None else []
        names += [self._stranger] if self._stranger is not None else []
        return next((name for name, at in names if now - at < self._config.timeout), None)

    # Both sides configured with the same role

    @property
    def peer_instance(self) -> Optional[str]:
        """The other platform's instance name, if it is known."""
        return self._config.remote_instance_name or self._known_instance

    def _is_alike(self, heartbeat: Heartbeat) -> bool:
        """Whether the sender has this side's role, by its configuration."""
        return heartbeat.agent_id == self._config.agent_id

    def _note_role(self, heartbeat: Heartbeat, now: float) -> None:
        """Take note of a sender whose role is the same as this side's, or no longer is."""
        before = self._rival
        if not self._is_alike(heartbeat):
            self._known_instance = heartbeat.instance_name
            if before is not None and before.instance == heartbeat.instance_name:
                self._rival = None
        else:
            if before is None or before.instance != heartbeat.instance_name or now - before.at >= self._config.timeout:
                before = _Rival(heartbeat.instance_name, heartbeat.boot_id, now, now, False, False)
            is_certain = before.is_certain or (before.boot_id == heartbeat.boot_id
                                               and now - before.since >= self._config.heartbeat_period / 2)
            self._rival = before._replace(boot_id=heartbeat.boot_id, at=now, is_certain=is_certain,
                                          yields=heartbeat.yields)
        self._take_role(now)

    def _take_role(self, now: float) -> None:
        """Decide which side is preferred; all else goes by :attr:`role`.

        Of two sides that are configured alike, the one whose instance name comes first in the alphabet acts as the
        primary. The other one yields, which means that it acts as the secondary, and says so. To a peer that should yield
        and does not say so this side yields itself, unless it is a primary that has just met it.
        """
        rival, before = self._rival, self.role
        self.role, self._yields = self._config.agent_id, False
        if rival is not None and rival.is_certain and now - rival.at < self._config.timeout:
            self._yields = (rival.instance, rival.boot_id) < (self._instance_name, self.boot_id)
            has_time = self._config.agent_id == "primary" and now - rival.since < self._config.timeout
            self.role = "primary" if not self._yields and (rival.yields or has_time) else "secondary"
        if self.role == "primary" != before and self.peer is not None and self.peer.may_run:
            # A simple primary first lets the other side stop what runs there.
            self._hold_until = max(self._hold_until, now + min(self.terms.stop_grace, sum(self.terms)))

    # This machine may have been set back or halted

    def _suspect(self, before: Optional[_Suspicion], heartbeat: Heartbeat, now: float) -> Tuple[_Suspicion, bool]:
        """Return the suspicion that this heartbeat raises, and whether an earlier one confirms it."""
        if before is None or before.boot_id != heartbeat.boot_id:
            return _Suspicion(heartbeat.boot_id, now), False
        return before, now - before.since >= self._config.heartbeat_period / 2

    def _check_own_past(self, heartbeat: Heartbeat, now: float) -> None:
        """Find out whether this machine was set back to a snapshot, or its clock stood still, while the other side lived.

        It was set back if the other side acknowledges what this one has not sent yet. Its clock stood still if the
        difference between the two clocks is smaller than it can be: a heartbeat that acknowledges one of this side's shows
        how large it is at least, and any heartbeat how large it is at most.
        """
        is_answer = heartbeat.heard_boot_id == self.boot_id
        if is_answer and heartbeat.heard_sequence > self._sequence:
            self._set_back, is_certain = self._suspect(self._set_back, heartbeat, now)
            if is_certain:
                self.boot_id = "{}-{}".format(self._first_boot_id, heartbeat.heard_sequence)
                self._forget_own_past("this machine was set back to a snapshot: the other side acknowledges heartbeats "
                                      "that it has not sent yet", now)
            return
        self._set_back = None
        if heartbeat.clock is not None:
            sent = self._sent.get(heartbeat.heard_sequence) if is_answer else None
            self._check_own_clock(heartbeat, None if sent is None else sent - heartbeat.clock, now)

    def _check_own_clock(self, heartbeat: Heartbeat, lead: Optional[float], now: float) -> None:
        """Compare the two clocks.

        :param lead: by how much this side's is ahead at least, by this heartbeat; None if it does not say.
        """
        known = self._clock_lead
        if known is None or known.boot_id != heartbeat.boot_id:
            known = _ClockLead(heartbeat.boot_id, -inf, now, -inf)
        at_least = known.at_least - (CLOCKS_APART - 1) * (now - known.at)
        missing = at_least - (now - heartbeat.clock)
        if missing > self._config.heartbeat_period / 2:
            self._slept, is_certain = self._suspect(self._slept, heartbeat, now)
            if is_certain:
                self._forget_own_past("the clock of this machine stood still for {:.1f} s or more: it must go on while a "
                                      "virtual machine is paused".format(missing), now)
            return
        self._slept = None
        if lead is not None:
            confirmed = min(lead, known.last)
            if confirmed > at_least:
                known = known._replace(at_least=confirmed, at=now)
            self._clock_lead = known._replace(last=lead)

    def _forget_own_past(self, why: str, now: float) -> None:
        """What this side knew of when things were does not hold any more. It begins anew, as after a start."""
        self.news.append(why)
        self._set_back = self._slept = self._clock_lead = None
        self._sent.clear()
        self._listening_since = now

    def _refusal(self, heartbeat: Heartbeat, now: float) -> Optional[str]:
        if heartbeat.agent_vip_identity != self._config.agent_vip_identity:
            return "it is about another managed agent, {}".format(heartbeat.agent_vip_identity)
        if self._is_alike(heartbeat) and (heartbeat.boot_id == self.boot_id
                                          or self.peer_instance not in (None, heartbeat.instance_name)):
            self._stranger = heartbeat.instance_name, now
            return "its sender {} is configured as {} too".format(heartbeat.instance_name, heartbeat.agent_id)
        return self._why_not_newer(heartbeat, now)

    def _why_not_newer(self, heartbeat: Heartbeat, now: float) -> Optional[str]:
        """Return why the number of a heartbeat shows that it is not new, or not genuine; None if it may be new.

        A number counts for half of ``timeout``. So one that was forged, or that a fault made too high, does not hide
        the genuine ones until this side believes in a silence that there is not.
        """
        newest = self._newest.get(heartbeat.boot_id)
        if newest is None:
            return None
        if heartbeat.sequence - newest.sequence > _JUMP + _JUMP_PER_SECOND * (now - newest.at):
            return "its number is {}, after {}: it is broken or forged".format(heartbeat.sequence, newest.sequence)
        outdated = now - newest.at >= self._config.timeout / 2 and heartbeat.sequence != newest.sequence
        return STALE if heartbeat.sequence <= (newest.before if outdated else newest.sequence) else None
