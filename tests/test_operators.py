"""What operators do in a day, on two real platforms: pause, switch over, shut down in order, look what happened."""

import contextlib
import json
import subprocess

import psutil
import pytest
import yaml

from failover import clock
from failover.vip.link import Endpoint, Link
from tests.conftest import is_normal, take_orders_back
from tests.testbed.pair import FAILOVER, LIMIT, MANAGED, MANAGED_AGENT, await_alert, await_status, wait
from tests.testbed.platforms import MONOLITHIC_ROOT, PlatformError

# Words of refusals that are over by themselves.
NOT_YET = ("does not know the last orders yet", "does not hear this side", "is unknown on")


def run(side, *arguments):
    """Run a command as an operator does on this side's machine."""
    command = [str(side.platform.root / "env" / "bin" / "python"), "-m", "failover", *arguments]
    return subprocess.run(command, env=side.platform.env, cwd=str(side.platform.code_folder(FAILOVER)),
                          capture_output=True, text=True, timeout=LIMIT)


def order(side, *arguments):
    """Give an order, again as long as it is refused because a side does not know enough of the other yet."""
    def given():
        done = run(side, *arguments)
        return None if done.returncode == 1 and any(words in done.stderr for words in NOT_YET) else done

    done = wait(given, LIMIT, " ".join(arguments), interval=0.5)
    assert done.returncode == 0, done.stderr
    return done.stdout


def await_refusal(side, words, *arguments):
    """Wait until a switchover is refused with these words, and return all that is said then."""
    def refused():
        done = run(side, "switchover", *arguments)
        return done.stderr if done.returncode == 1 and words in done.stderr else None

    return wait(refused, LIMIT, "the refusal: " + words, interval=0.5)


def entries(side):
    return side.observer.call(FAILOVER, "history")


def await_active(side, on):
    """Wait until a side's history says that the managed agent now runs on this side, and return that entry."""
    def found():
        last = [one for one in entries(side) if one["event"] != "order"][-1:]
        return last[0] if last and (last[0]["event"], last[0]["on"]) == ("active", on) else None

    return wait(found, LIMIT, "an entry in the history")


def await_other_runs(runs, other):
    """Wait until the managed agent runs on one side alone, and both sides say so."""
    wait(lambda: runs.runs() and not other.runs(), LIMIT, "the managed agent on {} alone".format(runs.platform.name))
    await_status(runs, lambda status: (status["standing"], status["other"]["standing"]) == ("ACTIVE", "STANDBY"), "active")
    await_status(other, lambda status: (status["standing"], status["other"]["standing"]) == ("STANDBY", "ACTIVE"), "standby")


@pytest.fixture
def records():
    """Return a function that collects what is published for historians on the bus of a side."""
    links = []

    def collect(side):
        messages = []
        platform = side.platform
        link = Link(Endpoint(platform.address, platform.serverkey, "test.historian", *platform.command_keys()), 5, 1)
        link.subscribe("record/", lambda topic, sender, message: messages.append(
            (topic, json.loads(message) if isinstance(message, str) else message)))
        link.start()
        links.append(link)
        wait(lambda: link.up, LIMIT, "a connection")
        return messages

    yield collect
    for link in links:
        link.close()


def test_while_the_pair_is_paused_nobody_starts_the_managed_agent(each_pair):
    primary, secondary = each_pair.sides
    assert "paused for 600 s" in order(secondary, "pause", "--for", "10m")
    for side in each_pair.sides:
        status = await_status(side, lambda status: status["standing"] == "PAUSED", "both sides are paused")
        assert 500 < status["orders"]["paused_for"] <= 600 and status["orders"]["given_on"] == "node-secondary"
        assert status["text"].startswith("paused until ")
        await_alert(side, "GOOD", "the pair is paused until")
    primary.platform.vctl("stop", primary.platform.uuid(MANAGED))
    secondary.restart_agent(FAILOVER)  # It remembers.
    await_status(secondary, lambda status: status["standing"] == "PAUSED" and status["other"]["liveness"] == "up"
                 and status["text"].startswith("paused until "), "a pause")
    assert not primary.runs() and not secondary.runs()
    assert "resumed" in order(primary, "resume")
    await_other_runs(primary, secondary)
    for side in each_pair.sides:
        await_status(side, lambda status: not status["text"].startswith("paused"), "both sides go on")
    refused = run(primary, "resume")
    assert (refused.returncode, refused.stderr) == (1, "the pair is not paused\n")


def test_a_pause_ends_by_itself(pair):
    assert json.loads(order(pair.primary, "pause", "--for", "3", "--json"))["done"] is True
    [process] = pair.primary.platform.processes(MANAGED)
    process.terminate()
    wait(lambda: not process.is_running(), LIMIT, "end of the managed agent")
    wait(lambda: is_normal(pair), LIMIT, "the normal state")
    await_alert(pair.secondary, "GOOD", "the pause is over", whole=True)


