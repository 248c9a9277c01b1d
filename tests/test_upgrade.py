"""A rolling upgrade in simple failover: the original Failover Agent of VOLTTRON 9 on one side, ours on the other.

The original is installed from its folder in the checkout of VOLTTRON 9, and knows nothing of ours.
"""

import contextlib
from pathlib import Path

import pytest

from tests.testbed.pair import LIMIT, REPOSITORY, Pair, await_give_back, await_status, await_takeover, wait
from tests.testbed.platforms import MONOLITHIC_ROOT

pytestmark = pytest.mark.skipif(not MONOLITHIC_ROOT, reason="needs VOLTTRON 9: `make test-monolithic`")

ORIGINAL = Path(MONOLITHIC_ROOT or "/", "deprecated", "FailoverAgent")


def await_normal(pair):
    wait(lambda: pair.primary.runs() and not pair.secondary.runs(), LIMIT, "the primary runs, the secondary not")


@pytest.mark.parametrize("role", ["primary", "secondary"])
def test_the_original_on_one_side_is_replaced_by_ours(show_logs, folder, role):
    """Takeover and give-back work with the original there, and with ours in its place after the upgrade."""
    with contextlib.closing(show_logs(Pair(folder / ("original-" + role)))) as pair:
        upgraded, other = pair.sides if role == "primary" else pair.sides[::-1]
        upgraded.failover_source = ORIGINAL
        pair.install()
        await_normal(pair)
        await_status(other, lambda status: status["other"]["liveness"] == "up" and status["health"] == "GOOD",
                     "the original is heard")
        pair.settle()

        pair.primary.platform.power_off()
        if role == "primary":
            await_takeover(pair)
        else:
            wait(pair.secondary.runs, LIMIT, "takeover by the original")
        pair.primary.bring_back()
        if role == "primary":
            await_give_back(pair)
        else:
            await_normal(pair)

        pair.settle()
        upgraded.replace_failover(REPOSITORY, other)
        for side in pair.sides:
            await_status(side, lambda status: status["other"]["liveness"] == "up" and status["health"] == "GOOD"
                         and status["other"]["instance_name"], "each hears the other's words")
        await_normal(pair)
        pair.settle()
        pair.secondary.observer.alerts.clear()
        pair.primary.platform.power_off()
        await_takeover(pair)
        pair.primary.bring_back()
        await_give_back(pair)
