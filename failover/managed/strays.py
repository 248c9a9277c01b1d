"""What control does not know of: processes of the managed agent beside the one that control has started."""

from typing import Any, Callable, Dict, List, Optional

import gevent

from failover import clock, process
from failover.control import ControlError, ManagedAgent
from failover.decision.effects import EndStrays
from failover.decision.events import StraysEnded
from failover.loops import spawn_loop
from failover.managed.processes import Processes
from failover.runs import Runs

__all__ = ["Strays"]

# Seconds. Between the moment in which a process becomes an agent and that in which control knows of it lies hardly any.
_STARTED_WITHIN = 0.5
_STARTS_COINCIDE_WITHIN = 15.0


class Strays:
    """Finds and ends what the managed agent has left behind, or what was started twice.

    What an agent has forked may outlive it. A former process of the platform may have left orphans. Or two starts
    coincided, as that of the platform's monitor and another.

    :param faults: what is the matter, a text for each kind; "stray" is kept up to date in it.
    """

    def __init__(self, managed: ManagedAgent, processes: Processes, runs: Runs, post: Callable[[Any], None],
                 faults: Dict[str, str]):
        self._managed = managed
        self._processes = processes
        self._runs = runs
        self._post = post
        self._faults = faults
        self._searched_for: Optional[int] = None
        self._is_clean = False
        self._is_ending = False

    def unsettle(self) -> None:
        """Something has been done with the agent: look at everything the next time."""
        self._is_clean = False

    def search(self, is_running: bool) -> bool:
        """Return whether there are any beside the main process that control knows.

        All processes of the machine are looked at when that process is another one, or when it does not run any more. The
        platform's own children suffice later, and in the time after a start, because only they can have become the agent
        meanwhile.
        """
        managed = self._managed
        if self._is_ending:
            return True
        if is_running:
            self._is_clean = False
            found: List[process.Process] = []
            if self._runs.ran_for(clock.now()) < _STARTS_COINCIDE_WITHIN:
                found += self._processes.beside(managed.pid)
            if managed.pid != self._searched_for:
                found += process.leftovers(self._processes.all(), managed.process)
        elif self._is_clean and managed.last_pid == self._searched_for:
            found = self._processes.beside(None)
        else:
            found = self._processes.all()
            self._is_clean = not found
        self._searched_for = managed.last_pid
        return bool(found)

    def end(self, effect: EndStrays) -> None:
        """End them in the background."""
        self._is_ending = True
        spawn_loop(self._end, effect)

    def _end(self, effect: EndStrays) -> None:
        """End them. The platform may have started one a moment ago, and control does not know it yet."""
        all_of_them = False
        try:
            if not effect.all:
                gevent.sleep(_STARTED_WITHIN)
            if self._find(effect.all):
                why = "it may not run here" if effect.all else "control of this platform does not know it"
                self._processes.end(lambda: self._find(effect.all), effect.within, why)
            all_of_them = not self._find(effect.all)
            self._faults.pop("stray", None)
        except ControlError as error:
            self._faults["stray"] = "{} runs here unknown to the platform: {}".format(self._managed.identity, error)
        finally:
            self._is_ending = False
            self._post(StraysEnded(self._managed.identity, all_of_them))

    def _find(self, all_of_them: bool) -> List[process.Process]:
        """Return the processes of the managed agent that control does not know.

        :raises ControlError: control does not say which ones it knows, and some may run here.
        """
        found = self._processes.all()
        if not found or all_of_them:
            return found
        pid = self._managed.ask_pid()
        return process.leftovers(found, process.find(pid)) + [
            one for one in self._processes.beside(pid) if one in found]
