"""The operator's words."""

from datetime import datetime, timezone
from types import MappingProxyType

import pytest

from failover.decision.decision import Decision
from failover.decision.heartbeat import Heartbeat
from failover.decision.machine import initial
from failover.decision.orders import Orders
from failover.decision.setup import Record, Setup
from failover.decision.table import Action
from failover.decision.view import LeaseView, view
from failover.decision.vocabulary import AgentState, Command, Lease, Liveness, Timing
from failover.text import digest
from failover.words.announcer import Announcer
from failover.words.changes import Change, Problems
from failover.words.check import checklist
from failover.words.dashboard import Dashboard
from failover.words.history import Places
from failover.words.installed import compared
from failover.words.lines import alert_context, alert_key, headline, order, reason, since, standing, standing_there, summary
from failover.words.status import SCHEMA, Details, status
from failover.words.surroundings import Surroundings
from tests.testbed.pair import REPOSITORY

UP, UNKNOWN, DOWN = Liveness.UP, Liveness.UNKNOWN, Liveness.DOWN
STANDBY = Decision(Action.STOP, UP, wanted=Command.STOP)
TAKEOVER = Decision(Action.START, DOWN, wanted=Command.START)
PEER = Heartbeat("node-a", "failover", "platform.driver", "primary", "simple", 10.0, 1.0, 5.0, "boot", 1, None, None, True)
AROUND = Surroundings("tcp://192.0.2.10:1", True, None, None, 100.0, None, None, {}, None, True, False, "since noon")
NO_LEASE = LeaseView(False, None, 0.5, 7.3, 22.2, True, None, False)


def make_view(role="secondary", mode="simple", state=AgentState.STOPPED, lease=None, **fields):
    """Return a view of a side, its peer heard."""
    setup = Setup(mode, role, Timing(10.0, 1.0, 5.0), 1.0, "node-b" if role == "secondary" else "node-a", "failover",
                  ("platform.driver",), "boot", 5.0)
    seen = view(initial(setup, Record(), 0.0), 0.0)
    given = dict(decision=STANDBY, peer=PEER, heard_ago=0.5, agents=(seen.agents[0]._replace(state=state),),
                 lease=lease if mode == "simple" else lease or NO_LEASE)
    return seen._replace(**dict(given, **fields))


def test_a_summary_is_what_is_the_matter():
    assert summary("remote link lost: nothing listens at tcp://192.0.2.10:22916: does it run?") == "remote link lost"
    assert summary("VC at tcp://192.0.2.30:22916 does not answer: volttron.central: No route to host") == (
        "VC at tcp://192.0.2.30:22916 does not answer")
    assert summary("without a remedy") == "without a remedy"


# The headline

@pytest.mark.parametrize("state, words", [
    ("running", "primary node-a is active: heard within the last 10 s"),
    (None, "primary node-a is active: heard within the last 10 s"),
    ("stopped", "primary node-a is up, but platform.driver is stopped there: heard within the last 10 s"),
])
def test_the_peer_is_called_active_only_if_its_agent_runs(state, words):
    line = headline(make_view(peer=PEER._replace(state=state)), AROUND)
    assert line == words + "; platform.driver is stopped on this secondary node-b"


@pytest.mark.parametrize("state, active", [(AgentState.RUNNING, "is active"), (AgentState.STOPPED, "is not active yet")])
def test_a_takeover_says_since_when_the_primary_is_silent(state, active):
    line = headline(make_view(state=state, decision=TAKEOVER), AROUND._replace(
        unheard_since="since 2026-11-23 11:45:24 UTC"))
    assert line == ("secondary node-b {}: primary node-a not heard since 2026-11-23 11:45:24 UTC; "
                    "platform.driver is {}".format(active, state.value))


@pytest.mark.parametrize("role, decision, words", [
    ("primary", Decision(Action.START, UP, UP), "primary node-a is not active yet: VC answers, secondary node-a heard; "),
    ("primary", Decision(Action.WAIT, UNKNOWN), "primary node-a waits until it is known that platform.driver does not run"),
    ("primary", Decision(Action.STOP, DOWN, DOWN), "primary node-a is isolated: neither VC nor secondary node-a answers"),
    ("secondary", Decision(Action.START, DOWN, UP), "primary node-a not heard since noon, which VC verified"),
    ("secondary", Decision(Action.VERIFY, DOWN, UP), "verifying with VC that primary node-a is down: not heard since noon"),
    ("secondary", Decision(Action.STOP, DOWN, DOWN), "VC does not answer, so that nobody can verify that primary node-a"),
    ("secondary", Decision(Action.WAIT, UNKNOWN), "waiting up to 10 s to hear primary node-a"),
])
def test_each_decision_of_standard_failover_has_a_headline(role, decision, words):
    assert words in headline(make_view(role, "standard", decision=decision), AROUND)


