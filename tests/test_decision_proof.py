"""Which signed heartbeats count, which greet only, and from when on unsigned ones do not count."""

import pytest

from failover.decision.events import RecordSaved, WrongSignature
from failover.decision.setup import Record
from failover.decision.vocabulary import AgentState, Command, Liveness, Path
from tests.driving import AGENT, GRACE, PERIOD, TIMEOUT, TIMING, Core, heartbeat, run
from tests.test_decision_lease import Side

SIGNS = Record(own_terms=TIMING, peer_terms=TIMING, peer_instance="there", signs=True)


def signed(core, sequence, now, path=Path.DIRECT, knows=True, **fields):
    """Hear a signed heartbeat, of a sender that has heard of this start or has not; return why it does not count."""
    mode, role = core.setup.mode, "primary" if core.setup.role == "secondary" else "secondary"
    hears = (core.state.incarnation.boot_id,) if knows else ("former",)
    one = heartbeat(sequence, mode=mode, agent_id=role)._replace(hears=hears)._replace(**fields)
    return core.hear(one, now, path, is_signed=True)


def peer_signs(mode="simple", role="secondary", **options):
    return Core(role, mode, record=SIGNS._replace(mode=mode), **options)


# Unsigned heartbeats

@pytest.mark.parametrize("mode", ["simple", "standard"])
def test_unsigned_heartbeats_count_until_a_signed_one_has_come(mode):
    core = Core(mode=mode)
    assert core.hear(heartbeat(1, mode=mode), 1.0) is None and core.peer.last_heard == 1.0
    assert signed(core, 2, 2.0) is None and core.peer.last_heard == 2.0
    assert "unsigned heartbeat of somebody does not count" in core.hear(heartbeat(3, mode=mode), 3.0)
    assert core.peer.last_heard == 2.0 and core.view(3.5).unsigned_ago == 0.5 and core.view().peer_signs


@pytest.mark.parametrize("content", [None, heartbeat(7, boot_id="made-up"), heartbeat(7)._replace(leaving=True, may_run=False)])
@pytest.mark.parametrize("path", Path)
def test_nothing_unsigned_counts_of_a_peer_that_signs(content, path):
    core = peer_signs("standard")
    before = core.state._replace(proof=None, now=None)
    content = None if content is None else content._replace(mode="standard")
    assert "does not count" in core.hear(content, 0.0, path)
    assert core.state._replace(proof=None, now=None) == before


def test_a_signed_message_of_a_later_version_counts_no_more_than_an_unsigned_one():
    """It cannot be read, and so may be a recording."""
    core = peer_signs()
    assert "does not count" in core.hear(None, 1.0, is_signed=True) and core.peer.last_heard is None


def test_a_recording_does_not_make_signatures_required():
    """Then the genuine heartbeats of a peer that cannot sign any more would not count."""
    core = Core()
    assert signed(core, 1, 1.0, knows=False) is None and core.peer.last_heard == 1.0
    assert core.hear(heartbeat(2), 2.0) is None and core.peer.last_heard == 2.0


@pytest.mark.parametrize("mode", ["simple", "standard"])
def test_it_is_remembered_that_the_peer_signs(mode):
    core = Core("primary", mode)
    assert not core.record.signs
    signed(core, 1, 1.0)
    assert core.record.signs and core.state.record.signs
    again = Core("primary", mode, boot_id="next", record=core.state.record)
    assert "does not count" in again.hear(heartbeat(9, mode=mode, agent_id="secondary"), 1.0)


def test_the_operator_may_take_unsigned_ones_again_and_then_it_is_forgotten():
    core = peer_signs(wants_proof=False)
    assert core.hear(heartbeat(1), 1.0) is None and not core.record.signs
    assert signed(core, 2, 2.0) is None and core.hear(heartbeat(3), 3.0) is None


# Recordings

@pytest.mark.parametrize("mode", ["simple", "standard"])
@pytest.mark.parametrize("path", Path)
def test_a_heartbeat_from_before_this_start_does_not_count(mode, path):
    core = peer_signs(mode)
    for sequence in range(1, 5):
        signed(core, sequence, float(sequence), path, knows=False)
    assert core.peer.last_heard is None and core.peer.heartbeat is None
    assert mode == "simple" or core.lease.sighted is None
    assert signed(core, 5, 5.0, path) is None or mode == "simple" and path is Path.VC
    assert (core.peer.last_heard == 5.0) is not (mode == "simple" and path is Path.VC)


