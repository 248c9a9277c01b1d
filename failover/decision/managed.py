"""One managed agent: what is known of it, and how it gets to where the decision wants it."""

from math import inf
from typing import NamedTuple, Optional, Tuple

from failover.decision.decision import Decision
from failover.decision.effects import Effect, EndStrays, ForbidRestart, Launch, Note, NoteKind, PrepareStart, Stop, Want
from failover.decision.events import AgentObserved, CommandEnded, RestartForbidden
from failover.decision.vocabulary import AgentState, Command, Moment

__all__ = ["Backoff", "Managed", "Turn"]

# Seconds between two attempts at the same command: at first, and at most.
_FIRST_PAUSE, _LONGEST_START_PAUSE, _LONGEST_STOP_PAUSE = 1.0, 60.0, 4.0
# Seconds until strays are ended again that were not.
_STRAYS_PAUSE = 1.0
# Seconds after which a command is lost of which nothing was heard: a start, and a stop beyond the time that it has.
_START_LOST, _STOP_LOST = 120.0, 15.0

_GONE = (AgentState.STOPPED, AgentState.MISSING)


class Backoff(NamedTuple):
    """When the next attempt at a command may come.

    :ivar pause: seconds from the next attempt to the one after it.
    """

    not_before: Moment = -inf
    pause: float = _FIRST_PAUSE

    def tried(self, longest: float, now: Moment) -> "Backoff":
        """An attempt is made now."""
        return Backoff(now + self.pause, min(2 * self.pause, longest))


class Turn(NamedTuple):
    """What one of several managed agents may do now, beside the others.

    :ivar may_start: whether a start may begin.
    :ivar may_stop: whether a stop may begin.
    :ivar stop_within: seconds that it may take.
    """

    may_start: bool
    may_stop: bool
    stop_within: float


