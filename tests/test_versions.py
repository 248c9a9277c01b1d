"""A pair of one platform of VOLTTRON 11 and one of VOLTTRON 9, as on a site that moves one after the other.

In standard failover VOLTTRON Central is on VOLTTRON 9, where it is at home. Only a platform of VOLTTRON 9 has a VCP.
"""

import contextlib

import pytest

from tests.testbed.central import Central
from tests.testbed.pair import FAILOVER, LIMIT, Pair, await_give_back, await_status, await_takeover, wait
from tests.testbed.platforms import MONOLITHIC_ROOT, ModularPlatform, MonolithicPlatform
from tests.testbed.recorder import Recorder

pytestmark = [
    pytest.mark.skipif(not MONOLITHIC_ROOT, reason="needs VOLTTRON 9: `make test-monolithic`"),
    pytest.mark.parametrize("kinds", [(ModularPlatform, MonolithicPlatform), (MonolithicPlatform, ModularPlatform)],
                            ids=["primary on 11", "primary on 9"])]


@pytest.fixture
def place(folder, request):
    """A folder of the test's own, with a short name."""
    return folder / "{}{}".format(request.function.__name__[5:8], request.node.callspec.id[-2:].strip())


def await_normal(pair):
    for side in pair.sides:
        await_status(side, lambda status: status["health"] == "GOOD" and status["other"]["liveness"] == "up"
                     and status["link"]["up"], "health of the " + side.role)
    wait(lambda: pair.primary.runs() and not pair.secondary.runs(), LIMIT, "the primary runs")
    pair.settle()


def test_simple_takeover_and_give_back(show_logs, place, kinds):
    with contextlib.closing(show_logs(Pair(place, kinds=kinds))) as pair:
        pair.install()
        await_normal(pair)
        pair.primary.platform.power_off()
        await_takeover(pair)
        pair.primary.bring_back()
        await_give_back(pair)
        pair.secondary.stop_agent(FAILOVER)
        await_status(pair.primary, lambda status: status["other"]["liveness"] == "down", "the secondary down")


def test_standard_takeover_and_give_back(show_logs, place, kinds):
    """After a power loss, and when the primary is cut off, of which the two never run at once."""
    with contextlib.ExitStack() as stack:
        central = stack.enter_context(contextlib.closing(Central(place / "c")))
        pair = stack.enter_context(contextlib.closing(show_logs(Pair(place, central=central, kinds=kinds))))
        central.install()
        pair.install()
        primary, secondary = pair.sides
        recorder = stack.enter_context(contextlib.closing(Recorder([side.platform for side in pair.sides]).start()))
        for fault, remedy in ((primary.platform.power_off, primary.bring_back),
                              (lambda: [relay.refuse() for relay in (primary.to_other, primary.to_central,
                                                                     secondary.to_other)],
                               lambda: [relay.resume() for relay in pair.relays])):
            for side in pair.sides:
                central.await_vcp(side)
                await_status(side, lambda status: status["vc"]["liveness"] == "up", "VC up")
            await_normal(pair)
            secondary.observer.alerts.clear()
            fault()
            await_takeover(pair)
            remedy()
            await_give_back(pair)
            wait(primary.runs, LIMIT, "the primary runs")
        assert recorder.longest_gap < 1, "the recorder did not get to look"
        assert recorder.overlap() == 0, recorder.story()
