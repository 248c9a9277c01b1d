"""Thousands of fault schedules, in which standard failover keeps its promises, and mutants of its rule that do not."""

import os
import subprocess
import sys

import pytest

from failover.core import CLOCKS_APART, STALE, STANDARD, Action, AgentState, Lease, Terms
from failover.lease import LeaseCore
from tests.pair import REPOSITORY
from tests.simulation import BrokenPromise, Fault, Schedule, Side, Simulation, takeover_times, verdict

SHARDS, SCHEDULES = (0, 1), 2500
TERMS = Terms(10.0, 1.0, 10.0)
SILENCE = sum(TERMS) * CLOCKS_APART

# Places of faults. To one that is on links, a way is added.
PRIMARY, SECONDARY = 0, 1
PRIMARY_AND_SECONDARY, PRIMARY_AND_VC = 0, 1
FIRST_TO_SECOND, SECOND_TO_FIRST = 6, 12
# To the place of "reconfigured", the longest of the other times may be added.
LONGER_TIMES = 4


# The promises

@pytest.fixture(scope="module")
def searches():
    """The searches of all shards, which run at the same time, and behind everything else that runs."""
    running = {shard: subprocess.Popen(
        [sys.executable, "-m", "tests.simulation", "check", "--schedules", str(SCHEDULES), "--seed", str(shard)],
        cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=lambda: os.nice(10))
        for shard in SHARDS}
    yield running
    for search in running.values():
        search.kill()
        search.communicate()


@pytest.mark.timeout(520)  # On two quiet cores it takes a minute, but it steps behind everything else.
@pytest.mark.parametrize("shard", SHARDS)
def test_no_schedule_of_faults_breaks_a_promise(searches, shard):
    output, _ = searches[shard].communicate(timeout=500)
    print(output)
    assert searches[shard].returncode == 0, output


# Mutants of the rule. In each the search must find a schedule that lets both run; by the rule itself they do not.

class StopGraceIgnored(LeaseCore):

    @property
    def silence_needed(self):
        return (self.terms.timeout + self.terms.heartbeat_period) * CLOCKS_APART


class ProofDatedByItsArrival(LeaseCore):

    def vc_answered(self, sequence, now):
        super().vc_answered(sequence, now)
        self._vc_answer = now


class OneWaySightIsContact(LeaseCore):

    def heard(self, heartbeat, now, over_vc=False):
        refusal = super().heard(heartbeat, now, over_vc)
        if self._config.agent_id == "primary":
            self._contact = now
        return refusal


class SilenceCountsWhileVcIsAway(LeaseCore):

    def silent_since(self, now):
        sighted = self._sighted_running if self._config.agent_id == "primary" else self._sighted
        return self._started if sighted is None else sighted


class ResetIsNoLapse(LeaseCore):

    def vc_reset(self):
        self._questions.clear()


class EachByItsOwnTerms(LeaseCore):

    @property
    def terms(self):
        return Terms.of(self._config)


class RunningIsSaidAfterTheStart(LeaseCore):

    @property
    def may_run(self):
        return self.agent in (AgentState.RUNNING, AgentState.UNKNOWN)


class ANumberHidesForEver(LeaseCore):

    def _why_not_newer(self, heartbeat, now):
        newest = self._newest.get(heartbeat.boot_id)
        return STALE if newest is not None and heartbeat.sequence <= newest.sequence else None


class ANumberHidesAsLongAsItsSenderLives(LeaseCore):
    """A jump is refused only if it is huge, and a number counts for longer than a silence."""

    def _why_not_newer(self, heartbeat, now):
        newest = self._newest.get(heartbeat.boot_id)
        if newest is None or now - newest.at > 1.5 * self.silence_needed:
            return None
        return STALE if heartbeat.sequence <= newest.sequence or heartbeat.sequence == 2 ** 53 else None


def isolated_primary(number):
    """The primary stops in time; the secondary starts too early."""
    return Schedule((Fault("cut off", PRIMARY, 30 + number / 10),), seed=number)


def late_answers(number):
    """VC's answers reach the primary seconds late, long after the last of its heartbeats has left it."""
    return Schedule((Fault("slow", PRIMARY_AND_VC + SECOND_TO_FIRST, 26, 8, 4.9),
                     Fault("cut", PRIMARY_AND_SECONDARY, 30),
                     Fault("cut", PRIMARY_AND_VC + FIRST_TO_SECOND, 31 + number % 20 / 10)), seed=number)


