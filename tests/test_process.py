"""The end of real processes."""

import signal
import subprocess
import sys

import pytest

from failover import process

READY = "import signal, sys, time\n{}\nprint(flush=True)\ntime.sleep(60)"


@pytest.fixture
def start():
    """Return a function that starts a Python process, waits until it has begun, and returns its pid."""
    started = []

    def begin(prepare):
        one = subprocess.Popen([sys.executable, "-c", READY.format(prepare)], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
        started.append(one)
        one.stdout.readline()
        return one

    yield begin
    for one in started:
        one.kill()
        one.wait(10)
        one.stdout.close()


@pytest.mark.parametrize("ignored, needed", [
    ("", "SIGINT"),
    ("signal.signal(signal.SIGINT, signal.SIG_IGN)", "SIGTERM"),
    ("signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)", "SIGKILL"),
])
def test_the_mildest_signal_that_works(start, ignored, needed):
    one = process.find(start(ignored).pid)
    assert process.lives(one) and process.may_signal(one)
    assert process.end(one, 3) == needed
    assert not process.lives(one)


def test_a_stopped_process_is_killed(start):
    one = start("")
    one.send_signal(signal.SIGSTOP)
    assert process.end(process.find(one.pid), 3) == "SIGKILL"


def test_what_is_gone_needs_no_end(start):
    one = start("")
    known = process.find(one.pid)
    one.kill()
    one.wait(10)
    assert not process.lives(known) and process.end(known, 3) is None
    assert process.find(None) is None and process.find(one.pid) is None
    assert not process.lives(None) and process.end(None, 3) is None and process.may_signal(None)


def test_the_agents_of_a_platform_are_found_by_their_environment(tmp_path):
    started = [subprocess.Popen(
        [sys.executable, "-c", "import subprocess, sys, time\n"
         "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
         "print(flush=True)\ntry:\n    time.sleep(60)\nfinally:\n    child.kill()"],
        stdout=subprocess.PIPE, env={"AGENT_VIP_IDENTITY": identity, "VOLTTRON_HOME": str(home)})
        for identity, home in (("an.agent", tmp_path), ("another", tmp_path), ("an.agent", tmp_path / "other"))]
    try:
        for one in started:
            one.stdout.readline()
        assert [one.pid for one in process.agents("an.agent", str(tmp_path))] == [started[0].pid]
    finally:
        for one in started:
            one.send_signal(signal.SIGINT)
            one.wait(10)
            one.stdout.close()
