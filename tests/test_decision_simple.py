"""Simple failover, one side: what counts as a heartbeat, what is silence, and which command follows."""

import pytest

from failover.decision.effects import PrepareStart, ProveHearing, Resubscribe, Stop
from failover.decision.events import HearingProven, PlatformSeen, Reconfigured, Subscribed
from failover.decision.table import Action
from failover.decision.vocabulary import AgentState, Command, Liveness, Timing
from tests.driving import TIMEOUT, Core, heartbeat, run

# Liveness

def test_down_begins_exactly_timeout_after_the_last_heartbeat():
    core = Core()
    core.hear(heartbeat(), 3.0)
    run(core, 12.5, since=3.0)
    assert core.decide(12.999).peer is Liveness.UP
    assert core.until_change() == pytest.approx(0.001)
    assert core.decide(13.0).peer is Liveness.DOWN


def test_a_start_is_unknown_until_timeout_has_passed():
    core = Core(now=100.0)
    assert run(core, 109.5, since=100.0).peer is Liveness.UNKNOWN
    assert core.decide(110.0).peer is Liveness.DOWN


def test_a_heartbeat_ends_the_silence():
    core = Core()
    assert run(core, 20).peer is Liveness.DOWN
    core.hear(heartbeat(), 20.5)
    assert core.decide(20.5).peer is Liveness.UP


def test_silence_does_not_count_before_the_subscription():
    core = Core(subscribed=False)
    assert run(core, 50).peer is Liveness.UNKNOWN
    core.post(Subscribed())
    assert run(core, 59.5, since=50.5).peer is Liveness.UNKNOWN
    assert run(core, 60, since=60).peer is Liveness.DOWN


def test_silence_does_not_count_while_this_process_was_frozen():
    core = Core()
    core.hear(heartbeat(), 0.5)
    run(core, 1)
    assert core.decide(600.0).peer is Liveness.UNKNOWN
    assert run(core, 610.0, since=600.5).peer is Liveness.UNKNOWN
    assert core.decide(610.5).peer is Liveness.DOWN


def test_silence_does_not_count_while_the_own_platform_does_not_answer():
    core = Core()
    core.hear(heartbeat(), 0.5)
    run(core, 1)
    for tenth in range(10, 600):
        decision = core.decide(tenth / 10)
    assert decision.peer is Liveness.UNKNOWN
    assert run(core, 69.5, since=60).peer is Liveness.UNKNOWN
    assert run(core, 70, since=70).peer is Liveness.DOWN


def test_a_short_silence_of_control_changes_nothing():
    core = Core()
    core.hear(heartbeat(), 0.0)
    core.observe(AgentState.STOPPED, 0.0, 0.0)
    for tenth in range(0, 51):
        core.decide(tenth / 10)
        assert (core.beat(tenth / 10) is not None) is (tenth % 10 == 0)
    assert core.decide(9.9).peer is Liveness.UP


# What counts as a heartbeat

def test_a_heartbeat_without_our_content_counts():
    core = Core()
    assert core.hear(None, 1.0) is None
    assert core.decide(1.0).peer is Liveness.UP and core.peer.heartbeat is None


@pytest.mark.parametrize("later, why", [
    (heartbeat(sequence=5), "not newer"),
    (heartbeat(sequence=4), "not newer"),
    (heartbeat(sequence=6, agent_vip_identity="another"), "another managed agent"),
    (heartbeat(sequence=6, agent_id="secondary")._replace(instance_name="stranger"), "configured as secondary too"),
    (heartbeat(sequence=6, boot_id="boot-here", agent_id="secondary"), "configured as secondary too"),
])
def test_no_sign_of_life(later, why):
    core = Core()
    for sequence in (4, 5):
        assert core.hear(heartbeat(sequence=sequence), sequence - 4.0) is None
    assert why in core.hear(later, 2.0)
    assert core.peer.last_heard == 1.0 and core.peer.heartbeat.sequence == 5


