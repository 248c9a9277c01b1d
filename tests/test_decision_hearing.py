"""Which messages count as heartbeats of the peer, and which only look like it."""

import pytest

from failover.decision.effects import Note, NoteKind, ReconnectNow
from failover.decision.setup import Record
from failover.decision.vocabulary import AgentState, Command, Liveness, Path
from tests.driving import AGENT, TIMEOUT, TIMING, Core, heartbeat, run
from tests.test_decision_lease import Side


def standard(sequence=1, **fields):
    return heartbeat(sequence, mode="standard")._replace(**fields)


# Who sent it

@pytest.mark.parametrize("mode", ["simple", "standard"])
@pytest.mark.parametrize("path", Path)
@pytest.mark.parametrize("content", [True, False])
def test_nothing_from_this_platform_counts(mode, path, content):
    core = Core(mode=mode)
    one = heartbeat(mode=mode) if content else None
    assert "ignoring heartbeats of somebody: it is an agent of this platform" in core.hear(
        one, 1.0, path, is_local=True, fault="bad")
    assert core.peer == Core(mode=mode).peer and len(core.notes) == 1


@pytest.mark.parametrize("content", [True, False])
def test_nothing_counts_that_says_it_is_about_another_agent(content):
    core = Core()
    assert "about another managed agent, other" in core.hear(heartbeat() if content else None, 1.0, subject="other")
    assert core.peer.last_heard is None
    assert core.hear(heartbeat() if content else None, 1.0, subject=AGENT) is None
    assert core.peer.last_heard == 1.0


@pytest.mark.parametrize("agents, theirs, counts", [
    (("a",), "a+b", True), (("a", "b"), "b", True), (("a", "b"), "b+a", True), (("a", "b"), "b+c", True),
    (("a", "b"), "c+d", False)])
def test_what_is_about_some_of_the_same_agents_counts(agents, theirs, counts):
    """Both must not run even one of them."""
    core = Core(agents=agents)
    why = core.hear(heartbeat()._replace(agent_vip_identity=theirs), 1.0)
    assert (why is None) is counts and (core.peer.last_heard == 1.0) is counts


def test_what_does_not_say_what_it_is_about_counts():
    """As of the original agent."""
    core = Core()
    assert core.hear(None, 1.0, subject=None) is None and core.peer.last_heard == 1.0


# Which topic

@pytest.mark.parametrize("role, mode, counts", [
    ("primary", "simple", True), ("primary", "standard", False), ("secondary", "simple", False)])
def test_the_topic_must_be_that_of_the_sender(role, mode, counts):
    core = Core()
    why = core.hear(heartbeat(), 1.0, role=role, mode=mode)
    assert (why is None) is counts and (core.peer.last_heard == 1.0) is counts
    assert counts or "it is of a simple primary and on the topic of a {} {}".format(mode, role) in why


def test_an_empty_message_counts_on_the_peers_topic_alone():
    core = Core()
    core.hear(None, 1.0, role="secondary")
    core.hear(None, 1.0, path=Path.VC)
    assert core.peer.last_heard is None
    assert "content of a heartbeat of somebody ignored: bad" in core.hear(None, 2.0, fault="bad")
    assert core.peer.last_heard == 2.0 and core.peer.heartbeat is None


def test_an_empty_message_says_the_senders_mode_by_its_topic():
    core = Core()
    assert core.view().peer_mode == "simple", "its own, as long as nothing is heard"
    core.hear(None, 1.0, mode="standard")
    assert core.view().peer_mode == "standard" and core.peer.last_heard == 1.0


def test_an_empty_message_takes_the_place_of_what_was_heard_before():
    core = Core()
    core.hear(heartbeat(1), 1.0)
    core.hear(heartbeat(2)._replace(leaving=True), 2.0)
    assert core.peer.farewell is not None
    core.hear(None, 3.0)
    assert core.peer.heartbeat is None and core.peer.farewell is None and core.peer.last_heard == 3.0


# Malformed content

def test_a_malformed_message_counts_by_its_topic_and_is_told():
    core = Core()
    core.hear(None, 1.0, fault="heartbeat lacks mode")
    assert core.given(Note) == [Note(
        NoteKind.WARNING, "content of a heartbeat of somebody ignored: heartbeat lacks mode")]
    assert core.decide(1.0).peer is Liveness.UP


@pytest.mark.parametrize("where", [dict(role="secondary"), dict(path=Path.VC)])
def test_a_malformed_message_elsewhere_is_told_and_does_not_count(where):
    core = Core("secondary", "standard")
    assert "ignored: bad" in core.hear(None, 1.0, fault="bad", **where)
    assert core.peer.last_heard is None and core.lease.sighted is None


def test_an_empty_message_may_mean_that_the_agent_runs_there():
    side = Side("primary")
    side.run(20, vc=True)
    since = side.core.lease.silent_since(side.core.state)
    side.core.hear(None, side.now)
    assert side.core.lease.silent_since(side.core.state) == side.now > since


# VC's bus

def test_simple_failover_does_not_listen_to_vcs_bus():
    core = Core()
    core.hear(heartbeat(), 1.0, Path.VC)
    assert core.peer.last_heard is None and core.notes == []


def test_what_comes_over_vcs_bus_counts_in_standard_failover():
    core = Core("secondary", "standard")
    assert core.hear(standard(), 1.0, Path.VC) is None
    assert core.decide(1.0).peer is Liveness.UP and core.lease.sighted == 1.0


