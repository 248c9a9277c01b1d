"""The decision core: plain calls with times that the test makes up."""

import itertools
import re
from dataclasses import replace

import pytest

from failover.config import Config
from failover.core import SIMPLE, STANDARD, Action, AgentState, Core, Lease, Liveness, look_up
from failover.heartbeat import Heartbeat
from tests.testbed.pair import REPOSITORY

PERIOD, TIMEOUT, GRACE = 1.0, 10.0, 5.0


def make_core(agent_id="secondary", now=0.0):
    config = Config(agent_id, True, "tcp://127.0.0.1:1", "key", "platform.driver", PERIOD, TIMEOUT, GRACE)
    core = Core(config, "here", "failover", "boot-here", now)
    core.subscribed()
    return core


def heartbeat(sequence=1, boot_id="boot-there", agent_id="primary", agent_vip_identity="platform.driver", may_run=True):
    return Heartbeat("there", "failover", agent_vip_identity, agent_id, "simple", TIMEOUT, PERIOD, GRACE, boot_id,
                     sequence, None, None, may_run)


def decide(core, now):
    """Decide, on a bus that at once says that the subscription stands whenever it is asked."""
    decision = core.decide(now)
    if core.wants_proof_of_hearing(now):
        core.hearing_asked(now)
        core.hearing_proven(now)
        decision = core.decide(now)
    return decision


def run(core, until, since=0.0, state=AgentState.STOPPED, step=0.5, decide=decide):
    """Decide every `step` seconds, with a platform that answers, up to and including `until`."""
    now = since
    decision = None
    while now <= until:
        core.agent_observed(state, now, now)
        decision = decide(core, now)
        now += step
    return decision


# The tables

def readme_table(role_and_mode):
    """Return {row: {column: cell}} of the README's table under the heading `role_and_mode`."""
    text = (REPOSITORY / "README.md").read_text()
    table = re.search(r"^\| {} \|.*?(?=\n\n)".format(re.escape(role_and_mode)), text, re.M | re.S)
    assert table, "README.md has no table '{}'".format(role_and_mode)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.group().splitlines()]
    header, _, *body = rows
    return {row[0]: dict(zip(header[1:], row[1:])) for row in body}


def as_text(rows):
    return {row: {column: action.value for column, action in columns.items()} for row, columns in rows.items()}


@pytest.mark.parametrize("role, other", [("primary", "secondary"), ("secondary", "primary")])
def test_simple_table_is_the_readmes(role, other):
    ours = as_text({"{} {}".format(other, peer.value): {"action": action} for peer, action in SIMPLE[role].items()})
    print(ours)
    assert ours == readme_table("simple {}".format(role))


@pytest.mark.parametrize("role, other", [("primary", "secondary"), ("secondary", "primary")])
def test_standard_table_is_the_readmes(role, other):
    ours = as_text({"{} {}, VC {}".format(other, peer.value, vc.value): {
        "lease " + lease.value: action for lease, action in row.items()} for (peer, vc), row in STANDARD[role].items()})
    print(ours)
    assert ours == {row: {column: cell for column, cell in cells.items() if cell != "-"}
                    for row, cells in readme_table("standard {}".format(role)).items()}


def test_every_combination_is_in_the_tables():
    for role in ("primary", "secondary"):
        assert set(SIMPLE[role]) == set(Liveness)
        for peer, vc in itertools.product(Liveness, Liveness):
            assert ((peer, vc) in STANDARD[role]) is ({peer, vc} != {Liveness.DOWN, Liveness.UNKNOWN})
            for lease in Lease:
                cell = STANDARD[role].get((peer, vc), {}).get(lease)
                assert look_up("standard", role, peer, vc, lease) is (cell or Action.STOP)


# Liveness

def test_down_begins_exactly_timeout_after_the_last_heartbeat():
    core = make_core()
    core.heard(heartbeat(), 3.0)
    run(core, 12.5, since=3.0)
    assert decide(core, 12.999).peer is Liveness.UP
    assert core.until_change(12.999) == pytest.approx(0.001)
    assert decide(core, 13.0).peer is Liveness.DOWN


def test_a_start_is_unknown_until_timeout_has_passed():
    core = make_core(now=100.0)
    assert run(core, 109.5, since=100.0).peer is Liveness.UNKNOWN
    assert decide(core, 110.0).peer is Liveness.DOWN


def test_a_heartbeat_ends_the_silence():
    core = make_core()
    assert run(core, 20).peer is Liveness.DOWN
    core.heard(heartbeat(), 20.5)
    assert decide(core, 20.5).peer is Liveness.UP


