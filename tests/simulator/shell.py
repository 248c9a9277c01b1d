"""What the shell does with the managed agent: it observes it, and carries out commands through control and by signals."""

from math import inf
from typing import TYPE_CHECKING, List, Optional

from failover.decision.effects import EndStrays, ForbidRestart, Launch, PrepareStart, Stop, Want
from failover.decision.events import (
    AgentObserved,
    CommandEnded,
    PlatformAnswered,
    ReadyToStart,
    RestartForbidden,
    StartAnswered,
    StraysEnded,
)
from failover.decision.vocabulary import AgentState, Command
from tests.simulator.control import Answer, Process

if TYPE_CHECKING:
    from tests.simulator.agent import FailoverAgent

__all__ = ["Shell"]

# Answers that the agent does not run until its uuid is asked for.
_LOOK_UP_AFTER = 5

# Seconds.
_WATCH_EVERY, _CALM_EVERY, _CALM_AFTER, _MAY_BE_SILENT = 1.0, 2.0, 15.0, 3.0
_START_WITHIN = 30.0
_KEEP_AWAY_EVERY, _STARTS_WITHIN = 0.02, 5.0
_TIME_TO_ASK = 0.3
_STARTED_WITHIN = 0.5
# Control gets half of the time for a stop, then come three signals, each with its share of the rest: when SIGKILL does.
_KILLED_AFTER = 0.95


