"""Standard failover on three real platforms: what becomes of the managed agents when a platform or an agent fails.

That the two managed agents never run at once, the fixture `standard_pair` asserts after each test. Faults of the
network and of VOLTTRON Central are in test_standard_faults.py.
"""

import contextlib
import json
import time

import gevent
import pytest

from tests.testbed.central import Vcp
from tests.testbed.pair import (
    FAILOVER,
    LIMIT,
    MANAGED,
    STANDARD,
    assert_undisturbed,
    await_alert,
    await_give_back,
    await_lasting,
    await_status,
    await_takeover,
    install_another,
    wait,
)
from tests.testbed.platforms import Platform, PlatformError

STARTING = ("GOOD", "Starting agent platform.driver")

# Seconds without a sighting before a takeover. Of these a heartbeat period, on a busy machine more, may lie before the fault.
SILENCE = (4 + 0.5 + STANDARD["stop_grace"]) * 1.02
SOONEST = SILENCE - 1.6


def managed_pid(side):
    [process] = side.platform.processes(MANAGED)
    return process.pid


def kill(side, identity):
    [process] = side.platform.processes(identity)
    process.kill()
    process.wait(10)


def assert_not_before(pair, side, moment, seconds):
    """The managed agent of this side first ran no sooner than so many seconds after the moment."""
    assert pair.recorder.first_run(side.platform) - moment >= seconds


# Normal operation

def test_the_primary_runs_and_all_links_are_up(standard_pair):
    primary, secondary = standard_pair.sides
    for side in standard_pair.sides:
        status = side.said()
        assert (status["mode"], status["stop_grace"], status["health"]) == ("standard", 3, "GOOD"), status["text"]
        assert status["vc"]["address"] == side.to_central.address
        assert status["vc"]["identity"] == "volttron.central"
        assert status["vc"]["up"] and status["vc"]["liveness"] == "up" and status["vc"]["answer_age"] < 4
        assert status["why"]
    assert primary.said()["decision"] == "start" and secondary.said()["decision"] == "stop"
    lease = primary.said()["lease"]
    assert lease["held"] and 0 < lease["seconds_left"] <= 4
    assert not secondary.said()["lease"]["held"]
    assert_undisturbed(standard_pair, 3)
    assert primary.observer.alerts == secondary.observer.alerts == []


def test_an_installation_on_the_primary_causes_nothing(standard_pair):
    platform = standard_pair.primary.platform
    install_another(platform)
    assert_undisturbed(standard_pair, 5)


# The primary's platform

def test_power_loss_of_the_primary(standard_pair):
    """Takeover after the silence, give-back when it returns. While active, the secondary keeps its agent alive."""
    primary, secondary = standard_pair.sides
    off_at = time.monotonic()
    primary.platform.power_off()
    await_status(secondary, lambda status: "primary silent for" in status["why"]
                 and " of {:.1f} s".format(SILENCE) in status["why"],
                 "how long the primary has been silent, of the silence that is needed")
    await_takeover(standard_pair)
    assert_not_before(standard_pair, secondary, off_at, SOONEST)
    await_status(secondary, lambda status: status["decision"] == "start" and status["lease"]["held"], "the lease")

    before = managed_pid(secondary)
    kill(secondary, MANAGED)
    wait(secondary.runs, LIMIT, "restart of the managed agent on the active secondary")
    assert managed_pid(secondary) != before

    primary.bring_back()
    await_give_back(standard_pair)
    await_alert(primary, *STARTING, whole=True)
    await_status(secondary, lambda status: status["health"] == "GOOD", "health")


def test_reboot_of_the_primary_into_isolation(standard_pair):
    """It does not start; when the network is back, it takes over from the secondary."""
    primary, secondary = standard_pair.sides
    primary.platform.power_off()
    for relay in (primary.to_other, primary.to_central, secondary.to_other):
        relay.refuse()
    standard_pair.recorder.forget_intervals()
    primary.bring_back()
    await_takeover(standard_pair)
    back_at = time.monotonic()
    await_status(primary, lambda status: status["decided_for"] > 5 and status["health"] == "BAD"
                 and not status["lease"]["held"] and status["decision"] in ("stop", "wait"), "the isolated primary's decision")
    wait(lambda: time.monotonic() - back_at > SILENCE, LIMIT, "a silence as long as a takeover needs")
    assert standard_pair.recorder.intervals(primary.platform) == []
    for relay in standard_pair.relays:
        relay.resume()
    await_give_back(standard_pair)