@pytest.mark.parametrize("wanted, words", [(Command.STOP, "being stopped"), (None, "running")])
def test_an_agent_that_is_left_running_is_not_called_being_stopped(wanted, words):
    line = headline(make_view(state=AgentState.RUNNING, decision=STANDBY._replace(wanted=wanted)), AROUND)
    assert line.endswith("platform.driver is {} on this secondary node-b".format(words))


@pytest.mark.parametrize("heard_ago, words", [(1.0, "does not hear this side"), (8.5, "not heard"), (None, "not heard")])
def test_a_secondary_that_is_heard_and_does_not_hear_this_side_is_not_called_unheard(heard_ago, words):
    lease = LeaseView(True, 8.5, 1.5, None, 22.2, True, None, False)
    seen = make_view("primary", "standard", state=AgentState.RUNNING, decision=Decision(Action.START, DOWN, UP), heard_ago=heard_ago,
                     lease=lease, peer=PEER._replace(instance_name="node-b"))
    assert "VC answers, secondary node-b {};".format(words) in headline(seen, AROUND)
    assert reason(seen, lease).endswith("secondary " + words)


def test_the_headline_goes_by_the_role_in_which_a_side_acts():
    assert headline(make_view("primary", acting="secondary"), AROUND).endswith("on this secondary node-a")


def test_the_headline_of_a_pause_says_so_first():
    line = headline(make_view(), AROUND._replace(paused_until="tea time"))
    assert line.startswith("paused until tea time; primary node-a")


# Orders, and what each side does

PAUSED = Orders(3, "node-a", "primary", 600.0)


@pytest.mark.parametrize("fields, here, there", [
    ({}, "STANDBY", "ACTIVE"),
    (dict(state=AgentState.RUNNING, peer=PEER._replace(state="stopped")), "ACTIVE", "STANDBY"),
    (dict(decision=TAKEOVER), "STANDBY", "DOWN"),
    (dict(farewell=PEER), "STANDBY", "DOWN"),
    (dict(peer=None), "STANDBY", "UNKNOWN"),
    (dict(decision=STANDBY._replace(peer=UNKNOWN)), "STANDBY", "UNKNOWN"),
    (dict(orders=PAUSED, peer=PEER._replace(pause_left=5.0)), "PAUSED", "PAUSED"),
])
def test_what_each_side_does_is_said_in_a_word(fields, here, there):
    seen = make_view(**dict(dict(peer=PEER._replace(state="running")), **fields))
    assert (standing(seen), standing_there(seen)) == (here, there)


@pytest.mark.parametrize("before, after, fields, words", [
    (Orders(2), PAUSED, {},
     "the pair is paused until noon, ordered on node-a: nobody starts platform.driver, and there is no takeover"),
    (PAUSED, PAUSED._replace(number=4), {},
     "the pair is paused until noon, ordered on node-a: nobody starts platform.driver, and there is no takeover"),
    (Orders(2), Orders(3, "node-a"), {}, "the last order holds here too, ordered on node-a"),
    (PAUSED, Orders(4, "node-b"), {}, "the pause is over, ordered on node-b"),
    (PAUSED, PAUSED._replace(paused_until=None), {}, "the pause is over"),
    (Orders(), Orders(1, "node-a", "secondary"), dict(acting="primary"),
     "this side is preferred from now on, ordered on node-a"),
    (Orders(), Orders(1, "node-a", "secondary", is_handed_over=True), {},
     "the other side is preferred from now on, because platform.driver failed on node-a"),
    # After a pause there; this side has lost its memory.
    (Orders(), Orders(3, "node-b", "secondary", is_handed_over=True), {},
     "the other side is preferred from now on, because platform.driver failed on node-a"),
    (Orders(), Orders(1, "node-a", "secondary", is_kept=True), {},
     "the other side is preferred from now on, because it has taken over"),
])
def test_orders_are_told(before, after, fields, words):
    assert order(make_view(orders=after, **fields), before, "noon") == words


