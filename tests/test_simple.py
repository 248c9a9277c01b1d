"""Simple failover on two real platforms: which processes run, which alerts arrive, what the status says."""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import termios

import gevent
import pytest

from failover import clock
from failover.decision.heartbeat import Heartbeat
from failover.heartbeat import decode, encode
from failover.vip.briefly import connected
from failover.vip.link import Link, RemoteError
from tests.conftest import is_normal
from tests.testbed import screenshot
from tests.testbed.pair import (
    CAPABILITIES,
    FAILOVER,
    LIMIT,
    MANAGED,
    MANAGED_AGENT,
    REPOSITORY,
    await_alert,
    await_lasting,
    await_status,
    install_another,
    wait,
)
from tests.testbed.platforms import MONOLITHIC_ROOT, Platform

STARTING = ("GOOD", "Starting agent platform.driver")
TAKEOVER = ("BAD", "Primary is inactive starting agent platform.driver")
GIVE_BACK = ("GOOD", "Primary is active stopping agent platform.driver")


def await_takeover(pair):
    wait(pair.secondary.runs, LIMIT, "takeover")
    await_alert(pair.secondary, *TAKEOVER, whole=True)
    await_health(pair.secondary, "BAD", "secondary node-secondary is active")


def await_give_back(pair):
    wait(lambda: pair.primary.runs() and not pair.secondary.runs(), LIMIT, "give-back")
    await_alert(pair.secondary, *GIVE_BACK, whole=True)
    await_health(pair.secondary, "GOOD", "primary node-primary is active")


def await_health(side, health, text):
    def shown():
        status = side.status()
        return status and status["health"] == health and text in status["text"]

    wait(shown, LIMIT, "health {} with '{}'".format(health, text))


def bring_back(side):
    side.power_on()
    side.start_agent(FAILOVER)


def assert_stays(seconds, condition, what):
    """The condition holds for some seconds: for what must not happen there is nothing else to wait for."""
    end = clock.now() + seconds
    while clock.now() < end:
        assert condition(), what
        gevent.sleep(0.05)


def find(log, *words):
    return [line for line in log.splitlines() if all(word in line for word in words)]


# Normal operation

def test_the_primary_runs_and_the_secondary_stands_by(pair):
    primary, secondary = pair.primary.said(), pair.secondary.said()
    [process] = pair.primary.platform.processes(MANAGED)
    assert primary["managed_agent"] == {
        "identity": MANAGED, "uuid": pair.primary.platform.uuid(MANAGED), "pid": process.pid, "state": "running"}
    assert (primary["agent_id"], primary["mode"], primary["decision"]) == ("primary", "simple", "start")
    assert (secondary["agent_id"], secondary["mode"], secondary["decision"]) == ("secondary", "simple", "stop")
    assert primary["instance_name"] == secondary["other"]["instance_name"] == "node-primary"
    assert secondary["instance_name"] == primary["other"]["instance_name"] == "node-secondary"
    assert secondary["other"]["heartbeat_age"] < 4 and secondary["link"]["up"]
    assert_stays(3, lambda: pair.primary.runs() and not pair.secondary.runs(), "steady state")
    assert pair.primary.observer.alerts == pair.secondary.observer.alerts == []


def test_the_default_identity_is_failover(pair):
    [name] = [agent["name"] for agent in pair.primary.platform.agents() if agent["identity"] == FAILOVER]
    assert name.replace("_", "-") == "volttron-failover-2.0.0"


def test_vctl_status_shows_the_health(pair):
    wait(lambda: find(pair.secondary.platform.vctl("status"), "failover", "GOOD"), LIMIT, "GOOD in vctl status")


def test_health_says_who_is_active(pair):
    health = pair.secondary.observer.health()
    assert health["status"] == "GOOD" and health["context"].startswith("primary node-primary is active")


