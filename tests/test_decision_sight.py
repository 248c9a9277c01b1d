"""What a side could have heard: how long it was blind, what proves that it was not, and when it looks again."""

import pytest

from failover.decision.effects import EndAsOrphan, ProveHearing, Publish, Resubscribe
from failover.decision.events import (
    EndAsked,
    HearingProven,
    PlatformAnswered,
    PlatformSeen,
    Subscribed,
    VcAnswered,
    VcpAnswered,
)
from failover.decision.machine import deadline
from failover.decision.sight import Sight
from failover.decision.vocabulary import AgentState, Liveness
from tests.driving import GRACE, TIMEOUT, Core, heartbeat, run
from tests.test_decision_lease import Side

# Blindness

def test_a_pause_between_two_events_is_blindness_from_half_of_timeout_on():
    for pause, since in ((TIMEOUT / 2 - 0.1, 0.0), (TIMEOUT / 2, 5.0 + TIMEOUT / 2)):
        core = Core()
        run(core, 5.0)
        core.post(PlatformAnswered(), 5.0 + pause)
        assert core.state.sight.listening_since == since


def test_every_event_is_a_look():
    core = Core()
    for quarter in range(1, 80):
        core.post(PlatformAnswered(), quarter / 4)
    assert core.state.sight.listening_since == 0.0 and core.decide(20.0).peer is Liveness.DOWN


def test_the_platform_answers_for_half_of_timeout():
    core = Core()
    core.post(PlatformAnswered(), 1.0)
    core.decide(3.0)
    for now, answers in ((1.0 + TIMEOUT / 2, True), (1.1 + TIMEOUT / 2, False)):
        core.post(PlatformSeen(True), now)
        assert core.view().platform_answers is answers
        assert (core.state.sight.listening_since == 0.0) is answers


def test_a_platform_whose_process_is_gone_does_not_answer():
    core = Core()
    core.observe(AgentState.RUNNING, 1.0)
    core.post(PlatformSeen(False), 1.0)
    core.decide(1.0)
    assert not core.view().platform_answers and core.agent.state is AgentState.UNKNOWN
    assert core.state.sight.listening_since == 1.0


def test_one_that_lives_is_no_orphan_and_proves_nothing():
    core = Core()
    core.decide(4.0)
    core.post(PlatformSeen(True), 4.0)
    core.post(PlatformSeen(True, is_replaced=True), 4.5)
    assert core.state.orphan_since is None and core.state.sight.platform_answered == 0.0


def test_being_blind_is_no_silence_of_vc():
    side = Side("secondary")
    side.run(20, vc=True)
    assert side.decision.vc is Liveness.UP
    side.now += 60
    assert side.run(0.25).vc is Liveness.UNKNOWN
    begun = side.core.state.sight.listening_since
    while side.run(0.25).vc is Liveness.UNKNOWN:
        assert side.now < begun + TIMEOUT
    assert side.now == begun + TIMEOUT and side.decision.vc is Liveness.DOWN


# Proof

@pytest.mark.parametrize("stands", [True, False, None])
def test_what_the_bus_says_ends_the_question(stands):
    sight = Sight.at_start(TIMEOUT, 0.0)._replace(listens=True, proof_asked=3.0, heard_until=2.0)
    after = sight.proven(3.0, stands)
    assert after.proof_asked is None
    assert after.heard_until == (3.0 if stands else 2.0) and after.listens is (stands is not False)


def test_an_answer_to_an_earlier_question_does_not_take_back_a_later_one():
    sight = Sight.at_start(TIMEOUT, 0.0)._replace(listens=True, heard_until=5.0)
    assert sight.proven(3.0, True).heard_until == 5.0


