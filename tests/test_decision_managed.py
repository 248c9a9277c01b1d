"""The managed agent: from what control says to the next command, and what a failover agent does beside that."""

import pytest

from failover.decision.effects import (EndAsOrphan, EndStrays, ForbidRestart, Launch, Note, PrepareStart, Publish,
                                       ReconnectNow, RenewVcLink, SaveRecord, Stop, StopForGood, Want)
from failover.decision.events import (AgentObserved, CommandEnded, Ended, EndAsked, HeartbeatReceived, LinkChanged,
                                      LinkFree, PlatformAnswered, PlatformSeen, ReadyToStart, RecordSaved, RestartForbidden,
                                      RetryAllowed, StartAnswered, StraysEnded, Subscribed, VcAnswered)
from failover.decision.outbox import Cadence, Outbox
from failover.decision.setup import Record
from failover.decision.vocabulary import AgentState, Command, Path
from tests.driving import AGENT, GRACE, TIMEOUT, TIMING, Core, heartbeat, run
from tests.test_decision_lease import Side

RUNNING, STOPPED, UNKNOWN = AgentState.RUNNING, AgentState.STOPPED, AgentState.UNKNOWN


def kinds(effects):
    return [type(effect) for effect in effects]


def starting_primary():
    """A simple primary whose start has just been commanded, at 2.0."""
    core = Core("primary")
    run(core, 2.0)
    assert core.agent.pending is Command.START
    return core


# Starts

def test_a_start_is_prepared_and_then_launched():
    core = starting_primary()
    assert kinds(core.given(PrepareStart) + core.given(Launch)) == [PrepareStart]
    assert Launch(AGENT, core.agent.number, None) in core.ready(2.5)
    assert core.ready(2.6) == (), "once"


def test_in_standard_failover_it_is_launched_before_the_end_of_the_lease():
    side = Side("primary")
    assert side.run(60, vc=True).command is Command.START
    [launch] = [one for one in side.core.ready(side.now) if isinstance(one, Launch)]
    assert launch.before == side.core.lease.until(side.core.state) <= side.now + TIMEOUT


def test_a_start_is_not_launched_when_the_decision_has_changed_meanwhile():
    core = Core()
    assert run(core, 10).command is Command.START
    core.hear(heartbeat(), 10.1)
    assert core.agent.pending is Command.STOP, "the stop takes its place"
    core.ready(10.2)
    assert core.given(Launch) == []


def test_a_simple_start_is_given_up_when_nothing_is_wanted_any_more():
    core = Core()
    assert run(core, 10).command is Command.START
    core.decide(100.0)
    assert core.agent.wanted is None, "blind"
    [note] = [one for one in core.ready(100.0) if isinstance(one, Note)]
    assert "is not started" in note.text and core.agent.pending is None and core.given(Launch) == []


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


def test_of_several_agents_each_follows_and_heartbeats_speak_for_all():
    core = Core(agents=(AGENT, "second"))

    def observe(first, second, now):
        core.observe(first, now)
        core.observe(second, now, agent="second")

    observe(RUNNING, RUNNING, 0.0)
    core.hear(heartbeat(), 0.0)
    assert [stop.agent for stop in core.given(Stop)] == [AGENT, "second"]
    core.end_command(0.1, is_gone=True)
    observe(STOPPED, RUNNING, 0.2)
    assert core.beat(0.2).may_run
    core.post(CommandEnded("second", core.state.agents[1].number, Command.STOP, True, is_gone=True), 0.3)
    observe(STOPPED, STOPPED, 0.4)
    assert not core.beat(0.4).may_run
    while core.now < 10.0:
        observe(STOPPED, STOPPED, core.now + 0.5)
    assert [start.agent for start in core.given(PrepareStart)] == [AGENT, "second"]


def test_a_start_that_control_has_not_answered_may_yet_take_effect():
    """Control says "stopped" meanwhile, because it serves other calls."""
    core = starting_primary()
    core.ready(2.0)
    core.end_command(2.5, succeeded=False)
    core.observe(STOPPED, 3.0)
    assert core.agent.state is AgentState.STARTING and core.state.may_run
    core.observe(STOPPED, 2.0 + GRACE - 0.1)
    assert core.agent.state is AgentState.STARTING
    core.observe(STOPPED, 2.0 + GRACE)
    assert len(core.given(PrepareStart)) == 2, "it is believed now, and followed by another start"