def test_primary_platform_shut_down(standard_pair):
    primary = standard_pair.primary
    primary.platform.stop()
    wait(lambda: not primary.runs(), LIMIT, "the end of the managed agent")
    await_takeover(standard_pair)
    primary.bring_back()
    await_give_back(standard_pair)


def test_primary_platform_crashed(standard_pair):
    """Its process is killed and its agents are left as orphans: the failover agent ends the managed one. VCP, which is
    left too, has nobody to ask, and its silence is no word."""
    primary, secondary = standard_pair.sides
    words = set()

    def look():
        status = secondary.status()
        words.add((status and status["vc"]["vcp"], vcp.lives()))

    with contextlib.closing(Vcp(primary, standard_pair.central)) as vcp:
        primary.platform.crash()
        crashed_at = time.monotonic()
        wait(lambda: look() or not primary.runs(), LIMIT, "end of the orphan")
        _, end = standard_pair.recorder.intervals(primary.platform)[-1]
        assert end - crashed_at < 4 + STANDARD["stop_grace"] + 3
        wait(lambda: look() or secondary.runs(), LIMIT, "takeover")
        assert ("no answer", True) in words and "runs" not in [word for word, _ in words]
    await_takeover(standard_pair)
    wait(lambda: not primary.runs(FAILOVER), LIMIT, "end of the orphaned failover agent")
    primary.bring_back()
    await_give_back(standard_pair)


# The secondary's platform

def test_power_loss_of_the_secondary_then_of_the_primary(standard_pair):
    """The primary goes on alone. When it reboots, it starts only after the silence: the secondary might run."""
    primary, secondary = standard_pair.sides
    secondary.platform.power_off()
    await_status(primary, lambda status: status["other"]["liveness"] == "down" and status["health"] == "BAD",
                 "the secondary down")
    assert_undisturbed(standard_pair, 3)

    primary.platform.power_off()
    primary.power_on()
    standard_pair.recorder.forget_intervals()
    begin = time.monotonic()
    primary.bring_back()
    await_status(primary, lambda status: " of {:.1f} s".format(SILENCE) in status["why"], "the silence that is needed")
    wait(primary.runs, LIMIT, "start of the primary without a secondary")
    assert_not_before(standard_pair, primary, begin, SILENCE)

    secondary.bring_back()
    await_status(secondary, lambda status: status["decision"] == "stop", "standing by")
    assert standard_pair.recorder.intervals(secondary.platform) == []


def test_both_platforms_restarted(standard_pair):
    """The primary need not wait for the silence: the secondary says that it does not run the agent."""
    for side in standard_pair.sides:
        side.platform.power_off()
    for side in standard_pair.sides:
        side.bring_back()
    wait(standard_pair.primary.runs, LIMIT, "start of the primary")
    await_status(standard_pair.secondary, lambda status: status["decision"] == "stop", "standing by")
    assert standard_pair.recorder.intervals(standard_pair.secondary.platform) == []


# Both sides configured with the same role

@pytest.mark.parametrize("changed", [0, 1], ids=["both secondary", "both primary"])
def test_of_two_with_the_same_role_one_runs(standard_pair, changed):
    """The one whose instance name comes first, node-primary, with alerts on both sides; and never both."""
    side = standard_pair.sides[changed]
    role = standard_pair.sides[1 - changed].role
    side.configure(agent_id=role)
    side.restart_agent(FAILOVER)
    for one in standard_pair.sides:
        await_alert(one, "BAD", "configured as {} too: give one of the two the other agent_id".format(role))
    await_lasting(lambda: standard_pair.primary.runs() and not standard_pair.secondary.runs(), SILENCE, "the first one alone")


