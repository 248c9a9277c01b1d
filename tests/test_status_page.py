"""The page of text that shows a status: what is on it, and that nothing a status holds can harm its reader."""

import sys

import pytest

from failover.command.page import render, without_answer
from failover.command.panels import panels

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


def test_the_page():
    assert render(STATUS).splitlines() == [
        "this side      secondary node-b, simple failover",
        "health         GOOD: primary node-a is active",
        "decision       stop, for 2:41:07 h (since 2026-11-23T09:04:17.170+00:00)",
        "managed agent  platform.driver is stopped",
        "               uuid 024b6b56",
        "other side     node-a, up; last heartbeat 0.3 s ago",
        "               its managed agent runs or may run",
        "remote link    tcp://192.0.2.10:22916 up, for 1:15 min"]


def test_the_page_with_vc():
    assert render(changed(mode="standard", vc=VC, why="lease held for 9.6 s more")).splitlines()[-3:] == [
        "VC             volttron.central up; last answer 0.4 s ago",
        "               tcp://192.0.2.30:22916 up, for 12 s",
        "why            lease held for 9.6 s more"]


@pytest.mark.parametrize("changes, line", [
    (dict(platform_answers=False), "local platform its control does not answer"),
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
def test_what_the_page_shows(changes, line):
    assert line in render(changed(**changes)) + "\n"


def test_a_link_that_is_up_has_no_last_error():
    page = render(changed(link=dict(last_error="old"), vc=dict(VC, last_error="old")))
    assert "old" not in page and "last error" not in page


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


def test_the_last_page_stays_with_its_age():
    assert without_answer("why", "page", 12.3) == "no answer for 12 s; this is what it said then\nwhy\n\npage"
    assert without_answer("why", None, 12.3) == "why"


# The panels

BOTH = {"instance_name": "node-a", "standing": "ACTIVE", "other": {"instance_name": "node-b", "standing": "STANDBY"}}


@pytest.mark.parametrize("columns", [50, 80, 200])
def test_the_panels_say_what_each_side_does(columns):
    shown = panels(BOTH, columns)
    assert all(words in shown for words in ("node-a", "ACTIVE", "node-b", "STANDBY")), shown
    assert "\033[1;32m" in shown and "\033[1;36m" in shown


@pytest.mark.parametrize("key", ["standing", "instance_name", "decision", "why", "other", "orders", "health"])
def test_a_status_may_hold_any_key_alone(key):
    assert "this side" in render({key: "x"})


@pytest.mark.parametrize("status", [{}, {"standing": "ACTIVE"}, dict(BOTH, other=None)])
def test_without_what_each_side_does_there_are_no_panels(status):
    assert panels(status, 80) is None


def test_on_a_narrow_terminal_there_are_no_panels():
    assert panels(BOTH, 49) is None


def test_without_rich_there_are_no_panels(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich", None)
    assert panels(BOTH, 80) is None


@pytest.mark.parametrize("value", [None, 7, "\033[31mACTIVE", "x" * 1000, ["ACTIVE"], "[red]ACTIVE[/red]"])
def test_panels_show_whatever_an_agent_says_and_steer_no_terminal(value):
    shown = panels(dict(BOTH, instance_name=value, standing=value), 80)
    assert "STANDBY" in shown and "\033[31mA" not in shown