def test_a_restarted_sender_counts_and_its_former_start_does_not():
    core = Core()
    core.hear(heartbeat(sequence=50, boot_id="first"), 1.0)
    assert core.hear(heartbeat(sequence=1, boot_id="second"), 2.0) is None
    assert "not newer" in core.hear(heartbeat(sequence=50, boot_id="first"), 3.0)
    assert core.peer.last_heard == 2.0


def test_a_late_heartbeat_of_an_earlier_start_does_not_hide_the_present_one():
    core = Core()
    core.hear(heartbeat(sequence=1, boot_id="second"), 1.0)
    core.hear(heartbeat(sequence=51, boot_id="first"), 2.0)
    assert core.hear(heartbeat(sequence=2, boot_id="second"), 3.0) is None
    assert core.peer.heartbeat.boot_id == "second" and core.peer.last_heard == 3.0


@pytest.mark.parametrize("forged", [7, 60, 2 ** 53])
def test_a_number_that_is_too_high_does_not_hide_the_genuine_sender(forged):
    """Whether it is refused or not, the other side is up as long as its heartbeats arrive."""
    core = Core()
    for second in range(5):
        assert core.hear(heartbeat(second + 1), float(second)) is None
    core.hear(heartbeat(forged), 4.5)
    for second in range(5, 60):
        core.hear(heartbeat(second + 1), float(second))
        assert run(core, second + 0.5, since=float(second)).peer is Liveness.UP
    assert core.peer.last_heard == 59.0 and core.peer.heartbeat.sequence == 60


def test_a_jump_of_the_number_is_refused_unless_it_has_had_time():
    core = Core()
    core.hear(heartbeat(1), 0.0)
    assert "broken or forged" in core.hear(heartbeat(5000), 1.0)
    assert core.peer.last_heard == 0.0
    assert core.hear(heartbeat(5000), 3600.0) is None


def test_a_farewell_is_kept_for_the_operator_and_is_no_sign_of_life():
    core = Core()
    core.hear(heartbeat(1), 1.0)
    farewell = heartbeat(2, may_run=False)._replace(leaving=True)
    assert core.hear(farewell, 5.0) is None
    assert core.peer.farewell == farewell and core.peer.last_heard == 1.0 and core.peer.heartbeat.sequence == 1
    assert "not newer" in core.hear(farewell, 5.1), "it comes on two ways"
    core.hear(heartbeat(1, boot_id="again"), 6.0)
    assert core.peer.farewell is None and core.peer.last_heard == 6.0


# Proof of hearing

def test_silence_is_not_believed_before_the_bus_has_said_that_the_subscription_stands():
    core = Core()
    core.proves = "unanswered"
    core.hear(heartbeat(), 0.5)
    assert run(core, 20).peer is Liveness.UNKNOWN
    assert len(core.given(ProveHearing)) == 1, "it is not asked again before it has answered"
    core.post(HearingProven(20, None), 20)
    assert len(core.given(ProveHearing)) == 2 and core.decide(20.1).peer is Liveness.UNKNOWN
    assert run(core, 60, since=20.5).peer is Liveness.UNKNOWN
    assert len(core.given(ProveHearing)) >= 3, "a question of which nothing is heard is lost after a while"
    core.post(HearingProven(60, True), 60.2)
    assert core.decide(60.2).peer is Liveness.DOWN


def test_silence_counts_anew_when_the_subscription_was_lost():
    core = Core()
    core.hear(heartbeat(), 0.5)
    assert run(core, 9).peer is Liveness.UP
    assert Resubscribe() in core.post(HearingProven(9, False))
    assert run(core, 30, since=9.5).peer is Liveness.UNKNOWN
    core.post(Subscribed())
    assert run(core, 39.5, since=30.5).peer is Liveness.UNKNOWN
    assert run(core, 40, since=40).peer is Liveness.DOWN


def test_the_bus_is_asked_only_in_silence_and_at_its_end():
    core, asked = Core(), []
    for tenth in range(300):
        now, before = tenth / 10, len(core.given(ProveHearing))
        if tenth < 100 and tenth % 10 == 0:
            core.hear(heartbeat(tenth + 1), now)
        core.observe(AgentState.STOPPED, now)
        core.decide(now)
        asked += [now] * (len(core.given(ProveHearing)) - before)
    assert asked[0] == 9.0 + TIMEOUT / 4 and 9.0 + TIMEOUT in asked
    assert len(asked) < 12