# The failover agents

def test_failover_agent_of_the_primary_stopped(standard_pair):
    """It stops its managed agent too: an unsupervised copy would break the promise."""
    primary = standard_pair.primary
    primary.stop_agent(FAILOVER)
    wait(lambda: not primary.runs(), LIMIT, "stop of the managed agent")
    await_takeover(standard_pair)
    primary.start_agent(FAILOVER)
    await_give_back(standard_pair)


def test_failover_agent_of_the_primary_dead_though_its_platform_lives(standard_pair):
    """The managed agent runs on, and VCP's answers keep the secondary from starting; once it has ended, it starts."""
    primary, secondary = standard_pair.sides
    with contextlib.closing(Vcp(primary, standard_pair.central)) as vcp:
        # So that it ends at once when the platform's monitor starts it again.
        primary.config_file().write_text("{}\n")
        kill(primary, FAILOVER)
        status = await_status(secondary, lambda status: status["vc"]["vcp"] == "runs", "VCP's word")
        assert not status["lease"]["held"]
        assert_undisturbed(standard_pair, 12)
        await_status(secondary, lambda status: status["vc"]["vcp"] == "runs", "VCP's word")
        primary.stop_agent(MANAGED)
        await_takeover(standard_pair)
        rows = wait(vcp.answers, LIMIT, "VCP's answer")
        [exit_status] = [status for _, _, (_, status), identity in rows if identity == MANAGED]
        assert exit_status is not None
        primary.config_file().write_text(standard_pair.configurations[primary.config_file()])
        primary.bring_back()
        await_give_back(standard_pair)


def test_failover_agent_of_the_primary_frozen_though_its_platform_lives(standard_pair):
    """As when it is dead."""
    primary, secondary = standard_pair.sides
    with contextlib.closing(Vcp(primary, standard_pair.central)):
        [process] = primary.platform.processes(FAILOVER)
        process.suspend()
        await_status(secondary, lambda status: status["vc"]["vcp"] == "runs", "VCP's word")
        assert_undisturbed(standard_pair, 12)
        process.resume()
        # Its lease has ended meanwhile, so it stops its agent, and starts it by the secondary's word.
        wait(lambda: len(standard_pair.recorder.intervals(primary.platform)) == 2, LIMIT, "stop and start")
        assert standard_pair.recorder.intervals(secondary.platform) == []


def test_failover_agent_killed_and_restarted_within_its_lease(standard_pair):
    """It takes up the lease that it had and leaves the managed agent running, on either side."""
    primary, secondary = standard_pair.sides
    for side in standard_pair.sides:
        # Time for `vctl start`, which on a busy machine takes seconds.
        side.configure(timeout=20)
        side.restart_agent(FAILOVER)
    wait(lambda: primary.runs() and (primary.status() or {"timeout": 0})["timeout"] == 20, LIMIT, "the longer lease")
    await_status(primary, lambda status: (status["lease"]["seconds_left"] or 0) > 15, "the longer lease")
    standard_pair.recorder.forget_intervals()

    def restart(side):
        before, uuid = managed_pid(side), side.platform.uuid(FAILOVER)
        kill(side, FAILOVER)
        with contextlib.suppress(PlatformError):  # The platform's monitor may have started it in the meantime.
            side.platform.vctl("start", uuid)
        await_status(side, lambda status: status["lease"]["held"] and status["decision"] == "start", "the lease")
        assert managed_pid(side) == before

    restart(primary)
    assert_undisturbed(standard_pair, 5)
    primary.platform.power_off()
    await_takeover(standard_pair)
    restart(secondary)


