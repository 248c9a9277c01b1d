"""Steers the managed agent of the own platform: watches it, starts it, and stops it so that it is gone in time."""

import logging
from typing import Any, Callable, Dict, Iterator, List, Optional, Set

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
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = {Action.START: 60.0, Action.STOP: 4.0}


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
        self._simple = config.simple_behavior
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
        self._strays: List[process.Process] = []
        self._looked_everywhere = False
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
            self._rules.agent_observed(AgentState.UNKNOWN if self._has_strays(state) else state, asked_at, now)
        if state is AgentState.RUNNING:
            self._check_signals()
            if now - self._not_before[Action.START] > _LONGEST_PAUSE[Action.START]:
                self.permit_at_once(Action.START)
        if self._rules.agent is not before or state is AgentState.RUNNING and "stop" in self.faults:
            self._wake.set()

    def _keep_stopped(self) -> bool:
        """See to it that the platform does not start the agent again by itself: that is for this agent to decide.

        :return: whether the agent can be said not to run. If it may not be prevented, the agent is stopped again.
        """
        if self._simple and self._wanted is not Action.STOP:
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

    def _has_strays(self, state: AgentState) -> bool:
        """Whether copies of the managed agent run that control does not know. They are ended.

        A former process of the platform left them, for which it suffices to look once: later, this agent itself ends
        what its platform leaves. Or two starts coincided: that of the platform's monitor and another.
        """
        if not self._looked_everywhere:
            self._begin_to_end(self._processes())
            self._looked_everywhere = True
        elif state in (AgentState.STOPPED, AgentState.MISSING) and self._current is None and not self._strays:
            self._begin_to_end(process.started_agents(self.managed.identity, compat.volttron_home()))
        self._strays = [one for one in self._strays if process.lives(one)]
        return bool(self._strays)

    def _begin_to_end(self, found: List[process.Process]) -> None:
        self._strays = [one for one in found if one.pid != self.managed.pid]
        if self._strays:
            gevent.spawn(self._end_strays)

    def _end_strays(self) -> None:
        while self._strays:
            for one in self._strays:
                try:
                    if one.pid != self.managed.ask_pid():  # It may have been started a moment ago.
                        self._end(one, self._rules.terms.stop_grace, "control of this platform does not know it")
                    self._strays = [other for other in self._strays if other is not one]
                except Exception as error:  # Whatever it is, the next attempt must come.
                    if not isinstance(error, ControlError):
                        _log.exception("stop of a stray copy of %s", self.managed.identity)
                    self.faults["stray"] = "{} runs here unknown to the platform: {}".format(
                        self.managed.identity, error)
            gevent.sleep(_FIRST_PAUSE if self._strays else 0)
        self.faults.pop("stray", None)
        self._watch_now.set()

    def _processes(self) -> List[process.Process]:
        return process.agents(self.managed.identity, compat.volttron_home())

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
            self._pauses[command] = pauses(_FIRST_PAUSE, _LONGEST_PAUSE[command])
            self._not_before[command] = 0.0

    def may_begin(self, command: Action, now: float) -> bool:
        """Whether the command would not follow the same one before it too soon."""
        return now >= self._not_before[command]

    def has_failed(self, command: Action) -> bool:
        """Whether the last attempt at this command failed."""
        return bool(self.faults.keys() & {command.value, "unauthorized"})

    def begin(self, command: Action, now: float) -> None:
        """Carry out a command in the background. A start that is still under way is waited for a little, then left."""
        self._not_before[command] = now + next(self._pauses[command])
        self._rules.command_begun(command)
        self._current = gevent.spawn(self._carry_out, command, self._current)

    def _carry_out(self, command: Action, former: Optional[gevent.Greenlet]) -> None:
        agent = self.managed.identity
        _log.log(logging.DEBUG if self.has_failed(command) else logging.INFO, "%s: %s", command.value, agent)
        try:
            if command is Action.START:
                self.managed.start(lambda: self._rules.may_start(clock.now()))
            else:
                self._stop(self._rules.terms.stop_grace, former)
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
        if self._current is gevent.getcurrent():
            self._current = None
            self._rules.command_ended(clock.now())
            self._watch_now.set()

    def _fail(self, command: Action, why: str) -> None:
        self.faults[command.value] = "{} of {} failed: {}; see the platform's log, and try `vctl {} {}`".format(
            command.value, self.managed.identity, why, command.value, self.managed.uuid)

    def _stop(self, grace: float, former: Optional[gevent.Greenlet] = None) -> None:
        """Stop the managed agent: control gets half of the time, then, or if it cannot, its process is ended.

        :param grace: seconds, within which it is gone.
        :param former: what was being done before; a start, if it is not left to end, may take effect after the stop.
        :raises NotAuthorized: control refused; the process has been ended all the same.
        :raises ControlError: it still runs.
        """
        deadline = clock.now() + grace
        refusal: Optional[ControlError] = None
        if former is not None:
            former.join(grace / 4)
            former.kill(block=False)
        try:
            if self._rules.has_platform:
                self.managed.stop(grace / 2)
        except ControlError as error:
            refusal = error
        if refusal is not None:
            why = str(refusal)
        else:
            why = "control did not end it" if self._rules.has_platform else "its platform is gone"
        self.end_processes(deadline - clock.now(), why)
        self._rules.process_ended()
        if isinstance(refusal, NotAuthorized):
            raise refusal

    def end_processes(self, within: float, why: str) -> None:
        """End all processes of the managed agent without control, and say so.

        :param within: seconds.
        :raises ControlError: one still runs.
        """
        known = self.managed.process
        found = self._processes()
        if known is not None and known not in found:
            found.append(known)
        for one in found:
            self._end(one, within / len(found), why)

    def _end(self, target: process.Process, within: float, why: str) -> None:
        try:
            name = process.end(target, within)
        except PermissionError as error:
            raise ControlError("{}, and {}".format(why, error)) from None
        if name is not None:
            self._alert("process {} of {} was ended by {}: {}".format(target.pid, self.managed.identity, name, why))
        elif process.lives(target):
            raise ControlError("{}, and process {} does not end: run `kill -9 {}`".format(why, target.pid, target.pid))

    def finish(self) -> None:
        """Stop the managed agent for good, because the failover agent itself stops.

        :raises ControlError: it may still run, or run again.
        """
        self._stop(self._rules.terms.stop_grace, self._current)
        if self._rules.has_platform and self.managed.uuid is not None:
            self.managed.forbid_restart()

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