@pytest.mark.parametrize("state", [RUNNING, AgentState.MISSING])
def test_whatever_else_control_says_of_a_start_that_it_has_not_answered_is_believed_at_once(state):
    core = starting_primary()
    core.ready(2.0)
    core.end_command(2.5, succeeded=False)
    core.observe(state, 3.0)
    assert core.agent.state is state


def test_when_control_has_answered_a_start_stopped_is_believed_at_once():
    core = starting_primary()
    core.ready(2.0)
    core.post(StartAnswered(AGENT, core.agent.number - 1))
    core.end_command(2.5, succeeded=False)
    core.observe(STOPPED, 2.6)
    assert core.agent.state is AgentState.STARTING, "another start was answered"
    core.post(StartAnswered(AGENT, core.agent.number))
    core.observe(STOPPED, 2.7)
    assert core.agent.state is STOPPED


# What the platform does by itself

def test_in_standard_failover_the_platform_is_kept_from_starting_what_ended_badly():
    side = Side("secondary")
    core = side.core
    assert ForbidRestart(AGENT) in core.observe(STOPPED, 1.0, ended_badly=True)
    assert core.agent.state is UNKNOWN
    assert core.observe(STOPPED, 1.5, ended_badly=True) == (), "it is asked once at a time"
    core.post(RestartForbidden(AGENT, 1.0, False), 1.6)
    assert core.agent.state is UNKNOWN
    core.observe(STOPPED, 2.0, ended_badly=True)
    core.post(RestartForbidden(AGENT, 2.0, True), 2.1)
    assert core.agent.state is STOPPED and len(core.given(ForbidRestart)) == 2


def test_in_standard_failover_that_is_so_also_where_it_is_to_run():
    side = Side("primary")
    side.run(60, vc=True)
    side.core.end_command(side.now)
    side.state = RUNNING
    side.run(1, vc=True)
    assert side.core.agent.wanted is Command.START
    begun = len(side.core.given(PrepareStart))
    assert ForbidRestart(AGENT) in side.core.observe(STOPPED, side.now, ended_badly=True)
    assert side.core.agent.state is RUNNING and len(side.core.given(PrepareStart)) == begun
    side.core.post(RestartForbidden(AGENT, side.now, True))
    assert len(side.core.given(PrepareStart)) == begun + 1


def test_that_the_platform_was_told_before_a_command_ended_says_nothing_about_what_that_did():
    side = Side("secondary")
    core = side.core
    side.state = RUNNING
    side.run(1)
    assert core.agent.pending is Command.STOP
    core.post(RestartForbidden(AGENT, side.now, True))
    assert core.agent.state is RUNNING
    core.end_command(side.now + 1, succeeded=False)
    core.post(RestartForbidden(AGENT, side.now, True), side.now + 1)
    assert core.agent.state is RUNNING


def test_in_simple_failover_only_where_it_is_to_be_stopped():
    core = Core()
    core.observe(STOPPED, 1.0, ended_badly=True)
    assert core.agent.state is STOPPED and core.given(ForbidRestart) == []
    core.hear(heartbeat(), 1.5)
    core.observe(STOPPED, 2.0, ended_badly=True)
    assert len(core.given(ForbidRestart)) == 1


def test_what_strays_is_ended_and_until_then_the_agent_is_not_said_to_be_stopped():
    side = Side("secondary")
    core = side.core
    side.run(1)
    [end] = [one for one in core.observe(STOPPED, 2.0, has_strays=True) if isinstance(one, EndStrays)]
    assert end == EndStrays(AGENT, core.state.stop_within(2.0), True) and core.agent.state is UNKNOWN
    core.observe(STOPPED, 2.5, has_strays=True)
    assert len(core.given(EndStrays)) == 1, "once at a time"
    core.post(StraysEnded(AGENT, False), 3.0)
    assert core.until_change() == 1.0
    core.observe(STOPPED, 3.5)
    assert core.agent.state is UNKNOWN and len(core.given(EndStrays)) == 1
    core.observe(STOPPED, 4.0)
    assert len(core.given(EndStrays)) == 2
    core.post(StraysEnded(AGENT, True), 4.1)
    core.observe(STOPPED, 4.2)
    assert core.agent.state is STOPPED


