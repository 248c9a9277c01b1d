"""Processes on this machine: which ones belong to an agent, whether they live, and their end.

Each is known by pid and start time together. An agent is more than its main process: whatever it has forked belongs to
it, as long as that lives. VOLTTRON hands AGENT_UUID and VOLTTRON_HOME on to an agent's children, AGENT_VIP_IDENTITY it
does not.
"""

import contextlib
import os
import signal
from glob import glob
from typing import Callable, Collection, Dict, Iterator, List, Mapping, NamedTuple, Optional, Set, Tuple

import gevent
import psutil
from psutil import Error, Process

from failover import clock

__all__ = ["TIME_TO_ASK", "Error", "Process", "end", "end_all", "find", "ignores_interrupt", "is_older", "launcher", "leftovers",
           "lives", "may_signal", "members", "started_agents", "started_by"]

_LOOK_EVERY = 0.05
# Each with its share of the time. An agent ends in order at SIGINT and leaves the exit status 0.
_SIGNALS = ((signal.SIGINT, 0.65), (signal.SIGTERM, 0.25), (signal.SIGKILL, 0.1))
# With less time than this there is no point in asking first.
TIME_TO_ASK = 0.3
# What the kernel needs at most to end a process that was killed.
_KILLED_WITHIN = 1.0


def find(pid: Optional[int]) -> Optional[Process]:
    """Return the process that has this pid now, None if there is none."""
    try:
        return None if pid is None else Process(pid)
    except psutil.Error:
        return None


def lives(process: Optional[Process]) -> bool:
    """Whether it is still this process that has the pid, and has not ended."""
    try:
        return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def members(identity: str, volttron_home: str, uuids: Collection[str] = (), main: Optional[Process] = None
            ) -> List[Process]:
    """Return all processes of an agent on the platform with this home: its own, orphans, and what they have forked.

    The environment of another user's processes cannot be read. Such a process is found only as a descendant.

    :param identity: the agent's VIP identity.
    :param uuids: those under which it is or was installed; they are in the environment of what it has forked.
    :param main: its main process, if control knows it.
    """
    living = _living()
    home = os.path.realpath(volttron_home)
    found = {pid for pid in living if _belongs(_environment(pid), identity, home, uuids)}
    if main is not None and lives(main):
        found.add(main.pid)
    _add_descendants(found, living)
    found.discard(os.getpid())
    return [one for one in map(find, sorted(found)) if one is not None]


def leftovers(all_of_it: List[Process], main: Optional[Process]) -> List[Process]:
    """Return those of an agent's processes that do not belong to its present main process, but to an earlier one.

    :param all_of_it: as :func:`members` returns them.
    :param main: the main process; None if it does not run, so that all are left over.
    """
    if main is None or not lives(main):
        return all_of_it
    own = started_by(main, all_of_it)
    # What has left the family (a double fork) can be told by its age alone.
    return [one for one in all_of_it if one not in own and _age(one) < _age(main)]


def started_by(ancestor: Process, processes: List[Process]) -> List[Process]:
    """Return those of the processes that descend from that one."""
    own = {ancestor.pid}
    _add_descendants(own, _living())
    return [one for one in processes if one.pid in own]


def started_agents(identity: str, volttron_home: str) -> List[Process]:
    """Return the main processes of an agent that the own platform has started: a look at its children alone.

    There are two when two starts coincide, as those of the platform's monitor and of an operator. The platform then
    knows one of the two, and its message bus lets one in, perhaps the other.
    """
    home = os.path.realpath(volttron_home)
    found = []
    for file in glob("/proc/{}/task/*/children".format(os.getppid())):
        with contextlib.suppress(OSError), open(file) as children:
            found += [int(pid) for pid in children.read().split()]
    return [one for one in map(find, [pid for pid in found if _belongs(_environment(pid), identity, home)])
            if one is not None]


def is_older(one: Process) -> bool:
    """Whether that process was started before this one."""
    try:
        return (one.create_time(), one.pid) < (Process().create_time(), os.getpid())
    except psutil.Error:
        return False


def _living() -> Dict[int, int]:
    """Return the parent's pid of each process on this machine that has not ended."""
    found = {}
    for pid in psutil.pids():
        # pid (name, in which anything may stand) state ppid ...
        with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/{}/stat".format(pid), "rb") as file:
            state, parent = file.read().rpartition(b")")[2].split()[:2]
            if state != b"Z":
                found[pid] = int(parent)
    return found


def _environment(pid: int) -> Mapping[bytes, bytes]:
    try:
        with open("/proc/{}/environ".format(pid), "rb") as file:
            entries = file.read().split(b"\0")
    except OSError:
        return {}
    return dict(entry.split(b"=", 1) for entry in entries if b"=" in entry)