def test_an_acknowledgement_by_number_does_too():
    core = peer_signs()
    assert signed(core, 1, 1.0, knows=False, heard_boot_id="boot-here", heard_sequence=1) is None
    assert core.peer.last_heard == 1.0


def test_each_number_counts_once_and_for_good():
    """An unsigned one that lies `timeout` / 2 back hides no lower ones: it may have been forged."""
    core = peer_signs()
    signed(core, 10, 1.0)
    signed(core, 20, 2.0)
    for sequence in (20, 15, 11):
        assert signed(core, sequence, 3.0 + TIMEOUT) == "not newer"
    assert core.peer.last_heard == 2.0


def test_no_number_of_a_former_start_counts_after_twenty_more():
    core = peer_signs()
    signed(core, 1, 1.0)
    for number in range(20):
        signed(core, 1, 2.0 + number, boot_id="boot-{}".format(number))
    assert signed(core, 1, 30.0) == "not newer"


def test_a_farewell_from_before_this_start_does_not_count():
    core = peer_signs("standard")
    signed(core, 1, 1.0, knows=False, leaving=True, may_run=False)
    assert core.peer.farewell is None and core.state.proof.greeted == ()


# The handshake

def test_a_greeting_is_answered_at_once_by_a_heartbeat_that_names_its_start():
    core = peer_signs()
    core.beat(0.0)
    assert core.beat(0.5) is None, "none is due"
    signed(core, 1, 0.6, knows=False)
    one = core.beat(0.6)
    assert one.hears == ("boot-there",) and one.heard_boot_id is None
    signed(core, 2, 0.7, knows=False)
    assert core.beat(0.7) is None, "it is answered at once only the first time"
    assert core.beat(1.1).hears == ("boot-there",)
    core.observe(AgentState.STOPPED, 0.8 + TIMEOUT)
    assert core.beat(0.8 + TIMEOUT).hears == (), "it is long gone"


def test_the_first_that_counts_is_answered_at_once():
    core = peer_signs()
    core.beat(0.0)
    signed(core, 1, 0.5)
    one = core.beat(0.5)
    assert one.heard_boot_id == "boot-there" and one.hears == ()
    signed(core, 2, 0.6)
    assert core.beat(0.6) is None


def test_many_recordings_do_not_keep_a_genuine_greeting_from_its_answer():
    core = peer_signs()
    signed(core, 1, 1.0, knows=False, boot_id="genuine")
    for number in range(15):
        signed(core, 1, 1.1, knows=False, boot_id="recorded-{}".format(number))
    assert "genuine" in core.beat(1.2).hears


def test_a_start_is_named_though_its_terms_are_not_believed_yet():
    """In standard failover that may take as long as the disk hangs."""
    core = Core("secondary", "standard", record=SIGNS._replace(peer_terms=None))
    core.saves = "unanswered"
    signed(core, 1, 1.0, timeout=20.0)
    one = core.beat(1.0)
    assert one.heard_boot_id is None and one.hears == ("boot-there",)


def test_two_that_both_start_anew_hear_each_other_within_three_messages():
    here, there = peer_signs(name="here"), Core("primary", "simple", name="there", boot_id="boot-there", record=SIGNS)
    first = here.beat(0.0)
    assert first.hears == ()
    there.hear(first, 0.1, is_signed=True)
    assert there.peer.last_heard is None
    here.hear(there.beat(0.1), 0.2, is_signed=True)
    assert here.peer.last_heard == 0.2
    there.hear(here.beat(0.2), 0.3, is_signed=True)
    assert there.peer.last_heard == 0.3


def test_a_simple_primary_waits_for_what_a_greeting_announces():
    core = peer_signs(role="primary")
    signed(core, 1, 1.5, knows=False)
    assert run(core, 3.4, since=3.4).command is None
    signed(core, 2, 3.45)
    assert run(core, 3.5 + GRACE - 0.1, since=8.0).command is None
    signed(core, 3, 8.45, may_run=False)
    assert run(core, 8.45, since=8.45).command is Command.START


