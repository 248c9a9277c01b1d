"""The lease rule of standard failover, one side: what renews it, how it is obtained, and when it is given up."""

import itertools

import pytest

from failover.decision.effects import AskVcp, Launch, PrepareStart, Publish, Stop
from failover.decision.events import CommandEnded, LinkChanged, LinkFree, PlatformAnswered, VcpAnswered
from failover.decision.heartbeat import Heartbeat
from failover.decision.setup import Record
from failover.decision.table import Action, look_up
from failover.decision.vocabulary import CLOCK_DRIFT_BOUND, AgentState, Command, Lease, Liveness, Path, Timing
from tests.driving import AGENT, GRACE, PERIOD, TIMEOUT, TIMING, Core

SILENCE = sum(TIMING) * CLOCK_DRIFT_BOUND


class Side:
    """A side whose platform answers, and what it is told; time goes on in steps of a quarter of a second."""

    def __init__(self, role, now=0.0, **record):
        record.setdefault("peer_terms", TIMING)
        self.core = Core(role, "standard", now, record=Record(**record))
        self.now = now
        self.state = AgentState.STOPPED
        self.decision = None
        self._numbers = itertools.count(1)
        self._acknowledged = None

    def run(self, seconds, vc=False, peer=None, vcp=None, contact=True):
        """Let time pass. VC answers if `vc`; the peer is heard each period if `peer` says whether it may run, and
        acknowledges what was sent if there is `contact`; VCP's word is `vcp`."""
        end = self.now + seconds
        self.core.vcp = vcp
        while self.now < end - 1e-9:
            self.now += 0.25
            self.step(vc, peer, contact)
        return self.decision

    def step(self, vc, peer, contact):
        core, now = self.core, self.now
        core.observe(self.state, now)
        if peer is not None and now % PERIOD == 0:
            self.hear(peer, contact)
        self.decision = core.decide(now)
        for one in (core.beat(now), core.ask_vc(now) if vc else core.beat(now, Path.VC)):
            if one is not None:
                self._acknowledged = one.sequence

    def hear(self, may_run, contact=True, boot="boot-there", terms=TIMING, mode="standard"):
        other = "secondary" if self.core.setup.role == "primary" else "primary"
        return self.core.hear(Heartbeat(
            "there", "failover", AGENT, other, mode, *terms, boot, next(self._numbers),
            "boot-here" if contact and self._acknowledged else None, self._acknowledged if contact else None,
            may_run), self.now)

    @property
    def holds_lease(self):
        return self.core.lease.is_held

    @property
    def timing(self):
        return self.core.state.timing

    @property
    def silence_needed(self):
        return self.core.state.agreement.silence_needed

    @property
    def vcp_word(self):
        return self.core.lease.witness.vcp_word


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
    assert side.holds_lease is (decision.action is Action.START)
    lease = Lease.HELD if side.holds_lease else Lease.NONE
    assert decision.action is look_up("standard", role, peer, vc, lease)
    # The documentation's tables, where "verify" has come to its end.
    runs = vc is Liveness.UP or peer is Liveness.UP if role == "primary" else peer is Liveness.DOWN and vc is Liveness.UP
    assert (decision.action is Action.START) is runs


def vcp_answers(side, runs):
    """VCP answers as soon as it is asked again."""
    side.core.vcp = "unanswered"
    asked = len(side.core.given(AskVcp))
    while len(side.core.given(AskVcp)) == asked:
        side.step(True, None, True)
        side.now += 0.25
    side.core.post(VcpAnswered(side.now, runs), side.now)


# Losing the lease

def test_a_lease_ends_timeout_after_the_last_renewal_was_asked_for():
    side = Side("primary")
    side.run(30, vc=True)
    side.state = AgentState.RUNNING
    side.run(5, vc=True)
    assert side.core.lease.until(side.core.state) == pytest.approx(side.now + TIMEOUT, abs=PERIOD)
    until = side.core.lease.until(side.core.state)
    side.run(until - side.now - 0.5)
    assert side.decision.action is Action.START
    side.run(1)
    assert side.decision.command is Command.STOP and not side.holds_lease


def test_a_late_answer_proves_the_moment_of_its_question():
    side = Side("primary")
    side.run(30, vc=True)
    core, now = side.core, side.now
    one = core.beat(now + 1, Path.VC)
    core.vc_answers(one, now + 8)
    assert core.lease.until(core.state) == now + 1 + TIMEOUT


