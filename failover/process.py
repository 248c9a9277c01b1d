"""Processes on this machine: whether one still lives, and its end. Each is known by pid and start time together."""

import contextlib
import os
import signal
from glob import glob
from typing import List, Mapping, Optional

import gevent
import psutil
from psutil import Process

from failover import clock

__all__ = ["Process", "agents", "end", "find", "is_older", "launcher", "lives", "may_signal", "started_agents"]

_LOOK_EVERY = 0.05
# Each with its share of the time. An agent ends in order at SIGINT and leaves the exit status 0.
_SIGNALS = ((signal.SIGINT, 0.65), (signal.SIGTERM, 0.25), (signal.SIGKILL, 0.1))


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


def agents(identity: str, volttron_home: str) -> List[Process]:
    """Return the processes of the agent with this VIP identity on the platform with this home, orphans included.

    What an agent itself starts is left out. The environment of another user's processes cannot be read.
    """
    found = {one.pid: one for one in psutil.process_iter() if _is_agent(one, identity, volttron_home)}
    return [one for one in found.values() if _parent(one) not in found]


def started_agents(identity: str, volttron_home: str) -> List[Process]:
    """Return those of them that the own platform's living process has started: a look at its children alone.

    There are two when two starts coincide, as those of the platform's monitor and of an operator. The platform then
    knows one of the two, and its message bus lets one in, perhaps the other.
    """
    found = []
    for file in glob("/proc/{}/task/*/children".format(os.getppid())):
        with contextlib.suppress(OSError), open(file) as children:
            found += [find(int(pid)) for pid in children.read().split()]
    return [one for one in found if one is not None and _is_agent(one, identity, volttron_home)]


def is_older(one: Process) -> bool:
    """Whether that process was started before this one."""
    try:
        return (one.create_time(), one.pid) < (Process().create_time(), os.getpid())
    except psutil.Error:
        return False


def _is_agent(one: Process, identity: str, volttron_home: str) -> bool:
    try:
        environment = one.environ()
    except (psutil.Error, OSError):
        return False
    return environment.get("AGENT_VIP_IDENTITY") == identity and _home(environment) == os.path.realpath(volttron_home)


def _home(environment: Mapping[str, str]) -> str:
    return os.path.realpath(os.path.expanduser(environment.get("VOLTTRON_HOME", "~/.volttron")))


def _parent(one: Process) -> Optional[int]:
    try:
        return one.ppid()
    except psutil.Error:
        return None


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


def end(process: Optional[Process], within: float) -> Optional[str]:
    """End a process: ask it, tell it, kill it.

    :param within: seconds.
    :return: the signal after which it was gone; None if it was gone before, or is still there.
    :raises PermissionError: the process is another user's.
    """
    for number, share in _SIGNALS:
        if not lives(process):
            return None
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            return None
        except psutil.AccessDenied:
            raise PermissionError("process {} belongs to another user".format(process.pid)) from None
        deadline = clock.now() + max(within * share, 2 * _LOOK_EVERY)
        while clock.now() < deadline:
            if not lives(process):
                return number.name
            gevent.sleep(_LOOK_EVERY)
    return None


def launcher() -> Optional[Process]:
    """Return the process of the platform that started this one; None if no platform did."""
    parent = Process().parent()
    return parent if "_LAUNCHED_BY_PLATFORM" in os.environ and parent is not None and parent.pid != 1 else None
