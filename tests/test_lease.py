"""The lease rule of standard failover: plain calls with times that the test makes up. More is in test_simulation."""

import itertools

import pytest

from failover.config import Config
from failover.core import CLOCKS_APART, Action, AgentState, Lease, Liveness, Terms, look_up
from failover.heartbeat import Heartbeat
from failover.lease import LeaseCore, Remembered

PERIOD, TIMEOUT, GRACE = 1.0, 10.0, 5.0
SILENCE = (TIMEOUT + PERIOD + GRACE) * CLOCKS_APART


class Side:
    """A core whose platform answers, and what it is told; time goes on in steps of a quarter of a second."""

    def __init__(self, agent_id, now=0.0, **remembered):
        remembered.setdefault("peer_terms", Terms(TIMEOUT, PERIOD, GRACE))
        config = Config(agent_id, False, "tcp://127.0.0.1:1", "key", "platform.driver", PERIOD, TIMEOUT, GRACE)
        self.core = LeaseCore(config, "here", "failover", "boot-here", now, Remembered(**remembered))
        self.core.subscribed()
        self.now = now
        self.state = AgentState.STOPPED
        self.decision = None
        self._numbers = itertools.count(1)
        self._acknowledged = None

    def run(self, seconds, vc=False, peer=None, vcp=None, contact=True):
        """Let time pass. VC answers if `vc`; the other side is heard each period if `peer` says whether it may run,
        and acknowledges what was sent if there is `contact`; VCP's word is `vcp`."""
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.now += 0.25
            self.step(vc, peer, vcp, contact)
        return self.decision

    def step(self, vc, peer, vcp, contact):
        core, now = self.core, self.now
        core.agent_observed(self.state, now, now)
        if peer is not None and now % PERIOD == 0:
            self.hear(peer, contact)
        if core.wants_vcp(now):
            core.vcp_asked(now)
            core.vcp_silent(now) if vcp is None else core.vcp_answered(vcp, now, now)
        self.decision = core.decide(now)
        if core.wants_proof_of_hearing(now):
            core.hearing_asked(now)
            core.hearing_proven(now)
            self.decision = core.decide(now)
        for beat, sent in ((core.beat, core.beat_sent), (core.beat_to_vc, core.vc_asked)):
            heartbeat = beat(now)
            if heartbeat is not None:
                sent(heartbeat, now)
                self._acknowledged = heartbeat.sequence
                if vc and sent == core.vc_asked:
                    core.vc_answered(heartbeat.sequence, now)

    def hear(self, may_run, contact=True, boot="boot-there", terms=(TIMEOUT, PERIOD, GRACE), mode="standard"):
        other = "secondary" if self.core._config.agent_id == "primary" else "primary"
        return self.core.heard(Heartbeat(
            "there", "failover", "platform.driver", other, mode, *terms, boot, next(self._numbers),
            "boot-here" if contact and self._acknowledged else None, self._acknowledged if contact else None,
            may_run), self.now)


# The documentation's tables

CELLS = [(role, peer, vc) for role in ("primary", "secondary") for peer in (Liveness.UP, Liveness.DOWN)
         for vc in (Liveness.UP, Liveness.DOWN)]


@pytest.mark.parametrize("role, peer, vc", CELLS)
@pytest.mark.parametrize("ran", [False, True])
def test_the_rule_keeps_the_tables(role, peer, vc, ran):
    side = Side(role, **(dict(lease_until=8.0) if ran else {}))
    side.state = AgentState.RUNNING if ran else AgentState.STOPPED
    decision = side.run(100, vc=vc is Liveness.UP, peer=False if peer is Liveness.UP else None)
    assert (decision.peer, decision.vc) == (peer, vc)
    assert side.core.holds_lease is (decision.action is Action.START)
    lease = Lease.HELD if side.core.holds_lease else Lease.NONE
    assert decision.action is look_up("standard", role, peer, vc, lease)
    # The documentation's tables, where "verify" has come to its end.
    runs = vc is Liveness.UP or peer is Liveness.UP if role == "primary" else peer is Liveness.DOWN and vc is Liveness.UP
    assert (decision.action is Action.START) is runs


# Losing the lease

