"""What is remembered of the managed agent's runs."""

import pytest

from failover.runs import Runs


def crash_loop(runs, times, now=0.0, every=5.0, seen_running=True):
    """Start the agent again and again; it ends each time, if `seen_running` not before it was seen to run."""
    for number in range(times):
        runs.start_accepted(now)
        if seen_running:
            runs.seen(True, 100 + number, now + 0.5)
        assert runs.seen(False, None, now + 1.0)
        now += every
    return now


def test_one_crash_is_no_trouble():
    runs = Runs()
    now = crash_loop(runs, 1)
    runs.seen(True, 7, now)
    assert runs.trouble(now) is None and runs.ends_within(3600, now) == 1


@pytest.mark.parametrize("seen_running", [True, False])
def test_an_agent_that_ends_again_and_again_is_in_trouble_until_it_has_run_for_some_time(seen_running):
    runs = Runs()
    now = crash_loop(runs, 3, seen_running=seen_running)
    assert runs.trouble(now) == "stopped 3 times within 1 min"
    runs.start_accepted(now)
    runs.seen(True, 7, now)
    runs.seen(True, 7, now + 29)
    assert runs.trouble(now + 29) is not None
    runs.seen(True, 7, now + 30)
    assert runs.trouble(now + 30) is None and runs.ends_within(3600, now + 30) == 3
    crash_loop(runs, 1, now + 31)
    assert runs.trouble(now + 32) is not None, "it was too early to call it well"


def test_one_that_ends_every_minute_is_not_well_in_between():
    runs = Runs()
    for minute in range(20):
        for second in range(60):
            runs.seen(True, minute + 1, 60.0 * minute + second)
            assert (runs.trouble(60.0 * minute + second) is None) is (minute < 3)


def test_one_that_is_killed_and_restarted_between_two_looks_has_ended():
    runs = Runs()
    runs.seen(True, 1, 0.0)
    assert not runs.seen(True, 1, 1.0)
    assert runs.seen(True, 2, 2.0)
    assert runs.seen(True, 3, 3.0) and runs.seen(True, 4, 4.0)
    assert runs.trouble(4.0) is not None


def test_one_that_is_stopped_on_purpose_has_not_ended_by_itself():
    runs = Runs()
    for second in range(10):
        runs.start_accepted(second)
        runs.seen(True, second, second + 0.2)
        runs.stop_begun()
        assert not runs.seen(False, None, second + 0.4)
    assert runs.trouble(10) is None and runs.ends_within(3600, 10) == 0


def test_one_that_never_ran_has_not_ended():
    runs = Runs()
    assert not runs.seen(False, None, 0.0) and runs.last_ran(0.0) is None


def test_a_start_has_succeeded_when_the_agent_still_runs_some_seconds_later():
    runs = Runs()
    runs.start_accepted(0.0)
    assert not runs.has_settled(10.0)
    runs.seen(True, 1, 10.0)
    assert not runs.has_settled(14.9) and runs.has_settled(15.0)
    assert runs.last_ran(12.0) == 2.0


def test_rare_ends_are_no_trouble():
    runs = Runs()
    crash_loop(runs, 20, every=200.0)
    assert runs.trouble(4000.0) is None and runs.ends_within(3600, 4000.0) == 18
