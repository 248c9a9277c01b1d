"""Has a new configuration take effect while the managed agent runs on.

The failover agent's process becomes its own next start. That takes as long as a start, about a second, and is what the peer
and the decision know anyway: a failover agent that ends without a word and is back within its lease, with other times. So the
rules that make that safe are the only ones that are needed (:mod:`failover.decision.agreement`).
"""

import logging
import os
import sys
from pathlib import Path
from typing import Any, Callable, Optional

import gevent

from failover import clock
from failover.decision.saving import is_at_rest, to_remember
from failover.decision.state import State
from failover.loops import spawn_loop
from failover.record_keeper import RecordKeeper

__all__ = ["Reconfiguration"]

_log = logging.getLogger(__name__)

# Seconds.
_LOOK_EVERY = 0.2
_SAID_WITHIN = 0.5


class Reconfiguration:
    """Starts the failover agent again, in its process, as soon as nothing is under way here.

    :param state: returns the present one.
    :param say: tells the operators.
    :param write_down: has what happened until now written to disk.
    """

    def __init__(self, state: Callable[[], State], keeper: RecordKeeper, say: Callable[[str], None],
                 write_down: Callable[[], Any]):
        self._state = state
        self._keeper = keeper
        self._say = say
        self._write_down = write_down
        self._waits: Optional[str] = None

    def apply(self, text: str) -> None:
        """Have the configuration that is stored now take effect.

        :param text: what changes.
        """
        is_new, self._waits = self._waits is None, text
        if is_new:
            spawn_loop(self._run)

    def _run(self) -> None:
        while not self._is_saved():
            gevent.sleep(_LOOK_EVERY)
        self._say("the configuration has changed: " + str(self._waits))
        self._write_down()
        gevent.sleep(_SAID_WITHIN)
        while not self._is_saved():
            gevent.sleep(_LOOK_EVERY)
        _log.info("starting again, in the same process, with the new configuration")
        # As the platform has started it: VOLTTRON takes variables out of the environment as soon as it has read them.
        command, environment = (Path("/proc/self", name).read_bytes().split(b"\0")[:-1] for name in ("cmdline", "environ"))
        os.execve(sys.executable, command, dict(one.split(b"=", 1) for one in environment if b"=" in one))

    def _is_saved(self) -> bool:
        """Return whether the next start can take up where this one is now, and has all that it needs on file."""
        state = self._state()
        saved = to_remember(state)
        if not is_at_rest(state, clock.now()) or not self._keeper.save(saved):
            return False
        state = self._state()
        now = to_remember(state)
        return (is_at_rest(state, clock.now()) and now[1:] == saved[1:]
                and (now.lease_until is None) is (saved.lease_until is None))