def primary_that_only_hears(number):
    """Nothing leaves the primary's machine any more."""
    return Schedule((Fault("cut off", PRIMARY + FIRST_TO_SECOND, 30 + number / 10),), seed=number)


def blind_secondary(number):
    """The secondary is cut off for long, and then sees VC again."""
    return Schedule((Fault("cut off", SECONDARY, 30, 40 + number / 10), Fault("cut", PRIMARY_AND_SECONDARY, 65)),
                    vcp=False, seed=number)


def one_heartbeat_in_a_gap(number):
    """The only heartbeats of the primary that reach VC do so while the secondary's connection is built anew."""
    gap = 34.5 + number / 100
    return Schedule((Fault("cut", PRIMARY_AND_SECONDARY, 30),
                     Fault("cut", PRIMARY_AND_VC + FIRST_TO_SECOND, 30, gap - 30),
                     Fault("connection to VC reset", SECONDARY, gap),
                     Fault("cut", PRIMARY_AND_VC + FIRST_TO_SECOND, gap + 0.4)), vcp=False, seed=number)


def unequal_terms(number):
    """The secondary is configured with shorter times than the primary."""
    return isolated_primary(number)._replace(terms=(TERMS, Terms(5.0, 1.0, 2.0)))


def return_during_the_start(number):
    """The primary comes back while the secondary starts its agent, which takes seconds."""
    return Schedule((Fault("power lost", PRIMARY, 20, 19 + number / 10),), start_takes=3.0, seed=number)


def a_forged_number(number):
    """A heartbeat with the primary's boot_id and a number of the future, to which its own ones do not come."""
    return Schedule((Fault("forged heartbeat", SECONDARY, 20 + number / 10, None, (0.2, 0.4)[number % 2]),), vcp=False,
                    seed=number)


class SameRoleIsNoSign(LeaseCore):

    def _refusal(self, heartbeat, now):
        return "alike" if self._is_alike(heartbeat) else super()._refusal(heartbeat, now)


class AnyVcVouches(LeaseCore):

    def _compare_vc(self, heartbeat, now):
        pass


class UnknownTimesAreOnesOwn(LeaseCore):

    @property
    def silence_needed(self):
        return sum(self.terms) * CLOCKS_APART


class PastIsNotChecked(LeaseCore):

    def _check_own_past(self, heartbeat, now):
        pass


MUTANTS = [
    (SameRoleIsNoSign, lambda number: equal_primaries(number)),
    (AnyVcVouches, lambda number: two_vcs(number)),
    (UnknownTimesAreOnesOwn, lambda number: lost_memory(number)),
    (PastIsNotChecked, lambda number: a_snapshot(number)),
    (PastIsNotChecked, lambda number: a_clock_that_stood_still(number)),
    (StopGraceIgnored, isolated_primary),
    (ProofDatedByItsArrival, late_answers),
    (OneWaySightIsContact, primary_that_only_hears),
    (SilenceCountsWhileVcIsAway, blind_secondary),
    (ResetIsNoLapse, one_heartbeat_in_a_gap),
    (EachByItsOwnTerms, unequal_terms),
    (RunningIsSaidAfterTheStart, return_during_the_start),
    (ANumberHidesForEver, a_forged_number),
    (ANumberHidesAsLongAsItsSenderLives, a_forged_number),
]


@pytest.mark.parametrize("mutant, schedules", MUTANTS, ids=["{}-{}".format(mutant.__name__, number)
                                                                    for number, (mutant, _) in enumerate(MUTANTS)])
def test_the_search_finds_what_a_mutant_breaks(mutant, schedules):
    for schedule in map(schedules, range(60)):
        world = Simulation(schedule, mutant).run()
        if world.overlaps:
            break
    print(world.story())
    assert world.overlaps
    verdict(schedule)


# Mutants of the tables: each cell changed to anything that has another effect. Beside a lease that is only start or not.

def no_fault(number):
    return Schedule((Fault("managed agent killed", SECONDARY, 90),), seed=number)


def primary_reboots(number):
    return Schedule((Fault("power lost", PRIMARY, 30 + number / 10, 40),), seed=number)


def vc_never_answers(number):
    return Schedule((Fault("VC killed", PRIMARY, 0.1),), seed=number)


def primary_reboots_when_the_secondary_is_gone(number):
    return Schedule((Fault("power lost", SECONDARY, 20), Fault("power lost", PRIMARY, 30, 10)), seed=number)


