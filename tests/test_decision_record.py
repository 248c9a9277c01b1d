"""What is on disk for the next start, and when it is written there."""

import pytest

from failover.decision.effects import SaveRecord
from failover.decision.events import RecordSaved, Subscribed
from failover.decision.setup import Record
from failover.decision.vocabulary import Path
from tests.driving import TIMEOUT, TIMING, Core, heartbeat, run
from tests.test_decision_lease import Side
from tests.test_decision_managed import RUNNING


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


def test_what_changes_while_the_lease_is_held_is_saved_at_once():
    side = Side("primary")
    side.run(60, vc=True)
    side.hear(True)
    side.now += 1
    before, name = len(saved(side.core)), side.core.record.peer_instance
    side.hear(True)
    assert side.holds_lease and name is None
    assert [one.peer_instance for one in saved(side.core)[before:]] == ["there"]


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
