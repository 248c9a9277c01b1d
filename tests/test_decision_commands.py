"""Commands to the managed agent: how soon the next one follows, and which answers belong to which."""

import pytest

from failover.decision.effects import Launch, PrepareStart
from failover.decision.events import AgentObserved, CommandEnded, PlatformAnswered, ReadyToStart, RetryAllowed
from failover.decision.vocabulary import AgentState, Command
from tests.driving import AGENT, Core, heartbeat, run
from tests.test_decision_lease import Side
from tests.test_decision_managed import RUNNING, STOPPED, UNKNOWN, starting_primary

# Pauses between them

def test_starts_that_fail_are_tried_again_after_growing_pauses():
    core, at = starting_primary(), [2.0]
    now = 2.0
    while len(at) < 10:
        if core.agent.pending is not None:
            core.end_command(now, succeeded=False)
        now += 0.125
        before = len(core.given(PrepareStart))
        core.observe(STOPPED, now)
        if len(core.given(PrepareStart)) > before:
            at.append(now)
    assert [later - earlier for earlier, later in zip(at, at[1:])] == pytest.approx(
        [1, 2, 4, 8, 16, 32, 60, 60, 60], abs=0.2)


def failing(core, until):
    """Let starts fail up to and including `until`; return when they were attempted."""
    at = []
    while core.now < until:
        if core.agent.pending is Command.START:
            at.append(core.now)
            core.end_command(core.now, succeeded=False)
        core.observe(STOPPED, core.now + 0.25)
    return at


def after_failures():
    """A simple secondary that has failed five times, the last time just now, so that it pauses for 16 s."""
    core = Core()
    run(core, 10)
    assert len(failing(core, 25.5)) == 5
    return core


@pytest.mark.parametrize("mended", ["runs", "allowed", "wanted"])
def test_the_pauses_begin_anew(mended):
    core = after_failures()
    now = core.now
    if mended == "runs":
        run(core, now + 100, since=now, state=RUNNING)
    elif mended == "allowed":
        core.post(RetryAllowed())
    else:
        core.hear(heartbeat(), now)
        run(core, now + 10, since=now)
    now = core.now
    first, *later = failing(core, now + 8.0)
    assert first <= now + 0.5 and [one - first for one in later] == pytest.approx([1.0, 3.0, 7.0], abs=0.6)


def test_the_pauses_go_on_growing_when_the_agent_has_run_for_a_short_time_only():
    core = after_failures()
    while core.agent.pending is None:
        core.observe(STOPPED, core.now + 0.25)
    core.end_command(core.now)
    run(core, core.now + 75, since=core.now, state=RUNNING)  # Less than 60 s since the next attempt was allowed.
    first, second = failing(core, core.now + 65)
    assert second - first == pytest.approx(60, abs=0.3)


def test_the_pauses_go_on_growing_when_nothing_was_seen_of_the_agent_for_a_long_time():
    core = after_failures()
    core.observe(UNKNOWN, core.now)
    until = core.now + 100
    while core.now < until:
        core.post(PlatformAnswered(), core.now + 0.5)
    first, second = failing(core, until + 40)
    assert second - first == pytest.approx(32, abs=0.3)


def test_a_command_ends_once():
    core = starting_primary()
    number = core.agent.number
    core.end_command(2.5)
    core.post(CommandEnded(AGENT, number, Command.START, True), 3.0)
    assert core.agent.ended_at == 2.5


def test_stops_that_fail_are_tried_again_soon():
    core, at = Core(), []
    core.observe(RUNNING, 0.0)
    core.hear(heartbeat(), 0.0)
    now = 0.0
    while now < 20:
        if core.agent.pending is Command.STOP:
            at.append(now)
            core.end_command(now, succeeded=False)
        now += 0.125
        core.hear(heartbeat(int(now * 8) + 1), now)
        core.observe(RUNNING, now)
    assert [later - earlier for earlier, later in zip(at, at[1:])] == pytest.approx([1, 2, 4, 4, 4, 4], abs=0.2)


def test_the_next_stop_need_not_wait_either_when_a_retry_is_allowed():
    side = Side("secondary")
    side.state = RUNNING
    side.run(0.25)
    side.core.end_command(side.now, succeeded=False)
    assert side.core.agent.pending is None
    side.core.post(RetryAllowed())
    assert side.core.agent.pending is Command.STOP


def test_a_stop_that_succeeds_lets_the_next_one_come_at_once():
    side = Side("secondary")
    side.state = RUNNING
    side.run(0.25)
    for _ in range(4):
        side.core.end_command(side.now, succeeded=False)
        while side.core.agent.pending is None:
            side.run(0.25)
    side.core.end_command(side.now, is_gone=True)
    assert side.run(0.25).command is Command.STOP, "another copy appears"
    side.core.end_command(side.now, succeeded=False)
    assert side.run(0.75).command is None and side.run(0.25).command is Command.STOP


# Which is which

def test_the_end_of_a_start_that_a_stop_has_broken_off_does_not_end_the_stop():
    core = Core()
    run(core, 10)
    start = core.agent.number
    core.hear(heartbeat(), 10.1)
    stop = core.agent.number
    core.post(ReadyToStart(AGENT, start), 10.2)
    core.post(CommandEnded(AGENT, start, Command.START, True), 10.3)
    assert core.agent.pending is Command.STOP and core.agent.number == stop and core.given(Launch) == []
    core.post(CommandEnded(AGENT, stop, Command.STOP, True, is_gone=True), 10.4)
    core.post(ReadyToStart(AGENT, start), 10.5)
    run(core, 20.5, since=10.5)
    core.post(ReadyToStart(AGENT, start), 20.6)
    assert core.agent.pending is Command.START and core.given(Launch) == [], "the next start is looked up itself"


def test_what_is_said_of_another_agent_changes_nothing():
    core = Core("primary")
    core.post(AgentObserved("another", RUNNING, 1.0), 1.0)
    assert core.agent == Core("primary").agent._replace(wanted=Command.START)
    assert core.state.sight.platform_answered == 1.0, "but control has answered"


def test_an_answer_that_says_nothing_new_leaves_what_is_known():
    core = Core("primary")
    core.observe(RUNNING, 0.0)
    core.observe(None, 1.0)
    assert core.agent.state is RUNNING and core.state.sight.platform_answered == 1.0


@pytest.mark.parametrize("state", [RUNNING, AgentState.MISSING])
def test_whatever_else_control_says_of_a_start_that_it_has_not_answered_is_believed_at_once(state):
    core = starting_primary()
    core.ready(2.0)
    core.end_command(2.5, succeeded=False)
    core.observe(state, 3.0)
    assert core.agent.state is state