@pytest.mark.parametrize("fields, at", [({}, 3.5), ({"may_run": False}, 2.0)])
def test_a_recording_holds_the_start_of_a_simple_primary_for_two_periods_once_at_most(fields, at):
    core = peer_signs(role="primary")
    for sequence in range(1, 10):
        signed(core, sequence, 1.5 + (sequence - 1) / 20, knows=False, boot_id="former-{}".format(sequence), **fields)
    assert run(core, at - 0.1, since=at - 0.1).command is None
    assert run(core, at, since=at).command is Command.START


# Neither recordings nor forgeries cause or prevent anything

@pytest.mark.parametrize("is_signed", [False, True])
def test_a_simple_takeover_comes_in_time_whatever_is_forged(is_signed):
    core = peer_signs()
    signed(core, 1, 1.0)
    now = 1.0
    while now < 1.0 + TIMEOUT - 0.1:
        now += 0.5
        core.observe(AgentState.STOPPED, now)
        core.hear(heartbeat(int(now * 100), boot_id="recorded"), now, is_signed=is_signed)
    core.observe(AgentState.STOPPED, 1.0 + TIMEOUT)
    assert core.decide(1.0 + TIMEOUT).peer is Liveness.DOWN and core.agent.pending is Command.START


@pytest.mark.parametrize("is_signed", [False, True])
def test_an_active_secondary_is_not_stopped(is_signed):
    core = peer_signs()
    run(core, 1.0 + TIMEOUT)
    core.end_command(core.now)
    core.observe(AgentState.RUNNING, core.now)
    for number in range(1, 20):
        core.observe(AgentState.RUNNING, core.now + 0.5)
        core.hear(heartbeat(number, boot_id="recorded"), core.now, is_signed=is_signed)
        assert core.agent.pending is None and core.decide(core.now).peer is Liveness.DOWN


def silent_after_start(side, knocks, is_signed=True):
    """Return the seconds until the silence of a peer is complete that somebody plays recordings of from time to time."""
    since, number = side.now, 0
    while side.core.agent.pending is not Command.START and side.now - since < 200:
        side.run(0.5, vc=True)
        if knocks(side.now - since):
            number += 1
            side.core.hear(heartbeat(number, mode="standard", boot_id="recorded-{}".format(number)), side.now, Path.VC,
                           is_signed=is_signed)
    return side.now - since


NEEDED = TIMEOUT + PERIOD + GRACE


def test_recordings_hold_a_takeover_up_once_only():
    calm, noisy, late = [silent_after_start(Side("secondary", signs=True, peer_terms=TIMING), knocks) for knocks in (
        lambda at: False, lambda at: True, lambda at: at > NEEDED - 2)]
    assert NEEDED < calm < NEEDED + 2
    assert calm < noisy <= calm + TIMEOUT + 2 * PERIOD + 1
    assert late <= 2 * NEEDED + TIMEOUT + 2 * PERIOD + 1
    assert silent_after_start(Side("secondary", signs=True, peer_terms=TIMING), lambda at: True, is_signed=False) == calm


def test_a_greeting_counts_against_silence_while_the_answer_is_on_its_way():
    """It may be of a primary that has just started and goes by VC, which does not hear this side yet."""
    side = Side("secondary", signs=True, peer_terms=TIMING)
    side.run(5, vc=True)
    signed(side.core, 1, side.now, Path.VC, knows=False)
    assert side.core.lease.silent_since(side.core.state) == side.now and side.core.lease.sighted is None


def test_a_heartbeat_that_counts_opens_the_way_for_greetings_again():
    core = peer_signs("standard")
    signed(core, 1, 1.0, knows=False)
    signed(core, 2, 100.0, knows=False)
    assert core.state.proof.doubted == 1.0
    signed(core, 3, 101.0)
    signed(core, 1, 102.0, knows=False, boot_id="next")
    assert core.state.proof.doubted == 102.0


# VC's bus

