"""A disk that hangs delays nothing but what is to be written."""

import signal
import threading

import gevent
import psutil
import pytest

from failover import process, record_keeper
from failover.decision.setup import Record
from failover.ending import Ending
from failover.record_keeper import RecordKeeper
from tests.testbed.pair import wait

LIMIT = 20


@pytest.fixture
def disk(monkeypatch):
    """A disk that hangs until `free` is set, and does then what it was told."""
    class Disk:
        path = "/data/lease.json"

        def __init__(self):
            self.free, self.saved, self.begun = threading.Event(), [], 0

        def begin(self):
            self.begun += 1
            return self.begun

        def save(self, record, number):
            self.free.wait(LIMIT)
            self.saved.append(number)

    monkeypatch.setattr(record_keeper, "_WRITE_WITHIN", 0.05)
    disk = Disk()
    yield disk
    disk.free.set()


def test_it_holds_one_thread_however_often_something_is_to_be_saved(disk):
    faults = {}
    keeper = RecordKeeper(disk, lambda event: None, faults)
    pool = gevent.get_hub().threadpool
    busy = len(pool)
    assert not any(keeper.save(Record()) for _ in range(12))
    assert len(pool) == busy + 1 and "the disk does not answer" in faults["memory"]
    disk.free.set()
    wait(lambda: keeper.save(Record()), LIMIT, "a disk that answers")
    assert faults == {} and disk.saved[0] == 1 and disk.saved[-1] > 12


def test_the_end_does_not_wait_for_it(disk, tmp_path, monkeypatch):
    monkeypatch.setattr(signal, "alarm", lambda seconds: None)
    pool, ended = gevent.get_hub().threadpool, []
    stuck = [pool.spawn(disk.free.wait, LIMIT) for _ in range(pool.maxsize + 1)]  # One more can wait for its turn.
    ending = Ending(tmp_path / "data", None)
    with gevent.Timeout(LIMIT / 2):
        ending._end("SIGTERM", lambda: ended.append(True), lambda: 5.0)
    assert ended
    disk.free.set()
    gevent.joinall(stuck, timeout=LIMIT)
    wait((tmp_path / "data" / "ending.json").exists, LIMIT, "the note")


def test_a_step_of_the_wall_clock_makes_no_other_process_of_the_platforms(tmp_path, monkeypatch):
    one = psutil.Process()
    Ending(tmp_path, process.find(one.pid))._note()
    monkeypatch.setattr(psutil._pslinux, "BOOT_TIME", psutil.boot_time() + 3600)
    assert Ending(tmp_path, process.find(one.pid)).quiet_until > 0
