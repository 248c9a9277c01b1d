"""Starts and stops the managed agent."""

import logging
from typing import Any, Callable, Dict, Optional

import gevent

from failover import clock
from failover.control import ControlError, ManagedAgent, NotAuthorized
from failover.decision.effects import ForbidRestart, Launch, PrepareStart, Stop, Want
from failover.decision.events import CommandEnded, ReadyToStart, RestartForbidden, StartAnswered
from failover.decision.vocabulary import Command
from failover.loops import surviving
from failover.managed.processes import Processes
from failover.managed.stopping import Stopper
from failover.managed.strays import Strays
from failover.runs import Runs
from failover.text import clean

__all__ = ["Executor"]

_log = logging.getLogger(__name__)


class Executor:
    """Carries out one command at a time, through control and, where that fails, by signals.

    :param unauthorized: returns the text for the operator when this agent may not start and stop others.
    :param look_now: has the managed agent observed at once.
    :param faults: what is the matter, a text for each kind; "start", "stop" and "unauthorized" are kept in it.
    :ivar ended_at: seconds; when the last command ended.
    """

    def __init__(self, managed: ManagedAgent, processes: Processes, strays: Strays, runs: Runs,
                 post: Callable[[Any], None], platform_lives: Callable[[], bool], unauthorized: Callable[[], str],
                 faults: Dict[str, str]):
        self.look_now: Callable[[], None] = lambda: None
        self.ended_at = 0.0
        self._managed = managed
        self._processes = processes
        self._strays = strays
        self._runs = runs
        self._post = post
        self._stopper = Stopper(managed, processes, runs, platform_lives)
        self._platform_lives = platform_lives
        self._unauthorized = unauthorized
        self._faults = faults
        self._wanted: Optional[Command] = None
        self._open: Optional[int] = None
        self._greenlet: Optional[gevent.Greenlet[..., Any]] = None

    @property
    def is_busy(self) -> bool:
        """Whether a command is under way."""
        return self._open is not None

    @property
    def wants_it_to_run(self) -> bool:
        """Whether the managed agent should run here."""
        return self._wanted is Command.START

    def want(self, effect: Want) -> None:
        """From now on the managed agent should run, should not, or is left as it is."""
        self._wanted = effect.wanted
        self._processes.want(effect.is_strict and effect.wanted is Command.STOP)
        self.look_now()

    def settled(self) -> None:
        """The managed agent does not run, and the platform will not start it by itself."""
        self._processes.settled()

    def runs(self) -> None:
        """The managed agent runs."""
        if not self._processes.may_nothing_run:
            self._processes.may_come()

    def has_failed(self, command: Command) -> bool:
        """Whether the last attempt at this command failed."""
        return bool(self._faults.keys() & {command.value, "unauthorized"})

    # Commands

    def prepare_start(self, effect: PrepareStart) -> None:
        """Look up in the background what a start needs."""
        self._begin(Command.START, effect.number, self._prepare)

    def launch(self, effect: Launch) -> None:
        """Have control start the agent, in the background, if it is not too late for that."""
        if effect.before is not None and clock.now() >= effect.before:
            _log.info("%s is not started: it may not run here any more", effect.agent)
            self._post(StartAnswered(effect.agent, effect.number))
            self._post(CommandEnded(effect.agent, effect.number, Command.START, True))
            return
        self._begin(Command.START, effect.number, self._launch)

    def stop(self, effect: Stop) -> None:
        """Stop the agent in the background. A start that is under way is waited for a little, then left."""
        former = self._greenlet if self.is_busy else None
        deadline = clock.now() + effect.within
        self._begin(Command.STOP, effect.number, lambda number: self._stop(number, deadline, former))

    def _begin(self, command: Command, number: int, act: Callable[[int], None]) -> None:
        self._strays.unsettle()
        self._open = number
        self._greenlet = gevent.spawn(self._carry_out, command, number, act)

    def _carry_out(self, command: Command, number: int, act: Callable[[int], None]) -> None:
        try:
            act(number)
            return
        except NotAuthorized:
            self._faults["unauthorized"] = self._unauthorized()
        except ControlError as error:
            self._fail(command, str(error))
        except gevent.GreenletExit:
            raise
        except BaseException as error:  # Whatever it is, the next attempt must come.
            _log.exception("%s of %s", command.value, self._managed.identity)
            self._fail(command, clean(repr(error)))
        self._ended(command, number, False)

    def _ended(self, command: Command, number: int, succeeded: bool, is_gone: bool = False) -> None:
        if succeeded:
            _log.info("%s: %s done", command.value, self._managed.identity)
        self._post(CommandEnded(self._managed.identity, number, command, succeeded, is_gone))
        if number == self._open:
            self._open = None
            self.ended_at = clock.now()
            self.look_now()

    def _fail(self, command: Command, why: str) -> None:
        hint = "see the platform's log"
        if self._managed.uuid is not None:
            hint += ", and try `vctl {} {}`".format(command.value, self._managed.uuid)
        elif command is Command.START:
            hint = "run `vctl install` if `vctl status` does not show it"
        self._faults[command.value] = "{} of {} failed: {}; {}".format(command.value, self._managed.identity, why, hint)

    def _prepare(self, number: int) -> None:
        self._say(Command.START)
        self._managed.look_up()
        if number == self._open:
            self._open = None
        self._post(ReadyToStart(self._managed.identity, number))

    def _launch(self, number: int) -> None:
        self._processes.may_come()
        self._managed.start(lambda: self._post(StartAnswered(self._managed.identity, number)))
        self._runs.start_accepted(clock.now())
        self._ended(Command.START, number, True)

    def _stop(self, number: int, deadline: float, former: Optional["gevent.Greenlet[..., Any]"]) -> None:
        self._say(Command.STOP)
        try:
            self._stopper.stop(deadline - clock.now(), former)
        except NotAuthorized:
            self._faults["unauthorized"] = self._unauthorized()
            self._ended(Command.STOP, number, False, is_gone=self._managed.unseen_pid is None)
        else:
            self._faults.pop(Command.STOP.value, None)
            self._ended(Command.STOP, number, True, is_gone=True)

    def _say(self, command: Command) -> None:
        _log.log(logging.DEBUG if self.has_failed(command) else logging.INFO, "%s: %s", command.value,
                 self._managed.identity)

    def stop_for_good(self, within: float) -> None:
        """Stop the managed agent, because the failover agent itself stops.

        :param within: seconds.
        :raises ControlError: it may still run, or run again.
        """
        self._stopper.stop(within, self._greenlet if self.is_busy else None)
        if self._managed.start_is_open:
            raise ControlError("control has not answered a start of {}, which may take effect yet".format(
                self._managed.identity))

    def forbid_for_good(self) -> None:
        """See to it that the platform does not start it again.

        :raises ControlError: it may.
        """
        if self._platform_lives() and self._managed.uuid is not None:
            self._managed.forbid_restart()

    # The platform's own starts

    def forbid_restart(self, effect: ForbidRestart) -> None:
        """Keep the platform from starting the agent again by itself, in the background."""
        gevent.spawn(self._forbid, clock.now())

    def _forbid(self, asked_at: float) -> None:
        """If it may not be forbidden, the agent is stopped again each time."""
        done = False
        try:
            if self._managed.forbid_restart():
                _log.info("the platform will not start %s again by itself", self._managed.identity)
            done = True
        except NotAuthorized:
            self._faults["unauthorized"] = self._unauthorized()
            done = True
        except ControlError as error:
            _log.warning("the platform may start %s again: %s", self._managed.identity, error)
        finally:
            has_strays = False
            with surviving("the search for what is left of " + self._managed.identity):
                has_strays = done and not self.is_busy and self._strays.search(False)
            self._post(RestartForbidden(self._managed.identity, asked_at, done, has_strays))
            if done:
                self.settled()
                self.look_now()