# The dashboard

def test_a_dashboard_is_told_each_change_and_otherwise_once_a_minute():
    unheard = make_view(peer=None, heard_ago=None, platform_answers=True)
    heard = unheard._replace(peer=PEER._replace(state="running"), heard_ago=0.52)
    silent = heard._replace(decision=TAKEOVER, heard_ago=10.0)
    dashboard, told = Dashboard(), []
    for now, seen, health in [(5.0, unheard, "GOOD"), (6.0, heard, "GOOD"), (65.9, heard, "GOOD"), (66.0, heard, "GOOD"),
                              (67.0, heard, "BAD"), (68.0, heard, "BAD"),
                              (69.0, silent._replace(platform_answers=False), "BAD"),
                              (200.0, silent, "BAD")]:
        dashboard, message = dashboard.after(seen, health, now)
        if message is not None:
            told.append((now, *message.values()))
    assert told == [(5.0, "STANDBY", "UNKNOWN", "GOOD", None), (6.0, "STANDBY", "ACTIVE", "GOOD", 0.5),
                    (66.0, "STANDBY", "ACTIVE", "GOOD", 0.5), (67.0, "STANDBY", "ACTIVE", "BAD", 0.5),
                    (200.0, "STANDBY", "DOWN", "BAD", 10.0)]


# The history

def history(*views):
    """Return the entries of views, one second apart."""
    places, found = Places(), []
    for now, seen in enumerate(views):
        places, entries = places.after(seen, AROUND, float(now))
        found += [(one["event"], one["on"], one["from"], one["planned"], one["outage"]) for one in entries]
    return found


def secondary(here, there, **fields):
    return make_view(state=here, peer=PEER._replace(state=there), heard_ago=0.0, **fields)


RUNS, STOPPED = AgentState.RUNNING, AgentState.STOPPED
NORMAL = secondary(STOPPED, "running")


def test_the_history_of_a_takeover_and_of_the_return():
    silent = [NORMAL._replace(decision=TAKEOVER, heard_ago=float(ago)) for ago in (1, 2)]
    assert history(NORMAL, *silent, secondary(RUNS, "running", decision=TAKEOVER)._replace(heard_ago=3.0),
                   secondary(RUNS, "stopped"), secondary(STOPPED, "stopped"), NORMAL) == [
        ("active", "node-b", "node-a", False, 3.0), ("stopped", "node-b", None, False, None),
        ("active", "node-a", "node-b", False, 2.0)]


def test_a_return_of_which_the_beginning_was_missed_is_in_the_history():
    taken_over = secondary(RUNS, "running", decision=TAKEOVER)
    assert history(NORMAL, taken_over, taken_over, NORMAL, NORMAL)[-2:] == [
        ("stopped", "node-b", None, False, None), ("active", "node-a", "node-b", False, 1.0)]


def test_a_side_that_ran_on_beside_the_one_that_took_over_is_the_active_one_again():
    alone, both = secondary(RUNS, "stopped"), secondary(RUNS, "running")
    assert history(alone, both, both, alone, alone) == [
        ("active", "node-a", "node-b", False, 1.0), ("stopped", "node-a", None, False, None),
        ("active", "node-b", "node-a", False, 0.0)]


def test_a_takeover_from_a_side_that_left_its_agent_running_is_one_entry():
    left = PEER._replace(leaving=True, may_run=True, state="running")
    taken_over = secondary(RUNS, "running", decision=TAKEOVER, farewell=left)
    assert history(NORMAL, secondary(STOPPED, "running", farewell=left), taken_over, taken_over) == [
        ("active", "node-b", "node-a", True, 1.0)]


def test_a_side_that_fails_after_a_takeover_is_not_followed_by_one_that_is_silent():
    silent = secondary(STOPPED, "running", decision=TAKEOVER)
    assert history(NORMAL, silent._replace(agents=(silent.agents[0]._replace(state=RUNS),)), silent, silent)[1:] == [
        ("stopped", "node-b", None, False, None)]


