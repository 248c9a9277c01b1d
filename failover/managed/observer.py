"""How the managed agent is: control is asked now and then, and at once when the agent's process has ended."""

import logging
from typing import Any, Callable, Dict, Optional, Tuple

from gevent.event import Event

from failover import clock, process
from failover.control import ControlError, ControlSilent, ManagedAgent
from failover.decision.events import AgentFailed, AgentObserved, PlatformAnswered
from failover.decision.vocabulary import AgentState
from failover.managed.executor import Executor
from failover.managed.strays import Strays
from failover.runs import Runs
from failover.text import Once

__all__ = ["Observer"]

_log = logging.getLogger(__name__)

# Seconds between two questions: while something changes, and later.
_WATCH_EVERY, _CALM_EVERY = 1.0, 2.0
# So long after a change it is calm. The platform's monitor, which looks every 10 s, has come by then.
_CALM_AFTER = 15.0
# Control does not answer for so long while `vctl install` runs.
_MAY_BE_SILENT = 3.0


class Observer:
    """Watches the managed agent.

    :param timeout: seconds; it is watched at least twice in the half of it in which a silent control is no silent platform.
    :param faults: what is the matter, a text for each kind; "signals" is kept up to date in it.
    """

    def __init__(self, managed: ManagedAgent, executor: Executor, strays: Strays, runs: Runs, timeout: float,
                 post: Callable[[Any], None], faults: Dict[str, str]):
        self._managed = managed
        self._executor = executor
        self._strays = strays
        self._runs = runs
        self._post = post
        self._faults = faults
        self._once = Once()
        self.look_now = Event()
        self._end = process.EndWatch(self.look_now.set)
        self._seen: Optional[Tuple[AgentState, Optional[int]]] = None
        self._seen_since = 0.0
        self.retime(timeout)

    def retime(self, timeout: float) -> None:
        """Go by another ``timeout`` from now on, in seconds."""
        self._every = min(_WATCH_EVERY, timeout / 4)
        self._calm_every = min(_CALM_EVERY, max(self._every, timeout / 2 - _MAY_BE_SILENT))
        self.look_now.set()

    def run(self) -> None:
        """Observe for ever, and at once when :attr:`look_now` is set."""
        while True:
            asked_at = clock.now()
            try:
                state = self._managed.observe()
            except ControlSilent as error:
                _log.debug("%s", error)
            except ControlError as error:
                self._post(PlatformAnswered())
                for line in self._once.filter(str(error), clock.now()):
                    _log.warning("%s", line)
            else:
                self._observed(state, asked_at)
                if state is None and asked_at - self._executor.ended_at < self._every:
                    continue  # It was looked up under which uuid it is installed. What a command has done is to be known now.
            self.look_now.wait(self._pause(clock.now()))
            self.look_now.clear()

    def _pause(self, now: float) -> float:
        """Return the seconds until the next question."""
        is_watched = self._end.watch(self._managed.process)
        is_running = self._seen is not None and self._seen[0] is AgentState.RUNNING
        is_calm = now - self._seen_since > _CALM_AFTER and not self._executor.is_busy and (is_watched or not is_running)
        return self._calm_every if is_calm else self._every

    def _observed(self, state: Optional[AgentState], asked_at: float) -> None:
        managed = self._managed
        if state is not None and (state, managed.last_pid) != self._seen:
            self._seen, self._seen_since = (state, managed.last_pid), asked_at
        is_running, is_stopped = state is AgentState.RUNNING, state is AgentState.STOPPED
        ended_badly = is_stopped and managed.ended_badly
        # What is being started, by control or by the platform's monitor, is no stray.
        is_settled = state is not None and not ended_badly and not (is_stopped and managed.start_is_open)
        has_strays = is_settled and not self._executor.is_busy and self._strays.search(is_running)
        if is_settled and not is_running:
            self._executor.settled()
        self._post(AgentObserved(managed.identity, state, asked_at, ended_badly, has_strays))
        if is_settled and not self._executor.is_busy and asked_at >= self._executor.ended_at:
            # What was asked before a command had ended says nothing about what that did.
            if not self._executor.wants_it_to_run:
                self._runs.stop_begun()
            if self._runs.seen(is_running, managed.last_pid, clock.now()):
                self._post(AgentFailed(managed.identity))
        if is_running:
            self._executor.runs()
            self._check_signals()

    def _check_signals(self) -> None:
        if self._managed.unseen_pid is not None:
            self._faults["signals"] = (
                "process {} of {} cannot be seen by the failover agent, which therefore cannot end it when control does not: run "
                "both as one user, or mount /proc without hidepid".format(self._managed.unseen_pid, self._managed.identity))
        elif process.may_signal(self._managed.process):
            self._faults.pop("signals", None)
        else:
            self._faults["signals"] = (
                "{} runs as another user than the failover agent, which therefore cannot end it when control does not: "
                "run the platform without a separate user for each agent".format(self._managed.identity))
