"""The end of real processes."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from failover import clock, process
from failover.process import ending
from tests.testbed.pair import wait

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
    assert process.end(one, 20) == needed
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


def test_a_process_is_ended_without_any_file_descriptor(start):
    one = start("")
    known, before = process.find(one.pid), resource.getrlimit(resource.RLIMIT_NOFILE)
    gone = start("")
    gone_too = process.find(gone.pid)
    gone.kill()
    gone.wait(10)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        alive = process.lives(known), process.lives(gone_too)
        process.end(known, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert alive == (True, False) and one.wait(10) < 0


def test_the_end_of_a_process_is_told_once(start):
    one, another = start(""), start("")
    told = []
    watch = process.EndWatch(lambda: told.append(clock.now()))
    assert watch.watch(process.find(another.pid)) and watch.watch(process.find(one.pid))
    another.kill()
    gone = process.find(another.pid)
    another.wait(10)
    assert not watch.watch(gone) and not watch.watch(None)
    known = process.find(one.pid)
    assert watch.watch(known)
    one.kill()
    wait(lambda: told, 10, "the end")
    assert not watch.watch(known)
    watch.close()
    assert len(told) == 1


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
        found = process.members("an.agent", str(tmp_path))
        assert [one.pid for one in found if one.pid in {one.pid for one in started}] == [started[0].pid]
        assert {one.ppid() for one in found} == {os.getpid(), started[0].pid}
    finally:
        for one in started:
            one.send_signal(signal.SIGINT)
            one.wait(10)
            one.stdout.close()


# What an agent has forked

FAMILY = """
import os, signal, subprocess, sys, time
def worker(prepare="pass"):
    return subprocess.Popen([sys.executable, "-c", prepare + "; import time; time.sleep(60)"])
child = worker()
stubborn = subprocess.Popen([sys.executable, "-c", "import signal, time; [signal.signal(n, signal.SIG_IGN) for n in "
    "(signal.SIGINT, signal.SIGTERM)]; print(flush=True); time.sleep(60)"], stdout=subprocess.PIPE)
stubborn.stdout.readline()
# A grandchild that has left the family: its parent has ended, and it has a session of its own.
daemon = int(subprocess.check_output([sys.executable, "-c",
    "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],"
    " stdout=subprocess.DEVNULL, start_new_session=True).pid)"]))
# One without any environment, which only its descent tells.
bare = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env={})
print(child.pid, stubborn.pid, daemon, bare.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def family(tmp_path):
    """Start an agent with several processes, as a platform does; return its main process and the pids of the others."""
    started, pids = [], []

    def begin(identity="an.agent", uuid="uuid-1"):
        # VOLTTRON takes the identity out of an agent's environment before the agent forks.
        main = subprocess.Popen(
            [sys.executable, "-c", "import os; del os.environ['AGENT_VIP_IDENTITY']\n" + FAMILY], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"AGENT_VIP_IDENTITY": identity, "AGENT_UUID": uuid, "VOLTTRON_HOME": str(tmp_path)})
        started.append(main)
        forked = [int(pid) for pid in main.stdout.readline().split()]
        pids.extend(forked)
        return main, forked

    yield begin
    for one in started:
        one.kill()
        one.wait(10)
        one.stdout.close()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def pids(processes):
    return {one.pid for one in processes}


def test_all_that_an_agent_has_forked_belongs_to_it(family, tmp_path):
    main, forked = family()
    child, stubborn, daemon, bare = forked
    other, _ = family("another.agent", "uuid-2")
    found = process.members("an.agent", str(tmp_path), ["uuid-1"])
    assert pids(found) == {main.pid, *forked}
    assert pids(process.started_by(process.find(main.pid), found)) == {main.pid, child, stubborn, bare}
    assert process.leftovers(found, process.find(main.pid)) == []
    assert process.members("an.agent", str(tmp_path / "elsewhere"), ["uuid-1"]) == []


def test_what_a_dead_agent_has_left_is_found_by_its_environment(family, tmp_path):
    main, (child, stubborn, daemon, bare) = family()
    main.kill()
    main.wait(10)
    found = process.members("an.agent", str(tmp_path), ["uuid-1"])
    assert pids(found) == {child, stubborn, daemon}
    ticks = os.sysconf("SC_CLK_TCK")  # The kernel tells no shorter time from the start of one process to that of another.
    wait(lambda: int(clock.now() * ticks) > process.started_at_tick(daemon), 10, "another tick", 0.01)
    successor, forked = family()
    found = process.members("an.agent", str(tmp_path), ["uuid-1"], process.find(successor.pid))
    assert pids(process.leftovers(found, process.find(successor.pid))) == {child, stubborn, daemon}
    assert {successor.pid, *forked} < pids(found)


def test_an_agent_is_ended_with_all_that_it_has_forked(family, tmp_path):
    main, forked = family()
    ended = process.end_all(lambda: process.members("an.agent", str(tmp_path), ["uuid-1"]), 20)
    assert [one.signal for one in ended][-1] == "SIGKILL"
    assert main.pid in ended[0].pids and ended[0].signal == "SIGINT"
    assert {pid for one in ended for pid in one.pids} >= {main.pid, *forked[:3]}
    assert process.members("an.agent", str(tmp_path), ["uuid-1"]) == []


def test_without_time_all_are_killed_at_once(family, tmp_path):
    main, forked = family()
    begin = time.monotonic()
    ended = process.end_all(lambda: process.members("an.agent", str(tmp_path), ["uuid-1"]), 0)
    assert [one.signal for one in ended] == ["SIGKILL"]
    assert set(ended[0].pids) == {main.pid, *forked}
    assert time.monotonic() - begin < 10


def test_nothing_is_asked_that_ignores_being_asked(start):
    one = start("signal.signal(signal.SIGINT, signal.SIG_IGN)")
    begin = time.monotonic()
    assert process.end(process.find(one.pid), 60) == "SIGTERM"
    assert time.monotonic() - begin < 30


def test_a_process_of_another_user_does_not_save_the_others(family, tmp_path, monkeypatch):
    main, (child, stubborn, daemon, bare) = family()
    send = ending._send

    def refuse(one, number):
        if one.pid == child:
            raise PermissionError("process {} belongs to another user".format(child))
        send(one, number)

    monkeypatch.setattr(ending, "_send", refuse)
    with pytest.raises(PermissionError, match=str(child)):
        process.end_all(lambda: process.members("an.agent", str(tmp_path), ["uuid-1"]), 3)
    assert pids(process.members("an.agent", str(tmp_path), ["uuid-1"])) == {child}