def test_of_one_that_comes_on_both_ways_the_second_is_passed_over():
    core = Core("secondary", "standard")
    for path in Path:
        core.hear(standard(), 1.0 if path is Path.DIRECT else 2.0, path)
    assert core.peer.last_heard == 1.0 and core.notes == []


def test_what_comes_back_from_vcs_bus_is_no_peer():
    side = Side("primary")
    side.run(5)
    core = side.core
    one = core.beat(side.now + 1, Path.VC)
    core.hear(one, side.now + 1, Path.VC)
    core.hear(one._replace(boot_id="former"), side.now + 1, Path.VC)
    assert core.peer.last_heard is None and core.view().alike is None


def test_the_own_former_start_is_passed_over_and_another_side_with_the_same_role_is_not():
    core = Core("secondary", "standard")
    own = standard(agent_id="secondary", instance_name="here", boot_id="former")
    core.hear(own, 1.0, Path.VC)
    assert core.peer.last_heard is None and core.view().alike is None and core.notes == []
    core.hear(own._replace(instance_name="there"), 1.5, Path.VC)
    assert core.peer.last_heard == 1.5 and core.view().alike == "there"


# Strangers and copies

def test_a_stranger_is_one_with_the_same_role_and_another_name_than_the_peers_confirmed_one():
    core = Core()
    stranger = heartbeat(agent_id="secondary")._replace(instance_name="stranger", boot_id="boot-of-stranger")
    core.hear(heartbeat(1), 0.0)
    core.hear(heartbeat(2), 1.0)
    assert "its sender stranger is configured as secondary too" in core.hear(stranger, 1.5)
    assert core.view().alike == "stranger" and core.peer.last_heard == 1.0
    run(core, 1.5 + TIMEOUT, since=2.0)
    assert core.view(1.4 + TIMEOUT).alike == "stranger" and core.view(1.5 + TIMEOUT).alike is None


def test_the_configured_name_makes_a_stranger_of_everybody_else():
    core = Core(remote_instance="there")
    stranger = heartbeat(agent_id="secondary")._replace(instance_name="stranger", boot_id="boot-of-stranger")
    assert "configured as secondary too" in core.hear(stranger, 0.0)
    assert Core().hear(stranger, 0.0) is None, "it may be the peer, as long as nobody is known"


def test_the_own_heartbeats_that_come_back_are_told():
    core = Core()
    one = core.beat(0.0)
    assert "its sender here is configured as secondary too" in core.hear(one, 1.0)
    assert core.view().alike == "here" and core.peer.last_heard is None


# What follows

def test_a_peer_that_is_up_again_is_connected_to_at_once():
    core = Core()
    core.hear(heartbeat(), 1.0)
    assert len(core.given(ReconnectNow)) == 1
    core.hear(heartbeat(2), 2.0)
    assert len(core.given(ReconnectNow)) == 1


def test_a_farewell_of_the_secondary_is_no_release_notice():
    side = Side("primary")
    side.run(3, peer=True)
    contact = side.core.lease.contact
    one = side.core.peer.heartbeat
    side.core.hear(one._replace(sequence=one.sequence + 1, may_run=False, leaving=True), side.now)
    assert side.core.decide(side.now).command is None and not side.holds_lease
    assert side.core.lease.contact == contact and side.core.peer.farewell is not None


def test_a_farewell_of_the_primary_does_not_lengthen_its_silence():
    side = Side("secondary")
    side.run(10, vc=True, peer=True)
    one, sighted = side.core.peer.heartbeat, side.core.lease.sighted
    side.now += 1
    side.core.hear(one._replace(sequence=one.sequence + 1, leaving=True), side.now)
    assert side.core.lease.sighted == sighted and side.core.peer.last_heard == sighted


def test_times_that_are_not_believed_are_told():
    core = Core("secondary", "standard", record=Record(peer_terms=TIMING))
    assert "only partly trusted: it claims timeout 1000 s" in core.hear(standard(timeout=1000.0), 0.0)
    assert core.peer.last_heard == 0.0


def test_a_message_that_came_before_the_last_step_counts_as_if_it_had_come_with_it():
    core = Core()
    run(core, 5.0)
    now, core.now = core.state.now, 0.0
    core.hear(heartbeat(), 3.0)
    assert core.state.now == now and core.peer.last_heard == now
    assert core.decide(now).peer is Liveness.UP and core.state.sight.listening_since == 0.0


def test_a_simple_primary_that_has_just_become_one_lets_the_other_side_stop_first():
    """Both are configured as the primary; this one is the first by name."""
    core = Core("primary", name="a")
    run(core, 12, state=AgentState.STOPPED)
    core.end_command(12.0)
    core.observe(AgentState.RUNNING, 12.0)
    other = heartbeat(agent_id="primary", may_run=True)
    for sequence in range(1, 30):
        core.observe(AgentState.RUNNING, 12.0 + sequence / 2)
        core.hear(other._replace(sequence=sequence), 12.0 + sequence / 2)
    assert core.state.roles.acting == "secondary" and core.agent.pending is Command.STOP, "the other one does not yield"
    core.end_command(core.now, is_gone=True)
    core.observe(AgentState.STOPPED, core.now)
    changed = core.now + 0.5
    core.hear(other._replace(sequence=30, yields=True), changed)
    assert core.state.roles.acting == "primary" and core.agent.pending is None
    for half in range(1, 10):
        core.hear(other._replace(sequence=30 + half, yields=True), changed + half / 2)
        core.observe(AgentState.STOPPED, changed + half / 2)
        assert core.agent.pending is None
    core.observe(AgentState.STOPPED, changed + 5.0)
    assert core.agent.pending is Command.START
