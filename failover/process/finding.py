"""Which processes belong to an agent.

An agent is more than its main process: whatever it has forked belongs to it, as long as that lives. VOLTTRON hands
AGENT_UUID and VOLTTRON_HOME on to an agent's children, AGENT_VIP_IDENTITY it does not.
"""

import contextlib
import os
from typing import Collection, Dict, List, Mapping, Optional, Set

import psutil
from psutil import Process

from failover.process.living import find, kernel_stat, lives

__all__ = ["leftovers", "members", "started_agents", "started_by"]

# A process that has ended meanwhile, or is another user's. Whatever else is raised, as when no file descriptor is left, does
# not mean that there is none.
_NOT_TO_BE_SEEN = (FileNotFoundError, ProcessLookupError, PermissionError)


def members(identity: str, volttron_home: str, uuids: Collection[str] = (), main: Optional[Process] = None
            ) -> List[Process]:
    """Return all processes of an agent on the platform with this home: its own, orphans, and what they have forked.

    The environment of another user's processes cannot be read. Such a process is found only as a descendant.

    :param identity: the agent's VIP identity.
    :param uuids: those under which it is or was installed; they are in the environment of what it has forked.
    :param main: its main process, if control knows it.
    :raises OSError: the system lets nobody look: no file descriptor is left.
    """
    living = _living()
    found = {pid for pid in living if _belongs(_environment(pid), identity, volttron_home, uuids)}
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
    """Return the main processes of an agent that the local platform has started: a look at its children alone.

    There are two when two starts coincide, as those of the platform's monitor and of an operator. The platform then
    knows one of the two, and its message bus lets one in, perhaps the other.

    :raises OSError: the system lets nobody look: no file descriptor is left.
    """
    found: List[int] = []
    with contextlib.suppress(*_NOT_TO_BE_SEEN), os.scandir("/proc/{}/task".format(os.getppid())) as threads:
        for thread in threads:
            with contextlib.suppress(*_NOT_TO_BE_SEEN), open(thread.path + "/children") as children:
                found += map(int, children.read().split())
    return [one for one in map(find, [pid for pid in found if _belongs(_environment(pid), identity, volttron_home)])
            if one is not None]


def _living() -> Dict[int, int]:
    """Return the parent's pid of each process on this machine that has not ended."""
    found = {}
    for pid in psutil.pids():
        with contextlib.suppress(*_NOT_TO_BE_SEEN, ValueError, IndexError):
            state, parent = kernel_stat(pid)[:2]
            if state != b"Z":
                found[pid] = int(parent)
    return found


def _environment(pid: int) -> Mapping[bytes, bytes]:
    try:
        with open("/proc/{}/environ".format(pid), "rb") as file:
            entries = file.read().split(b"\0")
    except _NOT_TO_BE_SEEN:
        return {}
    return dict(entry.split(b"=", 1) for entry in entries if b"=" in entry)


def _belongs(environment: Mapping[bytes, bytes], identity: str, home: str, uuids: Collection[str] = ()) -> bool:
    if (environment.get(b"AGENT_VIP_IDENTITY") != identity.encode()
            and environment.get(b"AGENT_UUID", b"").decode(errors="replace") not in uuids):
        return False
    own = os.fsdecode(environment.get(b"VOLTTRON_HOME", b"~/.volttron"))
    return os.path.realpath(os.path.expanduser(own)) == os.path.realpath(home)


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
