"""How the managed agent is: control is asked once a second."""

import logging
from typing import Any, Callable, Dict, Optional

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

# Seconds.
_WATCH_EVERY = 1.0


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
        self.retime(timeout)

    def retime(self, timeout: float) -> None:
        """Go by another ``timeout`` from now on, in seconds."""
        self._every = min(_WATCH_EVERY, timeout / 4)

    def run(self) -> None:
        """Observe once a second, and at once when :attr:`look_now` is set."""
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
            self.look_now.wait(self._every)
            self.look_now.clear()

    def _observed(self, state: Optional[AgentState], asked_at: float) -> None:
        managed = self._managed
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
            self._check_signals()

    def _check_signals(self) -> None:
        if process.may_signal(self._managed.process):
            self._faults.pop("signals", None)
        else:
            self._faults["signals"] = (
                "{} runs as another user than the failover agent, which therefore cannot end it when control does not: "
                "run the platform without a separate user for each agent".format(self._managed.identity))
