"""Simple failover on two real platforms: what is wrong with the managed agent, or with what can be heard, is said."""

import json
import re
import signal

import gevent
import pytest

from failover import clock
from failover.decision.heartbeat import Heartbeat
from failover.heartbeat import decode, encode
from failover.vip.link import Link
from tests.conftest import has_said_all, is_normal
from tests.test_simple import TAKEOVER, assert_stays, bring_back
from tests.testbed.pair import FAILOVER, LIMIT, MANAGED, await_alert, await_status, await_takeover, wait


def problems(side):
    return " | ".join((side.status() or {"problems": ["no status"]})["problems"])


def await_problem(side, words, limit=LIMIT):
    wait(lambda: words in problems(side), limit, "problem: {}".format(words))
    assert side.said()["health"] == "BAD"


def await_no_problems(side, limit=2 * LIMIT):
    """A trouble is over when the agent has run for half a minute."""
    wait(lambda: problems(side) == "" and side.said()["health"] == "GOOD", limit, "no problem")


def reset(side):
    """Have the failover agent forget how the managed agent fared."""
    side.restart_agent(FAILOVER)
    await_status(side, lambda status: status["health"] == "GOOD" and status["managed_agent"]["state"] == "running"
                 and status["runs"]["last_ran"] is not None, "a fresh failover agent that has seen its agent run")


@pytest.fixture
def primary(pair):
    """The primary's side. In the end its managed agent is as it was."""
    configuration = pair.primary.config_file(MANAGED)
    yield pair.primary
    configuration.write_text("{}\n")


def restart_managed(side, **configuration):
    side.config_file(MANAGED).write_text(json.dumps(configuration))
    for process in side.platform.processes(MANAGED):
        process.kill()


# The managed agent

@pytest.mark.parametrize("status", [0, 1], ids=["ends in order", "crashes"])
def test_an_agent_that_ends_at_each_start_is_a_problem_on_both_sides(pair, primary, status):
    restart_managed(primary, start_status=status)
    await_problem(primary, "platform.driver stopped")
    await_problem(pair.secondary, "on node-primary: platform.driver stopped")
    await_alert(primary, "BAD", "platform.driver stopped")
    shown = primary.said()
    assert shown["runs"]["restarts_last_hour"] >= 3

    def about():
        return [one for one in primary.observer.alerts if MANAGED in one[1]]

    alerts = about()
    gevent.sleep(5)
    assert about() == alerts, "one alert when it begins, and none for each attempt"
    assert [of for of, text in alerts if "platform.driver stopped" in text] == ["BAD"]
    if status:  # How it is over is the same for both.
        primary.config_file(MANAGED).write_text("{}\n")
        await_no_problems(primary)
        await_alert(primary, "GOOD", "keeps running")
        await_status(pair.secondary, lambda status: status["health"] == "GOOD", "the secondary's health")


def test_one_crash_is_no_problem(pair, primary):
    reset(primary)
    # A reset that takes long lets the secondary take over, by right.
    wait(lambda: is_normal(pair) and all(map(has_said_all, pair.sides)), LIMIT, "the pair's normal state")
    primary.observer.alerts.clear()
    for process in primary.platform.processes(MANAGED):
        process.kill()
    wait(lambda: primary.said()["runs"]["restarts_last_hour"] == 1, LIMIT, "the restart")
    assert problems(primary) == ""
    assert all(of == "GOOD" for of, _ in primary.observer.alerts)


def test_an_agent_that_is_killed_again_and_again_is_a_problem(primary):
    for _ in range(3):
        before = wait(lambda: primary.platform.processes(MANAGED), LIMIT, "the managed agent")
        # One that ends before it has been seen to run does not count.
        await_status(primary, lambda status: status["managed_agent"]["pid"] == before[0].pid, "it is seen")
        before[0].kill()
        wait(lambda: before[0] not in primary.platform.processes(MANAGED) and primary.runs(), LIMIT, "another one")
    await_problem(primary, "platform.driver stopped")
    reset(primary)


