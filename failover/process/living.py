"""Single processes: whether they live, and which one is older."""

import os
from typing import List, Optional

import psutil
from psutil import Process

__all__ = ["find", "is_older", "kernel_stat", "launcher", "lives", "started_at_tick"]


def find(pid: Optional[int]) -> Optional[Process]:
    """Return the process that has this pid now, None if there is none.

    :raises OSError: it cannot be looked up: no file descriptor is left.
    """
    try:
        return None if pid is None else Process(pid)
    except psutil.Error:
        return None


def lives(process: Optional[Process]) -> bool:
    """Whether it is still this process that has the pid, and has not ended.

    When nothing can be looked up, because no file descriptor is left, whatever has the pid counts.
    """
    try:
        return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
    except OSError:
        return process is not None and _is_taken(process.pid)


def _is_taken(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # Another user's.
        pass
    return True


def kernel_stat(pid: int) -> List[bytes]:
    """Return what the kernel says of a process: its state, the parent's pid, and so on, as in ``man proc_pid_stat``.

    :raises OSError: there is none.
    """
    with open("/proc/{}/stat".format(pid), "rb") as file:
        return file.read().rpartition(b")")[2].split()  # Before that come the pid and the name, in which anything may stand.


def started_at_tick(pid: int) -> int:
    """Return when a process began, in ticks since the boot of the kernel. Unlike psutil's time, it knows no steps.

    :raises OSError: there is none.
    """
    return int(kernel_stat(pid)[19])


def is_older(one: Process) -> bool:
    """Whether that process was started before this one."""
    try:
        return (one.create_time(), one.pid) < (Process().create_time(), os.getpid())
    except psutil.Error:
        return False


def launcher() -> Optional[Process]:
    """Return the process of the platform that started this one; None if no platform did."""
    parent = Process().parent()
    return parent if "_LAUNCHED_BY_PLATFORM" in os.environ and parent is not None and parent.pid != 1 else None