def test_where_it_may_run_only_what_control_does_not_know_is_ended():
    core = Core("primary")
    core.observe(RUNNING, 0.0, has_strays=True)
    assert core.given(EndStrays) == [EndStrays(AGENT, GRACE, False)] and core.agent.state is RUNNING


def test_in_simple_failover_control_keeps_what_it_knows_also_where_it_is_to_be_stopped():
    core = Core()
    core.hear(heartbeat(), 0.0)
    core.observe(STOPPED, 0.0, has_strays=True)
    assert core.given(EndStrays) == [EndStrays(AGENT, GRACE, False)] and core.agent.state is UNKNOWN


def test_an_agent_that_is_not_installed_may_have_strays():
    core = Core()
    core.observe(AgentState.MISSING, 1.0, has_strays=True)
    assert core.agent.state is UNKNOWN and core.beat(1.0).may_run
    core.post(StraysEnded(AGENT, True), 1.5)
    core.observe(AgentState.MISSING, 2.0)
    assert core.agent.state is AgentState.MISSING and not core.beat(2.0).may_run


def test_the_shell_is_told_what_is_wanted_once():
    core = Core()
    core.hear(heartbeat(), 0.0)
    run(core, 12)
    assert {one.wanted for one in core.given(Want)} == {Command.STOP, None, Command.START} and len(core.given(Want)) == 3
    assert Side("secondary").run(0.25) and Side("primary").core.given(Want) == [Want(AGENT, Command.STOP, True)]


# The platform

@pytest.mark.parametrize("mode", ["simple", "standard"])
def test_an_orphan_ends_after_timeout_or_when_another_platform_has_come(mode):
    core = Core("primary", mode)
    run(core, 3)
    core.post(PlatformSeen(False), 4.0)
    assert core.decide(4.0 + TIMEOUT) and core.given(EndAsOrphan) == []
    core.decide(4.1 + TIMEOUT)
    assert core.given(EndAsOrphan) == [EndAsOrphan(GRACE)]
    replaced = Core("primary", mode)
    replaced.post(PlatformSeen(False), 4.0)
    assert EndAsOrphan(GRACE) in replaced.post(PlatformSeen(False, True), 5.0)
    assert replaced.decide(100.0) and len(replaced.given(EndAsOrphan)) == 1, "once"


def test_who_was_an_orphan_once_remains_one():
    core = Core("primary")
    core.post(PlatformSeen(False), 1.0)
    core.post(PlatformSeen(True), 2.0)
    run(core, 30)
    assert len(core.given(EndAsOrphan)) == 1


def test_nothing_is_started_or_said_while_the_platform_may_be_shutting_down():
    core = Core("primary", quiet_until=50.0)
    assert run(core, 49).command is None and core.beat(49.5) is None
    assert run(core, 50, since=50).command is Command.START and core.beat(50.0) is not None
    stopping = Core(quiet_until=50.0)
    stopping.hear(heartbeat(), 0.0)
    stopping.observe(RUNNING, 0.5)
    assert stopping.agent.pending is Command.STOP, "what must not run is stopped"


# The end

def end(core, is_gone, was_let_in=True):
    asked = core.post(EndAsked(was_let_in))
    return asked, core.post(Ended(is_gone))


def test_a_simple_failover_agent_that_ends_leaves_the_agent_as_it_is_and_says_farewell():
    core = Core("primary")
    run(core, 1, state=RUNNING)
    asked, farewell = end(core, False)
    assert asked == () and kinds(farewell) == [Publish]
    one = farewell[0].heartbeat
    assert one.leaving and one.may_run and one.state == "running" and one.sequence == core.state.outbox.sequence
    assert core.decide(2.0).command is None and core.post(LinkFree(Path.DIRECT), 5.0) == (), "it does nothing more"