def test_an_agent_that_hangs_is_a_problem(pair, primary):
    [process] = primary.platform.processes(MANAGED)
    process.suspend()
    await_problem(primary, "runs but does not answer")
    await_problem(pair.secondary, "on node-primary: platform.driver runs but does not answer")
    process.resume()
    await_no_problems(primary)


def test_an_agent_that_reports_bad_health_is_a_problem(pair, primary):
    restart_managed(primary, health="BAD")
    await_problem(primary, "platform.driver reports BAD: as configured")
    assert primary.said()["runs"]["health"] == "BAD"
    restart_managed(primary)
    await_no_problems(primary)
    wait(lambda: primary.said()["runs"]["health"] == "GOOD", LIMIT, "its own health")


def test_an_agent_that_is_not_on_the_bus_is_a_problem(primary):
    """As one that its platform does not let in. `agentstop` makes the router take it for gone."""
    [process] = primary.platform.processes(MANAGED)
    process.suspend()
    sign_off(primary, MANAGED)
    await_problem(primary, "is not on this platform's message bus")
    process.send_signal(signal.SIGCONT)
    process.kill()
    reset(primary)


# What a managed agent has forked

def make_it_fork(side):
    """Have the managed agent fork a worker and a daemon, and return their processes."""
    restart_managed(side, forks=True)
    return wait(lambda: len(side.platform.forked(MANAGED)) >= 2 and side.platform.forked(MANAGED), LIMIT, "workers")


def test_what_an_agent_has_forked_is_ended_with_it_at_the_give_back(pair):
    secondary = pair.secondary
    pair.primary.platform.power_off()
    await_takeover(pair)
    forked = make_it_fork(secondary)
    bring_back(pair.primary)
    wait(lambda: not secondary.runs(), LIMIT, "the stop")
    wait(lambda: not any(process.is_running() for process in forked), LIMIT, "the end of what it has forked")
    secondary.config_file(MANAGED).write_text("{}\n")


def test_what_an_orphan_has_forked_is_ended_with_it(primary):
    forked = make_it_fork(primary)
    primary.platform.crash()
    wait(lambda: not primary.runs() and not any(process.is_running() for process in forked), LIMIT, "the end of all")


# What can be heard

def sign_off(side, identity):
    """Tell the router of a platform that one of its agents ends. Anybody can."""
    session = side.observer.link._session
    session._send("", b"agentstop", b"test", identity.encode())


def test_a_failover_agent_whose_subscriptions_were_dropped_renews_them_and_believes_no_silence(pair):
    secondary = pair.secondary
    sign_off(secondary, FAILOVER)
    await_alert(secondary, "BAD", "had dropped the subscription")
    assert_stays(5, lambda: not secondary.runs(), "no takeover")
    assert TAKEOVER not in secondary.observer.alerts
    await_status(secondary, lambda status: status["health"] == "GOOD" and status["other"]["liveness"] == "up", "hearing")
    pair.primary.platform.power_off()
    await_takeover(pair)
    bring_back(pair.primary)


def publish(side, heartbeat):
    link = side.observer.link
    wait(lambda: link.publish("heartbeat/simple_primary", encode(heartbeat)), LIMIT, "the forged heartbeat")


def test_a_forged_heartbeat_does_not_hide_the_genuine_sender(pair):
    heard = []
    secondary = pair.secondary

    def listen(topic, sender, message):
        if topic == "failover/platform.driver/simple_primary" and sender.split("_")[0] == "node-primary.failover":
            heard.append(decode(message))

    secondary.observer.link.subscribe("failover/", listen)
    genuine = wait(lambda: heard and heard[-1], LIMIT, "a genuine heartbeat")
    for sequence in (2 ** 53, genuine.sequence + 900):
        publish(secondary, genuine._replace(sequence=sequence, timeout=86400.0))
        began = clock.now()
        while clock.now() < began + 6:
            assert not secondary.runs() and secondary.said()["other"]["liveness"] == "up"
            gevent.sleep(0.2)
    # The observer adds to its name when it connects anew and the platform still holds the former one.
    wait(lambda: re.search(r"an unsigned heartbeat of test\.observer\w* does not count", secondary.platform.log.read_text()),
         LIMIT, "the notice of the forged heartbeats")


