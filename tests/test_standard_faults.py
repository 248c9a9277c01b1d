"""Standard failover on three real platforms: faults of the network, of VOLTTRON Central, and of time.

That the two managed agents never run at once, the fixture `standard_pair` asserts after each test.
"""

import time

import gevent
import pytest

from failover import clock
from tests.testbed.central import CENTRAL, Vcp
from tests.testbed.pair import (
    LIMIT,
    MANAGED,
    STANDARD,
    assert_undisturbed,
    await_alert,
    await_give_back,
    await_status,
    await_takeover,
    wait,
)

# Seconds without a sighting before a takeover.
SILENCE = (4 + 0.5 + STANDARD["stop_grace"]) * 1.02
# As long as a takeover would need, and more.
LONG = SILENCE + 1.5
# Within so many seconds the platform's monitor has looked for agents that crashed, and has started them again.
MONITOR = 11


def await_isolated_stop(pair, cut_at):
    """The primary has no proof any more: it stops in time, says so, and then the secondary starts."""
    primary, secondary = pair.sides
    wait(lambda: not primary.runs(), LIMIT, "stop of the primary's agent")
    _, end = pair.recorder.intervals(primary.platform)[-1]
    assert end - cut_at < 4 + STANDARD["stop_grace"] + 3
    status = await_status(primary, lambda status: status["health"] == "BAD" and status["decision"] == "stop",
                          "health and decision of the primary that stopped")
    assert not status["lease"]["held"]
    await_takeover(pair)
    begin = pair.recorder.first_run(secondary.platform)
    assert begin - cut_at >= SILENCE - 1.6


# VOLTTRON Central

def test_vc_agent_stopped(standard_pair):
    """The two see each other, so the primary goes on. Both say that VC does not answer."""
    central = standard_pair.central
    central.stop_agent(CENTRAL)
    for side in standard_pair.sides:
        status = await_status(side, lambda status: status["vc"]["liveness"] == "down", "VC down")
        assert status["vc"]["up"], "the link to VC's platform is up"
        await_status(side, lambda status: status["health"] == "BAD" and "VC at" in status["text"], "health")
        await_alert(side, "BAD", "VC at")
    assert_undisturbed(standard_pair, 3)
    central.start_agent(CENTRAL)
    for side in standard_pair.sides:
        await_status(side, lambda status: status["vc"]["liveness"] == "up" and status["health"] == "GOOD", "VC up")
    assert_undisturbed(standard_pair, 0)


def test_vc_platform_lost_then_the_primary_so_that_the_secondary_is_alone(standard_pair):
    """Double fault: it does not start. With VC it does, and without VC again it stops."""
    primary, secondary = standard_pair.sides
    central = standard_pair.central
    central.platform.power_off()
    for side in standard_pair.sides:
        await_status(side, lambda status: not status["vc"]["up"] and status["vc"]["liveness"] == "down"
                     and status["health"] == "BAD", "VC down")
    assert_undisturbed(standard_pair, 3)

    primary.platform.power_off()
    gevent.sleep(LONG)
    assert standard_pair.recorder.intervals(secondary.platform) == []
    status = secondary.said()
    assert (status["decision"], status["other"]["liveness"], status["vc"]["liveness"]) == ("stop", "down", "down")
    assert "VC" in status["why"]

    back_at = time.monotonic()
    central.bring_back()
    await_takeover(standard_pair)
    begin = standard_pair.recorder.first_run(secondary.platform)
    assert begin - back_at >= SILENCE, "what VC did not vouch for is not silence"

    central.platform.power_off()
    off_at = time.monotonic()
    wait(lambda: not secondary.runs(), LIMIT, "stop of the secondary")
    _, end = standard_pair.recorder.intervals(secondary.platform)[-1]
    assert end - off_at < 4 + STANDARD["stop_grace"] + 3

    # Without VC the primary starts by the secondary's word.
    primary.bring_back()
    wait(primary.runs, LIMIT, "start of the primary without VC")


