"""Writes down what must outlive a restart, in a thread, because a disk may hang."""

from typing import Callable, Dict

import gevent
from gevent.lock import BoundedSemaphore

from failover.decision.events import RecordSaved
from failover.decision.setup import Record
from failover.lease_store import LeaseStore
from failover.loops import spawn_loop

__all__ = ["RecordKeeper"]

# Seconds.
_WRITE_WITHIN = 5.0


class RecordKeeper:
    """Saves records, and says what is the matter when that fails.

    :param faults: what is the matter, a text for each kind; "memory" is kept up to date in it.
    """

    def __init__(self, store: LeaseStore, post: Callable[[RecordSaved], None], faults: Dict[str, str]):
        self._store = store
        self._post = post
        self._faults = faults
        # A disk that hangs holds one thread, not one for each record.
        self._may_write = BoundedSemaphore()

    def save_soon(self, record: Record) -> None:
        """Save a record in the background."""
        spawn_loop(self._save_and_say, record)

    def _save_and_say(self, record: Record) -> None:
        self._post(RecordSaved(record, self.save(record)))

    def save(self, record: Record) -> bool:
        """Save a record, and return whether that succeeded within some seconds."""
        number = self._store.begin()
        try:
            with gevent.Timeout(_WRITE_WITHIN):
                self._write(record, number)
        except (OSError, gevent.Timeout) as error:
            self._faults["memory"] = "{} cannot be written: {}; see `df` and `ls -l` there".format(
                self._store.path, error if isinstance(error, OSError) else "the disk does not answer")
            return False
        self._faults.pop("memory", None)
        return True

    def _write(self, record: Record, number: int) -> None:
        """Write when the last write has ended, however that ended and whoever still waits for it."""
        self._may_write.acquire()
        try:
            writing = gevent.get_hub().threadpool.spawn(self._store.save, record, number)
        except BaseException:
            self._may_write.release()
            raise
        writing.rawlink(lambda _: self._may_write.release())
        writing.get()