def test_without_the_secret_key_of_the_platform_heartbeats_go_out_unsigned_and_that_is_said(pair):
    primary, home = pair.primary, pair.primary.platform.home
    file = next(one for one in (home / "credentials_store" / "platform.json", home / "keystore") if one.is_file())
    text = file.read_text()
    try:
        file.write_text(text.replace(primary.platform.secretkey, "A" * 43))
        primary.restart_agent(FAILOVER)
        await_problem(primary, "the other side cannot be heard, because its signatures cannot be checked")
        assert [one for one in primary.said()["warnings"] if "heartbeats go out unsigned" in one]
        await_problem(pair.secondary, "unsigned heartbeats come in")
    finally:
        file.write_text(text)
    primary.restart_agent(FAILOVER)
    for side in pair.sides:
        await_no_problems(side)


# Words

def test_a_link_that_comes_and_goes_is_said_to_flap_once(show_logs, folder, measured, kept):
    from tests.testbed.pair import Pair
    from tests.testbed.relay import Relay
    pair = show_logs(Pair(folder / "flap", measured))
    relay = None
    try:
        pair.install(start=False, kept=kept)
        primary, secondary = pair.sides
        relay = Relay(secondary.platform.address)
        primary.configure(remote_vip=relay.address)
        for side in pair.sides:
            side.start_agent(FAILOVER)
        await_status(primary, lambda status: status["link"]["up"] and status["health"] == "GOOD", "order")
        primary.observer.alerts.clear()

        def losses():
            return primary.platform.log.read_text().count("remote link lost")

        for _ in range(4):
            before = losses()
            relay.refuse()
            wait(lambda: losses() > before, LIMIT, "the loss in the log")
            relay.resume()
            wait(lambda: primary.said()["link"]["up"], LIMIT, "the link")
        await_alert(primary, "BAD", "flapping")
        flapping = [(of, text) for of, text in primary.observer.alerts if "flapping" in text]
        assert len(flapping) == 1 and flapping[0][0] == "BAD", primary.observer.alerts
        assert len([text for _, text in primary.observer.alerts if "remote link" in text]) <= 5
        assert losses() >= 4
        await_alert(primary, "GOOD", "no problem is flapping any more")
        assert {of for of, text in primary.observer.alerts if text.startswith("remote link found")} == {"GOOD"}
    finally:
        if relay:
            relay.close()
        pair.close()


# Foreign text

def test_a_flood_of_strangers_with_odd_names_fills_no_log_and_stops_nothing(pair):
    """Each has a name of its own, with a line in it that looks like one of the log."""
    secondary, forged = pair.secondary, "2026-11-25 00:00:00,000 failover.agent ERROR: forged"
    begin = secondary.platform.log.stat().st_size
    beat = Heartbeat("nowhere", FAILOVER, "another.agent", "primary", "simple", 4.0, 0.5, 5.0, "boot", 1, None, None, True)
    endpoint = secondary.observer.link.endpoint
    strangers = [Link(endpoint._replace(identity="stranger {}\n{}".format(number, forged)), 5, 1) for number in range(40)]
    try:
        for stranger in strangers:
            stranger.start()
        wait(lambda: all(stranger.up for stranger in strangers), LIMIT, "the strangers' links")
        for number in range(5):
            for stranger in strangers:
                wait(lambda: stranger.publish("heartbeat/simple_primary", encode(
                    beat._replace(sequence=number + 1))), LIMIT, "a strange heartbeat")
        wait(lambda: "too many messages" in secondary.platform.log.read_text()[begin:], LIMIT, "the end of the flood")
    finally:
        for stranger in strangers:
            stranger.close()
    ours = [line for line in secondary.platform.log.read_text()[begin:].splitlines() if "failover." in line]
    assert not [line for line in ours if line.startswith(forged)]
    assert len([line for line in ours if "stranger" in line]) <= 20
    assert secondary.said()["other"]["liveness"] == "up" and not secondary.runs()
