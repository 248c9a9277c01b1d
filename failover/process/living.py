"""Single processes: whether they live, and which one is older."""

import os
from typing import Optional

import psutil
from psutil import Process

__all__ = ["find", "is_older", "launcher", "lives", "started_at_tick"]


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


def started_at_tick(pid: int) -> int:
    """Return when a process began, in ticks since the boot of the kernel. Unlike psutil's time, it knows no steps.

    :raises OSError: there is none.
    """
    with open("/proc/{}/stat".format(pid), "rb") as file:  # Its name may be any bytes.
        return int(file.read().rpartition(b")")[2].split()[19])


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