def test_the_history_of_a_switchover():
    orders = Orders(1, "node-a", "secondary")
    assert history(NORMAL, secondary(STOPPED, "stopped", orders=orders), secondary(RUNS, "stopped", orders=orders)) == [
        ("stopped", "node-a", None, True, None), ("active", "node-b", "node-a", True, 2.0)]


def test_the_history_of_an_orderly_leave():
    left = PEER._replace(leaving=True, may_run=False, state="stopped")
    assert history(NORMAL, secondary(STOPPED, "running", farewell=left), secondary(RUNS, "running", farewell=left)) == [
        ("stopped", "node-a", None, True, None), ("active", "node-b", "node-a", True, 2.0)]


def test_a_farewell_makes_nothing_planned_of_a_crash_on_the_other_side():
    left = PEER._replace(leaving=True, may_run=False, state="stopped")
    alone = secondary(RUNS, "stopped", decision=TAKEOVER, farewell=left)
    crashed = secondary(STOPPED, "stopped", decision=TAKEOVER, farewell=left)
    assert history(secondary(RUNS, "stopped"), alone, crashed, alone) == [
        ("stopped", "node-b", None, False, None), ("active", "node-b", "node-b", False, 2.0)]


def test_an_order_that_follows_a_takeover_makes_nothing_planned_of_it():
    orders = Orders(1, "node-a", "secondary")  # The other side keeps what it took over, which its heartbeats do not say.
    ran = secondary(RUNS, "stopped", acting="primary")
    alone = secondary(STOPPED, "stopped", decision=Decision(Action.STOP, DOWN, wanted=Command.STOP), acting="primary")
    assert history(ran, alone, secondary(STOPPED, "running", orders=orders)) == [
        ("stopped", "node-b", None, False, None), ("active", "node-a", "node-b", False, 2.0)]
    # The home primary takes over from the side that was chosen, and is the chosen one again.
    chosen = NORMAL._replace(orders=orders)
    silent = chosen._replace(decision=TAKEOVER, heard_ago=1.0)
    runs = secondary(RUNS, "running", decision=TAKEOVER, orders=Orders(2, "node-b", "primary"))
    assert history(chosen, silent, runs) == [("active", "node-b", "node-a", False, 2.0)]


# The checklist

def wrong(seen, around=AROUND, problems=MappingProxyType({}), warnings=()):
    return {one["name"]: one["text"] for one in checklist(seen, around, problems, warnings) if not one["is_ok"]}


def test_a_pair_in_order_has_nothing_on_its_checklist():
    assert wrong(make_view(peer=PEER._replace(heard_boot_id="boot", heard_sequence=3, state="running"))) == {}


@pytest.mark.parametrize("seen, around, problems, name, words", [
    (NORMAL, AROUND, {"missing": "it is not installed"}, "managed agent", "not installed"),
    (NORMAL, AROUND._replace(link_up=False), {}, "link to the other platform", "connecting"),
    (NORMAL._replace(heard_ago=None), AROUND, {}, "heartbeats of the other side", "never heard"),
    (NORMAL._replace(heard_ago=60.0), AROUND, {}, "heartbeats of the other side", "last heard 60.0 s ago"),
    (NORMAL, AROUND, {}, "own heartbeats", "not acknowledged"),
    (secondary(STOPPED, "not installed"), AROUND, {}, "managed agent on the other side", "not installed"),
    (NORMAL._replace(peer=PEER._replace(trouble="no start")), AROUND, {}, "managed agent on the other side", "no start"),
    (NORMAL._replace(decision=TAKEOVER), AROUND, {}, "managed agent on the other side", "not heard"),
    (make_view(mode="standard"), AROUND, {}, "VOLTTRON Central", "has not answered"),
    (secondary(AgentState.UNKNOWN, "running"), AROUND, {}, "managed agent", "not known"),
])
def test_what_is_not_in_order_is_on_the_checklist(seen, around, problems, name, words):
    assert words in wrong(seen, around, problems)[name]


