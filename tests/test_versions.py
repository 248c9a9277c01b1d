"""A pair of one platform of VOLTTRON 11 and one of VOLTTRON 9, as on a site that moves one after the other."""

import contextlib

import pytest

from tests.pair import FAILOVER, LIMIT, Pair, await_give_back, await_status, await_takeover, wait
from tests.platforms import MONOLITHIC_ROOT, ModularPlatform, MonolithicPlatform

pytestmark = pytest.mark.skipif(not MONOLITHIC_ROOT, reason="needs VOLTTRON 9: `make test-monolithic`")


@pytest.mark.parametrize("kinds", [(ModularPlatform, MonolithicPlatform), (MonolithicPlatform, ModularPlatform)],
                         ids=["primary on 11", "primary on 9"])
def test_takeover_and_give_back_between_versions(folder, kinds, request):
    with contextlib.closing(Pair(folder / request.node.callspec.id.replace(" ", "-"), kinds=kinds)) as pair:
        pair.install()
        for side in pair.sides:
            await_status(side, lambda status: status["health"] == "GOOD" and status["other"]["liveness"] == "up"
                         and status["link"]["up"], "health of the " + side.role)
        wait(lambda: pair.primary.runs() and not pair.secondary.runs(), LIMIT, "the primary runs")
        pair.settle()
        pair.primary.platform.power_off()
        await_takeover(pair)
        pair.primary.bring_back()
        await_give_back(pair)
        pair.secondary.stop_agent(FAILOVER)
        await_status(pair.primary, lambda status: status["other"]["liveness"] == "down", "the secondary down")
