"""The command `python -m failover status`: its picture, its words and its exit statuses. A real platform is asked in
test_simple.py; here a stand-in answers."""

import base64
import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time

import pytest
import zmq
from zmq.utils import z85

from failover import __main__ as command
from failover.__main__ import BAD, GOOD, NO_AGENT, NO_PLATFORM, USAGE, Looks, NoStatus, render, without_answer
from tests.testbed.pair import REPOSITORY
from tests.testbed.platforms import MONOLITHIC_ROOT, wait_for

# Seconds. Generous: machines are shared.
LIMIT = 60

STATUS = {
    "agent_id": "secondary", "mode": "simple", "instance_name": "node-b", "vip_identity": "failover",
    "health": "GOOD", "text": "primary node-a is active", "problems": [],
    "decision": "stop", "decided_on": "2026-11-23T09:04:17.170+00:00", "decided_for": 9667.2, "why": None,
    "timeout": 10, "heartbeat_period": 1, "stop_grace": 10, "platform_answers": True,
    "other": {"instance_name": "node-a", "vip_identity": "failover", "liveness": "up", "heartbeat_age": 0.31,
              "may_run": True},
    "link": {"address": "tcp://192.0.2.10:22916", "up": True, "since": 75, "last_error": None},
    "vc": None, "lease": None,
    "managed_agent": {"identity": "platform.driver", "uuid": "024b6b56", "pid": None, "state": "stopped"},
}
VC = {"address": "tcp://192.0.2.30:22916", "identity": "volttron.central", "up": True, "since": 12.7, "liveness": "up",
      "answer_age": 0.4, "vcp": None, "last_error": None}


def changed(**changes):
    """The status with these keys; those of its sections are added to what is there."""
    return dict(STATUS, **{key: dict(STATUS.get(key) or {}, **value) if isinstance(value, dict) else value
                           for key, value in changes.items()})


# The picture

def test_the_picture():
    assert render(STATUS).splitlines() == [
        "this side      secondary node-b, simple failover",
        "health         GOOD: primary node-a is active",
        "decision       stop, for 2:41:07 h (since 2026-11-23T09:04:17.170+00:00)",
        "managed agent  platform.driver is stopped",
        "               uuid 024b6b56",
        "other side     node-a, up; last heartbeat 0.3 s ago",
        "               its managed agent runs or may run",
        "remote link    tcp://192.0.2.10:22916 up, for 1:15 min"]


def test_the_picture_with_vc():
    assert render(changed(mode="standard", vc=VC, why="lease held for 9.6 s more")).splitlines()[-3:] == [
        "VC             volttron.central up; last answer 0.4 s ago",
        "               tcp://192.0.2.30:22916 up, for 12 s",
        "why            lease held for 9.6 s more"]


@pytest.mark.parametrize("changes, line", [
    (dict(platform_answers=False), "own platform   its control does not answer"),
    (dict(problems=["one", "two"]), "problems       one\n               two"),
    (dict(warnings=["a VCP would be good", "b"]), "warnings       a VCP would be good\n               b"),
    (dict(managed_agent=dict(state="running", pid=12, health="GOOD", health_text=None, restarts_last_hour=3)),
     "platform.driver is running, pid 12; its own health GOOD; started again 3 times within the last hour\n"),
    (dict(managed_agent=dict(state="running", pid=12, health="BAD", health_text="no device", restarts_last_hour=1)),
     "platform.driver is running, pid 12; its own health BAD: no device; started again once within the last hour\n"),
    (dict(managed_agent=dict(state="starting", last_ran=12.4)),
     "platform.driver is starting, not running now, ran last 12 s ago\n"),
    (dict(managed_agent=dict(last_ran=12, health=None, restarts_last_hour=0)),
     "platform.driver is stopped, ran last 12 s ago\n"),
    (dict(managed_agent=dict(last_ran=None)), "platform.driver is stopped\n"),
    (dict(managed_agent=dict(state="running", pid=12, last_ran=0)), "platform.driver is running, pid 12\n"),
    (dict(other=dict(left=True, managed_agent="stopped")),
     "its failover agent has been stopped in order; its managed agent is stopped\n"),
    (dict(other=dict(left=False, managed_agent="running")), "               its managed agent is running\n"),
    (dict(other=dict(left=False, managed_agent=None, may_run=False)), "its managed agent does not run\n"),
    (dict(other=dict(instance_name=None, liveness="unknown", heartbeat_age=None, may_run=None)),
     "name not heard yet, unknown; last heartbeat never\n               its managed agent is not known\n"),
    (dict(link=dict(up=False, last_error="nothing listens")),
     "down, for 1:15 min\n               last error: nothing listens"),
    (dict(link=dict(refusal="not authorized")), "               it refuses our heartbeats: not authorized"),
    (dict(vc=dict(VC, up=False, last_error="nothing listens")), "               last error: nothing listens"),
    (dict(vc=dict(VC, liveness="down", last_error="no such peer")), "               last error: no such peer"),
])
def test_what_the_picture_shows(changes, line):
    assert line in render(changed(**changes)) + "\n"


