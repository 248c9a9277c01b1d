"""The processes of the managed agent, and their end without control."""

from math import inf
from typing import Callable, List, Optional, Sequence

import gevent

from failover import clock, compat, process
from failover.control import ControlError, ManagedAgent
from failover.loops import spawn_loop

__all__ = ["Processes", "named"]

# Seconds.
_KEEP_AWAY_EVERY = 0.02
# A start that the platform has begun by itself may take so long to take effect. To forbid others does not stop it.
_STARTED_WITHIN = 5.0
# What an agent has forked may take so long to notice that the agent has ended.
_FOLLOWS_WITHIN = 0.5


class Processes:
    """Finds the processes of the managed agent on this machine, and ends them.

    :param platform_lives: whether the process of the local platform exists.
    :param alert: called with a text when something was done that the operator should know of.
    :ivar may_nothing_run: whether whatever appears is to be killed at once. It is set by :meth:`want`.
    """

    def __init__(self, managed: ManagedAgent, platform_lives: Callable[[], bool], alert: Callable[[str], None]):
        self.may_nothing_run = False
        self._managed = managed
        self._platform_lives = platform_lives
        self._alert = alert
        self._kept_away_until = -inf
        self._is_keeping_away = False

    def want(self, may_nothing_run: bool) -> None:
        """From now on whatever appears is to be killed at once, or not any more."""
        self.may_nothing_run = may_nothing_run
        self._keep_away_from_now()

    def all(self, known: Sequence[process.Process] = ()) -> List[process.Process]:
        """Return all processes of the managed agent, and of those that are known to have been some the living ones.

        :raises OSError: the system lets nobody look: no file descriptor is left.
        """
        managed = self._managed
        found = process.members(managed.identity, compat.volttron_home(), managed.uuids, managed.process)
        return found + [one for one in known if one not in found and process.lives(one)]

    def beside(self, pid: Optional[int]) -> List[process.Process]:
        """Return the main processes of the managed agent that the platform has started beside the one of this pid.

        :raises OSError: the system lets nobody look.
        """
        return [one for one in process.started_agents(self._managed.identity, compat.volttron_home()) if one.pid != pid]

    def end_all(self, within: float, why: str, known: Sequence[process.Process] = (),
                spare: Optional[process.Process] = None) -> None:
        """End all processes of the managed agent, and say so.

        :param within: seconds.
        :param known: processes that are known to belong to it.
        :param spare: a process whose descendants are left alone: another process of the platform has started those.
        :raises ControlError: one still runs.
        """
        def look() -> List[process.Process]:
            found = self.all(known)
            others = [] if spare is None else process.started_by(spare, found)
            return [one for one in found if one not in others]

        deadline = clock.now() + within
        main = self._managed.process
        own = [*known] if main is None or main in known else [*known, main]
        if main is not None and not process.lives(main):
            follow_until = clock.now() + min(_FOLLOWS_WITHIN, within / 4)
            while clock.now() < follow_until and _found(look, own):
                gevent.sleep(_FOLLOWS_WITHIN / 10)
            why = "its main process left it behind"
        self.end(look, deadline - clock.now(), why, own)

    def end(self, look: Callable[[], List[process.Process]], within: float, why: str,
            known: Sequence[process.Process] = ()) -> None:
        """End the processes that are found, and say so.

        :param within: seconds.
        :param known: what is ended when nobody can look.
        :raises ControlError: one still runs, or may, because nobody can look.
        """
        try:
            ended = process.end_all(lambda: _found(look, known), within)
        except PermissionError as error:
            raise ControlError("{}, and {}".format(why, error)) from None
        if any(one.signal != "SIGINT" for one in ended) and self.may_nothing_run:
            self._kept_away_until = inf
            self._keep_away_from_now()
        for one in ended:
            self._alert("{} of {} was ended by {}: {}".format(named(one.pids), self._managed.identity, one.signal, why))
        try:
            left = [one.pid for one in look()]
        except OSError as error:
            raise ControlError("its processes cannot be looked at: {}".format(error)) from None
        if left:
            raise ControlError("{}, and {} does not end: run `kill -9 {}`".format(
                why, named(left), " ".join(map(str, left))))

    def _keep_away_from_now(self) -> None:
        if self._keeps_away and not self._is_keeping_away:
            self._is_keeping_away = True
            spawn_loop(self._keep_away)

    @property
    def _keeps_away(self) -> bool:
        return self.may_nothing_run and clock.now() < self._kept_away_until

    def _keep_away(self) -> None:
        """Kill in the same moment what the platform starts again because it was killed, until that is forbidden, and a little
        longer.

        A platform that hangs does not let itself be forbidden anything. When it goes on, it may start the agent before
        it answers. And while the agent may run for a while, the platform may begin to start it again.
        """
        try:
            while self._keeps_away and self._platform_lives():
                for one in _found(lambda: self.beside(None)):
                    name = process.end(one, 0.0)
                    if name is not None:
                        self._alert("{} of {} was ended by {}: the platform started it though it may not run here".format(
                            named([one.pid]), self._managed.identity, name))
                gevent.sleep(_KEEP_AWAY_EVERY)
        finally:
            self._is_keeping_away = False

    def settled(self) -> None:
        """The platform does not start it again: only what it has begun to start needs to be kept away."""
        self._kept_away_until = min(self._kept_away_until, clock.now() + _STARTED_WITHIN)

    def may_come(self) -> None:
        """It is being started here, or runs and may: nothing needs to be kept away."""
        self._kept_away_until = -inf


def _found(look: Callable[[], List[process.Process]], known: Sequence[process.Process] = ()) -> List[process.Process]:
    """Return what a look finds; when nobody can look, those that live of what is known."""
    try:
        return look()
    except OSError:
        return [one for one in known if process.lives(one)]


def named(pids: Sequence[int]) -> str:
    """Return how to call processes in a text."""
    return "process {}".format(pids[0]) if len(pids) == 1 else "processes {}".format(", ".join(map(str, pids)))