def test_silence_does_not_count_before_the_subscription():
    config = Config("secondary", True, "tcp://127.0.0.1:1", "key", "platform.driver", PERIOD, TIMEOUT, GRACE)
    core = Core(config, "here", "failover", "boot-here", 0.0)
    assert run(core, 50).peer is Liveness.UNKNOWN
    core.subscribed()
    assert run(core, 59.5, since=50.5).peer is Liveness.UNKNOWN
    assert run(core, 60, since=60).peer is Liveness.DOWN


def test_silence_does_not_count_while_this_process_was_frozen():
    core = make_core()
    core.heard(heartbeat(), 0.5)
    run(core, 1)
    assert decide(core, 600.0).peer is Liveness.UNKNOWN
    assert run(core, 609.5, since=600.5).peer is Liveness.UNKNOWN
    assert decide(core, 610.0).peer is Liveness.DOWN


def test_silence_does_not_count_while_the_own_platform_does_not_answer():
    core = make_core()
    core.heard(heartbeat(), 0.5)
    run(core, 1)
    for tenth in range(10, 600):
        decision = decide(core, tenth / 10)
    assert decision.peer is Liveness.UNKNOWN
    assert run(core, 69.5, since=60).peer is Liveness.UNKNOWN
    assert run(core, 70, since=70).peer is Liveness.DOWN


def test_a_short_silence_of_control_changes_nothing():
    core = make_core()
    core.heard(heartbeat(), 0.0)
    core.agent_observed(AgentState.STOPPED, 0.0, 0.0)
    for tenth in range(0, 51):
        decide(core, tenth / 10)
        assert core.beat(tenth / 10) is not None
    assert decide(core, 9.9).peer is Liveness.UP


# What counts as a heartbeat

def test_a_heartbeat_without_our_content_counts():
    core = make_core()
    assert core.heard(None, 1.0) is None
    assert core.liveness(1.0) is Liveness.UP and core.peer is None


@pytest.mark.parametrize("later, why", [
    (heartbeat(sequence=5), "not newer"),
    (heartbeat(sequence=4), "not newer"),
    (heartbeat(sequence=6, agent_vip_identity="another"), "another managed agent"),
    (replace(heartbeat(sequence=6, agent_id="secondary"), instance_name="stranger"), "configured as secondary too"),
    (heartbeat(sequence=6, boot_id="boot-here", agent_id="secondary"), "configured as secondary too"),
])
def test_no_sign_of_life(later, why):
    core = make_core()
    assert core.heard(heartbeat(sequence=5), 1.0) is None
    assert why in core.heard(later, 2.0)
    assert core.last_heard == 1.0 and core.peer.sequence == 5


def test_a_restarted_sender_counts_and_its_former_start_does_not():
    core = make_core()
    core.heard(heartbeat(sequence=50, boot_id="first"), 1.0)
    assert core.heard(heartbeat(sequence=1, boot_id="second"), 2.0) is None
    assert "not newer" in core.heard(heartbeat(sequence=50, boot_id="first"), 3.0)
    assert core.last_heard == 2.0


def test_a_late_heartbeat_of_an_earlier_start_does_not_hide_the_present_one():
    core = make_core()
    core.heard(heartbeat(sequence=1, boot_id="second"), 1.0)
    core.heard(heartbeat(sequence=51, boot_id="first"), 2.0)
    assert core.heard(heartbeat(sequence=2, boot_id="second"), 3.0) is None
    assert core.peer.boot_id == "second" and core.last_heard == 3.0


@pytest.mark.parametrize("forged", [7, 60, 2 ** 53])
def test_a_number_that_is_too_high_does_not_hide_the_genuine_sender(forged):
    """Whether it is refused or not, the other side is up as long as its heartbeats arrive."""
    core = make_core()
    for second in range(5):
        assert core.heard(heartbeat(second + 1), float(second)) is None
    core.heard(heartbeat(forged), 4.5)
    for second in range(5, 60):
        core.heard(heartbeat(second + 1), float(second))
        assert run(core, second + 0.5, since=float(second)).peer is Liveness.UP
    assert core.last_heard == 59.0 and core.peer.sequence == 60


def test_a_jump_of_the_number_is_refused_unless_it_has_had_time():
    core = make_core()
    core.heard(heartbeat(1), 0.0)
    assert "broken or forged" in core.heard(heartbeat(5000), 1.0)
    assert core.last_heard == 0.0
    assert core.heard(heartbeat(5000), 3600.0) is None


