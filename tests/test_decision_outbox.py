"""What this side sends: when a heartbeat is due on which path, what it says, and what is remembered of it."""

from math import inf

import pytest

from failover.decision.effects import Note, NoteKind, Publish
from failover.decision.events import Ended, LinkChanged, LinkFree, PublishRefused, TroubleChanged, VcKnown
from failover.decision.machine import deadline
from failover.decision.outbox import Cadence, Outbox
from failover.decision.vocabulary import AgentState, Path, Timing
from tests.driving import TIMEOUT, TIMING, Core, heartbeat
from tests.test_decision_lease import Side


def published(effects):
    return [one.path for one in effects if isinstance(one, Publish)]


# When

def test_one_goes_out_at_a_time_on_each_path():
    core = Core("primary", "standard")
    for path in Path:
        assert published(core.post(LinkFree(path), 0.0)) == [path]
    core.observe(AgentState.STOPPED, 1.5)
    assert published(core.effects) == [] and core.state.outbox.sequence == 2, "neither has been answered"
    assert published(core.post(LinkFree(Path.VC), 1.6)) == [Path.VC]


@pytest.mark.parametrize("path", Path)
def test_a_connection_that_comes_up_is_free_and_one_that_goes_down_is_not(path):
    core = Core("primary", "standard")
    assert published(core.post(LinkChanged(path, True), 0.0)) == [path]
    core.post(LinkFree(path), 0.5)
    core.post(LinkChanged(path, False), 0.6)
    core.observe(AgentState.STOPPED, 3.0)
    assert core.state.outbox.sequence == 1
    assert published(core.post(LinkChanged(path, True), 3.5)) == [path]


def test_simple_failover_has_one_path():
    core = Core("primary")
    for event in (LinkChanged(Path.VC, True), LinkFree(Path.VC), PublishRefused(Path.VC, 1)):
        assert published(core.post(event, 1.0)) == []
    assert published(core.post(LinkFree(Path.DIRECT))) == [Path.DIRECT]


@pytest.mark.parametrize("path", Path)
def test_one_that_did_not_go_out_is_due_at_once_and_made_anew(path):
    core = Core("primary", "standard")
    first = core.beat(0.0, path)
    core.refuse(first, path)
    second = core.beat(0.25, path)
    assert second is not None and second.sequence == first.sequence + 1 and second.clock == 0.25
    assert core.beat(0.5, path) is None


def test_a_change_is_said_on_both_paths_at_once():
    core = Core("primary", "standard")
    assert [core.beat(0.0, path).may_run for path in Path] == [True, True]
    core.observe(AgentState.STOPPED, 0.25)
    assert [core.beat(0.25, path).may_run for path in Path] == [False, False]
    assert [core.beat(0.5, path) for path in Path] == [None, None]


def test_what_has_changed_does_not_shift_the_beat():
    core = Core()
    core.beat(0.0)
    core.observe(AgentState.STOPPED, 0.75)
    assert core.beat(0.75) is not None and core.beat(0.99) is None and core.beat(1.0) is not None


@pytest.mark.parametrize("late, then", [(1.5, 2.0), (2.0, 3.0), (2.5, 3.5)])
def test_after_a_pause_of_a_period_the_beat_begins_anew(late, then):
    core = Core()
    core.beat(0.0)
    core.observe(AgentState.UNKNOWN, late)
    assert core.beat(late) is not None and core.beat(then - 0.01) is None and core.beat(then) is not None


def test_standard_failover_beats_three_times_in_timeout_at_least():
    core = Core("primary", "standard", timing=Timing(6.0, 5.0, 5.0))
    assert core.beat(0.0) is not None and core.beat(1.99) is None and core.beat(2.0) is not None


def test_time_is_up_when_the_next_one_is_due_that_can_go_out():
    core = Core("secondary", "standard")
    core.observe(AgentState.STOPPED, 0.0)
    assert core.state.outbox.deadline() == inf, "no connection is up"
    core.post(LinkFree(Path.DIRECT), 0.25)
    assert core.state.outbox.deadline() == inf, "this one is not answered"
    core.post(LinkFree(Path.DIRECT), 0.5)
    assert core.state.outbox.deadline() == deadline(core.state) == 1.0
    core.post(LinkFree(Path.VC), 0.75)
    core.post(LinkFree(Path.VC), 0.8)
    assert core.state.outbox.deadline() == 1.0
    core.post(LinkFree(Path.DIRECT), 1.0)
    assert core.state.outbox.deadline() == inf, "both have just gone out"
    core.post(LinkFree(Path.VC), 1.25)
    assert core.state.outbox.deadline() == 2.0