def test_a_lease_ends_timeout_after_the_last_proof_was_asked_for():
    side = Side("primary")
    side.run(30, vc=True)
    side.state = AgentState.RUNNING
    side.run(5, vc=True)
    assert side.core.lease_until == pytest.approx(side.now + TIMEOUT, abs=PERIOD)
    until = side.core.lease_until
    side.run(until - side.now - 0.5)
    assert side.decision.action is Action.START
    side.run(1)
    assert side.decision.command is Action.STOP and not side.core.holds_lease


def test_a_late_answer_proves_the_moment_of_its_question():
    side = Side("primary")
    side.run(30, vc=True)
    core, now = side.core, side.now
    heartbeat = core.beat_to_vc(now + 1)
    core.vc_asked(heartbeat, now + 1)
    core.vc_answered(heartbeat.sequence, now + 8)
    assert core.lease_until == now + 1 + TIMEOUT


def test_an_ended_lease_is_not_revived_by_a_proof():
    side = Side("primary")
    side.run(30, vc=True)
    side.state = AgentState.RUNNING
    heartbeat = side.core.beat_to_vc(side.now + 1)
    side.core.vc_asked(heartbeat, side.now + 1)
    side.now += 30
    side.core.vc_answered(heartbeat.sequence, side.now)
    assert side.core.decide(side.now).action is not Action.START


def test_the_secondary_gives_the_lease_up_when_it_sights_the_primary():
    for sight in (lambda side: side.hear(False, contact=False), lambda side: side.core.heard(None, side.now),
                  lambda side: side.core.vcp_answered(True, side.now, side.now)):
        side = Side("secondary")
        side.run(30, vc=True)
        assert side.core.holds_lease
        side.state = AgentState.RUNNING
        sight(side)
        side.run(0.25, vc=True)
        assert side.decision.command is Action.STOP and side.core.may_run


def test_what_can_no_longer_be_observed_is_stopped_too():
    side = Side("primary", lease_until=8.0)
    side.state = AgentState.RUNNING
    side.run(1)
    for _ in range(80):
        side.now += 0.25
        side.decision = side.core.decide(side.now)
    assert side.core.agent is AgentState.UNKNOWN and side.decision.command is Action.STOP


# Obtaining it by the other side's word

def test_the_primary_starts_by_the_secondarys_word():
    side = Side("primary")
    assert side.run(5, peer=True).command is None
    assert side.run(1, peer=False).command is Action.START


def test_a_word_that_acknowledges_nothing_of_this_start_is_none():
    side = Side("primary")
    assert side.run(60, peer=False, contact=False).action is Action.STOP


def test_a_simple_secondary_gives_no_word():
    side = Side("primary")
    side.run(2)
    side.hear(False, mode="simple")
    assert side.run(0.25).command is None and not side.core.holds_lease


# Obtaining it by silence

def test_the_silence_before_a_takeover():
    side = Side("secondary")
    side.run(20, vc=True, peer=True)
    heard = side.core.last_heard
    while side.run(0.25, vc=True).command is None:
        assert side.now < heard + 60
        assert side.decision.action is (Action.STOP if side.now < heard + TIMEOUT else Action.VERIFY)
    assert SILENCE <= side.now - heard <= SILENCE + 0.5


def test_the_primarys_not_running_breaks_the_secondarys_silence_but_not_the_reverse():
    secondary, primary = Side("secondary"), Side("primary")
    assert secondary.run(60, vc=True, peer=False, contact=False).command is None
    assert primary.run(60, vc=True, peer=False, contact=False).command is Action.START
    assert Side("primary").run(60, vc=True, peer=True, contact=False).command is None


@pytest.mark.parametrize("lapse", ["unanswered", "reset", "late", "apart"])
def test_silence_does_not_count_while_vcs_answers_had_lapsed(lapse):
    side = Side("secondary")
    side.run(SILENCE - 3, vc=True)
    if lapse == "reset":
        side.core.vc_reset()
    elif lapse == "unanswered":
        side.run(3.5)
    elif lapse == "late":
        heartbeat = side.core.beat_to_vc(side.now + PERIOD)
        side.core.vc_asked(heartbeat, side.now + PERIOD)
        side.now += PERIOD + 1.25
        side.core.vc_answered(heartbeat.sequence, side.now)
    else:
        side.now += 2.5
    assert side.run(SILENCE - 0.25, vc=True).command is None
    assert side.run(2 * PERIOD, vc=True).command is Action.START


