"""The recipes of docs/operation.md that change what a pair consists of, followed as they are written there.

The tests share a pair of each kind, and each leaves it in order for the next one; the last one removes it.
"""

import contextlib
import shutil

import pytest

from failover.vip.link import LinkError, RemoteError
from tests.conftest import PAIRS, is_normal
from tests.test_operators import order
from tests.test_witness import Witness
from tests.testbed.pair import (
    FAILOVER,
    LIMIT,
    MANAGED,
    MANAGED_AGENT,
    STANDARD,
    Pair,
    Side,
    await_status,
    await_takeover,
    wait,
)
from tests.testbed.platforms import MONOLITHIC_ROOT
from tests.testbed.recorder import Recorder

pytestmark = pytest.mark.skipif(bool(MONOLITHIC_ROOT), reason="the commands are those of VOLTTRON 11")


@pytest.fixture(scope="module", params=["standard", "simple"])
def installed(request, folder, kept):
    """A pair, `pair.spare`, another platform, and `pair.recorder` of the three. Tests take `pair`, which is in order.

    In standard failover a bare platform is its VC, and `pair.next_central` is another one, which does not run yet.
    """
    here = folder / ("recipes-" + request.param)
    with contextlib.ExitStack() as stack:
        def closing(one):
            return stack.enter_context(contextlib.closing(one))

        central = next_central = None
        if request.param == "standard":
            central, next_central = closing(Witness(here / "c")), closing(Witness(here / "d"))
            central.install()
        pair = Pair(here, None, central)
        pair.next_central, pair.spare = next_central, Side(here / "n", "secondary", name="node-new")
        sides = [closing(side) for side in pair.sides + (pair.spare,)]
        request.config.stash[PAIRS].shown["installed"] = pair
        pair.install(kept=kept, **settings(pair))
        pair.recorder = closing(Recorder([side.platform for side in sides]))
        pair.recorder.start()
        yield pair


@pytest.fixture
def pair(installed):
    """The pair in order, and its recorder, which began anew. In standard failover no two copies have run in the end."""
    await_normal(installed)
    for side in installed.sides:
        side.observer.alerts.clear()
    installed.recorder.clear()
    yield installed
    assert installed.recorder.longest_gap < 10, "the recorder did not get to look"
    assert installed.central is None or installed.recorder.overlap() == 0, "both ran:\n" + installed.recorder.story()


def settings(pair):
    """What makes the configuration one of standard failover, if this is such a pair."""
    return {} if pair.central is None else dict(
        STANDARD, volttron_central_vip=pair.central.platform.address,
        volttron_central_serverkey=pair.central.platform.serverkey, volttron_central_identity="platform.health")


standard_only = pytest.mark.parametrize("installed", ["standard"], indirect=True)


def await_normal(pair):
    wait(lambda: is_normal(pair) and (pair.central is None or all(
        status and status["vc"]["liveness"] == "up" for status in (side.status() for side in pair.sides))),
         LIMIT, "the normal state")


def await_bad(side, names, what):
    """Wait until just these things are BAD in the checklist."""
    wait(lambda: [one["name"] for one in check(side) if one["level"] == "BAD"] == names, LIMIT, what)


def check(side):
    """Return the checklist, which is the same as on the command line."""
    with contextlib.suppress(LinkError, RemoteError):
        return side.observer.call(FAILOVER, "check")
    return [{"name": "failover agent", "level": "BAD"}]


def await_in_order(pair):
    for side in pair.sides:
        await_bad(side, [], "everything is in order on " + side.platform.name)


def await_runs(pair, counts):
    """Wait until the recorder has seen that the managed agent ran so many times on each side."""
    def seen():
        return [len(pair.recorder.intervals(side.platform)) for side in pair.sides] == counts

    wait(seen, LIMIT, "{} runs on the two sides".format(counts))


def remove(side, identity):
    side.stop_agent(identity)
    side.platform.vctl("remove", side.platform.uuid(identity))


def pid(side):
    [process] = side.platform.processes(MANAGED)
    return process.pid


@standard_only
def test_the_managed_agent_is_upgraded_one_side_after_the_other(pair):
    """It is down for the two switchovers and at no other time."""
    primary, secondary = pair.sides
    release = shutil.copytree(MANAGED_AGENT, primary.platform.root / "release" / MANAGED_AGENT.name)
    project = release / "pyproject.toml"
    project.write_text(project.read_text().replace('version = "1.0.0"', 'version = "1.0.1"'))
    for standby, active in pair.each_way[::-1]:
        standby.platform.vctl("remove", standby.platform.uuid(MANAGED))
        standby.platform.install(release, identity=MANAGED, start=False)
        await_bad(standby, [], "the new release is ready")
        level = "WARN" if standby is secondary else "OK"
        wait(lambda: any((one["name"], one["level"]) == ("managed agent's version", level) for one in check(standby)),
             LIMIT, "the releases on both sides are compared")
        assert "{} is active".format(standby.platform.name) in order(standby, "switchover")
        assert standby.runs() and not active.runs()
    await_runs(pair, [2, 1])
    ran = [pair.recorder.intervals(side.platform) for side in pair.sides]
    assert max(ran[1][0][0] - ran[0][0][1], ran[0][1][0] - ran[1][0][1]) < 30, pair.recorder.story()