def _belongs(environment: Mapping[bytes, bytes], identity: str, home: str, uuids: Collection[str] = ()) -> bool:
    if (environment.get(b"AGENT_VIP_IDENTITY") != identity.encode()
            and environment.get(b"AGENT_UUID", b"").decode(errors="replace") not in uuids):
        return False
    own = os.fsdecode(environment.get(b"VOLTTRON_HOME", b"~/.volttron"))
    return os.path.realpath(os.path.expanduser(own)) == home


def _add_descendants(found: Set[int], living: Mapping[int, int]) -> None:
    grows = True
    while grows:
        more = {pid for pid, parent in living.items() if parent in found and pid not in found}
        found |= more
        grows = bool(more)


def _age(one: Process) -> float:
    """Return when the process was started, on a scale that only serves to compare."""
    try:
        return one.create_time()
    except psutil.Error:
        return float("inf")


def may_signal(process: Optional[Process]) -> bool:
    """Whether the system lets this process end that one. It does not if that one belongs to another user."""
    try:
        if process is not None:
            os.kill(process.pid, 0)
    except PermissionError:
        return False
    except ProcessLookupError:
        pass
    return True


def ignores_interrupt(one: Optional[Process]) -> bool:
    """Whether a SIGINT would do nothing there. Agents inherit that from a platform that a script started with "&"."""
    if one is None:
        return False
    with contextlib.suppress(OSError, ValueError, IndexError, StopIteration), \
            open("/proc/{}/status".format(one.pid)) as file:
        ignored = next(line for line in file if line.startswith("SigIgn:"))
        return bool(int(ignored.split()[1], 16) >> (signal.SIGINT - 1) & 1)
    return False


def end(process: Optional[Process], within: float) -> Optional[str]:
    """End one process: ask it, tell it, kill it.

    :param within: seconds.
    :return: the signal after which it was gone; None if it was gone before, or is still there.
    :raises PermissionError: the process is another user's.
    """
    ended = end_all(lambda: [process] if lives(process) else [], within)
    return ended[-1].signal if ended and not lives(process) else None


class Ended(NamedTuple):
    """Processes that were gone after a signal: its name, and their pids."""

    signal: str
    pids: List[int]


def end_all(look: Callable[[], List[Process]], within: float) -> List[Ended]:
    """End every process that is found, and what those fork meanwhile: ask, tell, kill.

    :param look: finds them. It is called again whenever all that it found before are gone, until it finds none.
    :param within: seconds. With hardly any, they are killed at once.
    :return: what was gone after which signal. What could not be ended is what ``look`` still finds.
    :raises PermissionError: a process is another user's. The others have been ended all the same.
    """
    ended: List[Ended] = []
    refusal: Optional[PermissionError] = None
    left = look()
    for number, until in _stages(within):
        told: Set[int] = set()
        while left:
            for one in left:
                if one.pid not in told and not (number == signal.SIGINT and _is_not_asked(one, left)):
                    try:
                        _send(one, number)
                    except PermissionError as error:
                        refusal = error
                    told.add(one.pid)
            if not told.intersection(one.pid for one in left) or clock.now() >= until:
                break
            gevent.sleep(_LOOK_EVERY)
            gone = [one.pid for one in left if not lives(one)]
            if gone:
                ended.append(Ended(number.name, gone))
                left = [one for one in left if one.pid not in gone] or look()
    if refusal is not None and left:
        raise refusal
    return [Ended(name, sorted(pid for one in ended if one.signal == name for pid in one.pids))
            for name in dict.fromkeys(one.signal for one in ended)]


def _stages(within: float) -> Iterator[Tuple[signal.Signals, float]]:
    """Yield each signal to send with the moment until which its effect is waited for."""
    for number, share in _SIGNALS:
        last = number == signal.SIGKILL
        if last or within >= TIME_TO_ASK:
            yield number, clock.now() + (_KILLED_WITHIN if last else within * share)


def _is_not_asked(one: Process, others: List[Process]) -> bool:
    """Whether a process gets no SIGINT: it would do nothing, or it is for its parent to end it in order."""
    try:
        return ignores_interrupt(one) or one.ppid() in {other.pid for other in others}
    except psutil.Error:
        return False


def _send(one: Process, number: signal.Signals) -> None:
    try:
        one.send_signal(number)
    except psutil.NoSuchProcess:
        pass
    except psutil.AccessDenied:
        raise PermissionError("process {} belongs to another user".format(one.pid)) from None


def launcher() -> Optional[Process]:
    """Return the process of the platform that started this one; None if no platform did."""
    parent = Process().parent()
    return parent if "_LAUNCHED_BY_PLATFORM" in os.environ and parent is not None and parent.pid != 1 else None