def test_a_switchover_there_and_back(each_pair, records):
    primary, secondary = each_pair.sides
    published = [records(side) for side in each_pair.sides]
    assert "node-secondary is active" in order(primary, "switchover")
    await_other_runs(secondary, primary)
    for side in each_pair.sides:
        entry = await_active(side, "node-secondary")
        assert (entry["from"], entry["planned"]) == ("node-primary", True), entries(side)
        await_alert(side, "GOOD", "preferred from now on, ordered on node-primary")
    for side, messages in zip(each_pair.sides, published):
        topic = "record/failover/{}/platform.driver".format(side.platform.name)
        wait(lambda: (topic, entries(side)[-1]) in messages, LIMIT, "the same record on the bus")
    assert json.loads(order(primary, "history", "--json").splitlines()[-1]) == entries(primary)[-1]
    primary.restart_agent(FAILOVER)  # It is remembered. (The choice ends if a restart of the chosen side takes too long.)
    await_status(primary, lambda status: status["other"]["liveness"] == "up", "the other side is heard")
    await_other_runs(secondary, primary)
    refusal = await_refusal(primary, "it is the preferred side already", "--to", "node-secondary")
    assert refusal == "no switchover to node-secondary: it is the preferred side already\n"
    assert "node-primary is active" in order(secondary, "switchover", "--to", "primary")
    await_other_runs(primary, secondary)


@pytest.mark.skipif(bool(MONOLITHIC_ROOT), reason="VOLTTRON 9 takes no commands from agents' packages")
def test_vctl_has_the_same_commands(pair):
    platform = pair.primary.platform
    assert "node-primary             ACTIVE" in platform.vctl("failover", "status")
    assert json.loads(platform.vctl("failover", "status", "--json"))["standing"] == "ACTIVE"
    assert "OK   link to the other platform" in platform.vctl("failover", "check")
    with pytest.raises(PlatformError, match="exit status 1\nthe pair is not paused"):
        platform.vctl("failover", "resume")


@pytest.mark.skipif(bool(MONOLITHIC_ROOT), reason="VOLTTRON 9 takes no commands from agents' packages")
@pytest.mark.parametrize("text", ["raise RuntimeError('broken')\n", "import nothing_of_this_name\n", "("],
                         ids=["raises", "import", "syntax"])
def test_a_broken_command_of_ours_costs_vctl_no_other(pair, text):
    platform = pair.primary.platform
    [module] = (platform.root / "env").glob("lib/python*/site-packages/volttron/plugins/vctl/failover.py")
    before = module.read_text()
    try:
        module.write_text(text)
        assert FAILOVER in platform.vctl("status")
        with pytest.raises(PlatformError, match="failover"):
            platform.vctl("failover", "status")
    finally:
        module.write_text(before)


def test_no_switchover_to_a_side_that_is_not_ready(pair):
    secondary = pair.secondary
    secondary.stop_agent(FAILOVER)
    refused = wait(lambda: [one.stderr for one in [run(pair.primary, "switchover")] if one.returncode == 1], LIMIT,
                   "a refusal")
    assert ("the failover agent of node-secondary has been stopped" in refused[0]
            or "the other side is not heard" in refused[0])  # Its last word counts until it is silent for too long.
    await_refusal(pair.primary, "the other side is not heard")
    checked = run(pair.primary, "check")
    assert checked.returncode == 1 and "BAD  heartbeats of the other side" in checked.stdout
    secondary.start_agent(FAILOVER)
    wait(lambda: is_normal(pair), LIMIT, "the normal state")

    wait(lambda: run(pair.primary, "check").returncode == 0, LIMIT, "everything in order")
    wrong = run(pair.primary, "switchover", "--to", "node-x")
    assert wrong.returncode == 1 and "there are node-primary, node-secondary, primary, secondary" in wrong.stderr


@pytest.fixture
def hands_over(pair):
    """The pair, whose primary hands over after two ends of the managed agent. In the end it does so no more."""
    file = pair.primary.config_file(FAILOVER)
    before = file.read_text()
    pair.primary.configure(max_failures=2)
    pair.primary.restart_agent(FAILOVER)
    wait(lambda: is_normal(pair), LIMIT, "the normal state")
    yield pair
    file.write_text(before)
    pair.primary.restart_agent(FAILOVER)
    take_orders_back(pair)
    wait(lambda: is_normal(pair), LIMIT, "the normal state")


def seen(side):
    """Return the process of the managed agent if the failover agent has seen it run; None if not."""
    status = side.status()
    return next((one for one in side.platform.processes(MANAGED) if status and one.pid == status["managed_agent"]["pid"]),
                None)