def primary_cut_off_from_the_start(number):
    return Schedule((Fault("cut off", PRIMARY, 0.0),), seed=number)


def secondary_cut_off(number):
    return Schedule((Fault("cut off", SECONDARY, 30),), seed=number)


def primary_returns_without_vc(number):
    return Schedule((Fault("power lost", PRIMARY, 20, 40), Fault("VC killed", PRIMARY, 60)), (Terms(4.0, 1.0, 10.0),) * 2,
                    seed=number)


def secondary_lost_while_the_primary_returns(number):
    return Schedule((Fault("power lost", PRIMARY, 20, 30), Fault("cut off", SECONDARY, 50)), seed=number)


def restarted(*before):
    """Return schedules that end with a restart of a failover agent, within its lease: that stops nothing."""
    def schedule(number):
        side = SECONDARY if before and before[0].kind == "power lost" else PRIMARY
        return Schedule(before + (Fault("failover agent killed", side, 60 + number / 10, 0.2),), seed=number)
    return schedule


def active_secondary_restarted_as_the_primary_returns(number):
    return Schedule((Fault("power lost", PRIMARY, 20, 40), Fault("failover agent killed", SECONDARY, 60 + number / 4, 0.2),
                     Fault("cut", 2, 60, 30)), seed=number)


RESTARTS = [restarted(), restarted(Fault("cut", PRIMARY_AND_SECONDARY, 25)), restarted(Fault("VC killed", 0, 59.9)),
            restarted(Fault("power lost", PRIMARY, 20))]
CASES = [no_fault, isolated_primary, primary_reboots, vc_never_answers, primary_reboots_when_the_secondary_is_gone,
         primary_cut_off_from_the_start, secondary_cut_off, primary_that_only_hears, primary_returns_without_vc,
         secondary_lost_while_the_primary_returns, active_secondary_restarted_as_the_primary_returns] + RESTARTS
CELLS = [(role, row, lease, cell, other) for role, rows in STANDARD.items() for row, cells in rows.items()
         for lease, cell in cells.items()
         for other in (Action if lease is Lease.NONE else (Action.START, Action.STOP)) if other is not cell]


def is_broken(case, number):
    """Whether a promise is broken, or a restart has stopped what ran by right."""
    schedule = case(number)
    try:
        world = verdict(schedule)
    except BrokenPromise:
        return True
    return case in RESTARTS and any(at > schedule.faults[-1].at for at, _ in world.stops)


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_none_of_these_cases_breaks_a_promise(case):
    assert not any(is_broken(case, number) for number in range(10))


@pytest.mark.parametrize("role, row, lease, cell, other", CELLS, ids=[
    "{}-{}-{}-{}-{}".format(role, row[0].value, row[1].value, lease.value, other.name.lower())
    for role, row, lease, _, other in CELLS])
def test_each_cell_of_the_tables_decides(role, row, lease, cell, other, monkeypatch):
    monkeypatch.setitem(STANDARD[role][row], lease, other)
    assert any(is_broken(case, number) for case in CASES for number in range(10))


# Kinds of schedules that the search leaves out: what is configured, known or timed on one side is not as it was.

def equal_primaries(number):
    """The secondary is configured as primary too, and both see VC and each other; no VCP says who runs."""
    return Schedule((Fault("role changed", SECONDARY, 30 + number / 10, 2),), vcp=False, seed=number)


def equal_secondaries(number):
    """The primary is configured as secondary too."""
    return Schedule((Fault("role changed", PRIMARY, 30 + number / 10, 2),), vcp=False, seed=number)


def two_vcs(number):
    """The primary goes by another VC than the secondary, and then they do not hear each other any more."""
    return Schedule((Fault("VC moved", PRIMARY, 20, 2), Fault("cut", PRIMARY_AND_SECONDARY, 60 + number / 10)),
                    seed=number)


def lost_memory(number):
    """The secondary knows the primary's longer times, forgets them, and cannot hear them again."""
    return Schedule((Fault("reconfigured", PRIMARY + LONGER_TIMES, 20, 1),
                     Fault("memory lost", SECONDARY, 59, 1 + number / 10),
                     Fault("cut off", PRIMARY, 60)), terms=(Terms(4.0, 1.0, 1.0),) * 2, seed=number)