def test_vc_and_vcp_agents_restarted_alone(standard_pair):
    """Nothing comes of it: the links stay up, and afterwards VCP answers again."""
    central, begin = standard_pair.central, clock.now()
    central.restart_agent(CENTRAL)
    for side in standard_pair.sides:
        vcp = Vcp(side, central)
        vcp.restart()
        wait(vcp.answers, LIMIT, "VCP's answer")
        vcp.close()
    for side in standard_pair.sides:
        status = await_status(side, lambda status: status["vc"]["liveness"] == "up" and status["health"] == "GOOD",
                              "VC up")
        assert status["vc"]["since"] > clock.now() - begin, "the link to VC's platform was rebuilt"
    assert_undisturbed(standard_pair, 3)


# Links

@pytest.mark.parametrize("fault", ["refuse", "stall"])
def test_direct_links_lost(standard_pair, fault):
    """Both see each other through VC's bus: no takeover, no stop."""
    for side in standard_pair.sides:
        getattr(side.to_other, fault)()
    for side in standard_pair.sides:
        await_status(side, lambda status: not status["link"]["up"] and status["health"] == "BAD"
                     and status["other"]["liveness"] == "up", "the link down, the other side up")
    assert_undisturbed(standard_pair, LONG)


@pytest.mark.parametrize("role", ["primary", "secondary"])
def test_link_of_one_side_to_vc_lost(standard_pair, role):
    side = getattr(standard_pair, role)
    side.to_central.refuse()
    status = await_status(side, lambda status: status["vc"]["liveness"] == "down" and status["health"] == "BAD"
                          and "VC" in status["text"], "VC down")
    assert not status["vc"]["up"] and status["vc"]["last_error"]
    assert_undisturbed(standard_pair, SILENCE)


def test_primary_isolated(standard_pair):
    """Double fault: the primary alone stops before the secondary starts. The network drops all of its packets."""
    primary, secondary = standard_pair.sides
    for relay in (primary.to_other, primary.to_central, secondary.to_other):
        relay.stall()
    await_isolated_stop(standard_pair, time.monotonic())
    for relay in standard_pair.relays:
        relay.resume()
    await_give_back(standard_pair)


def test_primary_that_can_hear_but_not_be_heard(standard_pair):
    """All packets of the primary are lost, none to it: what it hears is no proof for it, and it stops in time."""
    primary, secondary = standard_pair.sides
    primary.to_other.stall(back=False)
    primary.to_central.stall(back=False)
    secondary.to_other.stall(forth=False)
    await_isolated_stop(standard_pair, time.monotonic())
    for relay in standard_pair.relays:
        relay.resume()
    await_give_back(standard_pair)


# From whom to whom packets get lost: which directions of which relays.
ONE_WAY = {
    "primary to secondary": [("primary", "to_other", "forth"), ("secondary", "to_other", "back")],
    "secondary to primary": [("primary", "to_other", "back"), ("secondary", "to_other", "forth")],
    "primary to VC": [("primary", "to_central", "forth")],
    "VC to primary": [("primary", "to_central", "back")],
    "secondary to VC": [("secondary", "to_central", "forth")],
    "VC to secondary": [("secondary", "to_central", "back")],
}


@pytest.mark.parametrize("lost", ONE_WAY)
def test_link_stalled_one_way(standard_pair, lost):
    """Any one of them alone changes nothing."""
    for role, relay, direction in ONE_WAY[lost]:
        getattr(getattr(standard_pair, role), relay).stall(**{"forth": False, "back": False, direction: True})
    assert_undisturbed(standard_pair, LONG)


def test_flapping_links(standard_pair):
    """All connections of the primary break off again and again; then all is as before."""
    end = time.monotonic() + 2 * SILENCE
    while time.monotonic() < end:
        for relay in standard_pair.relays:
            relay.refuse()
            gevent.sleep(0.15)
            relay.resume()
            gevent.sleep(0.15)
    wait(lambda: standard_pair.primary.runs() and not standard_pair.secondary.runs(), LIMIT, "the primary runs")


# What the platform does by itself

