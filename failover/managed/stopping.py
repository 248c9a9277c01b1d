"""How the managed agent is stopped: through control and, where that fails, by signals."""

from typing import Any, Callable, List, Optional

import gevent

from failover import clock, process
from failover.control import ControlError, ControlSilent, ManagedAgent, NotAuthorized
from failover.managed.processes import Processes
from failover.runs import Runs

__all__ = ["Stopper"]

# Seconds.
_LOOK_EVERY = 0.02
# So much later than it should have, a call has not ended by its own time limit: VOLTTRON may have swallowed that.
_OVERDUE = 0.1


class Stopper:
    """Stops the managed agent.

    :param platform_lives: whether the process of the local platform exists.
    """

    def __init__(self, managed: ManagedAgent, processes: Processes, runs: Runs, platform_lives: Callable[[], bool]):
        self._managed = managed
        self._processes = processes
        self._runs = runs
        self._platform_lives = platform_lives

    def stop(self, grace: float, former: Optional["gevent.Greenlet[..., Any]"] = None) -> None:
        """Stop the managed agent: control gets half of the time, then, or if it cannot, its processes are ended.

        :param grace: seconds, within which it is gone. With hardly any left, its processes are killed at once.
        :param former: what was being done before; a start, if it is not left to end, may take effect after the stop.
        :raises NotAuthorized: control refused; the processes have been ended all the same.
        :raises ControlError: it still runs.
        """
        managed, processes = self._managed, self._processes
        deadline, unseen = clock.now() + grace, self._managed.unseen_pid is not None
        refusal: Optional[ControlError] = None
        self._runs.stop_begun()
        try:
            known = processes.all()  # Later, when its main process has gone, not everything shows whose it is.
        except OSError:
            known = [managed.process] if managed.process is not None and process.lives(managed.process) else []
            unseen = unseen or not known
        if former is not None:
            former.join(grace / 4)
            former.kill(block=False)
        if not self._platform_lives():
            why = "its platform is gone"
        elif grace < process.TIME_TO_ASK and not unseen:
            why = "it may not run here"
        elif not known and former is None and not unseen:
            why = "it appeared while it was being stopped"
        elif process.ignores_interrupt(managed.process):
            why = "it ignores SIGINT, by which the platform stops agents"
        else:
            why = "control did not end it"
            # What cannot be seen cannot be killed either.
            refusal = self._stop_by_control(max(grace / 2, managed.answer_within) if unseen else grace / 2, known)
            why = why if refusal is None else str(refusal)
        processes.end_all(deadline - clock.now(), why, known)
        while managed.start_is_open and clock.now() < deadline:
            gevent.sleep(_LOOK_EVERY)
            processes.end(lambda: processes.beside(None), 0.0, "its start had been broken off")
        processes.end(lambda: processes.beside(None), deadline - clock.now(), "its start had been broken off")
        if refusal is not None and (unseen or isinstance(refusal, NotAuthorized)):
            raise refusal

    def _stop_by_control(self, within: float, known: List[process.Process]) -> Optional[ControlError]:
        """Have control stop the agent, and return its refusal.

        Control looks for the end of a process less and less often, and says so up to 0.6 s later. That is not waited for.
        """
        stopping = gevent.spawn(self._managed.try_stop, within)
        deadline = clock.now() + within + _OVERDUE
        while not stopping.ready() and (not known or any(map(process.lives, known))):
            if clock.now() >= deadline:
                stopping.kill(block=False)
                return ControlSilent("control did not answer within {:g} s".format(within))
            stopping.join(_LOOK_EVERY)
        return stopping.get() if stopping.ready() else None