@standard_only
def test_the_pair_goes_by_another_vc(pair):
    """Until both do, both say so, and a switchover works."""
    primary, secondary = pair.sides
    former, central = pair.central, pair.next_central
    central.install()
    for standby in (secondary, primary):
        standby.register_at(central)
        standby.configure(volttron_central_vip=central.platform.address,
                          volttron_central_serverkey=central.platform.serverkey)
        standby.restart_agent(FAILOVER)
        if standby is secondary:
            for side in pair.sides:
                await_bad(side, ["VOLTTRON Central"], "the two go by different VCs")
        else:
            await_in_order(pair)
        assert "{} is active".format(standby.platform.name) in order(standby, "switchover")
    pair.central = central
    former.platform.power_off()
    await_normal(pair)
    assert {side.said()["vc"]["address"] for side in pair.sides} == {central.platform.address}
    await_runs(pair, [2, 1])


def test_the_platform_on_standby_gets_another_key(pair):
    """Until the other side knows it, the one on standby hears nothing and would take over: hence the pause."""
    active, standby = pair.sides
    before = pid(active)
    order(active, "pause", "--for", "30m")
    await_status(standby, lambda status: status["standing"] == "PAUSED", "a pause")
    standby.platform.stop()
    standby.platform.forget_key()
    standby.observer.close()
    standby.observer = None
    standby.power_on()
    standby.start_agent(FAILOVER)  # Enabled, it would start with the platform.
    await_status(standby, lambda status: status["other"]["liveness"] == "down", "the active side is not heard")
    active.configure(remote_serverkey=standby.platform.serverkey)
    active.restart_agent(FAILOVER)
    for side in pair.sides:
        await_bad(side, ["pause"], "nothing is BAD but the pause")
    assert not standby.runs()
    order(active, "resume")
    await_normal(pair)
    await_in_order(pair)
    assert pair.recorder.intervals(standby.platform) == []
    assert pair.central is not None or pid(active) == before


def test_a_failover_agent_gets_another_key(pair):
    """It was removed and installed again. Where the former key is registered, `vctl auth add` alone would leave that."""
    active, standby = pair.sides
    before, former, name = pid(active), standby.platform.publickey(FAILOVER), "{}.failover".format(standby.platform.name)
    others = [side for side in (active, pair.central) if side is not None]
    remove(standby, FAILOVER)
    for there in others:
        there.platform.vctl("auth", "remove", name, answer="y\n")
    standby.install_failover(active, **settings(pair))
    for there in others[1:]:
        standby.register_at(there)
    assert {there.platform.publickey(name) for there in others} == {standby.platform.publickey(FAILOVER)} != {former}
    standby.start_agent(FAILOVER)
    await_normal(pair)
    await_in_order(pair)
    assert pid(active) == before


def replace(pair, old, stays):
    """Put the spare platform, on which the managed agent is installed, in the place of another one, which is gone."""
    new, pair.spare = pair.spare, old
    new.role = old.role
    new.install_failover(stays, **settings(pair))
    if pair.central is not None:
        new.register_at(pair.central)
    stays.register_at(new)
    stays.configure(remote_vip=new.platform.address, remote_serverkey=new.platform.serverkey)
    stays.restart_agent(FAILOVER)
    if pair.central is None:
        assert stays.runs()
    new.start_agent(FAILOVER)
    if old is pair.primary:
        pair.primary = new
    else:
        pair.secondary = new


def test_another_platform_takes_the_place_of_the_one_on_standby(pair):
    """The new one starts nothing, and in simple failover the managed agent goes on where it is."""
    stays, old = pair.sides
    new, before = pair.spare, pid(stays)
    remove(old, FAILOVER)
    new.power_on()
    new.platform.install(MANAGED_AGENT, identity=MANAGED, start=False)
    replace(pair, old, stays)
    await_normal(pair)
    await_in_order(pair)
    assert stays.said()["other"]["instance_name"] == "node-new"
    assert pair.recorder.intervals(new.platform) == pair.recorder.intervals(old.platform) == [], pair.recorder.story()
    assert pair.central is not None or pid(stays) == before


def test_another_platform_takes_the_place_of_a_lost_one(pair):
    """The secondary, which has taken over, gives back to a primary that it has never met."""
    old, stays = pair.sides
    old.platform.power_off()
    await_takeover(pair)
    stays.observer.alerts.clear()
    replace(pair, old, stays)
    await_normal(pair)
    await_in_order(pair)
    assert stays.said()["other"]["instance_name"] == "node-secondary"
    await_runs(pair, [1, 1])


def test_the_pair_is_removed(pair):
    active, standby = pair.sides
    before = pid(active)
    remove(standby, FAILOVER)
    await_status(active, lambda status: status["other"]["liveness"] == "down", "the end of the other side")
    assert pid(active) == before
    remove(active, FAILOVER)
    wait(lambda: active.runs() is (pair.central is None), LIMIT, "what is left of it")
    active.start_agent(MANAGED)
    active.platform.enable(MANAGED)
    wait(active.runs, LIMIT, "the managed agent without failover")
    assert not standby.runs()
    active.platform.stop()
    active.power_on()
    wait(active.runs, LIMIT, "the managed agent with its platform")
