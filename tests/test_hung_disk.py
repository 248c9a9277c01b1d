"""A disk that hangs delays nothing but what is to be written."""

import os
import signal
import subprocess
import sys
import threading

import gevent
import psutil
import pytest

from failover import process, record_keeper
from failover.decision.setup import Record
from failover.ending import Ending
from failover.record_keeper import RecordKeeper
from tests.testbed.pair import REPOSITORY, wait

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


# In a process of its own, because importing VOLTTRON replaces Python's sockets and threads by those of gevent.

def run(program, folder):
    done = subprocess.run([sys.executable, "-c", program], env=dict(os.environ, VOLTTRON_HOME=str(folder)), cwd=str(REPOSITORY),
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


LOOK = """
import os, subprocess, time
import gevent
from failover import compat, process
from failover.platform_guard import PlatformGuard

def look():
    begin = time.monotonic()
    seen = guard.look()
    print(seen and (seen.lives, seen.is_replaced), time.monotonic() - begin < 0.2)

def hang():
    os.close(os.open("fifo", os.O_RDONLY))
    return os.getpid()

one = subprocess.Popen(["sleep", "60"])
guard, guard.platform = PlatformGuard(), process.find(one.pid)
one.kill()
one.wait()
os.chdir(os.environ["VOLTTRON_HOME"])
os.mkfifo("fifo")
compat.platform_pid = hang
with gevent.Timeout(20):
    guard.look()
    for _ in range(20):
        look()
    print(len(gevent.get_hub().threadpool))
    os.close(os.open("fifo", os.O_WRONLY))
    while guard.on_file() is None:
        gevent.sleep(0.05)
    gevent.spawn(os.open, "fifo", os.O_RDWR)
    look()
"""


def test_whether_there_is_another_platform_is_not_waited_for(tmp_path):
    """The end of the platform has been seen, and what it managed must end."""
    *looks, threads, last = run(LOOK, tmp_path)
    assert looks == ["None True"] * 20 and threads == "1" and last == "(False, True) True"


READ = """
import resource
from failover import compat
resource.setrlimit(resource.RLIMIT_AS, (2 ** 31, 2 ** 31))
for read in (compat.platform_pid, compat.platform_secretkey):
    try:
        print(read())
    except OSError as error:
        print(error)
"""


@pytest.mark.parametrize("make, words", [(os.mkfifo, "no regular file"), (lambda path: (
    path.touch(), os.truncate(path, 3 * 2 ** 30)), "larger than")], ids=["FIFO", "3 GiB of nothing"])
def test_what_is_no_small_file_is_not_read(tmp_path, make, words):
    for name in ("VOLTTRON_PID", "keystore", "credentials_store/platform.json", "ending.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        make(tmp_path / name)
    first, second = run(READ, tmp_path)
    assert words in first and words in second
    assert run("import pathlib, os, resource; resource.setrlimit(resource.RLIMIT_AS, (2 ** 31, 2 ** 31)); from failover.ending "
               "import Ending; print(Ending(pathlib.Path(os.environ['VOLTTRON_HOME']), None).quiet_until)", tmp_path) == ["0.0"]