def test_a_link_that_is_up_has_no_last_error():
    picture = render(changed(link=dict(last_error="old"), vc=dict(VC, last_error="old")))
    assert "old" not in picture and "last error" not in picture


@pytest.mark.parametrize("strange", [
    None, True, 7, -1e400, float("nan"), 10 ** 400, "text", [], ["one", None, {}], {"up": []}])
def test_an_answer_of_another_shape_is_shown_as_far_as_it_goes(strange):
    assert render({}) == "this side      ? ?, ? failover\nhealth         ?: ?"
    filled = changed(vc=VC, warnings=["one"], managed_agent=dict(health="GOOD", restarts_last_hour=2, last_ran=3))
    for key, value in filled.items():
        assert render({key: value})
        assert render(dict(filled, **{key: strange}))
        assert render({other: kept for other, kept in filled.items() if other != key})
        for inner in value if isinstance(value, dict) else ():
            assert render(dict(filled, **{key: dict(value, **{inner: strange})}))
            assert render(dict(filled, **{key: {other: kept for other, kept in value.items() if other != inner}}))


def test_foreign_text_cannot_steer_the_terminal():
    evil = "\033[2J\r\nhealth GOOD\x9b1m\u202e"

    def poisoned(value):
        if isinstance(value, dict):
            return {key: poisoned(inner) for key, inner in value.items()}
        return [evil] if isinstance(value, list) else evil

    filled = changed(vc=VC, warnings=[], other=dict(managed_agent=""), managed_agent=dict(health="", health_text=""),
                     link=dict(refusal="", up=False))
    for status in [poisoned(filled)] + [dict(filled, **{key: poisoned(value)}) for key, value in filled.items()]:
        assert all(line.isprintable() for line in render(status).splitlines())
        assert not any(line.startswith("health GOOD") for line in render(status).splitlines())


def test_the_last_picture_stays_with_its_age():
    assert without_answer("why", "picture", 12.3) == "no answer for 12 s; this is what it said then\nwhy\n\npicture"
    assert without_answer("why", None, 12.3) == "why"


# One look after the other

def look(monkeypatch, answers, **options):
    """Look once for each answer, a status or a NoStatus, 5 s apart."""
    times = iter(range(0, 1000, 5))
    now = [0]
    monkeypatch.setattr(command.clock, "now", lambda: now[0])
    remaining = iter(answers)

    def ask():
        now[0] = next(times)
        answer = next(remaining)
        if isinstance(answer, NoStatus):
            raise answer
        return answer

    looks = Looks(ask, "failover", **options)
    statuses = []
    for _ in answers:
        looks.look()
        statuses.append(looks.exit_status)
    return statuses


SILENT = NoStatus(NO_PLATFORM, "no platform answers: why")


def test_the_exit_status_is_that_of_the_last_look(monkeypatch):
    answers = [STATUS, changed(health="BAD"), changed(health="UNKNOWN"), {}, NoStatus(NO_AGENT, "why"), SILENT, STATUS]
    assert look(monkeypatch, answers, as_json=False, on_terminal=False) == [0, 1, 1, 1, 2, 3, 0]
    assert Looks(None, "failover", False, False).exit_status == 130


def test_a_terminal_keeps_the_last_picture(monkeypatch, capsys):
    look(monkeypatch, [SILENT, STATUS, SILENT, SILENT], as_json=False, on_terminal=True)
    first, second, third, fourth = capsys.readouterr().out.split(command._CLEAR)[1:]
    picture = render(STATUS)
    assert (first, second) == ("no platform answers: why\n", picture + "\n")
    for shown, age in ((third, "5.0 s"), (fourth, "10 s")):
        assert shown == without_answer(str(SILENT), picture, float(age[:-2])) + "\n"
        assert shown.startswith("no answer for {}; this is what it said then\n".format(age))


def test_each_look_prints_a_line_of_json(monkeypatch, capsys):
    look(monkeypatch, [STATUS, SILENT, STATUS], as_json=True, on_terminal=False)
    shown = capsys.readouterr()
    assert [json.loads(line) for line in shown.out.splitlines()] == [
        STATUS, {"error": str(SILENT), "exit_status": 3, "vip_identity": "failover"}, STATUS]
    assert shown.err == ""


# The command