def test_an_ended_lease_is_not_revived_by_a_renewal():
    side = Side("primary")
    side.run(30, vc=True)
    side.state = AgentState.RUNNING
    one = side.core.beat(side.now + 1, Path.VC)
    side.core.vc_answers(one, side.now + 30)
    assert side.core.decide(side.now + 30).action is not Action.START


def test_the_secondary_gives_the_lease_up_when_it_sights_the_primary():
    for sight in (lambda side: side.hear(False, contact=False), lambda side: side.core.hear(None, side.now),
                  lambda side: vcp_answers(side, True)):
        side = Side("secondary", peer_instance="there")
        side.run(30, vc=True)
        assert side.holds_lease
        side.state = AgentState.RUNNING
        sight(side)
        side.run(0.25, vc=True)
        assert side.decision.command is Command.STOP and side.core.state.may_run


def test_what_can_no_longer_be_observed_is_stopped_too():
    side = Side("primary", lease_until=8.0)
    side.state = AgentState.RUNNING
    side.run(1)
    for _ in range(80):
        side.now += 0.25
        side.decision = side.core.decide(side.now)
    assert side.core.agent.state is AgentState.UNKNOWN and side.decision.command is Command.STOP


# Obtaining it by a release notice

def test_the_primary_starts_by_the_secondarys_release_notice():
    side = Side("primary")
    assert side.run(5, peer=True).command is None
    assert side.run(1, peer=False).command is Command.START


def test_a_release_notice_that_acknowledges_nothing_of_this_start_is_none():
    side = Side("primary")
    assert side.run(60, peer=False, contact=False).action is Action.STOP


def test_a_simple_secondary_gives_no_release_notice():
    side = Side("primary")
    side.run(2)
    side.hear(False, mode="simple")
    assert side.run(0.25).command is None and not side.holds_lease


# Obtaining it by silence

def test_the_silence_before_a_takeover():
    side = Side("secondary")
    side.run(20, vc=True, peer=True)
    heard = side.core.peer.last_heard
    while side.run(0.25, vc=True).command is None:
        assert side.now < heard + 60
        assert side.decision.action is (Action.STOP if side.now < heard + TIMEOUT else Action.VERIFY)
    assert SILENCE <= side.now - heard <= SILENCE + 0.5


def test_the_primarys_not_running_breaks_the_secondarys_silence_but_not_the_reverse():
    secondary, primary = Side("secondary"), Side("primary")
    assert secondary.run(60, vc=True, peer=False, contact=False).command is None
    assert primary.run(60, vc=True, peer=False, contact=False).command is Command.START
    assert Side("primary").run(60, vc=True, peer=True, contact=False).command is None


@pytest.mark.parametrize("lapse", ["unanswered", "reset", "late", "apart"])
def test_silence_does_not_count_while_vcs_answers_had_lapsed(lapse):
    side = Side("secondary")
    side.run(SILENCE - 3, vc=True)
    if lapse == "reset":
        side.core.post(LinkChanged(Path.VC, True))
    elif lapse == "unanswered":
        side.run(3.5)
    elif lapse == "late":
        one = side.core.beat(side.now + PERIOD, Path.VC)
        side.now += PERIOD + 1.25
        side.core.vc_answers(one, side.now)
    else:
        side.now += 2.5
    assert side.run(SILENCE - 0.25, vc=True).command is None
    assert side.run(2 * PERIOD, vc=True).command is Command.START


def test_vcps_word_is_a_sighting_only_if_the_agent_runs_there():
    side = Side("secondary", peer_instance="there")
    assert side.run(60, vc=True, vcp=True).command is None and side.vcp_word == "runs"
    assert side.run(60, vc=True, vcp=False).command is Command.START and side.vcp_word == "does not run"


def test_vcp_is_asked_in_vain_before_a_start():
    side = Side("secondary", peer_instance="there")
    assert side.run(60, vc=True, vcp="unanswered").command is None
    asked = side.core.given(AskVcp)
    assert 2 <= len(asked) <= 4, "one of which nothing is heard is lost after a while"
    side.core.post(VcpAnswered(side.now, None))
    assert side.run(0.25, vc=True).command is Command.START


def test_one_lost_question_to_vcp_does_not_decide():
    """It is asked again before the silence is over, and its word counts."""
    side = Side("secondary", peer_instance="there")
    while not side.core.given(AskVcp):
        assert side.run(0.25, vc=True, vcp="unanswered").command is None
    [ask], asked_at = side.core.given(AskVcp), side.now
    while side.now < asked_at + ask.within:
        assert side.run(0.25, vc=True, vcp="unanswered").command is None
    side.core.post(VcpAnswered(asked_at, None), side.now)
    assert len(side.core.given(AskVcp)) == 2 and side.now < SILENCE - 2 * PERIOD
    side.core.post(VcpAnswered(side.now, True))
    assert side.run(SILENCE - 2 * PERIOD, vc=True).command is None