def test_failover_agent_of_the_active_secondary_stopped_and_killed(standard_pair):
    primary, secondary = standard_pair.sides
    primary.platform.power_off()
    await_takeover(standard_pair)
    secondary.stop_agent(FAILOVER)
    wait(lambda: not secondary.runs(), LIMIT, "stop of the managed agent")
    standard_pair.recorder.forget_intervals()
    begin = time.monotonic()
    secondary.start_agent(FAILOVER)
    wait(secondary.runs, LIMIT, "the secondary active again")
    assert_not_before(standard_pair, secondary, begin, SILENCE)

    # Dead for good, while its copy runs on unsupervised: only a VCP there can tell the primary, which remembers its
    # name.
    with contextlib.closing(Vcp(secondary, standard_pair.central)):
        secondary.config_file().write_text("{}\n")
        kill(secondary, FAILOVER)
        primary.bring_back()
        await_status(primary, lambda status: status["vc"]["vcp"] == "runs", "VCP's word")
        gevent.sleep(SILENCE + 2)
        assert not primary.runs() and secondary.runs()
        secondary.stop_agent(MANAGED)
        wait(primary.runs, LIMIT, "start of the primary")


def test_managed_agent_started_on_a_secondary_whose_failover_agent_is_dead(standard_pair):
    """Nobody there stops it, so the primary gives way as soon as VCP has seen it. Until then both run."""
    standard_pair.allowed_overlap = LIMIT
    primary, secondary = standard_pair.sides
    with contextlib.closing(Vcp(secondary, standard_pair.central)):
        secondary.config_file().write_text("{}\n")
        kill(secondary, FAILOVER)
        await_status(primary, lambda status: status["other"]["liveness"] == "down" and status["lease"]["held"],
                     "the primary on its own")
        secondary.start_agent(MANAGED)
        wait(lambda: not primary.runs(), LIMIT, "the primary gives way")
        await_status(primary, lambda status: status["health"] == "BAD" and not status["lease"]["held"]
                     and "VCP says that platform.driver runs there" in status["text"], "VCP's word")
        standard_pair.recorder.forget_intervals()
        gevent.sleep(SILENCE + 2)
        assert not primary.runs() and secondary.runs()
        secondary.stop_agent(MANAGED)
        wait(primary.runs, LIMIT, "start of the primary")


# The managed agents

def test_managed_agent_killed_on_the_active_side(standard_pair):
    """It is started again by the failover agent, or by the platform's monitor, if its look, every 10 s, comes first."""
    primary, secondary = standard_pair.sides
    before = managed_pid(primary)
    kill(primary, MANAGED)
    wait(lambda: primary.runs() and managed_pid(primary) != before, LIMIT, "a new process")
    assert standard_pair.recorder.intervals(secondary.platform) == []


def test_managed_agent_stopped_by_hand_on_the_active_side(standard_pair):
    primary, secondary = standard_pair.sides
    primary.stop_agent(MANAGED)
    wait(primary.runs, LIMIT, "the managed agent")
    await_alert(primary, *STARTING, whole=True)
    assert standard_pair.recorder.intervals(secondary.platform) == []


def test_managed_agent_started_by_hand_on_the_standby_secondary(standard_pair):
    """It is stopped again at once, with an alert that says why. For that moment both run: who did it wanted it."""
    standard_pair.allowed_overlap = STANDARD["stop_grace"] + 10
    secondary = standard_pair.secondary
    secondary.start_agent(MANAGED)
    wait(lambda: not secondary.runs(), LIMIT, "the stop")
    await_alert(secondary, "BAD", "ran here though this side may not run it")
    await_status(secondary, lambda status: status["health"] == "GOOD", "health")


def test_managed_agent_that_was_running_before_its_failover_agent(standard_pair):
    """As by autostart. There is no lease on file for it: it is stopped, and started when the silence is over."""
    primary, secondary = standard_pair.sides
    for side in (secondary, primary):
        side.stop_agent(FAILOVER)
    # The lease that the primary had, and might take up again, ends.
    gevent.sleep(4.5)
    primary.start_agent(MANAGED)
    standard_pair.recorder.forget_intervals()
    primary.observer.alerts.clear()
    begin = time.monotonic()
    primary.start_agent(FAILOVER)
    wait(lambda: not primary.runs(), LIMIT, "the stop")
    await_alert(primary, "BAD", "ran here though this side may not run it")
    wait(primary.runs, LIMIT, "the start")
    wait(lambda: len(standard_pair.recorder.intervals(primary.platform)) > 1, LIMIT, "a look at it")
    assert standard_pair.recorder.intervals(primary.platform)[-1][0] - begin >= SILENCE