def test_a_farewell_is_kept_for_the_operator_and_is_no_sign_of_life():
    core = make_core()
    core.heard(heartbeat(1), 1.0)
    farewell = replace(heartbeat(2, may_run=False), leaving=True)
    assert core.heard(farewell, 5.0) is None
    assert core.farewell == farewell and core.last_heard == 1.0 and core.peer.sequence == 1
    assert "not newer" in core.heard(farewell, 5.1), "it comes on two ways"
    core.heard(heartbeat(1, boot_id="again"), 6.0)
    assert core.farewell is None and core.last_heard == 6.0


# Proof of hearing

def test_silence_is_not_believed_before_the_bus_has_said_that_the_subscription_stands():
    core = make_core()
    core.heard(heartbeat(), 0.5)
    run(core, 60, decide=lambda core, now: core.decide(now))
    assert core.liveness(60) is Liveness.UNKNOWN and core.wants_proof_of_hearing(60)
    core.hearing_asked(60)
    assert not core.wants_proof_of_hearing(60.5)
    core.hearing_unproven()
    assert core.liveness(61) is Liveness.UNKNOWN and core.wants_proof_of_hearing(61)
    core.hearing_asked(61)
    core.hearing_proven(61)
    assert core.liveness(61) is Liveness.DOWN


def test_silence_counts_anew_when_the_subscription_was_lost():
    core = make_core()
    core.heard(heartbeat(), 0.5)
    assert run(core, 9).peer is Liveness.UP
    core.hearing_asked(9)
    core.hearing_lost()
    assert run(core, 30, since=9.5).peer is Liveness.UNKNOWN
    core.subscribed()
    assert run(core, 39.5, since=30.5).peer is Liveness.UNKNOWN
    assert run(core, 40, since=40).peer is Liveness.DOWN


def test_the_bus_is_asked_only_in_silence_and_at_its_end():
    core, asked = make_core(), []
    for tenth in range(300):
        now = tenth / 10
        if tenth < 100 and tenth % 10 == 0:
            core.heard(heartbeat(tenth + 1), now)
        core.agent_observed(AgentState.STOPPED, now, now)
        core.decide(now)
        if core.wants_proof_of_hearing(now):
            core.hearing_asked(now)
            core.hearing_proven(now)
            asked.append(now)
    assert asked[0] == 9.0 + TIMEOUT / 4 and 9.0 + TIMEOUT in asked
    assert len(asked) < 12


# Commands

def test_a_fresh_secondary_does_nothing_before_it_has_looked():
    core = make_core()
    decision = run(core, 9.5, state=AgentState.RUNNING)
    assert (decision.action, decision.command) == (Action.WAIT, None)
    core.agent_observed(AgentState.STOPPED, 9.6, 9.6)
    assert decide(core, 9.7).command is None
    assert decide(core, 10.0).command is Action.START


def test_a_simple_primary_that_hears_nothing_starts_after_two_periods():
    core = make_core("primary")
    assert run(core, 1.5).command is None
    assert core.until_change(1.5) == pytest.approx(0.5)
    assert run(core, 2.0, since=2.0).command is Action.START


def test_a_simple_primary_starts_as_soon_as_the_secondary_says_that_it_does_not_run():
    core = make_core("primary")
    core.heard(heartbeat(agent_id="secondary", may_run=False), 0.5)
    assert run(core, 0.5, since=0.5).command is Action.START


def test_a_simple_primary_gives_the_secondary_time_to_stop_but_not_for_ever():
    core = make_core("primary")
    for second in range(7):
        core.heard(heartbeat(second + 1, agent_id="secondary"), second + 0.5)
        assert run(core, second + 0.9, since=second).command is (Action.START if second >= 5 else None)
    stopped = make_core("primary")
    stopped.heard(heartbeat(1, agent_id="secondary"), 0.5)
    stopped.heard(heartbeat(2, agent_id="secondary", may_run=False), 1.5)
    assert run(stopped, 1.5, since=1.5).command is Action.START


def test_a_simple_primary_whose_agent_ran_since_its_start_restarts_it_at_once():
    core = make_core("primary")
    run(core, 0.0, state=AgentState.RUNNING)
    assert run(core, 0.5, since=0.5).command is Action.START


def test_the_secondary_stops_what_runs_and_only_that():
    core = make_core()
    core.heard(heartbeat(), 0.0)
    core.agent_observed(AgentState.RUNNING, 0.0, 0.0)
    assert decide(core, 0.0).command is Action.STOP
    core.agent_observed(AgentState.STOPPED, 0.1, 0.1)
    assert decide(core, 0.1).command is None