@pytest.fixture
def home(tmp_path):
    """An empty VOLTTRON_HOME."""
    home = tmp_path / "home"
    home.mkdir()
    return home


def arguments(home, *options):
    """What starts the command: a dict of arguments to subprocess."""
    return dict(args=[sys.executable, "-m", "failover", "status", *options], cwd=REPOSITORY,
                env=dict(os.environ, VOLTTRON_HOME=str(home)))


def run(home, *options):
    done = subprocess.run(**arguments(home, *options), capture_output=True, text=True, timeout=LIMIT)
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("options", [
    ["--interval", "0"], ["--interval", "-1"], ["--interval", "0.09"], ["--interval", "nan"], ["--interval", "inf"],
    ["--interval", "soon"], ["--vip-identity", ""], ["--vip-identity", "two\nlines"], ["--nonsense"], ["further"]])
def test_wrong_usage_ends_with_64(options, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(["status", *options])
    assert ended.value.code == USAGE
    assert "usage:" in capsys.readouterr().err


def test_wrong_usage_of_the_real_command(home):
    assert run(home, "--interval", "0").returncode == USAGE


def test_help_names_the_exit_statuses(home):
    shown = run(home, "--help")
    assert shown.returncode == 0
    assert [line.split()[0] for line in shown.stdout.partition("exit status")[2].splitlines()[1:]] == [
        str(status) for status in (GOOD, BAD, NO_AGENT, NO_PLATFORM, USAGE, command.INTERRUPTED)]


def test_without_files_of_a_platform(home):
    shown = run(home)
    assert shown.returncode == NO_PLATFORM
    assert "VOLTTRON_HOME {}".format(home) in shown.stderr and "vctl status" in shown.stderr
    shown = run(home, "--json")
    assert (shown.returncode, shown.stderr, json.loads(shown.stdout)["exit_status"]) == (NO_PLATFORM, "", NO_PLATFORM)


def test_a_wrong_volttron_home_is_not_made(home):
    missing = home / "missing"
    shown = run(missing)
    assert shown.returncode == NO_PLATFORM and "no such folder" in shown.stderr
    assert not missing.exists()


def test_in_an_environment_without_volttron(home):
    options = arguments(home)
    options["args"][1:1] = ["-S"]  # No site-packages.
    done = subprocess.run(**options, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == NO_PLATFORM and "this Python has no VOLTTRON" in done.stderr
    assert "Traceback" not in done.stderr


def volttrons_text(key):
    return base64.urlsafe_b64encode(z85.decode(key)).decode().rstrip("=")


class Router:
    """A stand-in for a platform of VOLTTRON 11, as far as the command sees one: files in `home`, and a router on which
    the peer `failover` answers with the status, does not exist (if that is None) or does not answer (`frozen`)."""

    def __init__(self, home):
        self.home = home
        self.status = STATUS
        self.frozen = False
        self.hellos = self.questions = 0
        self._socket = zmq.Context.instance().socket(zmq.ROUTER)
        self._socket.linger = 0
        publickey, self._socket.curve_secretkey = zmq.curve_keypair()
        self._socket.curve_server = True
        self._port = self._socket.bind_to_random_port("tcp://127.0.0.1")
        (home / "credentials_store").mkdir()
        self.write_key("platform", volttrons_text(publickey))
        client_public, client_secret = map(volttrons_text, zmq.curve_keypair())
        self.write_key("control.connection", client_public, secretkey=client_secret)
        self.address = "tcp://127.0.0.1:{}".format(self._port)
        (home / "config").write_text("[volttron]\naddress = {}\n".format(self.address))
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def write_key(self, name, publickey, **more):
        file = self.home / "credentials_store" / (name + ".json")
        file.write_text(json.dumps(dict(publickey=publickey, **more)))

    def close(self):
        self._ending.set()
        self._thread.join(LIMIT)
        self._socket.close()

    def _serve(self):
        while not self._ending.is_set():
            if self._socket.poll(50):
                sender, peer, proto, user, ident, subsystem, *args = self._socket.recv_multipart()
                self.questions += subsystem == b"RPC"
                if subsystem != b"RPC" or not self.frozen:
                    answer = self._answer(peer, subsystem, args)
                    self._socket.send_multipart([sender, peer, proto, user, ident, *answer])

    def _answer(self, peer, subsystem, args):
        if subsystem == b"hello":
            self.hellos += 1
            return [b"hello", b"welcome", b"1.0", b"", b"", b""]
        if subsystem != b"RPC":
            return [subsystem, b"pong"]
        if peer != b"failover" or self.status is None:
            return [b"error", b"113", b"No route to host", peer, b"RPC"]
        return [b"RPC", json.dumps({"id": json.loads(args[0])["id"], "result": self.status}).encode()]


needs_volttron_11 = pytest.mark.skipif(MONOLITHIC_ROOT is not None, reason="the stand-in's files are VOLTTRON 11's")


@pytest.fixture
def router(home):
    router = Router(home)
    with contextlib.closing(router):
        yield router


@needs_volttron_11
def test_exit_statuses_of_answers(router):
    for answer, exit_status in ((STATUS, GOOD), (changed(health="BAD"), BAD), (["no status"], NO_AGENT), ({}, BAD)):
        router.status = answer
        assert run(router.home).returncode == exit_status
    router.status = None
    shown = run(router.home)
    assert shown.returncode == NO_AGENT and "no agent with the VIP identity failover runs" in shown.stderr
    assert "--vip-identity" in shown.stderr and "vctl status" in shown.stderr
    assert run(router.home, "--vip-identity", "another").returncode == NO_AGENT


@needs_volttron_11
def test_nothing_listens(router):
    router.close()
    began = time.monotonic()
    shown = run(router.home)
    assert shown.returncode == NO_PLATFORM and time.monotonic() - began < command._ANSWER_WITHIN
    for words in ("nothing listens", router.address, str(router.home), "vctl status"):
        assert words in shown.stderr


@needs_volttron_11
def test_keys_that_are_refused(router):
    router.write_key("platform", volttrons_text(zmq.curve_keypair()[0]))
    shown = run(router.home)
    assert shown.returncode == NO_PLATFORM and "broke off the handshake" in shown.stderr


@needs_volttron_11
@pytest.mark.parametrize("options", ["", "--json", "--watch --interval 0.1", "--watch --json --interval 0.1", "--help"])
def test_a_reader_that_ends_early(router, options):
    command_line = arguments(router.home, *options.split())
    command_line["args"] = ["bash", "-o", "pipefail", "-c", '"$@" | true', "bash", *command_line["args"]]
    done = subprocess.run(**command_line, capture_output=True, text=True, timeout=LIMIT)
    assert (done.returncode, done.stdout, done.stderr) == (GOOD, "", "")


@needs_volttron_11
def test_an_agent_that_does_not_answer(router):
    router.frozen = True
    with subprocess.Popen(**arguments(router.home, "--watch", "--json"), stdout=subprocess.PIPE, text=True) as process:
        try:
            answer = json.loads(process.stdout.readline())
        finally:
            process.kill()
    assert answer["exit_status"] == NO_AGENT and "did not answer" in answer["error"]


@needs_volttron_11
def test_interrupted_before_it_had_looked(router):
    router.frozen = True
    with subprocess.Popen(**arguments(router.home), stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for(lambda: router.questions, LIMIT, "question")
            process.send_signal(signal.SIGINT)
            errors = process.communicate(timeout=LIMIT)[1]
        finally:
            process.kill()
    assert (process.returncode, errors) == (command.INTERRUPTED, "")


@needs_volttron_11
def test_watching_as_json(router):
    """A line for each look, over one connection as long as there is one, and the last look's exit status."""
    with subprocess.Popen(**arguments(router.home, "--watch", "--json", "--interval", "0.1"), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as process:
        try:
            assert [json.loads(process.stdout.readline())["health"] for _ in range(3)] == ["GOOD"] * 3
            assert router.hellos == 1
            router.status = None
            wait_for(lambda: json.loads(process.stdout.readline()).get("exit_status") == NO_AGENT, LIMIT, "no agent")
            router.close()
            wait_for(lambda: json.loads(process.stdout.readline()).get("exit_status") == NO_PLATFORM, LIMIT, "silence")
            process.send_signal(signal.SIGINT)
            errors = process.communicate(timeout=LIMIT)[1]
        finally:
            process.kill()
    assert (process.returncode, errors) == (NO_PLATFORM, "")


@needs_volttron_11
def test_watching_on_a_terminal(router):
    reader, terminal = pty.openpty()
    shown = b""

    def has_shown(text):
        nonlocal shown
        shown += os.read(reader, 10000)
        return text in shown.decode(errors="replace")

    with subprocess.Popen(**arguments(router.home, "--watch", "--interval", "0.1"), stdin=subprocess.DEVNULL,
                          stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        try:
            wait_for(lambda: has_shown("remote link"), LIMIT, "picture")
            router.close()
            wait_for(lambda: has_shown("this is what it said then"), LIMIT, "silence")
            wait_for(lambda: "remote link" in shown.decode().rpartition("what it said then")[2] or has_shown(""), LIMIT,
                     "the last picture")
            process.send_signal(signal.SIGINT)
            process.wait(LIMIT)
        finally:
            process.kill()
            os.close(reader)
    assert process.returncode == NO_PLATFORM and b"Traceback" not in shown