class Shell:
    """Steers the managed agent for one failover agent."""

    def __init__(self, agent: "FailoverAgent"):
        self._agent = agent
        self._side = agent.side
        self._control = agent.side.control
        self._name = agent.setup.agents[0]
        self._turn = 0
        self._is_asking = self._look_again = False
        self._answers = 0
        self._seen: Optional[Process] = None
        self._seen_since = agent.side.clock()
        self._may_nothing_run, self._kept_away_until = False, -inf
        self._wanted: Optional[Command] = None
        self._open: Optional[int] = None
        self._open_starts = 0
        self._stops_until: Optional[float] = None
        self._ends_strays = False
        self.command: Optional[tuple] = None
        self.performers = {Want: self._want, PrepareStart: self._prepare, Launch: self._launch, Stop: self._stop,
                           ForbidRestart: self._forbid, EndStrays: self._end_strays}

    def start(self) -> None:
        """Begin to observe."""
        self._side.after(0.2 * self._side.world.random.random(), self._look, self._turn)

    # Observing

    def _look_now(self) -> None:
        if self._is_asking:
            self._look_again = True
        else:
            self._look(self._turn)

    def _look(self, turn: int) -> None:
        if turn == self._turn and self._agent.lives:
            self._turn += 1
            self._is_asking = True
            self._control.ask(self._agent.answer_within, self._looked, self._side.clock())

    def _looked(self, answer: Answer, asked_at: float) -> None:
        self._is_asking = False
        if not self._agent.lives:
            return
        turn = self._turn
        if answer is Answer.ERROR:
            self._agent.post(PlatformAnswered())
        elif answer is Answer.GIVEN:
            self._observed(asked_at)
        if self._look_again and turn == self._turn:
            self._look_again = False
            self._look(turn)
        elif turn == self._turn:
            timeout = self._agent.setup.timing.timeout
            every = min(_WATCH_EVERY, timeout / 4)
            if self._open is None and self._side.clock() - self._seen_since > _CALM_AFTER:
                every = min(_CALM_EVERY, max(every, timeout / 2 - _MAY_BE_SILENT))
            self._side.after(every, self._look, turn)

    def ended(self, process: Process) -> None:
        """The kernel tells at once that the process has ended that was seen to run."""
        if process is self._seen and self._agent.lives:
            self._look_now()

    def _observed(self, asked_at: float) -> None:
        """While the agent does not run, the question is now and then for its uuid only."""
        control, post = self._control, self._agent.post
        if self._answers >= _LOOK_UP_AFTER:
            self._answers = 0
            post(AgentObserved(self._name, None, asked_at))
            return
        is_running = control.is_running
        self._answers = 0 if is_running else self._answers + 1
        seen = control.known if is_running else None
        if seen is not self._seen:
            self._seen, self._seen_since = seen, self._side.clock()
        ended_badly = not is_running and control.ended_badly
        is_settled = not ended_badly and (is_running or not self._open_starts)
        has_strays = is_settled and self._open is None and (self._ends_strays or bool(control.strays()))
        if is_settled and not is_running:
            self._settled()
        if is_running and not self._may_nothing_run:
            self._kept_away_until = -inf
        self._side.excuses.observed(is_running, asked_at)
        post(AgentObserved(self._name, AgentState.RUNNING if is_running else AgentState.STOPPED, asked_at, ended_badly,
                           has_strays))

    # Commands

    def _want(self, effect: Want) -> None:
        self._wanted = effect.wanted
        self._may_nothing_run = effect.is_strict and effect.wanted is Command.STOP
        self._look_now()

    def _prepare(self, effect: PrepareStart) -> None:
        self._side.world.start_commands.append((self._side.world.now, self._side.name))
        self._open, self.command = effect.number, effect
        self._control.ask(self._agent.answer_within, self._prepared, effect)

    def _prepared(self, answer: Answer, effect: PrepareStart) -> None:
        if self._open != effect.number:
            return
        if answer is Answer.GIVEN:
            self._open = self.command = None
            self._agent.post(ReadyToStart(effect.agent, effect.number))
        else:
            self._ended(effect.number, Command.START, False)

    def _launch(self, effect: Launch) -> None:
        side = self._side
        if effect.before is not None and side.clock() >= effect.before:
            self._agent.post(StartAnswered(effect.agent, effect.number))
            self._ended(effect.number, Command.START, False)
            return
        side.note("start asked for")
        self._kept_away_until = -inf
        self._open, self.command = effect.number, effect
        self._open_starts += 1
        is_over: List[bool] = []

        def answered(succeeded: bool) -> None:
            if is_over or not self._agent.lives:
                return
            is_over.append(True)
            self._open_starts -= 1
            self._agent.post(StartAnswered(effect.agent, effect.number))
            if self._open == effect.number:
                self._ended(effect.number, Command.START, succeeded)

        side.after(_START_WITHIN, answered, False)
        self._control.start(side.grace, answered)

    def _stop(self, effect: Stop) -> None:
        self._open, self.command = effect.number, effect
        self.end_all(effect.within, lambda: self._ended(effect.number, Command.STOP, True, True), effect.number)

    def _ended(self, number: int, command: Command, succeeded: bool, is_gone: bool = False) -> None:
        if self._open is None or self._open == number:
            self._open = self.command = None
        self._agent.post(CommandEnded(self._name, number, command, succeeded, is_gone))
        self._look_now()

    def end_all(self, within: float, done, number: Optional[int] = None) -> None:
        """End all processes of the managed agent, and whatever a start that is still open brings, within so many seconds."""
        side, control = self._side, self._control
        takes, status = 0.0, 0
        if control.processes or control.forking:
            side.note("stop begins, within {:.3f} s".format(within))
            side.world.stops.append((side.world.now, side.name))
            takes, status = self.ending_takes(within)
        until = side.clock() + within
        self._stops_until = until
        side.after(takes, self._gone, until, status, done, number)

    def ending_takes(self, within: float):
        """Return how long the agent takes to end, and its exit status. Whoever must be killed has not ended in order."""
        side, schedule = self._side, self._side.world.schedule
        chance = side.world.random
        if within < _TIME_TO_ASK:
            return min(within, 0.05) * chance.random(), -9
        in_order = schedule.stop_takes * side.grace * (1.0 if chance.random() < 0.5 else chance.random())
        can_ask = side.platform and not self._control.is_mute
        if schedule.obeys and in_order + (0.0 if can_ask else within / 2) < _KILLED_AFTER * within:
            return in_order + (0.0 if can_ask else within / 2), 0
        return within * (1.0 if chance.random() < 0.5 else _KILLED_AFTER), -9

    def _gone(self, until: float, status: int, done, number: Optional[int]) -> None:
        if not self._agent.lives and number is not None:
            return
        control, side = self._control, self._side
        if control.processes and status and self._may_nothing_run:
            self._kept_away_until = inf
        if number is None or number == self._open:
            control.end(list(control.processes), status)
            left = until - side.clock()
            if self._open_starts and left > 1e-6:
                side.after(min(0.1, left), self._gone, until, -9, done, number)
                return
        self._stops_until = None
        done()

    def appeared(self, process: Process) -> None:
        """The platform has started a copy. It is killed at once while it must not be there."""
        is_being_stopped = self._stops_until is not None and self._side.clock() < self._stops_until and self._open_starts
        is_kept_away = self._may_nothing_run and self._side.clock() < self._kept_away_until and self._side.platform
        if is_being_stopped or is_kept_away:
            self._kept_away_until = inf
            self._side.after(_KEEP_AWAY_EVERY, self._control.end_copy, process)

    def _settled(self) -> None:
        self._kept_away_until = min(self._kept_away_until, self._side.clock() + _STARTS_WITHIN)

    def _forbid(self, effect: ForbidRestart) -> None:
        self._control.ask(self._agent.answer_within, self._forbidden, effect, self._side.clock())

    def _forbidden(self, answer: Answer, effect: ForbidRestart, asked_at: float) -> None:
        if not self._agent.lives:
            return
        done = answer is Answer.GIVEN
        if done:
            self._control.clear_status()
            self._settled()
        has_strays = done and self._open is None and bool(self._control.strays())
        self._agent.post(RestartForbidden(effect.agent, asked_at, done, has_strays))
        if done:
            self._look_now()

    def _end_strays(self, effect: EndStrays) -> None:
        self._ends_strays = True
        if effect.all:
            self._side.after(min(0.1, effect.within), self._strays_found, Answer.GIVEN, effect)
        else:
            self._side.after(_STARTED_WITHIN, self._control.ask, self._agent.answer_within, self._strays_found, effect)

    def _strays_found(self, answer: Answer, effect: EndStrays) -> None:
        if answer is not Answer.GIVEN:
            self._strays_ended(effect, [], False)
            return
        found = list(self._control.processes) if effect.all else self._control.strays()
        takes = self._side.world.random.random() * max(0.0, effect.within - 0.1)
        self._side.after(takes if found else 0.0, self._strays_ended, effect, found, True)

    def _strays_ended(self, effect: EndStrays, found: List[Process], all_of_them: bool) -> None:
        if self._agent.lives:
            if found and self._may_nothing_run:
                self._kept_away_until = inf
            self._control.end(found, -9)
            self._ends_strays = False
            self._agent.post(StraysEnded(effect.agent, all_of_them))