def test_a_primary_on_its_own_gives_way_to_a_copy_that_vcp_sees():
    """One that a dead secondary's failover agent left: nobody there would stop it."""
    side = Side("primary", peer_instance="there")
    side.run(60, vc=True)
    assert side.holds_lease
    side.run(2 * PERIOD, vc=True, vcp=True)
    assert not side.holds_lease
    side.run(60, vc=True, vcp=True)
    assert not side.holds_lease
    side.run(60, vc=True, vcp=False)
    assert side.holds_lease


def test_a_primary_that_hears_the_secondary_does_not_ask_vcp():
    side = Side("primary", peer_instance="there")
    side.run(20, vc=True, peer=False)
    assert side.holds_lease and side.vcp_word is None


def test_vcp_is_asked_once_a_period_and_not_while_the_other_side_is_heard():
    side = Side("secondary", peer_instance="there")
    side.run(10, vc=True, peer=True)
    assert side.vcp_word is None
    side.run(5, vc=True)
    assert side.vcp_word == "no answer" and len(side.core.given(AskVcp)) == 4


# Times

def test_the_larger_terms_hold_and_are_remembered():
    side = Side("secondary")
    for _ in range(2):  # What one heartbeat says alone holds, but is not yet remembered: it may be forged.
        side.hear(True, terms=(20.0, 0.5, 3.0))
        assert side.timing == Timing(20.0, PERIOD, GRACE)
        side.now += PERIOD
    assert side.core.record.peer_terms == Timing(20.0, 0.5, 3.0)
    again = Side("secondary", peer_terms=side.core.record.peer_terms)
    assert again.silence_needed == pytest.approx((20 + PERIOD + GRACE) * CLOCK_DRIFT_BOUND)


def forge(side, **said):
    """Have the side hear one heartbeat of nobody."""
    side.hear(True, contact=False, boot="forged", **said)


def test_times_that_one_message_alone_says_hold_for_one_silence():
    side = Side("secondary")
    side.run(20, vc=True, peer=True)
    forge(side, terms=(20.0, PERIOD, GRACE))
    assert side.silence_needed == pytest.approx((20 + PERIOD + GRACE) * CLOCK_DRIFT_BOUND)
    assert side.core.record.peer_terms == Timing(TIMEOUT, PERIOD, GRACE)
    side.run(SILENCE + 0.25, vc=True)
    assert side.silence_needed == pytest.approx(SILENCE)
    assert side.decision.command is Command.START


@pytest.mark.parametrize("terms", [(86400.0, PERIOD, GRACE), (TIMEOUT, 86400.0, GRACE), (TIMEOUT, PERIOD, 86400.0)])
def test_implausible_times_of_one_message_hold_at_no_time(terms):
    side = Side("secondary")
    side.run(20, vc=True, peer=True)
    forge(side, terms=terms)
    assert side.silence_needed == pytest.approx(SILENCE)
    side.run(SILENCE + 0.25, vc=True)
    assert side.decision.command is Command.START


def test_implausible_times_are_believed_if_the_sender_goes_on_saying_so():
    side = Side("secondary")
    for _ in range(2):
        side.hear(True, terms=(1000.0, PERIOD, GRACE))
        side.now += PERIOD
    assert side.timing == Timing(1000.0, PERIOD, GRACE) and side.core.record.peer_terms.timeout == 1000.0


def test_what_one_heartbeat_says_is_not_acknowledged_but_outlives_a_restart_for_one_silence():
    side = Side("secondary")
    side.run(20, vc=True, peer=True)
    side.hear(True, boot="boot-new", terms=(20.0, PERIOD, GRACE))
    assert side.core.beat(side.now + PERIOD).heard_boot_id is None
    again = Side("secondary", peer_terms=Timing(TIMEOUT, PERIOD, GRACE), claimed_terms=side.core.record.claimed_terms)
    longer = (20 + PERIOD + GRACE) * CLOCK_DRIFT_BOUND
    assert again.silence_needed == pytest.approx(longer)
    assert again.run(longer - 0.5, vc=True).command is None
    assert again.run(1.0, vc=True).command is Command.START
    side.now += PERIOD
    side.hear(True, boot="boot-new", terms=(20.0, PERIOD, GRACE))
    assert side.core.beat(side.now + PERIOD).heard_boot_id == "boot-new"
    assert side.core.record.peer_terms.timeout == 20.0 and side.core.record.claimed_terms is None