def test_the_own_echo_must_be_signed():
    """A forged one would vouch for a bus that passes nothing on."""
    core = peer_signs("standard")
    one = core.beat(0.5, Path.VC)
    core.hear(one, 0.6, Path.VC)
    assert not core.lease.witness.questions[0].is_echoed
    core.hear(one, 0.7, Path.VC, is_signed=True)
    assert core.lease.witness.questions[0].is_echoed


def test_only_what_is_new_on_vcs_bus_shows_that_the_peer_is_on_it():
    core = peer_signs("standard")
    signed(core, 1, 1.0, Path.VC)
    signed(core, 5, 2.0)
    missing = core.lease.witness._replace(missing="missing")

    def met(sequence):
        core.state = core.state._replace(policy=core.lease._replace(witness=missing))
        signed(core, sequence, 3.0, Path.VC)
        return core.lease.witness.missing is None

    assert met(4) and not met(4) and not met(1)


# The record

def test_a_disk_that_does_not_take_it_is_tried_again():
    core = Core("primary")
    core.saves = False
    signed(core, 1, 1.0)
    core.saves = True
    core.decide(7.0)
    assert core.state.record.signs
    assert core.post(RecordSaved(core.state.record, True)) == ()


# A wrong key

HELD = dict(lease_until=9.0, own_terms=TIMING, peer_terms=TIMING, peer_instance="there", signs=True, pair_key="k1")


@pytest.mark.parametrize("key, holds", [("k1", True), ("k2", False), (None, True)])
def test_a_lease_and_a_proof_are_those_of_one_key(key, holds):
    core = Core("primary", "standard", record=Record(**HELD), pair_key=key)
    assert core.lease.is_held is holds and core.view().peer_signs is holds
    core.decide(0.1)
    assert core.record.pair_key == (key or "k1") and core.record.signs is holds


def test_a_key_that_was_not_known_is_none_that_has_changed():
    core = Core("primary", "standard", record=Record(**dict(HELD, pair_key=None)), pair_key="k2")
    assert core.lease.is_held and core.view().peer_signs and core.record.pair_key == "k2"


@pytest.mark.parametrize("signs", [True, False])
def test_a_wrong_signature_ends_a_lease_of_a_side_to_which_its_peer_has_not_proved_itself(signs):
    core = Core("primary", "standard", record=Record(**dict(HELD, signs=signs)), pair_key="k1")
    core.decide(0.5)
    core.post(WrongSignature("somebody", AGENT), 1.0)
    assert core.lease.is_held is signs and core.view(1.5).wrong_ago == 0.5


@pytest.mark.parametrize("signs", [True, False])
@pytest.mark.parametrize("role", ["primary", "secondary"])
def test_no_silence_amid_wrong_signatures_of_a_peer_that_has_not_proved_itself(role, signs):
    side = Side(role, signs=signs)
    for _ in range(60):
        side.run(1.0, vc=True)
        side.core.post(WrongSignature("somebody"), side.now)
    assert side.holds_lease is signs
    side.run(60.0, vc=True)
    assert side.holds_lease


def test_a_signature_of_another_pair_is_none_of_this_one():
    core = Core("primary", "standard", record=Record(**dict(HELD, signs=False)), pair_key="k1")
    core.post(WrongSignature("somebody", "other+another"), 1.0)
    assert core.lease.is_held and core.view(1.5).wrong_ago is None and core.notes == []
    core.post(WrongSignature("somebody", "other+" + AGENT), 1.0)
    assert not core.lease.is_held and core.notes[-1].startswith("a heartbeat of somebody has a wrong signature and does not")


@pytest.mark.parametrize("signs", [True, False])
def test_in_simple_failover_a_peer_whose_signatures_are_wrong_is_not_taken_for_down(signs):
    core = Core("secondary", "simple", record=Record(mode="simple", signs=signs, pair_key="k1"), pair_key="k1")
    for second in range(30):
        core.observe(AgentState.STOPPED, float(second))
        core.post(WrongSignature("somebody"), float(second))
        decision = core.decide(second + 0.5)
    assert decision.peer is (Liveness.DOWN if signs else Liveness.UNKNOWN)
    assert core.until_change() <= TIMEOUT
    for second in range(30, 42):
        core.observe(AgentState.STOPPED, float(second))
        decision = core.decide(float(second))
    assert decision.peer is Liveness.DOWN