def test_vcps_word_is_a_sighting_only_if_the_agent_runs_there():
    side = Side("secondary", peer_instance="there")
    assert side.run(60, vc=True, vcp=True).command is None and side.core.vcp_word == "runs"
    assert side.run(60, vc=True, vcp=False).command is Action.START and side.core.vcp_word == "does not run"


def test_vcp_is_asked_in_vain_before_a_start():
    side = Side("secondary", peer_instance="there")
    side.core.wants_vcp = lambda now: False
    assert side.run(60, vc=True).command is None
    del side.core.wants_vcp
    assert side.run(1, vc=True).command is Action.START


def test_one_lost_question_to_vcp_does_not_decide():
    """It is asked again before the silence is over, and its word counts."""
    side = Side("secondary", peer_instance="there")
    wants_vcp, side.core.wants_vcp = side.core.wants_vcp, lambda now: False
    while not wants_vcp(side.now):
        assert side.run(0.25, vc=True).command is None
    asked_at = side.now
    side.core.vcp_asked(asked_at)
    while side.now < asked_at + side.core.vcp_within(asked_at):
        assert side.run(0.25, vc=True).command is None
    side.core.vcp_silent(asked_at)
    assert wants_vcp(side.now) and side.now < SILENCE - 2 * PERIOD
    side.core.vcp_asked(side.now)
    side.core.vcp_answered(True, side.now, side.now)
    assert side.run(SILENCE - 2 * PERIOD, vc=True).command is None


def test_a_primary_on_its_own_gives_way_to_a_copy_that_vcp_sees():
    """One that a dead secondary's failover agent left: nobody there would stop it."""
    side = Side("primary", peer_instance="there")
    side.run(60, vc=True)
    assert side.core.holds_lease and side.core.wants_vcp(side.now + 2 * PERIOD)
    side.core.vcp_answered(True, side.now, side.now)
    assert not side.core.holds_lease
    side.run(60, vc=True, vcp=True)
    assert not side.core.holds_lease
    side.run(60, vc=True, vcp=False)
    assert side.core.holds_lease


def test_a_primary_that_hears_the_secondary_does_not_ask_vcp():
    side = Side("primary", peer_instance="there")
    side.run(20, vc=True, peer=False)
    assert side.core.holds_lease and side.core.vcp_word is None


def test_vcp_is_asked_once_a_period_and_not_while_the_other_side_is_heard():
    side = Side("secondary", peer_instance="there")
    side.run(10, vc=True, peer=True)
    assert side.core.vcp_word is None
    side.run(5, vc=True)
    assert side.core.vcp_word == "no answer" and not side.core.wants_vcp(side.now + 0.1)


# Terms

def test_the_larger_terms_hold_and_are_remembered():
    side = Side("secondary")
    for _ in range(2):  # What one heartbeat says alone holds, but is not yet remembered: it may be forged.
        side.hear(True, terms=(20.0, 0.5, 3.0))
        assert side.core.terms == Terms(20.0, PERIOD, GRACE)
        side.now += PERIOD
    assert side.core.remembered.peer_terms == Terms(20.0, 0.5, 3.0)
    again = Side("secondary", peer_terms=side.core.remembered.peer_terms)
    assert again.core.silence_needed == pytest.approx((20 + PERIOD + GRACE) * CLOCKS_APART)


def forge(side, **said):
    """Have the side hear one heartbeat of nobody."""
    side.hear(True, contact=False, boot="forged", **said)


def test_times_that_one_message_alone_says_hold_for_one_silence():
    side = Side("secondary")
    side.run(20, vc=True, peer=True)
    forge(side, terms=(20.0, PERIOD, GRACE))
    assert side.core.silence_needed == pytest.approx((20 + PERIOD + GRACE) * CLOCKS_APART)
    assert side.core.remembered.peer_terms == Terms(TIMEOUT, PERIOD, GRACE)
    side.run(SILENCE + 0.25, vc=True)
    assert side.core.silence_needed == pytest.approx(SILENCE)
    assert side.decision.command is Action.START


@pytest.mark.parametrize("terms", [(86400.0, PERIOD, GRACE), (TIMEOUT, 86400.0, GRACE), (TIMEOUT, PERIOD, 86400.0)])
def test_implausible_times_of_one_message_hold_at_no_time(terms):
    side = Side("secondary")
    side.run(20, vc=True, peer=True)
    forge(side, terms=terms)
    assert side.core.silence_needed == pytest.approx(SILENCE)
    side.run(SILENCE + 0.25, vc=True)
    assert side.decision.command is Action.START


