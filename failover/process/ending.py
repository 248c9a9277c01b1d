"""The end of processes: they are asked, then told, then killed."""

import contextlib
import os
import signal
from typing import Callable, Iterator, List, NamedTuple, Optional, Set, Tuple

import gevent
import psutil
from psutil import Process

from failover import clock
from failover.process.living import lives

__all__ = ["TIME_TO_ASK", "Ended", "end", "end_all", "ignores_interrupt", "may_signal"]

# Seconds.
_LOOK_EVERY = 0.05
# Each with its share of the time. An agent ends in order at SIGINT and leaves the exit status 0.
_SIGNALS = ((signal.SIGINT, 0.65), (signal.SIGTERM, 0.25), (signal.SIGKILL, 0.1))
# With less time than this there is no point in asking first.
TIME_TO_ASK = 0.3
# What the kernel needs at most to end a process that was killed.
_KILLED_WITHIN = 1.0


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
    ended = end_all(lambda: [process] if process is not None and lives(process) else [], within)
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
    except (psutil.Error, OSError):
        return False


def _send(one: Process, number: signal.Signals) -> None:
    try:
        try:
            one.send_signal(number)
        except OSError:  # Without a file descriptor psutil cannot tell whether it is still that process. It was a moment ago.
            os.kill(one.pid, number)
    except (psutil.NoSuchProcess, ProcessLookupError):
        pass
    except (psutil.AccessDenied, PermissionError):
        raise PermissionError("process {} belongs to another user".format(one.pid)) from None