def test_in_standard_failover_it_is_stopped_too_and_no_lease_is_left():
    side = Side("primary", lease_until=8.0)
    side.state = RUNNING
    side.run(3, vc=True)
    asked, farewell = end(side.core, True)
    assert asked == (StopForGood(),) and kinds(farewell) == [Publish, Publish, SaveRecord]
    assert all(not one.heartbeat.may_run and one.heartbeat.state == "stopped" for one in farewell[:2])
    assert farewell[2].record.lease_until is None and farewell[2].record.peer_terms == TIMING


@pytest.mark.parametrize("mode", ["simple", "standard"])
def test_an_orphan_that_is_told_to_end_stops_its_agent_and_says_nothing(mode):
    core = Core("primary", mode)
    core.post(PlatformSeen(False))
    asked, farewell = end(core, True)
    assert asked == (StopForGood(),) and Publish not in kinds(farewell)


def test_a_duplicate_that_was_never_let_in_leaves_the_agent_to_the_other_one():
    asked, _ = end(Core("primary", "standard"), False, was_let_in=False)
    assert asked == ()


def test_who_ends_while_its_platform_shuts_down_says_nothing():
    _, farewell = end(Core("primary", quiet_until=50.0), False)
    assert farewell == ()


# What is on disk

def saved(core):
    return [one.record for one in core.given(SaveRecord)]


def test_what_changes_is_saved_but_the_end_of_the_lease_only_now_and_then():
    side = Side("primary")
    side.run(60, vc=True)
    assert side.holds_lease
    before = len(saved(side.core))
    side.run(20, vc=True)
    records = saved(side.core)[before:]
    assert 6 <= len(records) <= 9, "every quarter of timeout"
    side.hear(True)
    assert saved(side.core)[-1].peer_instance is None, "one heartbeat may be forged"
    side.run(2, vc=True, peer=True)
    assert saved(side.core)[-1].peer_instance == "there"
    side.run(20)
    assert saved(side.core)[-1].lease_until is None


def test_what_changes_is_saved_at_once_and_once_at_a_time():
    core = Core("primary", "standard", subscribed=False)
    core.saves = "unanswered"
    assert SaveRecord(Record(None, TIMING, None, None, "standard")) in core.post(Subscribed(), 1.0)
    for sequence in (1, 2):
        core.hear(heartbeat(sequence, agent_id="secondary", mode="standard"), 1.0 + sequence)
    assert core.record.peer_terms == TIMING and len(saved(core)) == 1, "the disk is busy"
    core.post(RecordSaved(saved(core)[0], True), 20.0)
    assert saved(core)[1:] == [Record(None, TIMING, TIMING, "there", "standard")]


def test_the_end_of_the_lease_is_saved_when_it_has_moved_by_a_quarter_of_timeout():
    side = Side("primary", lease_until=8.0, mode="standard", own_terms=TIMING)
    side.state = RUNNING
    side.run(0.5)
    core = side.core
    for now, on_file in ((2.0, 2.0), (4.5, 2.0), (5.5, 5.5)):
        core.observe(RUNNING, now)
        core.vc_answers(core.beat(now, Path.VC), now)
        assert core.record.lease_until == now + TIMEOUT and saved(core)[-1].lease_until == on_file + TIMEOUT
    assert [one.lease_until for one in saved(core)] == [2.0 + TIMEOUT, 5.5 + TIMEOUT]


def test_what_could_not_be_saved_is_saved_again_after_five_seconds():
    core = Core("primary", "standard", subscribed=False)
    core.saves = False
    core.post(Subscribed(), 1.0)
    assert len(saved(core)) == 1
    core.decide(5.9)
    assert len(saved(core)) == 1 and core.until_change() == pytest.approx(0.1)
    core.saves = "unanswered"
    core.decide(6.0)
    assert len(saved(core)) == 2
    core.decide(60.0)
    assert len(saved(core)) == 2, "it is still being saved"


def test_simple_failover_saves_only_that_standard_failover_is_over():
    former = Record(77.0, TIMING, TIMING, "there", "standard")
    core = Core("primary", record=former)
    run(core, 20)
    assert saved(core) == [former._replace(lease_until=None, mode="simple")]
    assert saved(Core("primary")) == []