@pytest.mark.parametrize("state", [AgentState.UNKNOWN, AgentState.MISSING, AgentState.RUNNING])
def test_nothing_is_started_that_is_not_known_to_be_stopped(state):
    core = make_core("primary")
    core.agent_observed(state, 0.0, 0.0)
    assert decide(core, 0.0).command is None


def test_control_that_never_answered_means_unknown():
    core = make_core("primary")
    assert decide(core, 0.0).command is None and core.may_run
    assert decide(core, 6.0).command is None and core.agent is AgentState.UNKNOWN


def test_an_answer_from_before_a_start_says_nothing_about_it():
    core = make_core("primary")
    core.agent_observed(AgentState.STOPPED, 0.0, 0.0)
    core.command_begun(Action.START)
    assert core.may_run
    core.agent_observed(AgentState.STOPPED, 0.1, 0.2)
    assert core.agent is AgentState.STARTING
    core.command_ended(0.5)
    core.agent_observed(AgentState.STOPPED, 0.4, 0.6)
    assert core.agent is AgentState.STARTING
    core.agent_observed(AgentState.RUNNING, 0.6, 0.7)
    assert core.agent is AgentState.RUNNING


def test_a_stop_is_not_repeated_before_its_result_is_seen():
    core = make_core()
    core.heard(heartbeat(), 0.0)
    core.agent_observed(AgentState.RUNNING, 0.0, 0.0)
    core.command_begun(Action.STOP)
    core.agent_observed(AgentState.RUNNING, 0.1, 0.2)
    assert decide(core, 0.2).command is None and core.may_run
    core.command_ended(0.5)
    assert decide(core, 0.5).command is None
    core.agent_observed(AgentState.RUNNING, 0.4, 0.6)
    assert decide(core, 0.6).command is None
    core.agent_observed(AgentState.RUNNING, 0.7, 0.8)
    assert decide(core, 0.8).command is Action.STOP


# Heartbeats sent

def test_a_heartbeat_every_period_and_at_once_when_may_run_changes():
    core = make_core()
    core.agent_observed(AgentState.RUNNING, 0.0, 0.0)
    first = core.beat(0.0)
    core.beat_sent(first, 0.0)
    assert first.may_run and core.beat(0.9) is None and core.until_next_beat(0.9) == pytest.approx(0.1)
    core.agent_observed(AgentState.STOPPED, 0.9, 0.9)
    second = core.beat(0.9)
    assert not second.may_run and second.sequence > first.sequence
    core.beat_sent(second, 0.9)
    third = core.beat(1.0)
    core.beat_sent(third, 1.0)
    assert core.until_next_beat(1.0) == pytest.approx(1.0)


def test_a_heartbeat_that_was_not_sent_stays_due_and_they_do_not_pile_up():
    core = make_core()
    for now in (0.0, 1.0, 5.0):
        core.agent_observed(AgentState.STOPPED, now, now)
        assert core.beat(now) is not None
    core.beat_sent(core.beat(5.0), 5.0)
    assert core.beat(5.1) is None and core.until_next_beat(5.0) == pytest.approx(1.0)


def test_no_heartbeat_while_control_has_not_answered_for_half_of_timeout():
    core = make_core()
    core.agent_observed(AgentState.RUNNING, 0.0, 0.0)
    assert core.beat(5.0) is not None
    assert core.beat(5.1) is None
    core.agent_observed(AgentState.RUNNING, 5.0, 7.0)
    assert core.beat(7.0) is not None


def test_no_heartbeat_without_a_platform():
    core = make_core()
    core.agent_observed(AgentState.RUNNING, 0.0, 0.0)
    core.platform_lives(False)
    assert core.beat(0.0) is None


def test_may_run_is_true_while_unknown_and_until_confirmed_gone():
    core = make_core()
    assert core.beat(0.0).may_run
    for state, may_run in [(AgentState.STOPPED, False), (AgentState.MISSING, False), (AgentState.RUNNING, True)]:
        core.agent_observed(state, 0.0, 0.0)
        assert core.beat(0.0).may_run is may_run


def test_the_heartbeat_acknowledges_the_last_one_heard():
    core = make_core()
    assert (core.beat(0.0).heard_boot_id, core.beat(0.0).heard_sequence) == (None, None)
    core.heard(heartbeat(sequence=7), 0.0)
    assert (core.beat(0.2).heard_boot_id, core.beat(0.2).heard_sequence) == ("boot-there", 7)
    core.heard(None, 0.3)
    assert (core.beat(0.4).heard_boot_id, core.beat(0.4).heard_sequence) == (None, None)
