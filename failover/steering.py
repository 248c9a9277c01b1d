"""Steers the managed agent of the own platform: watches it, starts it, and stops it so that it is gone in time."""

import logging
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

import gevent
from gevent.event import Event

from failover import clock, compat, process
from failover.backoff import pauses
from failover.config import Config
from failover.control import ControlError, ControlSilent, ManagedAgent, NotAuthorized
from failover.core import Action, AgentState, Core
from failover.loops import spawn_loop
from failover.runs import Runs
from failover.text import Once, clean

__all__ = ["Steering"]

_log = logging.getLogger(__name__)

# Seconds.
_WATCH_EVERY = 1.0
_AUTHORIZATION_EVERY, _AUTHORIZATION_EVERY_WHILE_MISSING = 60.0, 5.0
_AUTH_WITHIN = 10.0
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = {Action.START: 60.0, Action.STOP: 4.0}
# Between the moment in which a process becomes an agent and that in which control knows of it lies hardly any time.
_STARTED_WITHIN = 0.5
_KEEP_AWAY_EVERY = 0.02
_STARTS_COINCIDE_WITHIN = 15.0
# What an agent has forked may take so long to notice that the agent has ended.
_FOLLOWS_WITHIN = 0.5


class Steering:
    """Watches the managed agent and carries out one command at a time. Its loops are :meth:`watch` and
    :meth:`check_authorization`.

    :param call: calls an agent of the own platform: ``call(peer, method, *args)`` returns the result.
    :param vip_identity: this agent's own.
    :param answer_within: seconds to wait for an answer of control.
    :param wake: set when there is something new to decide on.
    :param alert: called with a text when something was done that the operator should know of.
    :ivar faults: what is the matter, a text for each kind.
    :ivar runs: how the managed agent has fared.
    """

    def __init__(self, config: Config, rules: Core, call: Callable[..., Any], vip_identity: str, answer_within: float,
                 wake: Event, alert: Callable[[str], None]):
        self.managed = ManagedAgent(call, config.agent_vip_identity, answer_within)
        self._simple = config.simple_behavior
        # At least twice in the time in which a silent control is still no silent platform.
        self._watch_every = min(_WATCH_EVERY, config.timeout / 4)
        self.faults: Dict[str, str] = {}
        self.runs = Runs()
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
        self._once = Once()
        self._has_strays = False
        self._searched_for: Optional[int] = None
        self._is_clean = False
        self._may_come_back = False
        self._command_ended_at = 0.0
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
                for line in self._once.filter(str(error), clock.now()):
                    _log.warning("%s", line)
            else:
                self._observed(state, asked_at, clock.now())
            self._watch_now.wait(self._watch_every)
            self._watch_now.clear()

    def _observed(self, state: Optional[AgentState], asked_at: float, now: float) -> None:
        before = self._rules.agent
        if state is AgentState.STOPPED and self._is_about_to_start(now):
            state = None
        elif state is AgentState.STOPPED and self.managed.ended_badly and not self._keep_stopped():
            state = None
        elif state in (AgentState.STOPPED, AgentState.MISSING):
            self._may_come_back = False
        if state is None:
            self._rules.platform_answered(now)
        else:
            self._search(state)
            runs_not = state is not AgentState.RUNNING
            self._rules.agent_observed(AgentState.UNKNOWN if runs_not and self._has_strays else state, asked_at, now)
            self._note_run(state is AgentState.RUNNING, asked_at, now)
        if state is AgentState.RUNNING:
            self._check_signals()
            if now - self._not_before[Action.START] > _LONGEST_PAUSE[Action.START]:
                self.permit_at_once(Action.START)
        if self._rules.agent is not before or state is AgentState.RUNNING and "stop" in self.faults:
            self._wake.set()

    def _is_about_to_start(self, now: float) -> bool:
        """Whether a start is unanswered, and may yet take effect: for as long as a stop may take."""
        return self.managed.start_is_open and now - self.managed.start_began_at < self._rules.terms.stop_grace

    def _note_run(self, running: bool, asked_at: float, now: float) -> None:
        """Remember how the agent fares. What was asked before a command had ended says nothing about what that did."""
        if self._current is not None or asked_at < self._command_ended_at:
            return
        if self._wanted is not Action.START:
            self.runs.stop_begun()
        self.runs.seen(running, self.managed.last_pid, now)

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

    # What control does not know of

    def _search(self, state: AgentState) -> None:
        """Look for processes of the managed agent beside the one that control knows, and have them ended.

        What an agent has forked may outlive it. A former process of the platform may have left orphans. Or two starts
        coincided, as that of the platform's monitor and another. All processes of the machine are looked at when the
        agent's main process is another one, or when it does not run any more. The platform's own children suffice later,
        and in the time after a start, because only they can have become the agent meanwhile.
        """
        if self._has_strays or self._current is not None:
            return
        if state is AgentState.RUNNING:
            self._is_clean = False
            found = []
            if self.runs.ran_for(clock.now()) < _STARTS_COINCIDE_WITHIN:
                found += self._doubles(self.managed.pid)
            if self.managed.pid != self._searched_for:
                found += process.leftovers(self._members(), self.managed.process)
        elif self._is_clean and self.managed.last_pid == self._searched_for:
            found = process.started_agents(self.managed.identity, compat.volttron_home())
        else:
            found = self._members()
            self._is_clean = not found
        self._searched_for = self.managed.last_pid
        if found:
            self._has_strays = True
            spawn_loop(self._end_strays)

    def _doubles(self, pid: Optional[int]) -> List[process.Process]:
        """Return the main processes of the managed agent that the platform has started beside the one that it knows."""
        return [one for one in process.started_agents(self.managed.identity, compat.volttron_home()) if one.pid != pid]

    @property
    def _may_nothing_run(self) -> bool:
        """Whether this is standard failover and this side has no lease."""
        return not self._simple and self._wanted is Action.STOP

    def _keep_away(self) -> None:
        """Kill in the same moment what the platform starts again because it was killed, until that is forbidden.

        A platform that hangs does not let itself be forbidden anything. When it goes on, it may start the agent before
        it answers.
        """
        try:
            while self._may_come_back and self._may_nothing_run and self._rules.has_platform:
                for one in self._doubles(None):
                    name = process.end(one, 0.0)
                    if name is not None:
                        self._alert("{} of {} was ended by {}: the platform started it though it may not run here".format(
                            _name([one.pid]), self.managed.identity, name))
                gevent.sleep(_KEEP_AWAY_EVERY)
        finally:
            self._may_come_back = False

    def _members(self, known: Sequence[process.Process] = ()) -> List[process.Process]:
        """Return all processes of the managed agent, and of those that are known to have been some the living ones."""
        found = process.members(self.managed.identity, compat.volttron_home(), self.managed.uuids, self.managed.process)
        return found + [one for one in known if one not in found and process.lives(one)]

    def _end_strays(self) -> None:
        """End what belongs to no agent that control knows, and do not rest before it is gone."""
        if not self._may_nothing_run:
            gevent.sleep(_STARTED_WITHIN)
        left = True
        while left:
            why = "it may not run here" if self._may_nothing_run else "control of this platform does not know it"
            try:
                left = bool(self._strays())
                if left:
                    self._end(self._strays, self._rules.stop_within(clock.now()), why)
            except ControlError as error:
                self.faults["stray"] = "{} runs here unknown to the platform: {}".format(self.managed.identity, error)
                gevent.sleep(_FIRST_PAUSE)
        self.faults.pop("stray", None)
        self._has_strays = False
        self._watch_now.set()

    def _strays(self) -> List[process.Process]:
        """Return the processes of the managed agent that control does not know. It may have started one a moment ago.

        :raises ControlError: control does not say which ones it knows, and some may run here.
        """
        found = self._members()
        if not found or self._may_nothing_run:
            return found
        pid = self.managed.ask_pid()
        return process.leftovers(found, process.find(pid)) + [one for one in self._doubles(pid) if one in found]

    def _check_signals(self) -> None:
        if process.may_signal(self.managed.process):
            self.faults.pop("signals", None)
        else:
            self.faults["signals"] = (
                "{} runs as another user than the failover agent, which therefore cannot end it when control does not: "
                "run the platform without a separate user for each agent".format(self.managed.identity))

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
        self._is_clean = False
        self._current = gevent.spawn(self._carry_out, command, self._current)

    def _carry_out(self, command: Action, former: Optional[gevent.Greenlet]) -> None:
        agent = self.managed.identity
        _log.log(logging.DEBUG if self.has_failed(command) else logging.INFO, "%s: %s", command.value, agent)
        try:
            if command is Action.START:
                if self.managed.start(lambda: self._rules.may_start(clock.now())):
                    self.runs.start_accepted(clock.now())
                else:
                    _log.info("%s is not started: it may not run here any more", agent)
            else:
                self._stop(self._rules.stop_within(clock.now()), former)
        except NotAuthorized:
            self.faults["unauthorized"] = self._unauthorized()
        except ControlError as error:
            self._fail(command, str(error))
        except gevent.GreenletExit:
            raise
        except BaseException as error:  # Whatever it is, the next attempt must come.
            _log.exception("%s of %s", command.value, agent)
            self._fail(command, clean(repr(error)))
        else:
            _log.info("%s: %s done", command.value, agent)
            if command is Action.STOP:  # A start has succeeded only when the agent still runs some seconds later.
                self.faults.pop(command.value, None)
            self.permit_at_once(Action.STOP)
        if self._current is gevent.getcurrent():
            self._current = None
            self._command_ended_at = clock.now()
            self._rules.command_ended(self._command_ended_at)
            self._watch_now.set()

    def _fail(self, command: Action, why: str) -> None:
        self.faults[command.value] = "{} of {} failed: {}; see the platform's log, and try `vctl {} {}`".format(
            command.value, self.managed.identity, why, command.value, self.managed.uuid)

    def _stop(self, grace: float, former: Optional[gevent.Greenlet] = None) -> None:
        """Stop the managed agent: control gets half of the time, then, or if it cannot, its processes are ended.

        :param grace: seconds, within which it is gone. With hardly any left, its processes are killed at once.
        :param former: what was being done before; a start, if it is not left to end, may take effect after the stop.
        :raises NotAuthorized: control refused; the processes have been ended all the same.
        :raises ControlError: it still runs.
        """
        deadline = clock.now() + grace
        refusal: Optional[ControlError] = None
        self.runs.stop_begun()
        known = self._members()  # Later, when its main process has gone, not everything shows whose it is.
        if former is not None:
            former.join(grace / 4)
            former.kill(block=False)
        if not self._rules.has_platform:
            why = "its platform is gone"
        elif grace < process.TIME_TO_ASK:
            why = "it may not run here"
        elif not known and former is None:
            why = "it appeared while it was being stopped"
        elif process.ignores_interrupt(self.managed.process):
            why = "it ignores SIGINT, by which the platform stops agents"
        else:
            why = "control did not end it"
            try:
                self.managed.stop(grace / 2)
            except ControlError as error:
                refusal, why = error, str(error)
        self.end_processes(deadline - clock.now(), why, known)
        while self.managed.start_is_open and clock.now() < deadline:
            gevent.sleep(_KEEP_AWAY_EVERY)
            self._end(lambda: self._doubles(None), 0.0, "its start had been broken off")
        self._end(lambda: self._doubles(None), deadline - clock.now(), "its start had been broken off")
        self._rules.process_ended()
        if isinstance(refusal, NotAuthorized):
            raise refusal

    def end_processes(self, within: float, why: str, known: Sequence[process.Process] = (),
                      spare: Optional[process.Process] = None) -> None:
        """End all processes of the managed agent without control, and say so.

        :param within: seconds.
        :param known: processes that are known to belong to it.
        :param spare: a process whose descendants are left alone: another process of the platform has started those.
        :raises ControlError: one still runs.
        """
        def look() -> List[process.Process]:
            found = self._members(known)
            others = [] if spare is None else process.started_by(spare, found)
            return [one for one in found if one not in others]

        deadline = clock.now() + within
        if self.managed.process is not None and not process.lives(self.managed.process):
            follow_until = clock.now() + min(_FOLLOWS_WITHIN, within / 4)
            while clock.now() < follow_until and look():
                gevent.sleep(_FOLLOWS_WITHIN / 10)
            why = "its main process left it behind"
        self._end(look, deadline - clock.now(), why)

    def _end(self, look: Callable[[], List[process.Process]], within: float, why: str) -> None:
        agent = self.managed.identity
        try:
            ended = process.end_all(look, within)
        except PermissionError as error:
            raise ControlError("{}, and {}".format(why, error)) from None
        if any(one.signal != "SIGINT" for one in ended) and self._may_nothing_run and not self._may_come_back:
            self._may_come_back = True
            spawn_loop(self._keep_away)
        for one in ended:
            self._alert("{} of {} was ended by {}: {}".format(_name(one.pids), agent, one.signal, why))
        left = [one.pid for one in look()]
        if left:
            raise ControlError("{}, and {} does not end: run `kill -9 {}`".format(
                why, _name(left), " ".join(map(str, left))))

    def finish(self, within: float) -> None:
        """Stop the managed agent for good, because the failover agent itself stops.

        :param within: seconds.
        :raises ControlError: it may still run, or run again.
        """
        self._stop(within, self._current)
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
                _log.debug("asking for authorizations: %s", clean(error))
            else:
                if missing:
                    self.faults["unauthorized"] = self._unauthorized()
                elif self.faults.pop("unauthorized", None):
                    self.permit_at_once(Action.START, Action.STOP)
            gevent.sleep(_AUTHORIZATION_EVERY_WHILE_MISSING if "unauthorized" in self.faults else _AUTHORIZATION_EVERY)

    def _unauthorized(self) -> str:
        return "{} may not start and stop agents here: run `{}`".format(
            self._vip_identity, compat.authorize_command(self._vip_identity))


def _name(pids: Sequence[int]) -> str:
    return "process {}".format(pids[0]) if len(pids) == 1 else "processes {}".format(", ".join(map(str, pids)))
