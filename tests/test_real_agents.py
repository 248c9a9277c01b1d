"""VOLTTRON's own platform driver, and an agent that uses its data, move as one, and the data go on."""

import contextlib
import json

import pytest

from failover import clock
from failover.vip.errors import LinkError, RemoteError
from tests.testbed.packages import from_index
from tests.testbed.pair import FAILOVER, LIMIT, Pair, await_status, wait
from tests.testbed.platforms import MONOLITHIC_ROOT

pytestmark = pytest.mark.skipif(bool(MONOLITHIC_ROOT), reason="these agents are ones for VOLTTRON 11")

DRIVER, LISTENER = "platform.driver", "listener"
AGENTS = ["volttron-platform-driver==2.0.0rc9", "volttron-listener==2.0.0rc3"]
# What they need beside VOLTTRON.
NEEDS = ["volttron-lib-base-driver==2.0.0rc7", "volttron-lib-fake-driver==2.0.0rc0", "volttron-lib-tree==2.0.0rc4",
         "treelib==1.8.0", "argcomplete==3.7.2", "pydantic==2.14.4", "pydantic-core==2.50.5", "annotated-types==0.8.0",
         "typing-inspection==0.4.5"]

DEVICE = "devices/campus/building/fake"
STORED = {
    "fake.csv": "Point Name,Volttron Point Name,Units,Units Details,Writable,Starting Value,Type\n"
                "Temperature,Temperature,F,-100 to 300,TRUE,50,float\n",
    DEVICE: json.dumps({"driver_type": "fake", "driver_config": {"remote_id": "x"}, "interval": 1,
                        "registry_config": "config://fake.csv"}),
}
STORE = "managed agent's configuration store"


def install_agents(side):
    """Install both, not started."""
    quiet = side.platform.root / "quiet"
    quiet.write_text('{"log-level": "DEBUG"}')  # It logs each message.
    with from_index(side.platform, AGENTS, NEEDS):
        for agent, identity in zip(AGENTS, (DRIVER, LISTENER)):
            config = ["--agent-config", quiet] if identity == LISTENER else []
            side.platform.vctl("install", agent.partition("==")[0], "--vip-identity", identity, *config)


@pytest.fixture
def agents(folder, show_logs):
    """A pair that manages both agents. What the driver needs is stored on the primary alone."""
    pair = show_logs(Pair(folder / "real"))
    try:
        pair.install(start=False, install_managed=install_agents, agent_vip_identity=[DRIVER, LISTENER],
                     compare_managed_agents=True)
        for side in pair.sides:
            side.data = []
            side.observer.link.subscribe("devices/", lambda topic, sender, message, data=side.data: data.append(
                (clock.now(), topic, sender)))
        for name, text in STORED.items():
            store(pair.primary, name, text)
        for side in pair.sides:
            side.start_agent(FAILOVER)
        yield pair
    finally:
        pair.close()


def store(side, name, text):
    file = side.platform.root / "stored"
    file.write_text(text)
    side.platform.vctl("config", "store", DRIVER, name, file, "--csv" if name.endswith(".csv") else "--json")


def checked(side):
    """Return the level of the line about the configuration store, and its text."""
    with contextlib.suppress(LinkError, RemoteError):
        return next(((one["level"], one["text"]) for one in side.observer.call(FAILOVER, "check") if one["name"] == STORE), None)
    return None


def await_data(runs, other, since):
    """Wait until both agents run on one side alone and the driver's data are heard there, and are no more on the other.

    Return for how many seconds there were none after what was done at the moment `since`.
    """
    await_status(runs, lambda status: [one["state"] for one in status["managed_agents"]] == ["running"] * 2, "both run")
    wait(lambda: not any(map(other.runs, (DRIVER, LISTENER))), LIMIT, "both are gone there")
    begin = clock.now()
    wait(lambda: any(at >= begin for at, _, _ in runs.data), LIMIT, "the driver's data")
    assert {(topic.rpartition("/")[0], sender) for _, topic, sender in runs.data} == {(DEVICE, DRIVER)}
    driver, listener = (process.create_time() for one in (DRIVER, LISTENER) for process in runs.platform.processes(one))
    assert driver < listener
    return min(at for at, _, _ in runs.data if at >= since) - max([at for at, _, _ in other.data], default=since)


@pytest.mark.timeout(600)  # On two quiet cores it takes a minute and a half.
def test_a_driver_and_an_agent_that_uses_its_data_move_as_one(agents):
    primary, secondary = agents.sides
    await_data(primary, secondary, clock.now())
    level, text = wait(lambda: checked(primary), LIMIT, "a comparison")
    assert level == "BAD" and "`vctl config list platform.driver`" in text, text
    for name in primary.platform.vctl("config", "list", DRIVER).splitlines():
        store(secondary, name, primary.platform.vctl("config", "get", DRIVER, name, "--raw"))
    wait(lambda: checked(primary) == ("OK", "the same on both sides"), LIMIT, "the same is stored on both sides")
    assert not secondary.data

    begin = clock.now()
    primary.platform.power_off()
    print("power loss: {:.1f} s without data".format(await_data(secondary, primary, begin)))
    begin = clock.now()
    primary.bring_back()
    print("failback: {:.1f} s without data".format(await_data(primary, secondary, begin)))
    for runs, other in (secondary, primary), (primary, secondary):
        await_status(primary, lambda status: status["health"] == "GOOD", "the other side is ready")
        begin = clock.now()
        primary.observer.order("switchover", None)
        print("switchover: {:.1f} s without data".format(await_data(runs, other, begin)))