@pytest.mark.parametrize("ours, theirs, differs", [
    ("driver-1 aa bb", "driver-1 aa bb", {}),
    ("driver-1 aa bb", "driver-2 aa bb", {"version": "platform.driver is driver-1 here and driver-2 on node-a"}),
    ("driver-1 aa -", "driver-1 ab -", {"configuration": "is installed differs from that on node-a"}),
    ("driver-1 aa bb", "driver-1 aa -", {"configuration store": "`vctl config list platform.driver`"}),
    ("driver-1 aa bb", None, None), (None, "driver-1 aa bb", None), ("driver-1 aa bb", "driver-1", None),
])
def test_what_is_installed_is_compared(ours, theirs, differs):
    items = [one for one in checklist(make_view(installation=ours, peer=PEER._replace(installation=theirs)), AROUND, {}, ())
             if one["name"].startswith("managed agent's ")]
    assert len(items) == (0 if differs is None else 3)
    found = {one["name"][len("managed agent's "):]: one["text"] for one in items if one["level"] != "OK"}
    assert found.keys() == (differs or {}).keys() and all(words in found[name] for name, words in (differs or {}).items())
    assert all(one["is_ok"] is (one["level"] == "OK") for one in items)
    meant = checklist(make_view(installation=ours, peer=PEER._replace(installation=theirs)), AROUND._replace(compares=False),
                      {}, ())
    assert [one["level"] for one in meant if one["name"].startswith("managed agent's ")] == [
        one["level"].replace("BAD", "WARN") for one in items]
    assert all(one["is_ok"] for one in meant if one["name"].startswith("managed agent's ")), "it is meant so"


@pytest.mark.parametrize("theirs, named", [
    ("driver-1+listener-1 aa+bb dd+-", ["platform.driver"]),
    ("driver-1+listener-1 aa+bb dd+ee", ["platform.driver", "listener"]),
    ("driver-1+listener-1 aa+bb dd", ["platform.driver+listener"]),  # It cannot be told which one differs.
])
def test_of_several_managed_agents_those_that_differ_are_named(theirs, named):
    one = make_view(installation="driver-1+listener-1 aa+bb -+-", peer=PEER._replace(
        installation=theirs, agent_vip_identity="platform.driver+listener"))
    both = one._replace(setup=one.setup._replace(agents=("platform.driver", "listener")),
                        agents=one.agents + (one.agents[0]._replace(identity="listener"),))
    text = wrong(both)["managed agent's configuration store"]
    assert ["`vctl config list {}`".format(name) in text for name in named] == [True] * len(named)
    assert text.count("`vctl config list ") == len(named), text


@pytest.mark.parametrize("ours, theirs, is_same", [
    ("a-1+b-1 aa+bb -+-", digest("a-1+b-1") + " aa+bb -+-", True), (digest("a-1+b-1") + " aa+bb -+-", "a-1+b-1 aa+bb -+-", True),
    ("a-1+b-2 aa+bb -+-", digest("a-1+b-1") + " aa+bb -+-", False)])
def test_what_one_side_had_to_hash_is_compared(ours, theirs, is_same):
    found = compared(make_view(installation=ours, peer=PEER._replace(installation=theirs)))
    assert [text is None for _, text in found] == [is_same, True, True]


def test_warnings_are_on_the_checklist():
    items = checklist(NORMAL, AROUND, {}, ["configuration: x", "signals ignored"])
    assert [(one["level"], one["name"], one["text"]) for one in items[:2]] == [
        ("WARN", "configuration", "x"), ("WARN", "configuration", "signals ignored")]
    assert items[0]["is_ok"]


def test_a_pause_is_on_the_checklist():
    assert "no takeover: run `python -m failover resume`" in wrong(NORMAL, AROUND._replace(paused_until="noon"))["pause"]


def test_since_is_a_time_of_day():
    at = datetime(2026, 11, 23, 11, 45, 24, tzinfo=timezone.utc)
    assert since(at, True) == "since 2026-11-23 11:45:24 UTC"
    assert since(at, False) == "since 2026-11-23 11:45:24 UTC, when this failover agent started"


# The reason

@pytest.mark.parametrize("lease, words", [
    (LeaseView(True, 8.5, 1.5, None, 22.2, True, None, False),
     "lease held for 8.5 s more, VC answered 1.5 s ago, primary up"),
    (LeaseView(True, 8.5, None, None, 22.2, True, None, False), "lease held for 8.5 s more, VC never answered, primary up"),
    (NO_LEASE, "primary silent for 7.3 s of 22.2 s"),
    (NO_LEASE._replace(vcp_word="no answer"), "primary silent for 7.3 s of 22.2 s, VC sees nothing of primary"),
    (NO_LEASE._replace(vcp_word="runs"), "VC sees primary running platform.driver"),
    (NO_LEASE._replace(silent_for=None), "silence of primary does not count while VC does not answer"),
    (NO_LEASE._replace(is_vc_apart=True), "silence of primary does not count because it goes by another VC"),
    (NO_LEASE._replace(knows_peer_timing=False), "because it has never been heard and its times are not known"),
])
def test_the_reason_gives_figures(lease, words):
    assert words in reason(make_view("secondary", "standard", lease=lease), lease)


