"""The commands of the tests' platforms, which are forks of a process, do what they do when they are started afresh."""

import contextlib
import socket
import subprocess
import time

import psutil
import pytest

from tests.testbed.platforms import MONOLITHIC_ROOT, ModularPlatform, wait_for

pytestmark = pytest.mark.skipif(bool(MONOLITHIC_ROOT), reason="those of VOLTTRON 9 are started afresh")

LIMIT = 60


@pytest.fixture(scope="module")
def platform(folder):
    """A platform that is never started."""
    with contextlib.closing(ModularPlatform(folder / "unstarted", "unstarted")) as platform:
        yield platform


def script(platform, name):
    return str(platform.root / "env" / "bin" / name)


def forks(platform):
    """The processes that the server of pip has forked."""
    parents = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[-2:] == ["as-server", script(platform, "pip")]:
                parents[process.pid] = process.ppid()
    return [pid for pid, parent in parents.items() if parent in parents]


@pytest.mark.parametrize("arguments, status", [("show pytest", 0), ("show nothing", 1), ("nonsense", 1), ("config list", 0)])
def test_status_output_and_environment_are_the_same(platform, arguments, status):
    def run(*command):
        done = subprocess.run([*command, *arguments.split()], cwd=platform.root, env=dict(platform.env, PIP_TIMEOUT="77"),
                              capture_output=True, text=True, timeout=LIMIT)
        return done.returncode, done.stdout, done.stderr

    afresh = run(script(platform, "python"), "-m", "pip")
    assert afresh[0] == status
    for _ in range(2):  # The first one starts the server.
        assert run(script(platform, "pip")) == afresh


def test_a_command_that_is_killed_is_gone(platform):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        index = "http://127.0.0.1:{}/".format(silent.getsockname()[1])
        with subprocess.Popen([script(platform, "pip"), "download", "--index-url", index, "nothing"], cwd=platform.root,
                              env=platform.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as command:
            silent.settimeout(LIMIT)
            connection, _ = silent.accept()
            assert forks(platform)
            command.kill()
        with connection:
            connection.settimeout(LIMIT)
            while connection.recv(1000):
                pass
    wait_for(lambda: not forks(platform), LIMIT, "the end of what the command was")


def test_a_wait_does_not_end_because_this_process_stood_still(monkeypatch):
    """It looks again when it goes on; what took long before may be there only now."""
    now, looked = [0.0], []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def stand_still(_):
        now[0] += 100

    assert wait_for(lambda: looked.append(now[0]) or len(looked) == 10, 15, "the tenth look", sleep=stand_still)
    with pytest.raises(TimeoutError, match="what never comes: not within 15 s, in 16 looks"):
        wait_for(lambda: False, 15, "what never comes", sleep=stand_still)
    with pytest.raises(TimeoutError, match="in 2 looks"):
        wait_for(lambda: stand_still(None), 150, "a look that takes long itself", sleep=lambda _: None)