def a_snapshot(number):
    """The primary, whose machine went off, goes on from when it held the lease; the secondary has taken over."""
    return Schedule((Fault("set back", PRIMARY, 20 + number / 10, 60), Fault("power lost", PRIMARY, 50)), vcp=False,
                    seed=number)


def a_clock_that_stood_still(number):
    """The secondary takes over while the primary's clock stands. Afterwards all that the primary says comes late, but
    it hears the secondary at once."""
    return Schedule((Fault("clock stood still", PRIMARY, 30 + number / 10, 40),
                     Fault("slow", PRIMARY_AND_SECONDARY + FIRST_TO_SECOND, 60, 60, 20.0),
                     Fault("slow", PRIMARY_AND_VC + FIRST_TO_SECOND, 60, 60, 20.0)), vcp=False, seed=number)


KINDS = [equal_primaries, equal_secondaries, two_vcs, lost_memory, a_snapshot, a_clock_that_stood_still]


@pytest.mark.parametrize("schedules", KINDS, ids=[kind.__name__ for kind in KINDS])
def test_no_schedule_of_this_kind_breaks_a_promise(schedules):
    for schedule in map(schedules, range(20)):
        verdict(schedule)


# The simulator

@pytest.mark.parametrize("simple, earliest, latest", [
    (True, TERMS.timeout - TERMS.heartbeat_period, TERMS.timeout),
    (False, SILENCE - TERMS.heartbeat_period, SILENCE + TERMS.heartbeat_period),
], ids=["simple", "standard"])
def test_a_takeover_comes_when_it_should(simple, earliest, latest):
    for takes in takeover_times(10, simple):
        assert earliest <= takes <= latest + 0.1


def test_a_schedule_always_goes_the_same_way():
    schedule = Schedule((Fault("noisy", PRIMARY_AND_SECONDARY, 10, 30, 2.5), Fault("frozen", PRIMARY, 20, 30)), seed=1)
    assert Simulation(schedule).run().story() == Simulation(schedule).run().story()
    assert Simulation(schedule).run().story() != Simulation(schedule._replace(seed=2)).run().story()


def test_a_clock_that_stood_still_is_behind_by_as_much():
    for kind, behind in (("clock stood still", 40), ("frozen", 0)):
        stopped, other = Simulation(Schedule((Fault(kind, PRIMARY, 30, 40),))).run().sides
        assert other.clock() - stopped.clock() == pytest.approx(behind)


def test_a_machine_that_is_set_back_goes_on_with_the_state_and_the_clock_of_the_snapshot():
    world = Simulation(Schedule((Fault("set back", PRIMARY, 30, 30), Fault("role changed", PRIMARY, 40, 5)))).run()
    set_back, other = world.sides
    assert other.clock() - set_back.clock() == pytest.approx(30)
    assert set_back.config.agent_id == "primary" and set_back.agent.core.boot_id == "primary-1" and set_back.running


def test_both_run_in_simple_failover_while_their_link_is_cut():
    world = Simulation(Schedule((Fault("cut", PRIMARY_AND_SECONDARY, 30, 30),)), simple=True).run()
    [[begins, ends]] = world.overlaps
    assert begins == pytest.approx(30 + TERMS.timeout, abs=2) and 60 <= ends <= 60 + 5 + TERMS.stop_grace


@pytest.mark.parametrize("faults", [
    (Fault("frozen", PRIMARY, 30, 40),),
    (Fault("failover agent killed", PRIMARY, 30, 40),),
    (Fault("clock stood still", PRIMARY, 30, 40),),
    (Fault("set back", PRIMARY, 30, 40), Fault("power lost", PRIMARY, 31)),
], ids=["frozen", "killed", "clock", "set back"])
def test_the_exceptions_of_the_promise_are_made(faults, monkeypatch):
    schedule = Schedule(faults, vcp=False)
    verdict(schedule)
    monkeypatch.setattr(Side, "excused_until", property(lambda side: 0.0, lambda side, until: None), raising=False)
    with pytest.raises(BrokenPromise, match="BOTH RUN"):
        verdict(schedule)


def test_a_story_tells_the_faults_and_the_overlap():
    with pytest.raises(BrokenPromise) as caught:
        verdict(isolated_primary(0), StopGraceIgnored)
    told = str(caught.value)
    places = [told.index(text) for text in ("cut off, primary to", "primary    stop begins", "managed agent RUNS",
                                            "BOTH RUN", "no longer both run, after")]
    assert "promise S" in told and places[0] < places[1] and places[3] < places[4]