# Alerts

@pytest.mark.parametrize("role, command, peer, words", [
    ("secondary", Command.START, DOWN, "Primary is inactive starting agent platform.driver"),
    ("secondary", Command.STOP, UP, "Primary is active stopping agent platform.driver"),
    ("secondary", Command.STOP, DOWN, "Stopping agent platform.driver"),
    ("primary", Command.START, UP, "Starting agent platform.driver"),
    ("primary", Command.STOP, DOWN, "Stopping agent platform.driver"),
])
def test_alerts_are_those_that_filters_know(role, command, peer, words):
    assert alert_context(make_view(role, decision=STANDBY._replace(peer=peer)), command, "platform.driver") == words
    assert alert_key("simple", role) == "failover simple_" + role and alert_key("standard", role) == "failover " + role


START, STOP = (Command.START, "platform.driver"), (Command.STOP, "platform.driver")


def test_of_several_agents_the_start_of_each_is_no_news_until_it_follows_anew():
    several = make_view(decision=TAKEOVER)
    said, _ = Announcer().after(several, [], False, False)
    said, alerts = said.after(several, [START, (Command.START, "actuator")], False, False)
    assert alerts == []
    assert said.after(several, [(Command.START, "actuator")], False, False)[1] == [(Command.START, "actuator")]


def test_a_change_of_what_is_wanted_is_announced_once():
    said, alerts = Announcer().after(make_view(decision=TAKEOVER), [], False, False)
    assert alerts == [START]
    said, alerts = said.after(make_view(decision=TAKEOVER), [START], False, False)
    assert alerts == []
    said, alerts = said.after(make_view(decision=TAKEOVER), [START], False, False)
    assert alerts == [START], "a command that follows anew is news"
    for has_failed, is_troubled in ((True, False), (False, True)):
        assert said.after(make_view(decision=TAKEOVER), [START], has_failed, is_troubled)[1] == []
    assert said.after(make_view(), [], False, False)[1] == [STOP]


@pytest.mark.parametrize("seen, commands, alerts", [
    (make_view(decision=Decision(Action.WAIT, UNKNOWN, wanted=Command.STOP), mode="standard"), [], []),
    (make_view(state=AgentState.UNKNOWN), [], []),
    (make_view(state=AgentState.UNKNOWN), [STOP], [STOP]),
    (make_view(decision=Decision(Action.WAIT, UNKNOWN)), [], []),
    (make_view(decision=TAKEOVER, is_quiet=True), [], []),
])
def test_what_is_not_decided_for_good_is_not_announced(seen, commands, alerts):
    assert Announcer().after(seen, commands, False, False)[1] == alerts


# The status

def test_the_schema_is_the_documented_one():
    assert "`schema` in the status\ngoes up; it is {}.".format(SCHEMA) in (REPOSITORY / "docs" / "monitoring.md").read_text()


DETAILS = Details(("GOOD", "fine"), [], [], "2026-11-23T11:45:24.000+00:00", 3.0, None, [{
    "identity": "platform.driver", "uuid": "uuid", "pid": 7, "last_ran": 0.1, "restarts_last_hour": 0, "health": "GOOD",
    "health_text": ""}])
KEYS = {
    "schema": None, "agent_id": None, "acts_as": None, "mode": None, "instance_name": None, "vip_identity": None, "health": None,
    "text": None, "problems": None, "warnings": None, "decision": None, "decided_on": None, "decided_for": None,
    "why": None, "timeout": None, "heartbeat_period": None, "stop_grace": None, "platform_answers": None,
    "standing": None, "orders": {"number", "given_on", "preferred", "preferred_here", "known_there", "paused_for"},
    "other": {"instance_name", "vip_identity", "standing", "liveness", "heartbeat_age", "may_run", "managed_agent", "left", "signs"},
    "link": {"address", "up", "since", "last_error", "refusal"},
    "vc": {"address", "identity", "up", "since", "liveness", "answer_age", "vcp", "last_error"},
    "lease": {"held", "seconds_left"}, "managed_agent": {"identity", "uuid", "pid", "state"}, "managed_agents": None,
    "runs": {"last_ran", "restarts_last_hour", "health", "health_text"},
}