def test_a_managed_agent_that_crashes_too_often_is_handed_over(hands_over):
    primary, secondary = hands_over.sides
    for _ in range(2):
        process = wait(lambda: seen(primary), LIMIT, "the managed agent, seen by the failover agent")
        process.kill()
        wait(lambda: not process.is_running(), LIMIT, "its end")
        await_status(primary, lambda status: status["managed_agent"]["pid"] != process.pid, "its end is seen")
    await_other_runs(secondary, primary)
    for side in hands_over.sides:
        await_alert(side, "BAD", "platform.driver failed on node-primary, and was handed over")
        await_alert(side, "GOOD", "preferred from now on, because platform.driver failed on node-primary")
        assert await_active(side, "node-secondary")["planned"] is False
    assert "BAD  managed agent: platform.driver failed on node-primary" in run(primary, "check").stdout
    assert "node-primary is active" in order(primary, "switchover", "--to", "node-primary")
    await_other_runs(primary, secondary)
    for side in hands_over.sides:
        await_status(side, lambda status: status["health"] == "GOOD", "nothing is the matter any more")


@pytest.fixture
def stores(each_pair, tmp_path):
    """Return a function that stores a side's configuration with changes; without any, it deletes what is stored."""
    stored = []

    def store(side, **changes):
        if not changes:
            side.platform.vctl("config", "delete", FAILOVER, "config")
            return
        file = tmp_path / "config"
        file.write_text(json.dumps(dict(yaml.safe_load(side.config_file().read_text()), **changes)))
        side.platform.vctl("config", "store", FAILOVER, "config", file)
        stored.append(side)

    yield store
    for side in each_pair.sides:
        if side in stored:
            side.platform.vctl("config", "delete", FAILOVER, "--all", check=False)
            if side.said()["timeout"] != 4 or side.said()["problems"]:
                side.restart_agent(FAILOVER)
            await_status(side, lambda status: status["timeout"] == 4, "the installed configuration again")


def test_a_stored_configuration_takes_precedence_from_the_next_start(each_pair, stores):
    secondary = each_pair.secondary
    stores(secondary, timeout=5, remote_instance_name="node-primary")
    await_status(secondary, lambda status: any(
        "is not in use, because it differs in remote_instance_name: run `vctl restart`" in text
        for text in status["problems"]), "what needs a restart")
    assert secondary.said()["timeout"] == 4
    secondary.restart_agent(FAILOVER)
    await_status(secondary, lambda status: status["timeout"] == 5, "the stored timeout")
    stores(secondary, timeout="soon")
    await_status(secondary, lambda status: any("timeout: found 'soon'" in text for text in status["problems"]),
                 "what is wrong")
    assert "vctl config store failover config FILE" in run(secondary, "check").stdout
    assert secondary.said()["timeout"] == 5
    stores(secondary)
    await_status(secondary, lambda status: any("differs in remote_instance_name" in text for text in status["problems"]),
                 "another restart")
    secondary.restart_agent(FAILOVER)
    await_status(secondary, lambda status: status["timeout"] == 4 and not status["problems"], "the installed timeout")
    assert each_pair.primary.runs() and not secondary.runs()


def test_a_managed_agent_that_is_not_the_same_on_both_sides_is_bad_on_both(each_pair, stores):
    for side in each_pair.sides:
        stores(side, compare_managed_agents=True)
        await_alert(side, "GOOD",
                    "another configuration is in use")
    each_pair.secondary.configure(MANAGED, stop_seconds=0)
    for side in each_pair.sides:
        await_alert(side, "BAD", "the configuration with which platform.driver is installed differs from that on node-")
        assert "BAD  managed agent's configuration" in run(side, "check").stdout
    each_pair.primary.configure(MANAGED, stop_seconds=0)
    for side in each_pair.sides:
        await_alert(side, "GOOD", "platform.driver is installed alike on both sides")


def test_the_times_of_a_pair_change_while_the_managed_agent_runs_on(each_pair, stores):
    primary, secondary = each_pair.sides
    [process] = primary.platform.processes(MANAGED)
    for side in each_pair.sides:
        stores(side, timeout=9, heartbeat_period=2, stop_grace=3, fail_back=5)
        await_alert(side, "GOOD",
                    "another configuration is in use: timeout 9 s, heartbeat_period 2 s, "
                    "stop_grace 3 s, fail_back 5")
        await_status(side, lambda status: status["timeout"] == 9, "the stored times")
    for side in each_pair.sides:
        await_status(side, lambda status: status["health"] == "GOOD", "both go by the same times")
    for side in (secondary, primary):
        stores(side)
        await_alert(side, "GOOD",
                    "another configuration is in use: timeout 4 s, heartbeat_period 0.5 s")
    for side in each_pair.sides:
        await_status(side, lambda status: status["health"] == "GOOD" and status["timeout"] == 4,
                     "both go by the installed times")
    assert process.is_running() and primary.platform.processes(MANAGED) == [process] and not secondary.runs()


