"""The command `python -m failover status`: what it shows and when, its words and its exit statuses. A real platform is asked
in test_simple.py; here a stand-in answers."""

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

from failover import command
from failover.command import status as status_command
from failover.command.asking import ANSWER_WITHIN, NoAnswer
from failover.command.exit_status import BAD, GOOD, INTERRUPTED, NO_AGENT, NO_PLATFORM, UNWRITABLE, USAGE
from failover.command.output import CLEAR
from failover.command.page import render, without_answer
from failover.command.status import Looks
from tests.test_status_page import STATUS, changed
from tests.testbed.pair import REPOSITORY
from tests.testbed.platforms import MONOLITHIC_ROOT, wait_for

# Seconds. Generous: machines are shared.
LIMIT = 60


# One look after the other

def look(monkeypatch, answers, **options):
    """Look once for each answer, a status or a NoAnswer, 5 s apart."""
    times = iter(range(0, 1000, 5))
    now = [0]
    monkeypatch.setattr(status_command.clock, "now", lambda: now[0])
    remaining = iter(answers)

    def ask():
        now[0] = next(times)
        answer = next(remaining)
        if isinstance(answer, NoAnswer):
            raise answer
        return answer

    looks = Looks(ask, "failover", **options)
    statuses = []
    for _ in answers:
        looks.look()
        statuses.append(looks.exit_status)
    return statuses


SILENT = NoAnswer(NO_PLATFORM, "no platform answers: why")


def test_the_exit_status_is_that_of_the_last_look(monkeypatch):
    answers = [STATUS, changed(health="BAD"), changed(health="UNKNOWN"), {}, NoAnswer(NO_AGENT, "why"), SILENT, STATUS]
    assert look(monkeypatch, answers, as_json=False, on_terminal=False) == [0, 1, 1, 1, 2, 3, 0]
    assert Looks(None, "failover", False, False).exit_status == 130


def test_a_terminal_keeps_the_last_page(monkeypatch, capsys):
    look(monkeypatch, [SILENT, STATUS, SILENT, SILENT], as_json=False, on_terminal=True)
    first, second, third, fourth = capsys.readouterr().out.split(CLEAR)[1:]
    page = render(STATUS)
    assert (first, second) == ("no platform answers: why\n", page + "\n")
    for shown, age in ((third, "5.0 s"), (fourth, "10 s")):
        assert shown == without_answer(str(SILENT), page, float(age[:-2])) + "\n"
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


@pytest.mark.parametrize("error, exit_status", [(KeyboardInterrupt, INTERRUPTED), (BrokenPipeError, GOOD)])
def test_any_subcommand_may_be_interrupted_or_not_be_read(monkeypatch, error, exit_status):
    def run(options):
        raise error

    monkeypatch.setattr(status_command, "run", run)
    monkeypatch.setattr(command.output, "discard", lambda: None)
    assert command.main(["status"]) == exit_status


def test_wrong_usage_of_the_real_command(home):
    assert run(home, "--interval", "0").returncode == USAGE


def test_help_names_the_exit_statuses(home):
    shown = run(home, "--help")
    assert shown.returncode == 0
    assert [line.split()[0] for line in shown.stdout.partition("exit status")[2].splitlines()[1:]] == [
        str(status) for status in (GOOD, BAD, NO_AGENT, NO_PLATFORM, USAGE, UNWRITABLE, INTERRUPTED)]


@pytest.mark.parametrize("options", [["--json"], ["--help"]])
def test_output_that_cannot_be_written_is_no_answer_of_the_agent(home, options):
    with open("/dev/full", "w") as full:
        done = subprocess.run(**arguments(home, *options), stdout=full, stderr=subprocess.PIPE, text=True, timeout=LIMIT)
    assert (done.returncode, done.stderr) == (UNWRITABLE, "the output ends here: No space left on device\n")


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
    began = time.monotonic()
    assert run(router.home).returncode == GOOD
    usual = time.monotonic() - began
    router.close()
    began = time.monotonic()
    shown = run(router.home)
    assert shown.returncode == NO_PLATFORM and time.monotonic() - began < usual + ANSWER_WITHIN, "it has waited for an answer"
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
    assert (process.returncode, errors) == (INTERRUPTED, "")


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
            wait_for(lambda: has_shown("remote link"), LIMIT, "page")
            router.close()
            wait_for(lambda: has_shown("this is what it said then"), LIMIT, "silence")
            wait_for(lambda: "remote link" in shown.decode().rpartition("what it said then")[2] or has_shown(""), LIMIT,
                     "the last page")
            process.send_signal(signal.SIGINT)
            process.wait(LIMIT)
        finally:
            process.kill()
            os.close(reader)
    assert process.returncode == NO_PLATFORM and b"Traceback" not in shown