def test_the_platform_starts_no_copy_again(standard_pair):
    """Its monitor, which looks every 10 s, starts an agent again that ended with a status other than 0: one that
    crashed, and one that was stopped and did not end in order. Neither may come back where the rules say stop."""
    primary, secondary = standard_pair.sides
    secondary.configure(MANAGED, stop_status=3)
    primary.configure(MANAGED, start_status=3)
    for process in primary.platform.processes(MANAGED):
        process.kill()
    wait(lambda: len(standard_pair.recorder.intervals(primary.platform)) > 1, LIMIT, "attempts to start it")
    for relay in (primary.to_other, primary.to_central, secondary.to_other):
        relay.refuse()
    await_takeover(standard_pair)
    standard_pair.recorder.forget_intervals()
    gevent.sleep(MONITOR)
    assert standard_pair.recorder.intervals(primary.platform) == []

    primary.config_file(MANAGED).write_text(standard_pair.configurations[primary.config_file(MANAGED)])
    for relay in standard_pair.relays:
        relay.resume()
    await_give_back(standard_pair)
    standard_pair.recorder.forget_intervals()
    gevent.sleep(MONITOR)
    assert standard_pair.recorder.intervals(secondary.platform) == []


# Frozen processes

def test_primary_frozen_and_thawed(standard_pair):
    """The whole machine. It begins to stop within one check after the thaw, and for that long both run."""
    standard_pair.allowed_overlap = STANDARD["stop_grace"] + 4
    primary, secondary = standard_pair.sides
    primary.platform.freeze()
    await_takeover(standard_pair)
    primary.platform.thaw()
    thawed_at = time.monotonic()
    wait(lambda: not primary.runs() or not secondary.runs(), LIMIT, "the end of the overlap")
    assert time.monotonic() - thawed_at < STANDARD["stop_grace"] + 4
    await_give_back(standard_pair)
    wait(primary.runs, LIMIT, "start of the primary")


def test_primary_platform_process_alone_frozen_and_thawed(standard_pair):
    """Control is silent: the lease ends, and the failover agent ends the managed agent by signals.

    After the thaw the platform's monitor finds an agent that was ended by a signal and would start it again.
    """
    primary = standard_pair.primary
    primary.platform.freeze(platform_only=True)
    wait(lambda: not primary.runs(), LIMIT, "end of the managed agent")
    await_takeover(standard_pair)
    primary.platform.thaw()
    await_give_back(standard_pair)


def test_platform_process_frozen_while_isolated_and_thawed(standard_pair):
    """As before, but the primary stays cut off after its thaw: what the monitor starts again is killed at once.

    It does not come to its work.
    """
    standard_pair.allowed_overlap = 3
    primary, secondary = standard_pair.sides
    for relay in (primary.to_other, primary.to_central, secondary.to_other):
        relay.refuse()
    primary.platform.freeze(platform_only=True)
    wait(lambda: not primary.runs(), LIMIT, "end of the managed agent")
    await_takeover(standard_pair)
    begin = primary.platform.log.stat().st_size
    primary.platform.thaw()
    gevent.sleep(MONITOR)
    assert b"managed agent started" not in primary.platform.log.read_bytes()[begin:]
    wait(lambda: not primary.runs(), LIMIT, "the end of what the monitor has started")


def test_secondary_frozen_and_thawed(standard_pair):
    """It has been blind: what it did not hear is not silence."""
    secondary = standard_pair.secondary
    secondary.platform.freeze()
    gevent.sleep(LONG)
    secondary.platform.thaw()
    await_status(secondary, lambda status: status["decision"] == "stop", "standing by")
    assert_undisturbed(standard_pair, 3)


def test_active_secondary_frozen_and_thawed_when_the_primary_is_back(standard_pair):
    """The exception again, the other way round."""
    standard_pair.allowed_overlap = STANDARD["stop_grace"] + 4
    primary, secondary = standard_pair.sides
    primary.platform.power_off()
    await_takeover(standard_pair)
    secondary.platform.freeze()
    primary.bring_back()
    wait(primary.runs, LIMIT, "start of the primary after the secondary's silence")
    secondary.platform.thaw()
    wait(lambda: not secondary.runs(), LIMIT, "stop of the secondary's agent")
    await_status(secondary, lambda status: status["decision"] == "stop", "standing by")
    wait(primary.runs, LIMIT, "the primary, which gives way for a moment if VCP says that the secondary's agent runs")
