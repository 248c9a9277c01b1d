"""Thousands of fault schedules, in which standard failover keeps its promises, and mutants of its rules that do not."""

import subprocess
import sys

import pytest

from failover.decision.table import STANDARD, Action
from failover.decision.vocabulary import Lease, Timing
from tests.simulator import directed, search
from tests.simulator.directed import (
    CASES,
    KINDS,
    LONG,
    LONGER_TIMES,
    PRIMARY,
    PRIMARY_AND_SECONDARY,
    RESTARTS,
    SECONDARY,
    SHORT,
    SILENCE,
    TIMING,
)
from tests.simulator.excuses import Excuses
from tests.simulator.mutants import MUTANTS
from tests.simulator.schedule import Fault, Schedule
from tests.simulator.search import BrokenPromise, verdict
from tests.simulator.world import World
from tests.testbed.pair import REPOSITORY

# Measuring what they cover would make them take four times as long. The tests of the rules cover the same.
pytestmark = pytest.mark.unmeasured

SHARDS, SCHEDULES = (0, 1), 150


# The promises

@pytest.fixture(scope="module")
def searches():
    """The searches of all shards, which run at the same time."""
    running = {shard: subprocess.Popen(
        ["nice", sys.executable, "-m", "tests.simulator", "check", "--schedules", str(SCHEDULES), "--seed", str(shard)],
        cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for shard in SHARDS}
    yield running
    for one in running.values():
        one.kill()
        one.communicate()


@pytest.mark.timeout(520)  # On two quiet cores it takes a minute.
@pytest.mark.parametrize("shard", SHARDS)
def test_no_schedule_of_faults_breaks_a_promise(searches, shard):
    output, _ = searches[shard].communicate(timeout=500)
    print(output)
    assert searches[shard].returncode == 0, output


@pytest.mark.parametrize("schedules", KINDS.values(), ids=KINDS)
def test_no_schedule_of_this_kind_breaks_a_promise(schedules):
    for schedule in map(schedules, range(8)):
        verdict(schedule)


# Mutants of the rules. Of each, directed schedules find what it breaks; by the rules themselves they break nothing.

def is_broken(schedule):
    try:
        verdict(schedule)
    except BrokenPromise:
        return True
    return False


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_what_a_mutant_breaks_is_found(mutant):
    with mutant.in_place():
        found = next((schedule for schedule in map(mutant.schedules, range(60)) if is_broken(schedule)), None)
    assert found is not None
    verdict(found)


# Mutants of the tables: each cell changed to anything that has another effect. Beside a lease that is only start or not.

CELLS = [(role, row, lease, cell, other) for role, rows in STANDARD.items() for row, cells in rows.items()
         for lease, cell in cells.items()
         for other in (Action if lease is Lease.NONE else (Action.START, Action.STOP)) if other is not cell]


def is_wrong(case, number):
    """Whether a promise is broken, or a restart has stopped what ran by right."""
    schedule = case(number)
    try:
        world = verdict(schedule)
    except BrokenPromise:
        return True
    return case in RESTARTS and any(at > schedule.faults[-1].at for at, _ in world.stops)


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_none_of_these_cases_breaks_a_promise(case):
    assert not any(is_wrong(case, number) for number in range(5))


@pytest.mark.parametrize("role, row, lease, cell, other", CELLS, ids=[
    "{}-{}-{}-{}-{}".format(role, row[0].value, row[1].value, lease.value, other.name.lower())
    for role, row, lease, _, other in CELLS])
def test_each_cell_of_the_tables_decides(role, row, lease, cell, other, monkeypatch):
    monkeypatch.setitem(STANDARD[role][row], lease, other)
    assert any(is_wrong(case, number) for number in range(10) for case in CASES)


# The simulator

@pytest.mark.parametrize("simple, earliest, latest", [
    (True, TIMING.timeout - TIMING.heartbeat_period, TIMING.timeout),
    (False, SILENCE - TIMING.heartbeat_period, SILENCE + TIMING.heartbeat_period),
], ids=["simple", "standard"])
def test_a_takeover_comes_when_it_should(simple, earliest, latest):
    for takes in search.takeover_times(10, simple):
        assert earliest <= takes <= latest + 0.1


def test_a_schedule_always_goes_the_same_way():
    schedule = Schedule((Fault("noisy", PRIMARY_AND_SECONDARY, 10, 30, 2.5), Fault("frozen", PRIMARY, 20, 30)), seed=1)
    assert World(schedule).run().story() == World(schedule).run().story()
    assert World(schedule).run().story() != World(schedule._replace(seed=2)).run().story()
    assert search.nth(3, 7) == search.nth(3, 7) != search.nth(3, 8)


@pytest.mark.parametrize("mode", ["simple", "standard", "standard without VC"])
@pytest.mark.parametrize("first, second", [(PRIMARY, SECONDARY), (SECONDARY, PRIMARY)])
@pytest.mark.parametrize("before, where, after", [(SHORT, LONGER_TIMES, LONG), (LONG, 0, SHORT)], ids=["longer", "shorter"])
def test_the_times_of_both_sides_change_while_the_managed_agent_runs_on(mode, first, second, before, where, after):
    central = (Fault("VC killed", 0, 20),) if mode == "standard without VC" else ()
    for number in range(10):
        world = World(Schedule(central + (
            Fault("reconfigured live", first + where, 40 + number / 5), Fault("reconfigured live", second + where, 75)),
            (before, before), seed=number), simple=mode == "simple").run()
        story = world.story()
        assert world.stops == [] and len(world.start_commands) == 1, story
        for state in (side.agent.state for side in world.sides):
            assert (state.timing, state.planned, state.agreement.former) == (after, None, None), story


@pytest.mark.parametrize("schedules", [directed.a_wrong_key, directed.a_wrong_key_and_a_cut_link])
def test_with_a_wrong_key_on_one_side_one_of_the_two_runs(schedules):
    for number in range(16):
        world = verdict(schedules(number))
        assert [side.drives for side in world.sides].count(True) == 1, world.story()


@pytest.mark.parametrize("simple", [True, False], ids=["simple", "standard"])
def test_a_longer_timeout_makes_nobody_up_again_who_is_down(simple):
    for number in range(20):
        world = World(Schedule((Fault("power lost", PRIMARY, 30),
                                Fault("reconfigured live", SECONDARY + LONGER_TIMES, 41 + number / 10)),
                               (SHORT, SHORT), seed=number), simple=simple).run()
        assert world.stops == [] and world.sides[1].drives, world.story()


def test_a_clock_that_stood_still_is_behind_by_as_much():
    for kind, behind in (("clock stood still", 40), ("frozen", 0)):
        stopped, other = World(Schedule((Fault(kind, PRIMARY, 30, 40),))).run().sides
        assert other.clock() - stopped.clock() == pytest.approx(behind)


def test_a_machine_that_is_set_back_goes_on_with_the_state_and_the_clock_of_the_snapshot():
    world = World(Schedule((Fault("set back", PRIMARY, 30, 30), Fault("role changed", PRIMARY, 40, 5)))).run()
    set_back, other = world.sides
    assert other.clock() - set_back.clock() == pytest.approx(30)
    assert set_back.role == "primary" and set_back.agent.setup.boot_id == "primary-1" and set_back.drives


def test_a_pause_of_which_the_other_side_cannot_be_told_that_it_is_over_ends_by_itself():
    verdict(Schedule((Fault("paused", PRIMARY, 11, 24, 3.5), Fault("cut off", PRIMARY, 12)), seed=3243, timings=(
        Timing(10, 0.25, 5), Timing(10, 0.5, 1))))


def test_what_nobody_supervises_is_excused_until_the_next_failover_agent_has_stopped_it():
    verdict(Schedule((Fault("platform killed", PRIMARY, 8.9, 22), Fault("failover agent killed", PRIMARY, 10)), (
        Timing(10, 0.25, 1), Timing(10, 0.25, 1)), vcp_loses=0.5, seed=9001))


def test_a_farewell_that_comes_with_what_was_sent_before_it_is_believed_after_a_freeze():
    verdict(search.nth(300, 617))


@pytest.mark.parametrize("seed, number", [(400, 867), (401, 100)])
def test_what_a_search_has_found_is_mended(seed, number):
    """A start that takes longer than the other side's new stop_grace; and a start that the platform began by itself while the
    agent might run for a moment."""
    verdict(search.nth(seed, number))


def test_both_run_in_simple_failover_while_their_link_is_cut():
    world = World(Schedule((Fault("cut", PRIMARY_AND_SECONDARY, 30, 30),)), simple=True).run()
    [[begins, ends]] = world.overlaps
    assert begins == pytest.approx(30 + TIMING.timeout, abs=2) and 60 <= ends <= 60 + 5 + TIMING.stop_grace


@pytest.mark.parametrize("faults", [
    (Fault("frozen", PRIMARY, 30, 40),),
    (Fault("failover agent killed", PRIMARY, 30, 40),),
    (Fault("clock stood still", PRIMARY, 30, 40),),
    (Fault("set back", PRIMARY, 30, 40), Fault("power lost", PRIMARY, 31)),
], ids=["frozen", "killed", "clock", "set back"])
def test_each_exception_of_the_promise_is_needed(faults, monkeypatch):
    schedule = Schedule(faults, vcp=False)
    verdict(schedule)
    monkeypatch.setattr(Excuses, "until", property(lambda self: 0.0, lambda self, until: None), raising=False)
    with pytest.raises(BrokenPromise, match="BOTH RUN"):
        verdict(schedule)


def test_a_story_tells_the_faults_and_the_overlap():
    with MUTANTS[0].in_place(), pytest.raises(BrokenPromise) as caught:
        verdict(directed.isolated_primary(1))
    told = str(caught.value)
    places = [told.index(text) for text in ("cut off, primary to", "primary    stop begins", "managed agent RUNS",
                                            "BOTH RUN", "no longer both run, after")]
    assert "promise S" in told and places[0] < places[1] and places[3] < places[4]