def test_the_status_has_the_keys_that_others_rely_on():
    said = status(make_view(mode="standard"), AROUND, DETAILS._replace(vc_link=("volttron.central", True, 5.0)))
    assert {key: set(value) if isinstance(value, dict) else None for key, value in said.items()} == KEYS
    said = status(make_view(), AROUND, DETAILS)
    assert said.keys() == KEYS.keys() and said["vc"] is said["lease"] is said["why"] is None


def test_the_status_of_a_peer_that_left_is_its_last_word():
    left = PEER._replace(leaving=True, may_run=False, state="stopped")
    said = status(make_view(farewell=left), AROUND, DETAILS)["other"]
    assert said["left"] and said["may_run"] is False and said["managed_agent"] == "stopped"
    said = status(make_view(peer=None, heard_ago=None), AROUND, DETAILS)["other"]
    assert said["may_run"] is said["managed_agent"] is said["heartbeat_age"] is None and not said["left"]


def test_the_status_names_the_lease():
    held = LeaseView(True, 8.5, 1.5, None, 22.2, True, None, False)
    decision = Decision(Action.START, UP, UP, Lease.HELD, Command.START)
    said = status(make_view("primary", "standard", lease=held, decision=decision), AROUND,
                  DETAILS._replace(vc_link=("volttron.central", True, 5.0)))
    assert said["lease"] == {"held": True, "seconds_left": 8.5} and said["vc"]["answer_age"] == 1.5
    assert said["decision"] == "start" and said["why"].startswith("lease held for 8.5 s more")


# Problems come and go

def gone(key):
    return key + " is over"


def texts(changes):
    return [(change.bad, change.news) for change in changes]


def test_a_problem_is_said_when_it_comes_and_when_it_goes():
    problems = Problems(10.0)
    assert problems.update({"link": "remote link lost: no"}, gone, 0.0) == [Change(True, "remote link lost: no")]
    assert problems.update({"link": "remote link lost: still no"}, gone, 1.0) == []
    assert problems.texts == {"link": "remote link lost: still no"}
    assert problems.update({}, gone, 2.0) == [Change(False, "link is over")]


def test_a_problem_that_flaps_is_said_to_once_and_once_when_that_is_over():
    problems, said, now = Problems(10.0), [], 0.0
    for _ in range(20):
        for found in ({"link": "lost"}, {}):
            said += problems.update(found, gone, now)
            now += 3.0
    news = [change for change in said if change.news]
    assert len(said) == 41, "each time is in the log"
    assert [change.bad for change in news] == [True, False, True, False, True]
    assert news[-1].text.startswith("flapping: the remote link came and went 3 times within 60 s")
    assert "flapping" in problems.texts
    assert problems.update({}, gone, now + 50.0) == [] and "flapping" in problems.texts
    [over] = problems.update({}, gone, now + 60.0)
    assert over == Change(False, "no problem is flapping any more") and problems.texts == {}
    assert texts(problems.update({"link": "lost"}, gone, now + 61.0)) == [(True, True)]


def test_a_problem_that_flapped_and_stayed_is_said_again():
    problems = Problems(10.0)
    for second in range(6):
        problems.update({"link": "lost"} if second % 2 else {}, gone, float(second))
    assert problems.update({"link": "lost"}, gone, 64.0) == []
    assert problems.update({"link": "still lost"}, gone, 65.0) == [
        Change(False, "no problem is flapping any more"), Change(True, "still lost")]


def test_what_does_not_flap_is_said_meanwhile():
    problems = Problems(10.0)
    for second in range(10):
        problems.update({"link": "lost"} if second % 2 else {}, gone, float(second))
    assert texts(problems.update({"link": "lost", "control": "silent"}, gone, 10.0)) == [(True, True)]


def test_rare_outages_do_not_flap():
    problems, now = Problems(10.0), 0.0
    for _ in range(10):
        for found in ({"link": "lost"}, {}):
            assert all(change.news for change in problems.update(found, gone, now))
            now += 25.0