def test_the_bus_is_asked_at_the_end_of_the_silence_even_if_it_was_asked_just_before():
    sight = Sight.at_start(TIMEOUT, 0.0)._replace(listens=True, heard_until=18.0)
    assert [sight.wants_proof(9.0, TIMEOUT, now) for now in (18.9, 19.0)] == [False, True]
    assert not sight._replace(heard_until=19.0).wants_proof(9.0, TIMEOUT, 19.1), "that is proven"
    assert not sight._replace(proof_asked=18.5).wants_proof(9.0, TIMEOUT, 19.0), "it is being asked"


def test_the_answer_proves_the_moment_of_its_question_only():
    core = Core()
    core.proves = "unanswered"
    core.hear(heartbeat(), 0.5)
    run(core, 9.0)
    assert len(core.given(ProveHearing)) == 1
    core.post(HearingProven(3.0, True), 10.5)
    core.observe(AgentState.STOPPED, 10.5)
    assert core.decide(10.5).peer is Liveness.UNKNOWN and len(core.given(ProveHearing)) == 2
    core.post(HearingProven(10.5, True), 11.0)
    assert core.decide(11.0).peer is Liveness.DOWN


def test_a_subscription_is_renewed_once():
    core = Core()
    assert core.post(HearingProven(0.0, False), 1.0) == (Resubscribe(),)
    assert Resubscribe() not in core.post(HearingProven(0.0, False), 1.5), "that is under way"
    core.post(Subscribed(), 2.0)
    assert Resubscribe() not in core.post(HearingProven(2.0, None), 2.5), "no answer is none"
    assert core.state.sight.listens


def test_without_a_subscription_the_bus_is_not_asked():
    core = Core(subscribed=False)
    run(core, 30)
    assert core.given(ProveHearing) == []


# When to look again

def test_time_is_up_at_the_end_of_the_silence_and_of_the_wait():
    core = Core("primary")
    core.observe(AgentState.STOPPED, 0.5)
    assert deadline(core.state) == 2.0, "the start waits until then"
    core.hear(heartbeat(agent_id="secondary", may_run=False), 1.0)
    secondary = Core()
    secondary.hear(heartbeat(), 1.0)
    secondary.observe(AgentState.STOPPED, 1.0)
    assert deadline(secondary.state) == 1.0 + TIMEOUT


def test_time_is_up_at_the_end_of_the_lease():
    side = Side("primary", lease_until=6.0)
    side.state = AgentState.RUNNING
    side.run(1)
    assert deadline(side.core.state) == 6.0


def test_time_is_up_when_the_next_attempt_may_come():
    core = Core("primary")
    run(core, 2.0)
    core.end_command(2.0, succeeded=False)
    core.observe(AgentState.STOPPED, 2.25)
    assert core.agent.pending is None and deadline(core.state) == 3.0


def test_time_is_up_when_an_orphan_is_to_end():
    core = Core("primary")
    core.post(PlatformSeen(False), 4.0)
    core.decide(8.0)
    core.hear(heartbeat(agent_id="secondary"), 8.5)
    assert deadline(core.state) == 4.0 + TIMEOUT
    core.decide(4.0 + TIMEOUT)
    assert core.given(EndAsOrphan) == []
    core.decide(4.0 + TIMEOUT + 0.001)
    assert core.given(EndAsOrphan) == [EndAsOrphan(GRACE)]


# What arrives too late

@pytest.mark.parametrize("event", [VcAnswered(1), VcpAnswered(1.0, True)], ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("mode", ["simple", "standard"])
def test_an_answer_to_a_question_that_was_not_asked_changes_nothing(mode, event):
    core = Core("secondary", mode)
    core.observe(AgentState.STOPPED, 1.0)
    before = core.lease
    core.post(event, 1.0)
    assert core.lease == before


def test_who_ends_takes_nothing_up_any_more():
    core = Core("primary")
    run(core, 1.5)
    core.post(EndAsked(), 1.75)
    for now in (2.0, 3.0, 30.0):
        assert core.observe(AgentState.STOPPED, now) == ()
        assert core.hear(heartbeat(int(now), agent_id="secondary"), now) is None
    assert core.agent.pending is None and not any(isinstance(one, Publish) for one in core.effects)
