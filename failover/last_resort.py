"""The end of the failover agent when it cannot do its work any more: nothing may run on unsupervised."""

import logging
import os
from typing import Callable, Optional, Sequence

import gevent

from failover import process
from failover.control import ControlError
from failover.loops import surviving

__all__ = ["LastResort"]

_log = logging.getLogger(__name__)

# Seconds for the connections to close.
_LEAVE_WITHIN = 0.2

# Exit status. Not 0, so that the platform reports an agent that ended this way as failed, and starts it again.
_EXIT_BROKEN = 1


class LastResort:
    """Ends the managed agents' processes, and then this one.

    :param end_managed: ends the former: :meth:`failover.managed.group.Group.end_all`.
    :param closers: close the connections.
    """

    def __init__(self, end_managed: Callable[..., None], closers: Sequence[Callable[[], None]]):
        self._end_managed = end_managed
        self._closers = closers

    def end_all(self, why: str, within: float, spare: Optional[process.Process] = None) -> None:
        """End the managed agents' processes, and then this one.

        :param within: seconds.
        :param spare: a process whose descendants are left alone.
        """
        try:
            self._end_managed(why, within, spare)
        except ControlError as error:
            _log.error("%s", error)
        except BaseException:  # Whatever it is, this process must not go on: nothing is decided any more.
            _log.exception("the end of the managed agents")
        for close in self._closers:
            with surviving("the end of a connection"):
                close()
        gevent.sleep(_LEAVE_WITHIN)
        self.end()

    @staticmethod
    def end() -> None:
        """End this process alone."""
        os._exit(_EXIT_BROKEN)
