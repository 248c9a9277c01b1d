"""Steers the managed agent of the own platform: watches it, starts it, and stops it so that it is gone in time."""

import logging
from typing import Any, Callable, Dict, Iterator, Optional, Set

import gevent
from gevent.event import Event

from failover import clock, compat, process
from failover.config import Config
from failover.control import ControlError, ControlSilent, ManagedAgent, NotAuthorized
from failover.core import Action, AgentState, Core
from failover.link import pauses

__all__ = ["Steering"]

_log = logging.getLogger(__name__)

# Seconds.
_WATCH_EVERY = 1.0
_AUTHORIZATION_EVERY, _AUTHORIZATION_EVERY_WHILE_MISSING = 60.0, 5.0
_AUTH_WITHIN = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


class Steering:
    """Watches the managed agent and carries out one command at a time. Its loops are :meth:`watch` and
    :meth:`check_authorization`.

    :param call: calls an agent of the own platform: ``call(peer, method, *args)`` returns the result.
    :param vip_identity: this agent's own.
    :param answer_within: seconds to wait for an answer of control.
    :param wake: set when there is something new to decide on.
    :param alert: called with a text when something was done that the operator should know of.
    :ivar faults: what is the matter, a text for each kind.
    """

    def __init__(self, config: Config, rules: Core, call: Callable[..., Any], vip_identity: str, answer_within: float,
                 wake: Event, alert: Callable[[str], None]):
        self.managed = ManagedAgent(call, config.agent_vip_identity, answer_within)
        self.faults: Dict[str, str] = {}
        self._rules = rules
        self._call = call
        self._vip_identity = vip_identity
        self._wake = wake
        self._alert = alert
        self._watch_now = Event()
        self._wanted: Optional[Action] = None
        self._current: Optional[gevent.Greenlet] = None
        self._pauses: Dict[Action, Iterator[float]] = {}
        self._not_before: Dict[Action, float] = {}
        self._said: Set[str] = set()
        self.permit_at_once(Action.START, Action.STOP)

    # Watching

    def watch(self) -> None:
        """Observe the managed agent once a second, and at once after a command."""
        while True:
            asked_at = clock.now()
            try:
                state = self.managed.observe()
            except ControlSilent as error:
                _log.debug("%s", error)
            except ControlError as error:
                self._rules.platform_answered(clock.now())
                if str(error) not in self._said:
                    self._said = {str(error)}
                    _log.warning("%s", error)
            else:
                self._observed(state, asked_at, clock.now())
            self._watch_now.wait(_WATCH_EVERY)
            self._watch_now.clear()

    def _observed(self, state: Optional[AgentState], asked_at: float, now: float) -> None:
        before = self._rules.agent
        if state is AgentState.STOPPED and self.managed.ended_badly and not self._keep_stopped():
            state = None
        if state is None:
            self._rules.platform_answered(now)
        else:
            self._rules.agent_observed(state, asked_at, now)
        if state is AgentState.RUNNING:
            self._check_signals()
            if now - self._not_before[Action.START] > _LONGEST_PAUSE:
                self.permit_at_once(Action.START)
        if self._rules.agent is not before or state is AgentState.RUNNING and "stop" in self.faults:
            self._wake.set()

    def _keep_stopped(self) -> bool:
        """See to it that the platform does not start the agent again by itself where it should not run.

        :return: whether the agent can be said not to run. If it may not be prevented, the agent is stopped again.
        """
        if self._wanted is not Action.STOP:
            return True
        try:
            if self.managed.forbid_restart():
                _log.info("the platform will not start %s again by itself", self.managed.identity)
        except NotAuthorized:
            self.faults["unauthorized"] = self._unauthorized()
        except ControlError as error:
            _log.warning("the platform may start %s again: %s", self.managed.identity, error)
            return False
        return True

    def _check_signals(self) -> None:
        if process.may_signal(self.managed.process):
            self.faults.pop("signals", None)
        else:
            self.faults["signals"] = (
                "{} runs as another user than the failover agent, which therefore cannot end it when control does not: "
                "run the platform without users of their own for agents".format(self.managed.identity))

    # Commands

    def want(self, wanted: Optional[Action]) -> None:
        """From now on the managed agent should run, should not, or is left as it is (None)."""
        self._wanted = wanted
        self.permit_at_once(Action.START, Action.STOP)
        self._watch_now.set()

    def permit_at_once(self, *commands: Action) -> None:
        """Forget how often these commands were given: the next one need not wait."""
        for command in commands:
            self._pauses[command] = pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
            self._not_before[command] = 0.0

    def may_begin(self, command: Action, now: float) -> bool:
        """Whether the command would not follow the same one before it too soon."""
        return now >= self._not_before[command]

    def has_failed(self, command: Action) -> bool:
        """Whether the last attempt at this command failed."""
        return bool(self.faults.keys() & {command.value, "unauthorized"})

    def begin(self, command: Action, now: float) -> None:
        """Carry out a command in the background. One that is still under way is broken off."""
        self._not_before[command] = now + next(self._pauses[command])
        if self._current is not None:
            self._current.kill(block=False)
        self._rules.command_begun(command)
        self._current = gevent.spawn(self._carry_out, command)

    def _carry_out(self, command: Action) -> None:
        agent = self.managed.identity
        _log.log(logging.DEBUG if self.has_failed(command) else logging.INFO, "%s: %s", command.value, agent)
        try:
            if command is Action.START:
                self.managed.start()
            else:
                self.stop(self._rules.terms.stop_grace)
        except NotAuthorized:
            self.faults["unauthorized"] = self._unauthorized()
        except ControlError as error:
            self._fail(command, str(error))
        except Exception as error:  # Whatever it is, the next attempt must come.
            _log.exception("%s of %s", command.value, agent)
            self._fail(command, repr(error))
        else:
            _log.info("%s: %s done", command.value, agent)
            self.faults.pop(command.value, None)
            self.permit_at_once(Action.STOP)
        self._current = None
        self._rules.command_ended(clock.now())
        self._watch_now.set()

    def _fail(self, command: Action, why: str) -> None:
        self.faults[command.value] = "{} of {} failed: {}; see the platform's log, and try `vctl {} {}`".format(
            command.value, self.managed.identity, why, command.value, self.managed.uuid)

    def stop(self, grace: float) -> None:
        """Stop the managed agent: control gets half of the time, then, or if it cannot, its process is ended.

        :param grace: seconds, within which it is gone.
        :raises NotAuthorized: control refused; the process has been ended all the same.
        :raises ControlError: it still runs.
        """
        deadline = clock.now() + grace
        refusal: Optional[ControlError] = None
        try:
            if self._rules.has_platform:
                self.managed.stop(grace / 2)
        except ControlError as error:
            refusal = error
        if process.lives(self.managed.process):
            self.end_process(deadline - clock.now(), str(refusal) if refusal else "its platform is gone")
        elif refusal is not None and not isinstance(refusal, ControlSilent):
            raise refusal
        if isinstance(refusal, NotAuthorized):
            raise refusal

    def end_process(self, within: float, why: str) -> None:
        """End the managed agent's process without control, and say so.

        :param within: seconds.
        :raises ControlError: it still runs.
        """
        target = self.managed.process
        try:
            name = process.end(target, within)
        except PermissionError as error:
            raise ControlError("{}, and {}".format(why, error)) from None
        if name is not None:
            self._alert("process {} of {} was ended by {}: {}".format(target.pid, self.managed.identity, name, why))
        elif process.lives(target):
            raise ControlError("{}, and process {} does not end: run `kill -9 {}`".format(why, target.pid, target.pid))

    # Authorization

    def check_authorization(self) -> None:
        """Find out before the night of the takeover whether this agent may start and stop others."""
        while True:
            try:
                with gevent.Timeout(_AUTH_WITHIN):
                    missing = compat.missing_authorizations(self._call, self._vip_identity)
            except (gevent.Timeout, compat.RemoteError) as error:
                _log.debug("asking for authorizations: %s", error)
            else:
                if missing:
                    self.faults["unauthorized"] = self._unauthorized()
                elif self.faults.pop("unauthorized", None):
                    self.permit_at_once(Action.START, Action.STOP)
            gevent.sleep(_AUTHORIZATION_EVERY_WHILE_MISSING if "unauthorized" in self.faults else _AUTHORIZATION_EVERY)

    def _unauthorized(self) -> str:
        return "{} may not start and stop agents here: run `{}`".format(
            self._vip_identity, compat.authorize_command(self._vip_identity))