def test_heartbeats_on_the_bus(pair):
    heard = []

    def on_heartbeat(topic, sender, message):
        if topic == "failover/platform.driver/simple_primary":
            heard.append((sender, decode(message)))

    link = Link(pair.secondary.observer.link.endpoint._replace(identity="test.listener"), 5, 1)
    link.subscribe("failover/", on_heartbeat)
    link.start()
    try:
        wait(lambda: len(heard) >= 3, LIMIT, "three heartbeats")
    finally:
        link.close()
    assert {sender.split("_")[0] for sender, _ in heard} == {"node-primary.failover"}  # More if it connects anew.
    beats = [beat for _, beat in heard]
    assert all(later.sequence > earlier.sequence for earlier, later in zip(beats, beats[1:]))
    last = beats[-1]
    assert (last.instance_name, last.vip_identity, last.agent_vip_identity) == ("node-primary", FAILOVER, MANAGED)
    assert (last.agent_id, last.mode, last.timeout, last.heartbeat_period) == ("primary", "simple", 4, 0.5)
    assert last.may_run and last.heard_sequence > 0 and last.heard_boot_id != last.boot_id


def test_the_status_command(pair):
    def status(*options):
        command = [str(pair.primary.platform.root / "env" / "bin" / "python"), "-m", "failover", "status", *options]
        return subprocess.run(command, env=pair.primary.platform.env,
                              cwd=str(pair.primary.platform.code_folder(FAILOVER)),
                              capture_output=True, text=True, timeout=LIMIT)

    shown = status()
    assert shown.returncode == 0, shown.stderr
    assert "primary node-primary, simple failover" in shown.stdout and "platform.driver is running" in shown.stdout
    assert json.loads(status("--json").stdout)["managed_agent"]["state"] == "running"
    wrong = status("--vip-identity", "nobody")
    assert wrong.returncode == 2, wrong.stderr
    assert "no agent with the VIP identity nobody runs on this platform" in wrong.stderr
    assert "vctl status" in wrong.stderr and "--vip-identity" in wrong.stderr and "Traceback" not in wrong.stderr
    other = status("--vip-identity", MANAGED)
    assert other.returncode == 2 and "gives no status" in other.stderr and "Traceback" not in other.stderr, other.stderr
    piped = subprocess.run(["bash", "-c", '"$@" | grep -m1 health', "bash", *shown.args, "--watch", "--json"],
                           env=pair.primary.platform.env, cwd=str(pair.primary.platform.code_folder(FAILOVER)),
                           capture_output=True, text=True, timeout=LIMIT)
    assert json.loads(piped.stdout)["health"] == "GOOD" and piped.stderr == ""


