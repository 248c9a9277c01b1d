"""The commands that order something and their exit statuses, the history on disk, and what the RPC methods refuse."""

import json

import gevent
import pytest

from failover import clock
from failover.authority import Authority, prove
from failover.command import asking, main, order, switchover
from failover.command.asking import NoAnswer
from failover.command.exit_status import BAD, GOOD, NO_AGENT, NO_PLATFORM, REFUSED, USAGE
from failover.commands import Commands
from failover.decision.vocabulary import AgentState
from failover.history import History
from failover.own_rpcs import guard
from tests.driving import Core, heartbeat
from tests.testbed.platforms import wait_for


class Asker:
    """Gives the answers of a failover agent, in their order; the last one again and again."""

    def __init__(self, answers):
        self.answers, self.asked = answers, []

    def ask(self, method, *args):
        self.asked.append((method,) + args)
        answer = self.answers[method]
        answer = answer.pop(0) if isinstance(answer, list) and len(answer) > 1 else answer
        answer = answer[0] if isinstance(answer, list) else answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    def order(self, method, *args):
        return self.ask(method, *args)

    def ask_status(self):
        return self.ask("status")

    def close(self):
        pass


@pytest.fixture
def answers(monkeypatch):
    """What the agent answers, by method; and `asked`, what it was asked."""
    asker = Asker({})
    for module in (order, asking):
        monkeypatch.setattr(module, "Asker", lambda vip_identity: asker)
    monkeypatch.setattr(switchover.gevent, "sleep", lambda seconds: None)
    return asker


DONE = {"done": True, "text": "switchover to node-b ordered", "order": 3, "known_there": True, "to": "node-b"}


def side(standing, number=3, name="node-a"):
    return {"instance_name": name, "standing": "STANDBY", "stop_grace": 5.0, "orders": {"number": number},
            "other": {"standing": standing}}


def test_a_pause_is_ordered(answers, capsys):
    answers.answers["pause"] = dict(DONE, text="paused for 600 s")
    assert main(["pause", "--for", "10m"]) == GOOD
    assert answers.asked == [("pause", 600.0)] and capsys.readouterr().out == "paused for 600 s\n"


def test_a_refusal_is_told(answers, capsys):
    answers.answers["resume"] = {"done": False, "text": "the pair is not paused"}
    assert main(["resume"]) == REFUSED
    assert capsys.readouterr() == ("", "the pair is not paused\n")
    assert main(["resume", "--json"]) == REFUSED
    assert json.loads(capsys.readouterr().out)["done"] is False


def test_no_platform(answers, capsys):
    answers.answers.update(resume=NoAnswer(NO_PLATFORM, "none"), check=NoAnswer(NO_PLATFORM, "none"),
                           history=NoAnswer(NO_PLATFORM, "none"))
    for command in ("resume", "check", "history"):
        assert main([command]) == NO_PLATFORM and capsys.readouterr() == ("", "none\n")
    assert main(["resume", "--json"]) == NO_PLATFORM
    assert json.loads(capsys.readouterr().out) == {"error": "none", "exit_status": NO_PLATFORM}


def test_a_switchover_is_waited_for(answers, capsys):
    answers.answers.update(switchover=DONE, status=[side("STANDBY"), side("ACTIVE")])
    assert main(["switchover", "--to", "node-b"]) == GOOD
    assert answers.asked[0] == ("switchover", "node-b")
    assert capsys.readouterr().out.startswith("node-b is active, after ")


@pytest.mark.parametrize("statuses, words", [
    ([side("STANDBY"), side("STANDBY", number=4)], "something else was ordered"),
    ([side("STANDBY")], "it is not active after"),
])
def test_a_switchover_that_does_not_come_is_told(answers, capsys, monkeypatch, statuses, words):
    answers.answers.update(switchover=DONE, status=statuses)
    now = iter(range(1000))
    monkeypatch.setattr(switchover.clock, "now", lambda: next(now))
    assert main(["switchover"]) == REFUSED and words in capsys.readouterr().err


def test_a_checklist(answers, capsys):
    answers.answers["check"] = [[{"name": "roles", "is_ok": True, "text": "in order", "level": "OK"}]]
    assert main(["check"]) == GOOD and capsys.readouterr().out == "OK   roles: in order\n"
    answers.answers["check"] = [[{"name": "roles", "is_ok": False, "text": "both\x1b primary", "level": "BAD"}]]
    assert main(["check"]) == BAD and capsys.readouterr().out == "BAD  roles: both\\x1b primary\n"