def test_isolated_primary_whose_managed_agent_stops_too_slowly(standard_pair):
    """Double fault: the primary alone. It stops before the secondary starts, by signals, and for good."""
    primary, secondary = standard_pair.sides
    primary.configure(MANAGED, stop_seconds=60)
    before = managed_pid(primary)
    kill(primary, MANAGED)
    wait(lambda: primary.runs() and managed_pid(primary) != before, LIMIT, "the managed agent with a slow stop")
    await_status(primary, lambda status: status["managed_agent"]["state"] == "running" and status["health"] == "GOOD",
                 "the primary in order")
    for relay in (primary.to_other, primary.to_central, secondary.to_other):
        relay.refuse()
    cut_at = time.monotonic()
    wait(lambda: not primary.runs(), LIMIT, "stop of the isolated primary's agent")
    _, end = standard_pair.recorder.intervals(primary.platform)[-1]
    assert end - cut_at < 4 + STANDARD["stop_grace"] + 3
    standard_pair.recorder.forget_intervals()
    await_takeover(standard_pair)
    assert_not_before(standard_pair, secondary, cut_at, SOONEST)
    await_alert(primary, "BAD", "SIG")
    # The platform's monitor looks every 10 s for agents that ended by a signal, and starts them again.
    gevent.sleep(12)
    assert standard_pair.recorder.intervals(primary.platform) == []
    for relay in standard_pair.relays:
        relay.resume()
    await_give_back(standard_pair)


# Configuration

def test_differing_times_are_shown_and_the_larger_ones_hold(standard_pair):
    primary, secondary = standard_pair.sides
    secondary.configure(stop_grace=4, timeout=5)
    secondary.restart_agent(FAILOVER)
    for side, own, other, name in ((primary, (4, 3), (5, 4), "node-secondary"),
                                   (secondary, (5, 4), (4, 3), "node-primary")):
        for text in ("timeout is {} here and {} on {}".format(own[0], other[0], name),
                     "stop_grace is {} here and {} on {}".format(own[1], other[1], name)):
            await_status(side, lambda status: status["health"] == "BAD" and text in status["text"], text)
    secondary.configure(stop_grace=3, timeout=4)
    primary.configure(stop_grace=4, timeout=5)
    for side in standard_pair.sides:
        side.restart_agent(FAILOVER)
    await_status(secondary, lambda status: "5 on node-primary" in status["text"], "the primary's times")
    wait(primary.runs, LIMIT, "start of the primary")
    primary.platform.power_off()
    # It remembers them, too.
    secondary.stop_agent(FAILOVER)
    standard_pair.recorder.forget_intervals()
    begin = time.monotonic()
    secondary.start_agent(FAILOVER)
    wait(secondary.runs, LIMIT, "takeover")
    assert_not_before(standard_pair, secondary, begin, (5 + 0.5 + 4) * 1.02)


@pytest.mark.skipif(not Platform.needs_authorization, reason="VOLTTRON 9 lets any agent start and stop others")
def test_missing_authorization_for_clear_status_is_reported(standard_pair):
    """What a release without standard failover was granted is not enough."""
    secondary = standard_pair.secondary
    secondary.platform.power_off()
    granted = secondary.platform.home / "authz.json"
    rules = json.loads(granted.read_text())
    before = dict(rules["agents"][FAILOVER])
    rules["agents"][FAILOVER]["rpc_capabilities"] = ["platform.control.start_agent", "platform.control.stop_agent"]
    granted.write_text(json.dumps(rules))
    try:
        secondary.bring_back()
        command = ("vctl authz add agent failover --rpc-capabilities platform.control.start_agent "
                   "platform.control.stop_agent platform.control.clear_status")
        await_alert(secondary, "BAD", command)
    finally:
        rules["agents"][FAILOVER] = before
        secondary.platform.power_off()
        granted.write_text(json.dumps(rules))