class Managed(NamedTuple):
    """What is known of a managed agent, and which command is under way.

    :ivar identity: its VIP identity.
    :ivar state: as last observed; UNKNOWN while the local platform does not answer.
    :ivar observed_at: when the question was asked by whose answer it is known.
    :ivar ended_at: when the last command ended.
    :ivar pending: the command that is under way.
    :ivar number: of the last command.
    :ivar lost_at: when that is given up if nothing is heard of it.
    :ivar is_ready: whether the start that is under way has everything that it needs.
    :ivar ran_last: whether it ran when that could last be told, or was then about to; or whether the platform may have
        started it by itself since, which it may while the agent is wanted and nothing is seen.
    :ivar launched_at: when control was asked for the start that it has not answered yet.
    :ivar launched: the number of that start.
    :ivar launch_takes: seconds within which it takes effect, by the times that held when it was ready.
    :ivar wanted: as last told to the shell.
    :ivar is_strict: as last told to the shell.
    :ivar strays_at: from when on strays are to be ended; infinity while that is being done, None if there are none.
    :ivar is_forbidding: whether the platform is being told not to start it.
    """

    identity: str
    observed_at: Moment
    ended_at: Moment
    state: AgentState = AgentState.UNKNOWN
    ran_last: bool = False
    pending: Optional[Command] = None
    number: int = 0
    lost_at: Moment = inf
    is_ready: bool = False
    launched_at: Optional[Moment] = None
    launched: int = 0
    launch_takes: float = 0.0
    start_backoff: Backoff = Backoff()
    stop_backoff: Backoff = Backoff()
    wanted: Optional[Command] = None
    is_strict: bool = False
    strays_at: Optional[Moment] = None
    is_forbidding: bool = False

    @property
    def may_run(self) -> bool:
        """False only if it is known not to run here."""
        return self.state not in _GONE

    # Evidence

    def unseen(self) -> "Managed":
        """The local platform does not answer: nothing is known."""
        return self if self.state is AgentState.UNKNOWN else self._replace(state=AgentState.UNKNOWN)

    def observed(self, event: AgentObserved, grace: float, forbids: bool,
                 now: Moment) -> "Tuple[Managed, Tuple[Effect, ...]]":
        """Take in what control says.

        :param grace: seconds for which a start that control has not answered yet may still take effect. It serves other
            calls meanwhile, and says that the agent does not run, though its process is about to appear. If that was
            longer when the start began, that still holds for it.
        :param forbids: whether the platform must not start the agent by itself.
        """
        managed = self
        if event.has_strays and self.strays_at is None:
            managed = self._replace(strays_at=now)
        if event.state is AgentState.STOPPED:
            if self.launched_at is not None and now - self.launched_at < max(grace, self.launch_takes):
                return managed, ()
            if event.ended_badly and forbids:
                if self.is_forbidding:
                    return managed, ()
                return managed._replace(is_forbidding=True), (ForbidRestart(self.identity),)
        return managed if event.state is None else managed._known(event.state, event.asked_at, now), ()

    def forbidden(self, event: RestartForbidden, now: Moment) -> "Managed":
        """The platform has been told not to start it, or could not be. If it was, the agent can be said not to run."""
        managed = self._replace(is_forbidding=False)
        if event.has_strays and self.strays_at is None:
            managed = managed._replace(strays_at=now)
        return managed._known(AgentState.STOPPED, event.asked_at, now) if event.done else managed

    def _known(self, state: AgentState, asked_at: Moment, now: Moment) -> "Managed":
        """The answer to a question asked before a command had ended says nothing about what the command did."""
        if self.pending is not None or asked_at < self.ended_at:
            return self
        if state in _GONE and self.strays_at is not None:
            return self._replace(state=AgentState.UNKNOWN, observed_at=asked_at)
        start = self.start_backoff
        if state is AgentState.RUNNING and now - start.not_before > _LONGEST_START_PAUSE:
            start = Backoff()
        return self._replace(state=state, observed_at=asked_at, ran_last=state is AgentState.RUNNING,
                             start_backoff=start)

    def ready(self, number: int, grace: float) -> "Managed":
        """The start has everything that it needs. It is launched once.

        :param grace: seconds within which it takes effect.
        """
        return self._replace(is_ready=True, launch_takes=grace) if number == self.number != self.launched else self

    def ended(self, event: CommandEnded, now: Moment) -> "Managed":
        """A command has ended. One whose place another one has taken does not count."""
        managed = self._replace(ran_last=False) if event.is_gone else self
        if event.number != self.number or self.pending is None:
            return managed
        return managed._replace(pending=None, is_ready=False, ended_at=now, lost_at=inf,
                                stop_backoff=Backoff() if event.succeeded else self.stop_backoff)

    def answered(self, number: int) -> "Managed":
        """Control has answered a start."""
        return self._replace(launched_at=None) if number == self.launched else self

    def strays_ended(self, all_of_them: bool, now: Moment) -> "Managed":
        """Strays were ended, or some are left."""
        return self._replace(strays_at=None if all_of_them else now + _STRAYS_PAUSE)

    def retry_allowed(self) -> "Managed":
        """The next attempt at any command need not wait."""
        return self._replace(start_backoff=Backoff(), stop_backoff=Backoff())

    # What to do

    def toward(self, decision: Decision, is_strict: bool, turn: Turn, now: Moment) -> "Tuple[Managed, Tuple[Effect, ...]]":
        """Return the next step to where the decision wants it.

        :param is_strict: while it should not run, whatever appears is killed at once.
        """
        managed, effects = self, ()  # type: Managed, Tuple[Effect, ...]
        wanted = decision.wanted
        if wanted is not self.wanted or is_strict is not self.is_strict:
            managed = self._replace(wanted=wanted, is_strict=is_strict, start_backoff=Backoff(), stop_backoff=Backoff())
            effects = (Want(self.identity, wanted, is_strict),)
        if wanted is Command.START and managed.state is AgentState.UNKNOWN and not managed.ran_last:
            managed = managed._replace(ran_last=True)
        if managed.pending is not None and now >= managed.lost_at:
            managed = managed._replace(pending=None, is_ready=False, ended_at=now, lost_at=inf)
        if managed.strays_at is not None and now >= managed.strays_at:
            managed = managed._replace(strays_at=inf)
            effects += (EndStrays(self.identity, turn.stop_within, is_strict and wanted is Command.STOP),)
        if managed._needs_stop(wanted):
            managed, more = managed._stopping(turn.stop_within, now) if turn.may_stop else (managed, ())
        elif managed.is_ready and managed.pending is Command.START:
            managed, more = managed._launching(decision, now)
        elif wanted is Command.START and turn.may_start and managed._can_start(decision.start_from, now):
            managed, more = managed._starting(now)
        else:
            return managed, effects
        return managed, effects + more

    def _stopping(self, within: float, now: Moment) -> "Tuple[Managed, Tuple[Effect, ...]]":
        if now < self.stop_backoff.not_before:
            return self, ()
        number = self.number + 1
        return self._replace(
            pending=Command.STOP, number=number, lost_at=now + within + _STOP_LOST, is_ready=False,
            stop_backoff=self.stop_backoff.tried(_LONGEST_STOP_PAUSE, now)), (Stop(self.identity, number, within),)

    def _launching(self, decision: Decision, now: Moment) -> "Tuple[Managed, Tuple[Effect, ...]]":
        if decision.wanted is not Command.START:
            return self._replace(pending=None, is_ready=False, ended_at=now, lost_at=inf), (
                Note(NoteKind.INFO, "{} is not started: it may not run here any more".format(self.identity)),)
        return self._replace(is_ready=False, launched_at=now, launched=self.number), (
            Launch(self.identity, self.number, decision.start_before),)

    def _can_start(self, start_from: Moment, now: Moment) -> bool:
        """Whether it is known to be stopped since the last command, and may be started again by now."""
        return (self.pending is None and self.state is AgentState.STOPPED and self.observed_at >= self.ended_at
                and now >= self.start_backoff.not_before and now >= start_from)

    def _starting(self, now: Moment) -> "Tuple[Managed, Tuple[Effect, ...]]":
        number = self.number + 1
        return self._replace(
            pending=Command.START, number=number, lost_at=now + _START_LOST, is_ready=False, state=AgentState.STARTING,
            ran_last=True, start_backoff=self.start_backoff.tried(_LONGEST_START_PAUSE, now)), (
                PrepareStart(self.identity, number),)

    def _needs_stop(self, wanted: Optional[Command]) -> bool:
        """A stop breaks off a start that is under way. Else it is due of what ran when that could last be told.

        Whether it can be observed now does not matter: control may be silent, or answer with errors.
        """
        return wanted is Command.STOP and (
            self.pending is Command.START or self.pending is None and self.ran_last and self.state not in _GONE)

    def deadline(self) -> Tuple[Moment, ...]:
        """Return the moments from which on a next step may be due that is not now."""
        moments = (self.start_backoff.not_before, self.stop_backoff.not_before)
        return moments if self.strays_at is None else moments + (self.strays_at,)