# What

def test_a_heartbeat_says_who_sends_it_and_how_it_is_there():
    core = Core("primary", "standard", now=5.0, remote_instance="there")
    core.post(VcKnown("key"))
    core.post(TroubleChanged("no memory"))
    core.observe(AgentState.RUNNING, 5.0)
    one = core.beat(5.5)
    assert (one.instance_name, one.vip_identity, one.agent_vip_identity) == ("here", "failover", "platform.driver")
    assert (one.agent_id, one.mode, one.boot_id, one.sequence) == ("primary", "standard", "boot-here", 1)
    assert Timing.of(one) == TIMING and not one.leaving and not one.yields
    assert (one.state, one.trouble, one.clock) == ("running", "no memory", 5.5)
    assert (one.vc, one.vc_sequence) == ("key", None)
    asked = core.ask_vc(6.0)
    core.post(TroubleChanged(None))
    one = core.beat(6.5)
    assert (one.trouble, one.vc_sequence) == (None, asked.sequence)


def test_simple_failover_does_not_speak_of_vc():
    core = Core()
    core.post(VcKnown("key"))
    one = core.beat(0.0)
    assert (one.mode, one.vc, one.vc_sequence) == ("simple", None, None)


def test_standard_failover_acknowledges_only_what_it_believes_of_the_sender():
    core = Core("secondary", "standard")
    core.hear(heartbeat(1, mode="standard"), 0.0)
    assert core.beat(0.0).heard_boot_id is None
    core.hear(heartbeat(2, mode="standard"), 1.0)
    one = core.beat(1.0)
    assert (one.heard_boot_id, one.heard_sequence) == ("boot-there", 2)


def test_while_the_lease_is_held_the_agent_may_run_whatever_is_seen_of_it():
    side = Side("secondary")
    side.run(60, vc=True)
    assert side.holds_lease
    side.core.end_command(side.now, succeeded=False)
    side.core.observe(AgentState.MISSING, side.now)
    assert side.core.agent.state is AgentState.MISSING and side.core.beat(side.now + 1).may_run


# The end

def test_a_farewell_is_numbered_like_the_others_and_said_on_both_paths():
    core = Core("primary", "standard")
    before = [core.beat(0.0, path).sequence for path in Path]
    farewells = [one for one in core.post(Ended(True), 1.0) if isinstance(one, Publish)]
    assert [one.path for one in farewells] == list(Path) and before == [1, 2]
    assert [one.heartbeat.sequence for one in farewells] == [3, 4]
    assert all(one.heartbeat.leaving and one.heartbeat.clock is None for one in farewells)


def test_a_farewell_says_that_the_agent_may_run_if_it_was_left_running():
    core = Core("primary", "standard")
    [direct, _] = [one.heartbeat for one in core.post(Ended(False), 1.0) if isinstance(one, Publish)]
    assert direct.may_run and direct.state == "unknown"


def test_the_peers_farewell_is_told_to_who_reads_the_log():
    core = Core()
    core.hear(heartbeat(1, may_run=False)._replace(leaving=True, state="stopped"), 1.0)
    assert core.given(Note) == [
        Note(NoteKind.INFO, "primary on there ends in order; platform.driver is stopped there")]


# What is remembered of it

def outbox_with(count, window=86400.0):
    outbox = Outbox(Cadence(0.0), None)
    for second in range(count):
        outbox = outbox.sending(Path.DIRECT, True, 1.0, window, float(second))
    return outbox


def test_of_what_was_sent_only_as_much_is_remembered_as_can_matter():
    outbox = outbox_with(2000)
    assert len(outbox.sent) == 256
    for sequence in range(2002):
        assert outbox.sent_at(sequence) == (sequence - 1.0 if 1745 <= sequence <= 2000 else None), "no other moment is said"


def test_what_is_older_than_the_window_is_forgotten():
    for count in (20, 21, 22):
        outbox = outbox_with(count, TIMEOUT)
        assert [sequence for sequence in range(count + 1) if outbox.sent_at(sequence) is not None] == list(
            range(count - 9, count + 1))


def test_when_it_is_not_known_what_was_sent_an_acknowledgement_renews_nothing():
    side = Side("primary")
    side.run(5, peer=True)
    core = side.core
    core.state = core.state._replace(outbox=core.state.outbox.forgotten())
    contact = core.lease.contact
    side.hear(False)
    assert core.lease.contact == contact and not side.holds_lease
    assert core.state.outbox.sequence > 0 and core.state.outbox.sent == ()