# Commands

def test_a_fresh_secondary_does_nothing_before_it_has_looked():
    core = Core()
    decision = run(core, 9.5, state=AgentState.RUNNING)
    assert (decision.action, decision.command) == (Action.WAIT, None)
    core.observe(AgentState.STOPPED, 9.6, 9.6)
    assert core.decide(9.7).command is None
    assert core.decide(10.0).command is Command.START


def test_a_simple_primary_that_hears_nothing_starts_after_two_periods():
    core = Core("primary")
    assert run(core, 1.5).command is None
    assert core.until_change() == pytest.approx(0.5)
    assert run(core, 2.0, since=2.0).command is Command.START


def test_a_simple_primary_starts_as_soon_as_the_secondary_says_that_it_does_not_run():
    core = Core("primary")
    core.hear(heartbeat(agent_id="secondary", may_run=False), 0.5)
    assert run(core, 0.5, since=0.5).command is Command.START


def test_a_simple_primary_gives_the_secondary_time_to_stop_but_not_for_ever():
    core = Core("primary")
    for second in range(7):
        core.hear(heartbeat(second + 1, agent_id="secondary"), second + 0.5)
        assert run(core, second + 0.9, since=second).command is (Command.START if second >= 5 else None)
    stopped = Core("primary")
    stopped.hear(heartbeat(1, agent_id="secondary"), 0.5)
    stopped.hear(heartbeat(2, agent_id="secondary", may_run=False), 1.5)
    assert run(stopped, 1.5, since=1.5).command is Command.START


def test_a_simple_primary_whose_agent_ran_since_its_start_restarts_it_at_once():
    core = Core("primary")
    run(core, 0.0, state=AgentState.RUNNING)
    assert run(core, 0.5, since=0.5).command is Command.START


def test_the_secondary_stops_what_runs_and_only_that():
    core = Core()
    core.hear(heartbeat(), 0.0)
    core.observe(AgentState.RUNNING, 0.0)
    assert core.decide(0.0).command is Command.STOP
    core.end_command(0.1, is_gone=True)
    core.observe(AgentState.STOPPED, 0.1)
    assert core.decide(0.1).command is None


@pytest.mark.parametrize("state", [AgentState.UNKNOWN, AgentState.MISSING, AgentState.RUNNING])
def test_nothing_is_started_that_is_not_known_to_be_stopped(state):
    core = Core("primary")
    core.observe(state, 0.0, 0.0)
    assert core.decide(0.0).command is None
    decision = run(core, 20.0, state=state)
    assert (decision.action, decision.command) == (Action.START, None) and core.given(PrepareStart) == []


def test_control_that_never_answered_means_unknown():
    core = Core("primary")
    assert core.decide(0.0).command is None and core.state.may_run
    assert core.decide(6.0).command is None and core.agent.state is AgentState.UNKNOWN


def test_an_answer_from_before_a_start_says_nothing_about_it():
    core = Core("primary")
    run(core, 2.0)
    assert core.agent.pending is Command.START and core.state.may_run
    core.observe(AgentState.STOPPED, 2.1, 2.2)
    assert core.agent.state is AgentState.STARTING
    core.end_command(2.5)
    core.observe(AgentState.STOPPED, 2.4, 2.6)
    assert core.agent.state is AgentState.STARTING
    core.observe(AgentState.RUNNING, 2.6, 2.7)
    assert core.agent.state is AgentState.RUNNING