def test_the_next_genuine_heartbeat_undoes_what_a_forged_one_says():
    side = Side("secondary")
    side.run(20, vc=True, peer=True)
    side.hear(True, boot="boot-there", terms=(20.0, PERIOD, GRACE))
    side.run(PERIOD, vc=True, peer=True)
    assert side.silence_needed == pytest.approx(SILENCE)


def test_a_forged_name_does_not_replace_the_one_by_which_vcp_is_asked():
    side = Side("secondary")
    side.run(20, vc=True, peer=True)
    side.core.hear(Heartbeat(
        "nowhere", "failover", AGENT, "primary", "standard", *TIMING, "forged", 1, None, None, True), side.now)
    assert side.core.state.agreement.peer_instance == "there" and side.core.record.peer_instance == "there"


@pytest.mark.parametrize("observed", ["never", "before"])
def test_a_stop_is_due_also_of_an_agent_of_which_control_says_nothing_but_errors(observed):
    """After a start, or after a stop that failed."""
    side = Side("primary")
    side.run(60, vc=True)
    core = side.core
    assert core.agent.pending is Command.START
    core.end_command(side.now)
    if observed == "before":
        side.state = AgentState.RUNNING
        side.run(1, vc=True)
    while side.now < 200:
        side.now += 0.25
        core.post(PlatformAnswered(), side.now)
    assert not side.holds_lease and core.agent.pending is Command.STOP
    given = len(core.given(Stop))
    core.end_command(side.now, succeeded=False)
    for _ in range(20):
        side.now += 0.25
        core.post(PlatformAnswered(), side.now)
    assert core.agent.pending is Command.STOP and len(core.given(Stop)) == given + 1
    core.end_command(side.now, is_gone=True)
    assert core.decide(side.now + 30).command is None


# The end of a stop

def test_stop_grace_begins_when_the_lease_is_given_up():
    side = Side("primary", lease_until=6.0)
    side.state = AgentState.RUNNING
    side.run(5)
    assert side.core.state.stop_within(side.now) == GRACE
    side.run(1.25)
    assert [stop.within for stop in side.core.given(Stop)] == [GRACE]
    side.run(1.75)
    assert side.core.state.stop_within(side.now) == pytest.approx(6.0 + GRACE - 8.0)
    side.run(GRACE)
    assert side.core.state.stop_within(side.now) == 0.0


def test_a_copy_that_appears_where_there_is_no_lease_gets_no_time():
    side = Side("secondary")
    side.run(60, vc=True, peer=True)
    side.state = AgentState.RUNNING
    assert side.run(0.25, vc=True, peer=True).command is Command.STOP
    assert [stop.within for stop in side.core.given(Stop)] == [0.0]


def test_longer_times_are_for_waiting_and_not_for_stopping():
    """The peer waits for a stop as long as it knows that one to take, whatever a single heartbeat claims here."""
    side = Side("primary", lease_until=6.0)
    side.state = AgentState.RUNNING
    side.hear(True, contact=False, boot="forged", terms=(TIMEOUT, PERIOD, 9 * GRACE))
    assert side.timing.stop_grace == 9 * GRACE
    side.run(6.25)
    assert [stop.within for stop in side.core.given(Stop)] == [GRACE]


def test_a_stop_takes_no_longer_than_the_peer_knows_it_to_take():
    side = Side("primary", lease_until=6.0, own_terms=Timing(TIMEOUT, PERIOD, 2.0))
    side.state = AgentState.RUNNING
    side.run(6.25)
    assert [stop.within for stop in side.core.given(Stop)] == [2.0]


# The lease of the last start

def test_a_lease_on_file_lasts_no_longer_than_timeout_as_it_is_now():
    side = Side("primary", lease_until=44.0)
    side.state = AgentState.RUNNING
    assert side.run(TIMEOUT - 0.5).command is None
    assert side.run(1).command is Command.STOP

def test_what_runs_is_left_running_by_the_lease_on_file_and_no_longer():
    side = Side("primary", lease_until=6.0)
    side.state = AgentState.RUNNING
    assert side.run(5).command is None and side.holds_lease
    assert side.run(1.5).command is Command.STOP


def test_without_a_lease_on_file_what_runs_is_stopped():
    side = Side("primary")
    side.state = AgentState.RUNNING
    assert side.run(0.25, vc=True).command is Command.STOP


def test_the_lease_on_file_starts_nothing():
    side = Side("primary", lease_until=60.0)
    assert side.run(5).command is None and not side.holds_lease
    assert side.run(SILENCE + 2, vc=True).command is Command.START


