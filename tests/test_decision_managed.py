"""The managed agent: from what control says to the next command, and what a failover agent does beside that."""

import pytest

from failover.decision.decision import Decision
from failover.decision.effects import (
    EndAsOrphan,
    EndStrays,
    ForbidRestart,
    Launch,
    Note,
    PrepareStart,
    Publish,
    RenewVcLink,
    SaveRecord,
    Stop,
    StopForGood,
    Want,
)
from failover.decision.events import (
    EndAsked,
    Ended,
    HeartbeatReceived,
    LinkChanged,
    LinkFree,
    PlatformSeen,
    Reconfigured,
    RestartForbidden,
    StartAnswered,
    StraysEnded,
    VcAnswered,
)
from failover.decision.managed import Managed, Turn
from failover.decision.setup import Record
from failover.decision.table import Action
from failover.decision.vocabulary import AgentState, Command, Liveness, Path
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


# What nobody has seen

@pytest.mark.parametrize("was_wanted, kinds_then", [(True, [Want, Stop]), (False, [Want])])
def test_what_the_platform_may_have_started_unseen_is_stopped(was_wanted, kinds_then):
    """While it is wanted, the platform's monitor may start it, and control may be too slow to say so."""
    wanted = Decision(Action.START, Liveness.UP, wanted=Command.START)
    unseen = Managed(AGENT, 0.0, 0.0)
    if was_wanted:
        unseen, _ = unseen.toward(wanted, True, Turn(True, True, GRACE), 1.0)
    _, effects = unseen.toward(wanted._replace(wanted=Command.STOP), True, Turn(True, True, GRACE), 2.0)
    assert kinds(effects) == kinds_then


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


def test_how_long_a_start_may_take_is_not_shortened_while_it_is_under_way():
    core = starting_primary()
    core.ready(2.0)
    core.post(Reconfigured(core.setup.settings._replace(timing=TIMING._replace(stop_grace=1.0))), 2.1)
    core.end_command(2.5, succeeded=False)
    assert core.state.timing.stop_grace == 1.0
    core.observe(STOPPED, 2.0 + GRACE - 0.1)
    assert len(core.given(PrepareStart)) == 1 and core.agent.state is AgentState.STARTING
    core.observe(STOPPED, 2.0 + GRACE)
    assert len(core.given(PrepareStart)) == 2


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


@pytest.mark.parametrize("command", [Command.START, Command.STOP])
def test_a_command_of_which_nothing_is_heard_is_given_again(command):
    core = Core("primary" if command is Command.START else "secondary")
    if command is Command.START:
        now = run(core, 2.0) and 2.0
    else:
        core.hear(heartbeat(), 0.0)
        core.observe(RUNNING, 0.0)
        now = 0.0
    kind = PrepareStart if command is Command.START else Stop
    assert core.agent.pending is command and len(core.given(kind)) == 1
    lost = now + (120 if command is Command.START else GRACE + 15)
    sequence = 1
    while core.now < lost - 0.5:
        sequence += 1
        if command is Command.STOP:
            core.hear(heartbeat(sequence), core.now + 0.5)
        core.observe(STOPPED if command is Command.START else RUNNING, core.now + 0.25)
    assert len(core.given(kind)) == 1
    for _ in range(8):
        sequence += 1
        if command is Command.STOP:
            core.hear(heartbeat(sequence), core.now + 0.25)
        core.observe(STOPPED if command is Command.START else RUNNING, core.now + 0.25)
    assert len(core.given(kind)) == 2


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


def test_what_a_crashed_agent_has_left_behind_is_ended_before_it_is_started_again():
    side = Side("primary")
    core = side.core
    side.run(60, vc=True)
    core.end_command(side.now)
    core.observe(STOPPED, side.now, ended_badly=True)
    core.post(RestartForbidden(AGENT, side.now, True, has_strays=True))
    assert core.agent.state is UNKNOWN and core.agent.pending is None and len(core.given(EndStrays)) == 1
    core.post(StraysEnded(AGENT, True), side.now + 2)
    core.observe(STOPPED, side.now + 2)
    assert core.agent.pending is Command.START


def test_in_simple_failover_only_where_it_is_to_be_stopped():
    core = Core()
    core.observe(STOPPED, 1.0, ended_badly=True)
    assert core.agent.state is STOPPED and core.given(ForbidRestart) == []
    core.hear(heartbeat(), 1.5)
    core.observe(STOPPED, 2.0, ended_badly=True)
    assert len(core.given(ForbidRestart)) == 1


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
    return asked, core.post(Ended(is_gone, was_let_in))


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
    assert asked == (StopForGood(GRACE),) and kinds(farewell) == [Publish, Publish, SaveRecord]
    assert all(not one.heartbeat.may_run and one.heartbeat.state == "stopped" for one in farewell[:2])
    assert farewell[2].record.lease_until is None and farewell[2].record.peer_terms == TIMING


@pytest.mark.parametrize("mode", ["simple", "standard"])
def test_an_orphan_that_is_told_to_end_stops_its_agent_and_says_nothing(mode):
    core = Core("primary", mode)
    core.post(PlatformSeen(False))
    asked, farewell = end(core, True)
    assert asked == (StopForGood(GRACE),) and Publish not in kinds(farewell)


def test_a_duplicate_that_was_never_let_in_leaves_the_agent_to_the_other_one():
    """And the file of its record too."""
    core = Core("primary", "standard", record=Record(lease_until=8.0))
    assert end(core, False, was_let_in=False) == ((), ())


def test_who_ends_while_its_platform_shuts_down_says_nothing():
    _, farewell = end(Core("primary", quiet_until=50.0), False)
    assert farewell == ()


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