@pytest.mark.skipif(bool(MONOLITHIC_ROOT), reason="it is large and in colour where rich is installed")
def test_a_status_that_is_watched_on_a_terminal_shows_both_sides_large_and_in_colour(pair):
    side, columns = pair.primary, 100
    reader, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    shown = ""

    def picture():
        nonlocal shown
        while select.select([reader], [], [], 0)[0]:
            shown += os.read(reader, 65536).decode(errors="replace")
        last = shown.rpartition("\x1b[H\x1b[2J")[2]
        return last if re.search(r"\x1b\[1;32m +ACTIVE .*\x1b\[1;36m +STANDBY .*remote link", last, re.DOTALL) else None

    environment = {name: value for name, value in side.platform.env.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    with subprocess.Popen([str(side.platform.root / "env" / "bin" / "python"), "-m", "failover", "status", "--watch"],
                          env=dict(environment, TERM="xterm-256color", PYTHONUTF8="1"), cwd=str(side.platform.code_folder(FAILOVER)),
                          stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        try:
            screenshot.save("status", "python -m failover status --watch", wait(picture, LIMIT, "both sides"), columns)
        finally:
            process.kill()
            os.close(reader)


def test_an_installation_on_the_primary_causes_nothing(pair):
    install_another(pair.primary.platform)
    assert_stays(3, lambda: pair.primary.runs() and not pair.secondary.runs(), "steady state")
    assert pair.secondary.observer.alerts == []


# Loss of the primary

def test_three_takeovers_after_power_losses(pair):
    for _ in range(3):
        pair.secondary.observer.alerts.clear()
        pair.primary.platform.power_off()
        await_takeover(pair)
        bring_back(pair.primary)
        await_give_back(pair)


def test_primary_platform_shut_down(pair):
    pair.primary.platform.stop()
    await_takeover(pair)
    assert not pair.primary.runs()
    bring_back(pair.primary)
    await_give_back(pair)


def test_primary_platform_crashed_with_orphans_left(pair):
    pair.primary.platform.crash()
    await_takeover(pair)
    wait(lambda: not pair.primary.runs(), LIMIT, "end of the orphaned managed agent")
    pair.primary.platform.power_off()
    bring_back(pair.primary)
    await_give_back(pair)


@pytest.mark.skipif(bool(MONOLITHIC_ROOT), reason="VOLTTRON 9 connects its agents over a Unix socket, which does not block")
def test_primary_platform_crashed_and_the_connection_to_it_ends_at_the_worst_moment(pair):
    """VOLTTRON then blocks the process of an agent for good, with Python's lock held."""
    primary = pair.primary
    folder = next((primary.platform.root / "env").glob("lib/python*/site-packages"))
    hook, module = folder / "half_sent.pth", folder / "half_sent.py"
    shutil.copy(REPOSITORY / "tests" / "testbed" / "half_sent.py", module)
    hook.write_text("import half_sent\n")
    try:
        primary.restart_agent(FAILOVER)
        wait(lambda: is_normal(pair), LIMIT, "the pair's normal state")
        primary.platform.crash()
        wait(lambda: not primary.runs() and not primary.runs(FAILOVER), LIMIT, "end of both orphans")
        await_takeover(pair)
    finally:
        hook.unlink()
        module.unlink()
    primary.platform.power_off()
    bring_back(primary)
    await_give_back(pair)


def test_primary_platform_frozen_and_thawed(pair):
    pair.primary.platform.freeze()
    await_takeover(pair)
    pair.primary.platform.thaw()
    await_give_back(pair)


def test_primary_platform_process_alone_frozen_and_thawed(pair):
    pair.primary.platform.freeze(platform_only=True)
    await_takeover(pair)
    pair.primary.platform.thaw()
    await_give_back(pair)


def test_failover_agent_of_the_primary_stopped_and_started(pair):
    pair.primary.stop_agent(FAILOVER)
    assert pair.primary.runs(), "simple failover leaves the managed agent running"
    await_takeover(pair)
    await_alert(pair.secondary, "BAD", "platform.driver also answers on node-primary, so that two copies run")
    pair.primary.start_agent(FAILOVER)
    await_give_back(pair)


def test_a_second_copy_that_answers_on_the_primarys_platform_is_said_on_both_sides(pair):
    """The primary's heartbeats do not get through, those of the secondary do."""
    primary, secondary = pair.sides
    secondary.platform.protect_topics("heartbeat/simple_primary", "failover/platform.driver/simple_primary")
    try:
        await_takeover(pair)
        await_alert(secondary, "BAD", "platform.driver also answers on node-primary, so that two copies run: `vctl start`")
        await_health(secondary, "BAD", "; platform.driver also answers on node-primary, so that two copies run")
        await_alert(primary, "BAD", "on node-secondary: platform.driver also answers on node-primary")
        assert primary.runs() and secondary.runs()
    finally:
        secondary.platform.unprotect_topics()
    await_give_back(pair)
    await_alert(secondary, "GOOD", "the primary is heard again, or platform.driver no longer answers there", whole=True)


# The secondary's own trouble

def test_secondary_restarted_while_it_stands_by(pair):
    pair.secondary.platform.power_off()
    assert_stays(2, pair.primary.runs, "the primary runs")
    bring_back(pair.secondary)
    wait(lambda: (pair.secondary.status() or {}).get("decision") == "stop" and not pair.secondary.runs(), LIMIT, "standing by")


def test_failover_agent_restarted_on_the_active_secondary_causes_no_outage(pair):
    pair.primary.platform.power_off()
    await_takeover(pair)
    [process] = pair.secondary.platform.processes(MANAGED)
    pair.secondary.restart_agent(FAILOVER)
    wait(lambda: (pair.secondary.status() or {}).get("decision") == "start", LIMIT, "active again")
    assert [one.pid for one in pair.secondary.platform.processes(MANAGED)] == [process.pid]
    bring_back(pair.primary)
    await_give_back(pair)


def test_secondary_frozen_and_thawed_does_not_take_over(pair):
    pair.secondary.platform.freeze()
    gevent.sleep(5)
    pair.secondary.platform.thaw()
    assert_stays(5, lambda: not pair.secondary.runs(), "no takeover")
    assert TAKEOVER not in pair.secondary.observer.alerts


def test_secondary_platform_process_alone_frozen_and_thawed_does_not_take_over(pair):
    pair.secondary.platform.freeze(platform_only=True)
    gevent.sleep(5)
    pair.secondary.platform.thaw()
    assert_stays(5, lambda: not pair.secondary.runs(), "no takeover")
    assert TAKEOVER not in pair.secondary.observer.alerts


def test_both_platforms_restarted(pair):
    for side in pair.sides:
        side.platform.power_off()
    for side in reversed(pair.sides):
        bring_back(side)
    wait(lambda: pair.primary.runs() and not pair.secondary.runs()
         and (pair.secondary.status() or {}).get("decision") == "stop", LIMIT, "the primary runs, the secondary not")


def test_primary_up_late(pair):
    for side in pair.sides:
        side.platform.power_off()
    bring_back(pair.secondary)
    await_takeover(pair)
    await_alert(pair.secondary, None, "remote link lost")
    bring_back(pair.primary)
    await_give_back(pair)
    await_alert(pair.secondary, None, "remote link found")


# The managed agent

def test_a_killed_managed_agent_is_started_again(pair):
    """By the failover agent, or by the platform's monitor, if its look, every 10 s, comes first."""
    [process] = pair.primary.platform.processes(MANAGED)
    process.send_signal(signal.SIGKILL)
    wait(lambda: [one.pid for one in pair.primary.platform.processes(MANAGED)] not in ([], [process.pid]),
         LIMIT, "a new process")
    assert not pair.secondary.runs()


def test_a_managed_agent_stopped_by_hand_is_started_again(pair):
    pair.primary.stop_agent(MANAGED)
    wait(pair.primary.runs, LIMIT, "the managed agent")
    await_alert(pair.primary, *STARTING, whole=True)


def test_a_managed_agent_started_by_hand_on_the_secondary_is_stopped(pair):
    pair.secondary.start_agent(MANAGED)
    wait(lambda: not pair.secondary.runs(), LIMIT, "the stop")
    await_alert(pair.secondary, *GIVE_BACK, whole=True)


def start_twice(side, identity):
    """Start an agent that does not run twice in the same moment, as the platform's monitor and an operator may."""
    endpoint = side.observer.link.endpoint._replace(identity="test.operator")
    uuid, control = side.platform.uuid(identity), side.platform.control_identity
    side.platform.authorize(endpoint.identity, ["platform.control.start_agent", "platform.control.stop_agent"])

    def start():
        with contextlib.suppress(RemoteError):
            operator.call(control, "start_agent", uuid, timeout=30)
            return True

    def both_began():
        """Whether neither was told that it runs already. Else it is stopped again."""
        starts = [gevent.spawn(start) for _ in range(2)]
        gevent.joinall(starts)
        return all(one.value for one in starts) or operator.call(control, "stop_agent", uuid, timeout=30)

    with connected(endpoint, LIMIT) as operator:
        wait(lambda: both_began() is True, LIMIT, "two processes")


def test_a_copy_that_the_platform_does_not_know_is_stopped(pair):
    secondary = pair.secondary
    [failover] = secondary.platform.processes(FAILOVER)
    failover.suspend()
    start_twice(secondary, MANAGED)
    secondary.stop_agent(MANAGED)
    assert secondary.runs()
    failover.resume()
    wait(lambda: not secondary.runs(), LIMIT, "the end of the other")
    # Or in the course of a stop, if control's last answer before the agent was suspended was that it runs.
    await_alert(secondary, "BAD", "of platform.driver was ended by SIG")


def test_a_failover_agent_started_twice_leaves_one(pair):
    primary = pair.primary
    [managed] = primary.platform.processes(MANAGED)
    primary.stop_agent(FAILOVER)
    start_twice(primary, FAILOVER)
    wait(lambda: len(primary.platform.processes(FAILOVER)) == 1, LIMIT, "the end of one")
    await_status(primary, lambda status: status["decision"] == "start" and status["health"] == "GOOD", "the other")
    assert [process.pid for process in primary.platform.processes(MANAGED)] == [managed.pid]


def test_an_upgrade_is_followed_and_a_removal_is_reported(pair):
    before = pair.primary.said()["managed_agent"]["uuid"]
    pair.primary.platform.vctl("remove", before)
    wait(lambda: pair.primary.said()["managed_agent"]["state"] == "not installed", LIMIT, "missing")
    await_alert(pair.primary, "BAD", "platform.driver is not installed")
    status = pair.primary.said()
    assert status["health"] == "BAD" and "platform.driver is not installed" in status["text"]
    pair.primary.platform.install(MANAGED_AGENT, identity=MANAGED, start=False)
    wait(pair.primary.runs, LIMIT, "the new installation")
    wait(lambda: pair.primary.said()["health"] == "GOOD", LIMIT, "health")
    assert pair.primary.said()["managed_agent"]["uuid"] not in (None, before)


def test_a_slow_stop_delays_neither_heartbeats_nor_decisions(pair):
    pair.primary.platform.power_off()
    await_takeover(pair)
    secondary = pair.secondary
    configuration = secondary.config_file(MANAGED)
    configuration.write_text("stop_seconds: 8\n")
    secondary.stop_agent(MANAGED)
    wait(secondary.runs, LIMIT, "the managed agent with a slow stop")
    bring_back(pair.primary)
    status = await_status(secondary, lambda status: status["decision"] == "stop", "decision")
    decided_at = clock.now() - status["decided_for"]
    configuration.write_text("{}\n")
    while secondary.runs() and clock.now() < decided_at + LIMIT:
        there, here = pair.primary.status(), secondary.status()
        if not secondary.runs():
            break
        assert here is None or here["managed_agent"]["state"] == "running"
        assert there is None or (there["other"]["may_run"] is not False and there["other"]["liveness"] != "down")
        gevent.sleep(0.1)
    assert clock.now() - decided_at > 4, "the stop was not slow"
    await_give_back(pair)


def test_a_failover_agent_that_stops_during_a_slow_stop_waits_for_controls_answer(pair):
    """Control of VOLTTRON 9, and with it the platform, would end when it answers somebody who is gone."""
    secondary = pair.secondary
    configuration = secondary.config_file(MANAGED)
    configuration.write_text("stop_seconds: 4\n")
    begin = secondary.platform.log.stat().st_size

    def says(text):
        wait(lambda: find(secondary.platform.log.read_text()[begin:], text), LIMIT, text)

    # One that is stopped while it still starts does not come to its slow stop.
    [failover] = secondary.platform.processes(FAILOVER)
    failover.suspend()
    secondary.start_agent(MANAGED)
    says("managed agent started")
    failover.resume()
    says("managed agent stops in 4 s")
    secondary.stop_agent(FAILOVER)
    configuration.write_text("{}\n")
    assert not secondary.runs() and not secondary.runs(FAILOVER)
    assert_stays(3, lambda: secondary.platform.pid, "the platform lives")
    assert secondary.platform.uuid(FAILOVER)


# What the operator got wrong

@pytest.mark.skipif(not Platform.needs_authorization, reason="VOLTTRON 9 lets any agent start and stop others")
def test_missing_authorization_is_reported_with_the_command_that_mends_it(pair):
    secondary = pair.secondary
    secondary.platform.power_off()
    # Not `vctl authz remove agent`: in this release it also removes the agent's keys.
    granted = secondary.platform.home / "authz.json"
    rules = json.loads(granted.read_text())
    del rules["agents"][FAILOVER]["rpc_capabilities"]
    granted.write_text(json.dumps(rules))
    begin = secondary.platform.log.stat().st_size
    bring_back(secondary)
    command = "vctl authz add agent failover --rpc-capabilities " + " ".join(CAPABILITIES)
    try:
        await_alert(secondary, "BAD", command)
        secondary.start_agent(MANAGED)
        await_alert(secondary, None, "of platform.driver was ended by SIG")
        wait(lambda: not secondary.runs(), LIMIT, "its end")
        log = secondary.platform.log.read_text()[begin:]
        assert find(log, "WARNING", command)
        assert len(find(log, "INFO: stop: platform.driver")) <= 1, "attempts are not logged again and again"
        pair.primary.platform.power_off()
        # Whether it runs proves nothing: the platform's monitor may start again what ended by SIGINT on its way up.
        await_status(secondary, lambda status: status["decision"] == "start" and any(
            command in problem for problem in status["problems"]), "it should start, and may not")
    finally:
        secondary.platform.vctl(*command.split()[1:])
    await_takeover(pair)
    await_alert(secondary, None, "authorization has been granted")
    bring_back(pair.primary)
    await_give_back(pair)


def configure(side, **changes):
    """Change the configuration of the installed failover agent and restart it."""
    original = side.config_file().read_text()
    side.configure(**changes)
    if side.runs(FAILOVER):
        side.stop_agent(FAILOVER)
    side.start_agent(FAILOVER)
    return original


@pytest.fixture
def reconfigure(pair):
    """Return configure(side, **changes); afterwards both sides have their first configuration again."""
    originals = {}

    def change(side, **changes):
        original = configure(side, **changes)
        originals.setdefault(side, original)

    yield change
    for side, original in originals.items():
        side.config_file().write_text(original)
        if side.runs(FAILOVER):
            side.stop_agent(FAILOVER)


def test_a_wrong_server_key_is_named_and_can_be_corrected(pair, reconfigure):
    """The secondary cannot check what it hears of the primary, and so does not take it for down."""
    secondary = pair.secondary
    wrong = secondary.platform.serverkey
    reconfigure(secondary, remote_serverkey=wrong)
    wait(lambda: any("server key" in text and "vctl auth servercred" in text
                     for _, text in secondary.observer.alerts), LIMIT, "alert")
    wait(lambda: pair.primary.said()["other"]["liveness"] == "down", LIMIT, "the primary hears nothing")
    status = await_status(secondary, lambda status: status["other"]["liveness"] == "unknown"
                          and "signed with another key" in status["text"], "the secondary waits")
    assert pair.primary.runs() and not secondary.runs()
    assert "; remote link lost" in status["text"] and "`" not in status["text"], (
        "VC's page has room for what is the matter, not for remedies")
    assert [problem for problem in status["problems"] if "vctl auth servercred" in problem]
    reconfigure(secondary, remote_serverkey=pair.primary.platform.serverkey)
    wait(lambda: (secondary.status() or {"link": {"up": False}})["link"]["up"], LIMIT, "link")


def test_a_wrong_configuration_ends_the_agent_with_a_line_for_each_problem(pair, reconfigure):
    secondary = pair.secondary
    reconfigure(secondary, agent_id="third", timeout=0.6, heartbeat_perod=1)
    for words in (("heartbeat_perod", "did you mean heartbeat_period?"), ("configuration: agent_id: found 'third'; wanted:",),
                  ("configuration: timeout: found 0.6; wanted: at least two heartbeat periods, 1 s",)):
        wait(lambda: find(secondary.platform.tail(), *words), LIMIT, words[0])
    wait(lambda: not secondary.runs(FAILOVER), LIMIT, "the agent's end")
    assert "Traceback" not in secondary.platform.tail(20)
    uuid = secondary.platform.uuid(FAILOVER)
    wait(lambda: secondary.observer.call(secondary.platform.control_identity, "agent_status", uuid)[1] == 78, LIMIT,
         "its exit status")


def test_differing_configurations_are_shown_with_both_values(pair, reconfigure):
    reconfigure(pair.secondary, timeout=5)
    for side, text in ((pair.primary, "timeout is 4 here and 5 on node-secondary"),
                       (pair.secondary, "timeout is 5 here and 4 on node-primary")):
        wait(lambda: text in (side.status() or {"text": ""})["text"], LIMIT, text)
        assert side.said()["health"] == "BAD"


@pytest.mark.parametrize("role", ["primary", "secondary"])
def test_of_two_with_the_same_role_one_runs_and_both_say_so(pair, reconfigure, role):
    """The one whose instance name comes first: node-primary."""
    changed = pair.secondary if role == "primary" else pair.primary
    reconfigure(changed, agent_id=role)
    for side, acts_as in zip(pair.sides, ("primary", "secondary")):
        await_alert(side, "BAD", "configured as {} too: give one of the two the other agent_id".format(role))
        await_status(side, lambda status: status["health"] == "BAD" and any(
            "until then this side acts as the " + acts_as in problem for problem in status["problems"]), "its role")
    # Who does not know yet that the other one yields may first stop what it ran.
    await_lasting(lambda: pair.primary.runs() and not pair.secondary.runs(), 5, "the first one alone")


def test_a_refusal_by_the_remote_is_reported_and_survived(pair):
    """The router of the other platform refuses the topic: alert, no crash, and heartbeats again once it is granted, on VOLTTRON 11
    by the command that the alert names."""
    secondary = pair.secondary
    pair.primary.platform.protect_topics("heartbeat/simple_secondary", "failover/platform.driver/simple_secondary")
    try:
        await_alert(secondary, None, "refuses our heartbeats")
        assert secondary.said()["link"]["up"]
        assert any(words in secondary.said()["link"]["last_error"] for words in (
            "not authorized", "requires capabilities"))
        wait(lambda: pair.primary.said()["other"]["liveness"] == "down", LIMIT, "nothing heard")
        assert pair.primary.runs() and not secondary.runs()
        if not MONOLITHIC_ROOT:
            [command] = {re.search("allow them with `vctl (.*?)`", text)[1] for _, text in secondary.observer.alerts
                         if "refuses our heartbeats" in text}
            pair.primary.platform.vctl(*command.split())
            await_alert(secondary, None, "accepts heartbeats again")
    finally:
        pair.primary.platform.unprotect_topics()
    await_alert(secondary, None, "accepts heartbeats again")
    wait(lambda: pair.primary.said()["other"]["liveness"] == "up", LIMIT, "heard again")


# Heartbeats of others

@pytest.fixture
def stranger(pair):
    """Return a function that opens a link to the secondary's platform under a given identity."""
    links = []

    def connect(identity):
        link = Link(pair.secondary.observer.link.endpoint._replace(identity=identity), 5, 60)
        link.start()
        links.append(link)
        wait(lambda: link.up, LIMIT, "the stranger's link: {}".format(link.last_error))
        return link

    yield connect
    for link in links:
        link.close()


@pytest.fixture
def unsigned(pair):
    """The secondary takes unsigned heartbeats."""
    def require(value):
        pair.secondary.configure(require_signatures=value)
        pair.secondary.restart_agent(FAILOVER)
        await_status(pair.secondary, lambda status: status["other"]["liveness"] == "up" and status["other"]["signs"] is (
            value == "auto"), "require_signatures")

    require(False)
    yield
    require("auto")


def test_an_empty_heartbeat_as_the_original_agent_sends_it_counts(pair, unsigned, stranger):
    link = stranger("original.failover")
    pair.primary.platform.power_off()
    end = clock.now() + 8
    while clock.now() < end:
        link.publish("heartbeat/simple_primary", "")
        assert not pair.secondary.runs()
        gevent.sleep(0.2)
    await_takeover(pair)
    bring_back(pair.primary)


def test_what_is_no_heartbeat_of_the_primary_does_not_count(pair, stranger):
    link, local = stranger("somebody"), stranger(MANAGED)
    pair.primary.platform.power_off()
    other = Heartbeat("x", "failover", "another.agent", "primary", "simple", 4, 0.5, 10, "boot-x", 1, None, None, True)
    sequence = 0
    end = clock.now() + LIMIT
    while not pair.secondary.runs() and clock.now() < end:
        sequence += 1
        local.publish("heartbeat/simple_primary", "")
        link.publish("heartbeat/simple_primary.more", "")
        gevent.sleep(0.1)
        link.publish("heartbeat/simple_primary", encode(other._replace(sequence=sequence)))
        gevent.sleep(0.1)
    await_takeover(pair)


def test_bad_content_is_logged_once_and_never_fatal(pair, stranger):
    link = stranger("somebody.else")
    for _ in range(3):
        wait(lambda: link.publish("heartbeat/simple_primary", '{"version": 1, "sequence": "many"}'), LIMIT, "publish")
    wait(lambda: find(pair.secondary.platform.tail(), "somebody.else", "does not count"), LIMIT, "log")
    gevent.sleep(0.5)
    assert len(find(pair.secondary.platform.tail(), "somebody.else", "does not count")) == 1
    await_status(pair.secondary, lambda status: status["health"] == "GOOD", "the end of unsigned heartbeats")