def test_a_lease_that_ended_before_it_was_taken_up_is_not_revived():
    side = Side("primary", lease_until=3.0)
    one = side.core.beat(0.0, Path.VC)
    side.core.vc_answers(one, 4.0)
    side.state, side.now = AgentState.RUNNING, 4.0
    assert side.run(0.25).command is Command.STOP


# Words

def test_may_run_is_said_before_the_start():
    side = Side("secondary")
    side.run(SILENCE - 1, vc=True)
    core = side.core
    while not core.given(PrepareStart):
        side.now += 0.25
        core.ask_vc(side.now)
        core.post(LinkFree(Path.DIRECT))
        core.observe(AgentState.STOPPED, side.now)
    effects = core.log[-1] if any(isinstance(one, PrepareStart) for one in core.log[-1]) else core.log[-2]
    said = [one.heartbeat.may_run for one in effects if isinstance(one, Publish)]
    assert said and all(said)
    assert effects.index(next(one for one in effects if isinstance(one, PrepareStart))) > effects.index(
        next(one for one in effects if isinstance(one, Publish))), "in the same step, after it"


# Findings

@pytest.mark.parametrize("period, timeout", [(0.25, 4.0), (0.5, 10.0), (0.6, 10.0)])
def test_a_dead_link_does_not_slow_the_questions_to_vc(period, timeout):
    """What is overdue on it wakes nobody: the next question to VC does."""
    timing = Timing(timeout, period, GRACE)
    core, now = Core("secondary", "standard", timing=timing, record=Record(peer_terms=timing)), 0.0
    while core.agent.pending is None:
        core.observe(AgentState.STOPPED, now)
        core.ask_vc(now)
        core.post(LinkFree(Path.VC))
        now += min(1.0, timeout / 8, core.until_change())
        assert now < 2 * core.state.agreement.silence_needed


def test_shorter_times_hold_only_when_the_other_side_knows_them():
    side = Side("secondary", own_terms=Timing(60.0, 2.0, 20.0), peer_terms=Timing(*(TIMEOUT, PERIOD, GRACE)))
    side.run(1, vc=True)
    assert side.timing == Timing(60.0, 2.0, 20.0) and side.core.state.agreement.lease_period == TIMEOUT
    side.hear(True, contact=False)
    assert side.timing == Timing(60.0, 2.0, 20.0)
    side.hear(True)
    assert side.timing == Timing(60.0, 2.0, 20.0), "one acknowledgement may be forged"
    side.now += PERIOD
    side.hear(True)
    assert side.timing == side.core.record.own_terms == Timing(TIMEOUT, PERIOD, GRACE)


def test_longer_times_make_the_lease_longer_only_when_the_other_side_knows_them():
    side = Side("primary", own_terms=Timing(4.0, 1.0, 5.0))
    side.run(1, vc=True)
    assert side.core.state.agreement.lease_period == 4.0 and side.core.record.own_terms == Timing(4.0, 1.0, 5.0)
    side.hear(False)
    assert side.core.state.agreement.lease_period == 4.0, "one acknowledgement may be forged"
    side.now += PERIOD
    side.hear(False)
    assert side.core.state.agreement.lease_period == TIMEOUT and side.core.record.own_terms == Timing(TIMEOUT, PERIOD, GRACE)


def test_an_answer_from_before_a_stop_that_broke_off_a_start_says_nothing():
    side = Side("secondary")
    assert side.run(30, vc=True).command is Command.START
    core = side.core
    core.hear(None, side.now)
    assert core.decide(side.now).command is Command.STOP
    core.observe(AgentState.STOPPED, side.now)
    assert core.state.may_run
    core.end_command(side.now + 1, is_gone=True)
    core.observe(AgentState.STOPPED, side.now + 1)
    assert not core.state.may_run


def test_after_a_freeze_nothing_is_known_at_first_and_a_start_that_was_prepared_is_not_launched():
    side = Side("primary")
    assert side.run(30, vc=True).command is Command.START
    side.now += 60
    side.core.ready(side.now)
    assert side.core.given(Launch) == [] and not side.holds_lease
    assert side.run(0.25).vc is Liveness.UNKNOWN


def test_what_is_known_to_have_ended_is_not_stopped_again():
    side = Side("primary", lease_until=8.0)
    side.state = AgentState.RUNNING
    side.run(1)
    side.core.post(CommandEnded(AGENT, 0, Command.STOP, True, is_gone=True))
    assert side.core.decide(side.now + 30).command is None