def test_implausible_times_are_believed_if_the_sender_goes_on_saying_so():
    side = Side("secondary")
    for _ in range(2):
        side.hear(True, terms=(1000.0, PERIOD, GRACE))
        side.now += PERIOD
    assert side.core.terms == Terms(1000.0, PERIOD, GRACE) and side.core.remembered.peer_terms.timeout == 1000.0


def test_what_one_heartbeat_says_is_not_acknowledged_but_outlives_a_restart_for_one_silence():
    side = Side("secondary")
    side.run(20, vc=True, peer=True)
    side.hear(True, boot="boot-new", terms=(20.0, PERIOD, GRACE))
    assert side.core.beat(side.now + PERIOD).heard_boot_id is None
    again = Side("secondary", peer_terms=Terms(TIMEOUT, PERIOD, GRACE), claimed_terms=side.core.remembered.claimed_terms)
    longer = (20 + PERIOD + GRACE) * CLOCKS_APART
    assert again.core.silence_needed == pytest.approx(longer)
    assert again.run(longer - 0.5, vc=True).command is None
    assert again.run(1.0, vc=True).command is Action.START
    side.now += PERIOD
    side.hear(True, boot="boot-new", terms=(20.0, PERIOD, GRACE))
    assert side.core.beat(side.now + PERIOD).heard_boot_id == "boot-new"
    assert side.core.remembered.peer_terms.timeout == 20.0 and side.core.remembered.claimed_terms is None


def test_the_next_genuine_heartbeat_undoes_what_a_forged_one_says():
    side = Side("secondary")
    side.run(20, vc=True, peer=True)
    side.hear(True, boot="boot-there", terms=(20.0, PERIOD, GRACE))
    side.run(PERIOD, vc=True, peer=True)
    assert side.core.silence_needed == pytest.approx(SILENCE)


def test_a_forged_name_does_not_replace_the_one_by_which_vcp_is_asked():
    side = Side("secondary")
    side.run(20, vc=True, peer=True)
    side.core.heard(Heartbeat(
        "nowhere", "failover", "platform.driver", "primary", "standard", TIMEOUT, PERIOD, GRACE, "forged", 1, None, None,
        True), side.now)
    assert side.core.peer_instance == "there" and side.core.remembered.peer_instance == "there"


@pytest.mark.parametrize("observed", ["never", "before"])
def test_a_stop_is_due_also_of_an_agent_of_which_control_says_nothing_but_errors(observed):
    """After a start, or after a stop that failed."""
    side = Side("primary")
    side.run(60, vc=True)
    core = side.core
    if observed == "never":
        core.command_begun(Action.START)
    else:
        side.state = AgentState.RUNNING
        side.run(1, vc=True)
        core.command_begun(Action.STOP)
    core.command_ended(side.now)
    while side.now < 200:
        side.now += 0.25
        core.platform_answered(side.now)
        decision = core.decide(side.now)
    assert not core.holds_lease and decision.command is Action.STOP
    core.command_begun(Action.STOP)
    core.process_ended()
    core.command_ended(side.now)
    assert core.decide(side.now + 0.25).command is None


# The end of a stop

def test_stop_grace_begins_when_the_lease_is_given_up():
    side = Side("primary", lease_until=6.0)
    side.state = AgentState.RUNNING
    side.run(5)
    assert side.core.stop_within(side.now) == GRACE
    side.run(3)
    assert side.core.stop_within(side.now) == pytest.approx(6.0 + GRACE - 8.0)
    side.run(GRACE)
    assert side.core.stop_within(side.now) == 0.0


def test_a_copy_that_appears_where_there_is_no_lease_gets_no_time():
    side = Side("secondary")
    side.run(60, vc=True, peer=True)
    side.state = AgentState.RUNNING
    assert side.run(0.25, vc=True, peer=True).command is Action.STOP
    assert side.core.stop_within(side.now) == 0.0


# The lease of the last start

def test_what_runs_is_left_running_by_the_lease_on_file_and_no_longer():
    side = Side("primary", lease_until=6.0)
    side.state = AgentState.RUNNING
    assert side.run(5).command is None and side.core.holds_lease
    assert side.run(1.5).command is Action.STOP