def test_a_history_is_told(answers, capsys):
    answers.answers["history"] = [[
        {"at": "2026-11-26T16:00:00.123+00:00", "event": "active", "on": "node-b", "from": "node-a", "planned": True,
         "outage": 1.5, "why": "so"},
        {"at": "2026-11-26T16:01:00.000+00:00", "event": "stopped", "on": "node-b", "why": "no"},
        {"at": "2026-11-26T16:02:00.000+00:00", "event": "order", "why": "the pause is over"}]]
    assert main(["history", "-n", "3"]) == GOOD and answers.asked == [("history", 3)]
    assert capsys.readouterr().out.splitlines() == [
        "2026-11-26 16:00:00.123  node-b became active, previously node-a (planned); outage 1.5 s: so",
        "2026-11-26 16:01:00.000  stopped on node-b: no", "2026-11-26 16:02:00.000  order: the pause is over"]


@pytest.mark.parametrize("command", ["check", "history"])
@pytest.mark.parametrize("answer", [None, "x", 7, {"name": "roles"}, ["x"], [{}, None]], ids=str)
def test_an_answer_that_is_no_list_is_that_of_no_failover_agent(answers, capsys, command, answer):
    for options in ([], ["--json"]):
        answers.answers[command] = [answer]
        assert main([command, *options]) == NO_AGENT
        assert "its answer to `{}` is no list of entries".format(command) in capsys.readouterr().err


@pytest.mark.parametrize("status", [{}, {"orders": 7}, {"orders": {"number": 3}, "other": None, "stop_grace": "x"}], ids=str)
def test_a_switchover_that_is_followed_by_odd_answers_is_not_done(answers, capsys, monkeypatch, status):
    answers.answers.update(switchover=DONE, status=status)
    now = iter(range(1000))
    monkeypatch.setattr(switchover.clock, "now", lambda: next(now))
    assert main(["switchover"]) == REFUSED and capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["pause", "--for", "25h"], ["pause", "--for", "0"], ["pause", "10m"],
                                       ["switchover", "node-b"], ["history", "-n", "x"], ["check", "all"]])
def test_wrong_usage(arguments):
    with pytest.raises(SystemExit) as ending:
        main(arguments)
    assert ending.value.code == USAGE


# The RPC methods

def commands(core):
    return Commands(lambda: core.state, core.post, Authority(None, "failover", lambda: "somebody", lambda caller: False, str))


@pytest.mark.parametrize("seconds", [0, -1, 86401, True, "60", None, float("nan")])
def test_a_pause_of_no_length_is_refused(seconds):
    with pytest.raises(ValueError, match="wanted: seconds, more than 0 and at most 86400"):
        commands(Core()).pause(seconds)


def test_a_side_that_is_none_is_refused():
    answer = commands(Core()).switchover("node-x")
    assert not answer["done"]
    assert answer["text"] == "no switchover: no side is called node-x; there are here, primary, secondary"


def test_orders_are_given_and_refused(monkeypatch):
    monkeypatch.setattr("failover.commands._KNOWN_WITHIN", 0.0)
    core = Core("primary")
    core.observe(AgentState.RUNNING, 1.0)
    assert commands(core).resume() == {"done": False, "text": "the pair is not paused", "order": 0, "known_there": False}
    answer = commands(core).pause(60)
    assert answer["done"] and answer["order"] == 1 and "will learn of it" in answer["text"]
    core.hear(heartbeat(1, agent_id="secondary")._replace(order=1, ordered_by="here"), 1.1)
    assert commands(core).pause(60)["order"] == 2
    assert commands(core).resume()["order"] == 3
    assert "no switchover to there: " in commands(core).switchover()["text"]


# Who may give orders

SECRET, AGENT = "the platform's secret key", "node-b.somebody"


def strict(core, authorized=()):
    return Commands(lambda: core.state, core.post, Authority(
        SECRET, "failover", lambda: AGENT, authorized.__contains__, "`vctl authz add agent {} ...`".format))


ORDERS = [("pause", [60.0]), ("resume", []), ("switchover", ["secondary"])]


@pytest.mark.parametrize("method, args", ORDERS)
@pytest.mark.parametrize("proof", [
    None, "", "x", 7, "nan 00", "\ud800", "1e999 x", prove("another secret key", "failover", "resume", []),
    prove(SECRET, "failover", "other", []),
    prove(SECRET, "failover", "pause", [61.0]), prove(SECRET, "failover", "switchover", ["primary"]),
    prove(SECRET, "failover-2", "pause", [60.0]), prove(SECRET, "failover-2", "resume", [])], ids=range(13))