def test_a_stop_is_not_repeated_while_it_is_under_way_and_repeated_if_it_failed():
    core = Core()
    core.hear(heartbeat(), 0.0)
    core.observe(AgentState.RUNNING, 0.0)
    core.observe(AgentState.RUNNING, 0.1, 0.2)
    assert core.decide(0.2).command is Command.STOP and core.state.may_run and len(core.given(Stop)) == 1
    core.end_command(0.5, succeeded=False)
    core.observe(AgentState.RUNNING, 0.7, 0.8)
    assert core.decide(0.9).command is None, "it pauses"
    assert core.decide(1.1).command is Command.STOP and len(core.given(Stop)) == 2
    core.end_command(1.5, is_gone=True)
    assert core.decide(3.5).command is None, "nothing is left that could be stopped"


# Heartbeats sent

def test_a_heartbeat_every_period_and_at_once_when_may_run_changes():
    core = Core()
    core.observe(AgentState.RUNNING, 0.0)
    first = core.beat(0.0)
    assert first.may_run and core.beat(0.9) is None
    core.observe(AgentState.STOPPED, 0.9)
    second = core.beat(0.9)
    assert not second.may_run and second.sequence > first.sequence
    assert core.beat(1.0) is not None and core.beat(1.9) is None and core.beat(2.0) is not None


def test_a_heartbeat_that_was_not_sent_stays_due_and_they_do_not_pile_up():
    core = Core()
    for now in (0.0, 1.0, 5.0):
        core.observe(AgentState.STOPPED, now)
        core.refuse(core.beat(now))
    assert core.beat(5.0) is not None
    assert core.beat(5.1) is None and core.beat(6.0) is not None and core.beat(6.9) is None


def test_no_heartbeat_while_control_has_not_answered_for_half_of_timeout():
    core = Core()
    core.observe(AgentState.RUNNING, 0.0, 0.0)
    assert core.beat(4.0) is not None and core.beat(5.0) is not None
    assert core.beat(6.0) is None
    core.observe(AgentState.RUNNING, 5.0, 7.0)
    assert core.beat(7.0) is not None


def test_no_heartbeat_without_a_platform():
    core = Core()
    core.observe(AgentState.RUNNING, 0.0, 0.0)
    core.post(PlatformSeen(False))
    assert core.beat(0.0) is None


def test_may_run_is_true_while_unknown_and_until_confirmed_gone():
    core = Core()
    assert core.beat(0.0).may_run
    for number, (state, may_run) in enumerate([(AgentState.STOPPED, False), (AgentState.RUNNING, True),
                                               (AgentState.MISSING, False)]):
        core.observe(state, number + 1.0)
        assert core.beat(number + 1.0).may_run is may_run


def test_the_heartbeat_acknowledges_the_last_one_heard():
    core = Core()

    def acknowledged(now):
        one = core.beat(now)
        return one.heard_boot_id, one.heard_sequence

    assert acknowledged(0.0) == (None, None)
    core.hear(heartbeat(sequence=7), 0.5)
    assert acknowledged(1.0) == ("boot-there", 7)
    core.hear(None, 1.5)
    assert acknowledged(2.0) == (None, None)


def test_a_longer_timeout_waits_for_the_peer_to_be_heard_also_after_a_moment_of_own_blindness():
    """By it, a peer that has been found down would be up again, and what has taken over would be stopped."""
    core = Core("secondary", "simple", timing=Timing(4.0, 1.0, 5.0))
    for second in range(5):
        core.hear(heartbeat(second + 1), float(second))
        core.observe(AgentState.STOPPED, second + 0.5)
    run(core, 9.0, since=5.0)
    assert core.agent.pending is Command.START
    core.ready(9.0)
    core.end_command(9.1)
    run(core, 24.0, since=9.5, state=AgentState.RUNNING)
    core.post(Reconfigured(core.setup.settings._replace(timing=Timing(60.0, 1.0, 5.0))), 25.0)
    begun = len(core.given(Stop))
    run(core, 50.0, since=26.0, state=AgentState.RUNNING, every=2.5)  # Control is slow for once: half of the timeout is 2 s.
    assert len(core.given(Stop)) == begun and core.state.planned is not None
    core.hear(heartbeat(1, boot_id="boot-later", may_run=False), 51.0)
    core.observe(AgentState.RUNNING, 51.1)
    assert core.state.setup.timing.timeout == 60.0