OTHERS = ("platform.actuator", "control.application")


@pytest.fixture
def group(each_pair):
    """Either pair, whose failover agents manage three agents. In the end they manage the one again."""
    files = {side: side.config_file(FAILOVER) for side in each_pair.sides}
    before = {side: file.read_text() for side, file in files.items()}
    for side in each_pair.sides:
        for identity in OTHERS:
            side.platform.install(MANAGED_AGENT, identity=identity, start=False)
        side.configure(agent_vip_identity=[MANAGED, *OTHERS])
    for side in each_pair.sides:
        side.restart_agent(FAILOVER)
    await_group(*each_pair.sides)
    yield each_pair
    for side in each_pair.sides:
        files[side].write_text(before[side])
        side.stop_agent(FAILOVER)
        for identity in OTHERS:
            for process in side.platform.processes(identity):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            side.platform.vctl("remove", side.platform.uuid(identity))
    for side in each_pair.sides:
        side.start_agent(FAILOVER)


def states(side):
    status = side.status()
    return [one["state"] for one in status["managed_agents"]] if status else []


def await_group(runs, other):
    """Wait until all managed agents run on one side alone, and both sides say so."""
    wait(lambda: states(runs) == ["running"] * 3 and states(other) == ["stopped"] * 3, LIMIT, "all of them on one side")
    for identity in (MANAGED, *OTHERS):
        assert runs.runs(identity) and not other.runs(identity)
    begins = [process.create_time() for identity in (MANAGED, *OTHERS) for process in runs.platform.processes(identity)]
    assert begins == sorted(begins)


def test_several_managed_agents_move_as_one(group):
    primary, secondary = group.sides
    name = "platform.driver+platform.actuator+control.application"
    status = primary.said()
    assert (status["managed_agent"]["identity"], status["managed_agent"]["state"]) == (name, "running")
    assert [one["identity"] for one in status["managed_agents"]] == [MANAGED, *OTHERS]
    assert "node-secondary is active" in order(primary, "switchover")
    await_group(secondary, primary)
    assert "node-primary is active" in order(primary, "switchover")
    await_group(primary, secondary)
    [killed] = primary.platform.processes(OTHERS[0])
    killed.kill()
    wait(lambda: any(one.pid != killed.pid for one in primary.platform.processes(OTHERS[0])), LIMIT, "another process of it")
    wait(lambda: states(primary) == ["running"] * 3, LIMIT, "it is started again")
    uuid = secondary.platform.uuid(OTHERS[1])
    secondary.platform.vctl("remove", uuid)
    for side in group.sides:
        await_alert(side, "BAD", "control.application is not installed here")
    await_refusal(primary, "control.application is not installed")
    secondary.platform.install(MANAGED_AGENT, identity=OTHERS[1], start=False)
    for side in group.sides:
        await_status(side, lambda status: status["health"] == "GOOD", "it is there again")
    primary.platform.power_off()
    wait(lambda: states(secondary) == ["running"] * 3, LIMIT, "all of them on the secondary")
    primary.bring_back()
    await_group(primary, secondary)


def test_after_an_orderly_shutdown_the_other_side_takes_over_at_once(each_pair):
    primary, secondary = each_pair.sides
    each_pair.secondary.observer.alerts.clear()
    begin = clock.now()
    primary.platform.stop()
    took = clock.now() - begin
    wait(secondary.runs, LIMIT, "takeover")
    print("takeover {:.1f} s after the shutdown began, {}".format(clock.now() - begin, secondary.said()["mode"]))
    await_status(secondary, lambda status: status["standing"] == "ACTIVE", "the takeover")
    entry = await_active(secondary, "node-secondary")
    assert (entry["from"], entry["planned"]) == ("node-primary", True)
    by_silence = 4 if secondary.said()["mode"] == "simple" else 7.5
    if entry["outage"] >= by_silence and took > 8:
        pytest.skip("the machine is busy: the shutdown took {:.1f} s".format(took))
    assert entry["outage"] < by_silence, entry


def test_the_secondary_takes_over_at_once_when_the_primarys_failover_agent_is_stopped(standard_pair):
    """In standard failover it stops the managed agent too."""
    primary, secondary = standard_pair.sides
    primary.stop_agent(FAILOVER)
    wait(secondary.runs, LIMIT, "takeover")
    await_status(secondary, lambda status: status["standing"] == "ACTIVE", "the takeover")
    entry = await_active(secondary, "node-secondary")
    assert entry["outage"] < 7.5 and entry["planned"], entry  # So long it takes by silence.
    primary.start_agent(FAILOVER)
    await_other_runs(primary, secondary)
