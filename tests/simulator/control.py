"""The managed agent's processes, and the platform's control service, which starts and watches them.

Control serves other calls while a start is open, and says meanwhile that the agent does not run. Its monitor starts an agent
again that has ended with an exit status other than 0, until it is told to forget that.
"""

from enum import Enum
from typing import TYPE_CHECKING, Callable, List, Optional

if TYPE_CHECKING:
    from tests.simulator.side import Side

__all__ = ["Answer", "Control", "Process"]

# Seconds. A copy that the monitor starts needs so long at least until it works.
_MONITOR_EVERY, _WORKS_AFTER = 10.0, 0.3
# What an agent has forked may take so long to notice that the agent has ended.
_FOLLOWS_WITHIN = 0.5


class Answer(Enum):
    """What comes of a question to control."""

    GIVEN = "given"
    ERROR = "error"
    NONE = "none"


class Process:
    """A process of the managed agent.

    :ivar main: the main process, if this is a worker of it.
    :ivar platform_life: of the platform that has started it.
    :ivar works: whether it does what the managed agent is there for.
    """

    def __init__(self, platform_life: int, main: "Optional[Process]" = None, works: bool = True):
        self.main = main
        self.platform_life = platform_life
        self.works = works


class Control:
    """Control of one platform, and all processes of the managed agent on that machine.

    :ivar processes: those that live.
    :ivar known: the main process that control has started last.
    :ivar exit_status: of that one; None if it lives, or if control has forgotten it.
    :ivar forking: how many starts are under way whose process does not exist yet.
    :ivar busy_until: when it answers again.
    :ivar slow: the longest that an answer takes.
    :ivar silent: how many faults keep it from answering; ``wrong``: how many have it answer with an error.
    """

    def __init__(self, side: "Side"):
        self.side = side
        self.processes: List[Process] = []
        self.known: Optional[Process] = None
        self.exit_status: Optional[int] = None
        self.forking = 0
        self.busy_until = self.slow = 0.0
        self.silent = self.wrong = 0

    # Being asked

    def ask(self, within: float, receive: Callable, *args) -> None:
        """Have ``receive(answer, *args)`` called, at the latest after so many seconds."""
        side = self.side
        takes = side.seconds_until(self.busy_until)
        if self.slow:
            takes += side.world.random.random() * self.slow
        if not side.platform or self.silent or takes > within:
            side.after(within, receive, Answer.NONE, *args)
        elif takes > 0:
            side.after(takes, self._answer, side.platform_life, receive, args)
        else:
            self._answer(side.platform_life, receive, args)

    def _answer(self, platform_life: int, receive: Callable, args: tuple) -> None:
        is_there = self.side.platform_life == platform_life and not self.silent
        receive(Answer.NONE if not is_there else Answer.ERROR if self.wrong else Answer.GIVEN, *args)

    @property
    def is_there(self) -> bool:
        """Whether the agent runs, or is about to."""
        return bool(self.processes) or self.forking > 0

    @property
    def is_mute(self) -> bool:
        """Whether control does not do what it is asked for."""
        return bool(self.silent or self.wrong)

    @property
    def delay(self) -> float:
        """Seconds that an answer takes at most now."""
        return self.side.seconds_until(self.busy_until) + self.slow

    @property
    def is_running(self) -> bool:
        """Whether the agent runs, as far as control knows."""
        return self.known is not None and self.known in self.processes

    @property
    def ended_badly(self) -> bool:
        """Whether the monitor will start it again."""
        return bool(self.exit_status)

    def strays(self) -> List[Process]:
        """Return the processes that control does not know."""
        known = self.known if self.is_running else None
        return [one for one in self.processes if known is None or known not in (one, one.main)]

    def clear_status(self) -> None:
        """Forget how the agent has ended."""
        if not self.is_running:
            self.known = self.exit_status = None

    # Starting

    def start(self, longest: float, answered: Callable[[bool], None], is_monitor: bool = False) -> None:
        """Start the agent. One that runs already counts as started.

        The process exists after at most ``longest``, since a stop that must follow it comes too late otherwise.
        """
        side, chance, schedule = self.side, self.side.world.random, self.side.world.schedule
        if self.is_running or not side.platform:
            side.after(0.0, answered, self.is_running)
            return
        takes = min(chance.random() * schedule.start_takes, longest)
        fails = not is_monitor and chance.random() < side.world.start_fails
        self.forking += 1
        side.after(takes * chance.choice((1.0, chance.random())), self._fork, side.platform_life, fails, is_monitor)
        side.after(takes + chance.random() * schedule.answer_takes, self._start_answered, side.platform_life, fails,
                   answered)

    def _fork(self, platform_life: int, fails: bool, is_monitor: bool) -> None:
        side = self.side
        self.forking -= 1
        if fails or not side.platform or platform_life != side.platform_life:
            side.note("start failed")
            return
        if not is_monitor and any(one.main or one.platform_life != platform_life for one in self.strays()):
            side.world.second_copy(side)
        self.known, self.exit_status = Process(platform_life, works=not is_monitor), None
        self.processes.append(self.known)
        if side.world.schedule.workers:
            self.processes.append(Process(platform_life, self.known, works=False))
        side.note("managed agent RUNS{}".format(", started by the monitor" if is_monitor else ""))
        if is_monitor:
            side.excuses.copy_started()
            side.after(_WORKS_AFTER, self._works, self.known)
        side.process_appeared(self.known)
        side.world.check_safety()

    def _works(self, process: Process) -> None:
        process.works = True
        self.side.world.check_safety()

    def _start_answered(self, platform_life: int, fails: bool, answered: Callable[[bool], None]) -> None:
        if self.side.platform and platform_life == self.side.platform_life and not self.silent:
            answered(not (fails or self.wrong))

    def platform_started(self) -> None:
        """This is the control of a new platform, which knows nothing yet."""
        self.known = self.exit_status = None
        self.side.after(_MONITOR_EVERY * self.side.world.random.random(), self._monitor, self.side.platform_life)

    def _monitor(self, platform_life: int) -> None:
        side = self.side
        if platform_life != side.platform_life:
            return
        if self.ended_badly and not self.silent and not self.forking:
            side.note("the monitor starts the managed agent again")
            self.start(side.grace, lambda succeeded: None, is_monitor=True)
        side.after(_MONITOR_EVERY, self._monitor, platform_life)

    # Ending

    def end(self, processes: List[Process], exit_status: int, lingers: float = 0.0) -> None:
        """End these processes now.

        :param lingers: seconds that workers outlive their main process at most.
        """
        gone = [one for one in processes if one in self.processes]
        if not gone:
            return
        for one in gone:
            if one.main is not None and lingers and one.main in gone:
                self.side.after(lingers * self.side.world.random.random(), self.end, [one], exit_status)
                continue
            self.processes.remove(one)
            if one is self.known:
                self.exit_status = exit_status
                self.side.after(0.0, self.side.process_ended, one)
        if not self.processes:
            self.side.note("managed agent has ended" + (", status {}".format(exit_status) if exit_status else ""))
            if not self.forking:
                self.side.excuses.managed_ended()
        self.side.world.check_safety()

    def end_copy(self, process: Process) -> None:
        """Kill a copy, with its workers."""
        self.end([one for one in self.processes if process in (one, one.main)], -9)

    def crash(self) -> None:
        """The agent dies. Its workers may not notice for a while."""
        if self.processes:
            self.side.note("managed agent crashes")
            self.end(list(self.processes), 1, 6 * _FOLLOWS_WITHIN)
