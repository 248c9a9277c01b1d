"""The operator's words."""

from dataclasses import replace
from datetime import datetime, timezone

import pytest

from failover.config import Config
from failover.core import Action, AgentState, Decision, Liveness
from failover.heartbeat import Heartbeat
from failover.report import Change, Problems, headline, since, summary

CONFIG = Config("secondary", True, "tcp://192.0.2.10:1", "key", "platform.driver", 1.0, 10.0, 5.0)
STANDBY = Decision(Action.STOP, None, Liveness.UP)
TAKEOVER = Decision(Action.START, None, Liveness.DOWN)
PEER = Heartbeat("node-a", "failover", "platform.driver", "primary", "simple", 10.0, 1.0, 5.0, "boot", 1, None, None, True)


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
def test_the_other_side_is_called_active_only_if_its_agent_runs(state, words):
    line = headline(CONFIG, "node-b", STANDBY, AgentState.STOPPED, replace(PEER, state=state), "")
    assert line == words + "; platform.driver is stopped on this secondary node-b"


@pytest.mark.parametrize("state, active", [(AgentState.RUNNING, "is active"), (AgentState.STOPPED, "is not active yet")])
def test_a_takeover_says_since_when_the_primary_is_silent(state, active):
    line = headline(CONFIG, "node-b", TAKEOVER, state, PEER, "since 2026-11-23 11:45:24 UTC")
    assert line == "secondary node-b {}: primary node-a not heard since 2026-11-23 11:45:24 UTC; platform.driver is {}".format(
        active, state.value)


def test_since_is_a_time_of_day():
    at = datetime(2026, 11, 23, 11, 45, 24, tzinfo=timezone.utc)
    assert since(at, True) == "since 2026-11-23 11:45:24 UTC"
    assert since(at, False) == "since 2026-11-23 11:45:24 UTC, when this failover agent started"


# Problems

def texts(changes):
    return [(change.bad, change.news) for change in changes]


def test_a_problem_is_said_when_it_comes_and_when_it_goes():
    problems = Problems(CONFIG)
    assert problems.update({"link": "remote link lost: no"}, 0.0) == [Change(True, "remote link lost: no")]
    assert problems.update({"link": "remote link lost: still no"}, 1.0) == []
    assert problems.texts == {"link": "remote link lost: still no"}
    assert problems.update({}, 2.0) == [Change(False, "remote link found: tcp://192.0.2.10:1 answers again")]


def test_each_kind_of_problem_has_words_for_its_end():
    problems = Problems(CONFIG)
    for number, key in enumerate(Problems._GONE):
        if key != "flapping":
            problems.update({key: "it is there"}, 1000.0 * number)
            [gone] = problems.update({}, 1000.0 * number + 1)
            assert not gone.bad and "{" not in gone.text


def test_a_problem_that_flaps_is_said_to_once_and_once_when_that_is_over():
    problems, said, now = Problems(CONFIG), [], 0.0
    for _ in range(20):
        for found in ({"link": "lost"}, {}):
            said += problems.update(found, now)
            now += 3.0
    news = [change for change in said if change.news]
    assert len(said) == 41, "each time is in the log"
    assert [change.bad for change in news] == [True, False, True, False, True]
    assert news[-1].text.startswith("flapping: the remote link came and went 3 times within 60 s")
    assert "flapping" in problems.texts
    assert problems.update({}, now + 50.0) == [] and "flapping" in problems.texts
    [over] = problems.update({}, now + 60.0)
    assert over == Change(False, "no problem is flapping any more") and problems.texts == {}
    assert texts(problems.update({"link": "lost"}, now + 61.0)) == [(True, True)]


def test_a_problem_that_flapped_and_stayed_is_said_again():
    problems = Problems(CONFIG)
    for second in range(6):
        problems.update({"link": "lost"} if second % 2 else {}, float(second))
    assert problems.update({"link": "lost"}, 64.0) == []
    assert problems.update({"link": "still lost"}, 65.0) == [
        Change(False, "no problem is flapping any more"), Change(True, "still lost")]


def test_what_does_not_flap_is_said_meanwhile():
    problems = Problems(CONFIG)
    for second in range(10):
        problems.update({"link": "lost"} if second % 2 else {}, float(second))
    assert texts(problems.update({"link": "lost", "control": "silent"}, 10.0)) == [(True, True)]


def test_rare_outages_do_not_flap():
    problems, now = Problems(CONFIG), 0.0
    for _ in range(10):
        for found in ({"link": "lost"}, {}):
            assert all(change.news for change in problems.update(found, now))
            now += 25.0
