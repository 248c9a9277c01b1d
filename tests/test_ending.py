"""The end of failover agents in standard failover, however their platform was started and however they are told.

That the two managed agents never run at once, the fixture `standard_pair` asserts after each test.
"""

import signal

import pytest

from failover import clock, process
from tests.testbed.pair import (
    FAILOVER,
    LIMIT,
    MANAGED,
    await_alert,
    await_give_back,
    await_status,
    await_takeover,
    wait,
)


@pytest.fixture(params=[False, True], ids=["usual", "SIGINT ignored"])
def primary(request, standard_pair):
    """The primary side, whose platform was started with SIGINT ignored, or was not."""
    side = standard_pair.primary
    if request.param:
        restart(standard_pair, side, ignores_interrupt=True)
    yield side
    if request.param:
        restart(standard_pair, side, ignores_interrupt=False)


def restart(pair, side, ignores_interrupt):
    side.platform.power_off()
    side.platform.ignores_interrupt = ignores_interrupt
    side.bring_back()
    pair.central.await_vcp(side)
    wait(side.runs, LIMIT, "the managed agent")


def processes(side):
    return side.platform.processes(FAILOVER) + side.platform.processes(MANAGED)


def await_end(side, begin):
    """Wait until both agents are gone. They are within stop_grace; the machine may be busy."""
    wait(lambda: not processes(side), LIMIT, "the end of both agents")
    assert clock.now() - begin < 45, "SIGINT was waited for"


def exit_status(side):
    """Return that of the failover agent, which has ended: as soon as control knows it."""
    return wait(lambda: [one for one in side.observer.call(
        side.platform.control_identity, "agent_status", side.platform.uuid(FAILOVER))[1:] if one is not None],
        LIMIT, "the exit status")[0]


def test_a_stopped_failover_agent_ends_in_order_and_its_managed_agent_with_it(standard_pair, primary):
    begin = clock.now()
    primary.stop_agent(FAILOVER)
    await_end(primary, begin)
    assert exit_status(primary) == 0
    wait(lambda: "platform.driver is stopped too" in primary.platform.log.read_text(), LIMIT, "its last words")
    status = await_status(standard_pair.secondary, lambda status: status["other"]["left"], "farewell")
    assert status["other"]["may_run"] is False and status["other"]["managed_agent"] == "stopped"
    await_takeover(standard_pair)


@pytest.mark.parametrize("signals", [(signal.SIGTERM,), (signal.SIGINT, signal.SIGTERM)], ids=["SIGTERM", "both"])
def test_signals_end_it_in_order_and_the_platform_does_not_start_it_again(standard_pair, primary, signals):
    [failover] = primary.platform.processes(FAILOVER)
    begin = clock.now()
    for number in signals:
        failover.send_signal(number)
    await_end(primary, begin)
    assert exit_status(primary) == 0
    await_takeover(standard_pair)
    assert not processes(primary)


def test_a_platform_shut_down_in_order_ends(standard_pair, primary):
    begin = clock.now()
    primary.platform.stop()
    assert clock.now() - begin < 45, "SIGINT was waited for"
    await_takeover(standard_pair)
    primary.bring_back()
    await_give_back(standard_pair)


def test_a_failover_agent_that_is_started_again_amid_its_end_starts_nothing(standard_pair):
    """As by a platform that shuts down: its monitor starts again what was killed.

    Until then nobody supervises the managed agent, which is one of the two exceptions of the promise.
    """
    standard_pair.allowed_overlap = LIMIT
    primary = standard_pair.primary
    [former] = primary.platform.processes(FAILOVER)
    [managed] = primary.platform.processes(MANAGED)
    managed.suspend()  # So that its end, and with it the failover agent's, takes a moment.
    former.terminate()
    wait(lambda: any(one.stat().st_size for one in primary.platform.home.glob("agents/**/ending.json")), LIMIT,
         "the beginning of the end", interval=0.02)
    former.kill()
    wait(lambda: [one for one in primary.platform.processes(FAILOVER) if one.pid != former.pid], LIMIT, "the monitor")
    status = await_status(primary, lambda status: status["health"] == "BAD", "the new failover agent")
    assert any("starts nothing yet" in problem for problem in status["problems"]), status["problems"]
    wait(lambda: not primary.runs(), LIMIT, "the stop of what was left")
    await_takeover(standard_pair)
    assert not primary.runs()
    primary.restart_agent(FAILOVER)  # Whoever stops and starts it means it.
    await_give_back(standard_pair)


def test_a_platform_that_ignores_sigint_is_said_to(standard_pair, primary):
    """Its other agents show whether it hands that on: VOLTTRON 9 does not."""
    [managed] = primary.platform.processes(MANAGED)
    warnings = await_status(primary, lambda status: True, "status")["warnings"]
    assert any("SIGINT ignored" in warning for warning in warnings) is process.ignores_interrupt(managed)
    if primary.platform.needs_authorization:
        assert process.ignores_interrupt(managed) is primary.platform.ignores_interrupt


def test_a_change_from_simple_to_standard_failover_blames_nobody(standard_pair):
    """Simple failover leaves its managed agent running, and so the next start finds it."""
    for simple in (True, False):
        for side in reversed(standard_pair.sides):
            side.stop_agent(FAILOVER)
            side.configure(simple_behavior=simple)
        for side in standard_pair.sides:
            side.start_agent(FAILOVER)
        for side in standard_pair.sides:
            await_status(side, lambda status: status["mode"] == ("simple" if simple else "standard")
                         and status["health"] == "GOOD", "order")
    for side in standard_pair.sides:
        assert not [text for _, text in side.observer.alerts if "ran here" in text]


# What a managed agent has forked

def make_it_fork(side):
    """Have the managed agent fork a worker and a daemon, and return their processes."""
    [former] = side.platform.processes(MANAGED)
    side.configure(MANAGED, forks=True)
    former.kill()
    return wait(lambda: len(side.platform.forked(MANAGED)) >= 2 and side.platform.forked(MANAGED), LIMIT,
                "worker and daemon")


def test_an_agent_is_stopped_when_no_process_of_it_is_left(standard_pair, primary):
    """Its worker ignores signals, its daemon has left the family."""
    forked = make_it_fork(primary)
    for relay in (primary.to_other, primary.to_central, standard_pair.secondary.to_other):
        relay.stall()
    wait(lambda: not primary.runs(), LIMIT, "stop of the isolated primary")
    wait(standard_pair.secondary.runs, LIMIT, "takeover")
    assert not [one for one in forked if one.is_running()]
    for relay in standard_pair.relays:
        relay.resume()


def test_what_a_crashed_agent_has_left_is_ended_before_the_next_start(standard_pair):
    primary = standard_pair.primary
    forked = make_it_fork(primary)
    for one in primary.platform.processes(MANAGED):
        one.kill()
    await_alert(primary, "BAD", "control of this platform does not know it")
    wait(lambda: not any(one.is_running() for one in forked), LIMIT, "the end of what it left")
    wait(primary.runs, LIMIT, "the next start")