def test_without_a_lease_on_file_what_runs_is_stopped():
    side = Side("primary")
    side.state = AgentState.RUNNING
    assert side.run(0.25, vc=True).command is Action.STOP


def test_the_lease_on_file_starts_nothing():
    side = Side("primary", lease_until=60.0)
    assert side.run(5).command is None and not side.core.holds_lease
    assert side.run(SILENCE + 2, vc=True).command is Action.START


def test_a_lease_that_ended_before_it_was_taken_up_is_not_revived():
    side = Side("primary", lease_until=3.0)
    heartbeat = side.core.beat_to_vc(0.0)
    side.core.vc_asked(heartbeat, 0.0)
    side.core.vc_answered(heartbeat.sequence, 4.0)
    side.state, side.now = AgentState.RUNNING, 4.0
    assert side.run(0.25).command is Action.STOP


# Words

def test_may_run_is_said_before_the_start():
    side = Side("secondary")
    side.run(30, vc=True)
    assert side.core.agent is AgentState.STOPPED and side.core.holds_lease and side.core.beat(side.now + 1).may_run


# Findings

@pytest.mark.parametrize("period, timeout", [(0.25, 4.0), (0.5, 10.0), (0.6, 10.0)])
def test_a_dead_link_does_not_slow_the_questions_to_vc(period, timeout):
    """What is overdue on it wakes nobody: the next question to VC does."""
    config = Config("secondary", False, "tcp://127.0.0.1:1", "key", "platform.driver", period, timeout, GRACE)
    known = Remembered(peer_terms=Terms(timeout, period, GRACE))
    core, now = LeaseCore(config, "here", "failover", "boot-here", 0.0, known), 0.0
    core.subscribed()
    while core.decide(now).command is None:
        core.agent_observed(AgentState.STOPPED, now, now)
        if core.wants_proof_of_hearing(now):
            core.hearing_asked(now)
            core.hearing_proven(now)
        core.beat(now)
        heartbeat = core.beat_to_vc(now)
        if heartbeat is not None:
            core.vc_asked(heartbeat, now)
            core.vc_answered(heartbeat.sequence, now)
        now += min(1.0, timeout / 8, core.until_change(now), core.until_next_beat(now))
        assert now < 2 * core.silence_needed


def test_shorter_times_hold_only_when_the_other_side_knows_them():
    side = Side("secondary", own_terms=Terms(60.0, 2.0, 20.0), peer_terms=Terms(*(TIMEOUT, PERIOD, GRACE)))
    side.run(1, vc=True)
    assert side.core.terms == Terms(60.0, 2.0, 20.0) and side.core.lease_period == TIMEOUT
    side.hear(True, contact=False)
    assert side.core.terms == Terms(60.0, 2.0, 20.0)
    side.hear(True)
    assert side.core.terms == side.core.remembered.own_terms == Terms(TIMEOUT, PERIOD, GRACE)


def test_longer_times_make_the_lease_longer_only_when_the_other_side_knows_them():
    side = Side("primary", own_terms=Terms(4.0, 1.0, 5.0))
    side.run(1, vc=True)
    assert side.core.lease_period == 4.0 and side.core.remembered.own_terms == Terms(4.0, 1.0, 5.0)
    side.hear(False)
    assert side.core.lease_period == TIMEOUT and side.core.remembered.own_terms == Terms(TIMEOUT, PERIOD, GRACE)


def test_an_answer_from_before_a_stop_that_broke_off_a_start_says_nothing():
    side = Side("secondary")
    side.run(30, vc=True)
    core = side.core
    core.command_begun(Action.START)
    core.heard(None, side.now)
    assert core.decide(side.now).command is Action.STOP
    core.command_begun(Action.STOP)
    core.agent_observed(AgentState.STOPPED, side.now, side.now)
    assert core.may_run
    core.command_ended(side.now + 1)
    core.agent_observed(AgentState.STOPPED, side.now + 1, side.now + 1)
    assert not core.may_run


def test_after_a_freeze_nothing_is_known_at_first():
    side = Side("primary")
    side.run(30, vc=True)
    side.now += 60
    assert side.run(0.25).vc is Liveness.UNKNOWN and not side.core.may_start(side.now)


def test_what_is_known_to_have_ended_is_not_stopped_again():
    side = Side("primary", lease_until=8.0)
    side.state = AgentState.RUNNING
    side.run(1)
    side.core.process_ended()
    assert side.core.decide(side.now + 30).command is None