def test_an_order_without_its_proof_is_refused_and_changes_nothing(method, args, proof):
    core = Core()
    before = core.state
    answer = getattr(strict(core), method)(*args, proof)
    assert not answer["done"] and core.state is before
    assert answer["text"].startswith("refused: node-b.somebody has not shown") and (
        "`python -m failover {}`".format(method) in answer["text"] and "`vctl authz add agent node-b.somebody ...`" in answer["text"])


@pytest.mark.parametrize("method, args", ORDERS)
@pytest.mark.parametrize("age, counts", [(0.0, True), (29.0, True), (31.0, False), (-1.0, False)])
def test_a_proof_holds_for_its_order_and_for_half_a_minute(method, args, age, counts):
    answer = getattr(strict(Core()), method)(*args, prove(SECRET, "failover", method, args, clock.now() - age))
    assert ("has not shown" not in answer["text"]) is counts


def test_a_proof_holds_once(monkeypatch):
    monkeypatch.setattr("failover.commands._KNOWN_WITHIN", 0.0)
    orders, proof = strict(Core()), prove(SECRET, "failover", "pause", [60.0])
    assert orders.pause(60.0, proof)["done"]
    assert "has not shown" in orders.pause(60.0, proof)["text"]


@pytest.mark.parametrize("error", [gevent.Timeout(10), gevent.Timeout(), RuntimeError("no route to platform.auth")])
def test_without_a_word_of_platform_auth_an_order_is_refused(error):
    def is_authorized(caller):
        raise error

    core = Core()
    orders = Commands(lambda: core.state, core.post, Authority(SECRET, "failover", lambda: AGENT, is_authorized, str))
    answer = orders.resume()
    assert not answer["done"]
    assert "run `python -m failover resume` here, as the platform's user, because platform.auth" in answer["text"]
    assert orders.resume(prove(SECRET, "failover", "resume", []))["text"] == "the pair is not paused"


def test_who_is_authorized_needs_none(monkeypatch):
    monkeypatch.setattr("failover.commands._KNOWN_WITHIN", 0.0)
    assert strict(Core(), [AGENT]).pause(60.0)["done"]


# What VOLTTRON exports by itself

class Rpc:
    """VOLTTRON's part that answers."""

    def __init__(self):
        self.exports, self.protected = {}, []

    def export(self, method, name):
        self.exports[name] = method


class ModularRpc(Rpc):
    def _add_protected_rpcs(self, updated_list):
        self.protected += updated_list


@pytest.mark.parametrize("kind", [Rpc, ModularRpc])
@pytest.mark.parametrize("name", ["start", "start_with_period", "stop", "restart", "set_period"])
def test_nobody_changes_volttrons_own_heartbeat(kind, name):
    rpc = kind()
    guard(rpc, lambda: "some\x1bbody", "platform.auth")
    method = rpc.exports["heartbeat." + name]
    assert method.__name__, "VOLTTRON asks for it when it protects a method"
    with pytest.raises(ValueError, match=r"refused to some\\x1bbody: "):
        method(0)
    assert ("rpc.add_protected_rpcs" in rpc.exports) is (kind is ModularRpc)


def test_only_platform_auth_says_which_methods_are_protected():
    rpc, callers = ModularRpc(), ["platform.auth"]
    guard(rpc, lambda: callers[0], "platform.auth")
    rpc.exports["rpc.add_protected_rpcs"](["status"])
    callers[0] = "platform.auth2"
    with pytest.raises(ValueError, match="refused to platform.auth2: only platform.auth says"):
        rpc.exports["rpc.add_protected_rpcs"](updated_list=["pause"])
    assert rpc.protected == ["status"]


# The history on disk

def test_the_history_outlives_a_restart_and_has_an_end(tmp_path):
    history = History(tmp_path / "data")
    for number in range(600):
        history.add({"event": "active", "number": number})
    wait_for(lambda: len(History(tmp_path / "data").last(1000)) == 500
             and History(tmp_path / "data").last(1)[0]["number"] == 599, 30, "the file", sleep=gevent.sleep)
    assert [one["number"] for one in History(tmp_path / "data").last(2)] == [598, 599]
    assert history.last(0) == history.last(-1) == []
    assert (tmp_path / "data" / "history.jsonl").stat().st_mode & 0o777 == 0o600


def test_what_is_no_history_is_passed_over(tmp_path):
    (tmp_path / "history.jsonl").write_text('x\n[]\n{"event": 7}\n{"event": "order"}\n{\n')
    assert History(tmp_path).last(9) == [{"event": "order"}]
    (tmp_path / "history.jsonl").unlink()
    (tmp_path / "history.jsonl").mkdir()
    assert History(tmp_path).last(9) == []