# Which messages count

def test_what_comes_from_this_platform_or_is_about_another_agent_does_not_count():
    core = Core()
    assert "it is an agent of this platform" in core.hear(heartbeat(), 1.0, is_local=True)
    assert "about another managed agent, other" in core.hear(None, 1.0, subject="other")
    assert core.peer.last_heard is None


def test_a_heartbeat_on_the_topic_of_another_role_or_mode_does_not_count():
    core = Core()
    assert "on the topic of a simple secondary" in core.hear(heartbeat(), 1.0, role="secondary")
    assert "on the topic of a standard primary" in core.hear(heartbeat(), 1.0, mode="standard")
    assert core.peer.last_heard is None


def test_an_empty_message_counts_on_the_peers_topic_alone():
    core = Core()
    core.hear(None, 1.0, role="secondary")
    core.hear(None, 1.0, path=Path.VC)
    assert core.peer.last_heard is None
    assert "content of a heartbeat of somebody ignored: bad" in core.hear(None, 2.0, fault="bad")
    assert core.peer.last_heard == 2.0 and core.peer.heartbeat is None


def test_what_comes_back_from_vcs_bus_is_no_peer():
    side = Side("primary")
    side.run(5)
    core = side.core
    one = core.beat(side.now + 1, Path.VC)
    core.hear(one, side.now + 1, Path.VC)
    core.hear(one._replace(boot_id="former"), side.now + 1, Path.VC)
    assert core.peer.last_heard is None and core.view().alike is None


def test_a_peer_that_is_up_again_is_connected_to_at_once():
    core = Core()
    core.hear(heartbeat(), 1.0)
    assert len(core.given(ReconnectNow)) == 1
    core.hear(heartbeat(2), 2.0)
    assert len(core.given(ReconnectNow)) == 1


# Questions to VC

def test_an_answer_of_vc_counts_when_the_heartbeat_has_come_back_too():
    for first in ("echo", "answer"):
        core = Core("primary", "standard")
        one = core.beat(0.0, Path.VC)
        echo = HeartbeatReceived(Path.VC, one, "x")
        for event in ((echo, VcAnswered(one.sequence)) if first == "echo" else (VcAnswered(one.sequence), echo)):
            assert core.lease.witness.answered is None
            core.post(event, core.now + 0.25)
        assert core.lease.witness.answered == 0.0 == core.lease.witness.unbroken_since


def test_a_bus_that_does_not_pass_heartbeats_on_is_connected_to_anew():
    core = Core("primary", "standard")
    one = core.beat(0.0, Path.VC)
    core.post(VcAnswered(one.sequence), 1.0)
    core.decide(1.0 + TIMEOUT / 2 - 0.1)
    assert core.given(RenewVcLink) == []
    core.decide(1.0 + TIMEOUT / 2)
    core.decide(1.1 + TIMEOUT / 2)
    assert core.given(RenewVcLink) == [RenewVcLink()], "once"


@pytest.mark.parametrize("up", [True, False])
def test_questions_are_lost_with_their_connection(up):
    core = Core("primary", "standard")
    one = core.beat(0.0, Path.VC)
    core.post(LinkChanged(Path.VC, up))
    core.vc_answers(one, 0.5)
    assert core.lease.witness.answered is None


def test_a_question_whose_heartbeat_did_not_go_out_is_none():
    core = Core("primary", "standard")
    core.refuse(core.beat(0.0, Path.VC), Path.VC)
    assert core.lease.witness.questions == ()


# When what was sent

def test_of_what_was_sent_only_as_much_is_remembered_as_can_matter():
    outbox = Outbox(Cadence(0.0), None)
    for second in range(2000):
        outbox = outbox.sending(Path.DIRECT, True, 1.0, 86400.0, float(second))
    assert len(outbox.sent) == 256 and outbox.sent_at(2000) == 1999.0 and outbox.sent_at(1745) == 1744.0
    assert outbox.sent_at(1744) is outbox.sent_at(2001) is None
    assert outbox.sending(Path.DIRECT, True, 1.0, 5.0, 2003.0).sent_at(1999) is None, "it is too old to matter"
