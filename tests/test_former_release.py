"""A rolling upgrade: the former release on one side, the present code on the other, in standard failover."""

import contextlib
from pathlib import Path

import gevent
import pytest

from failover.heartbeat import pair_topic, topic
from tests.testbed.central import Central
from tests.testbed.pair import FAILOVER, LIMIT, MANAGED, REPOSITORY, Pair, await_give_back, await_status, await_takeover, wait
from tests.testbed.platforms import MONOLITHIC_ROOT
from tests.testbed.recorder import Recorder

PERIOD = 0.5

[FORMER] = Path(__file__).parent.joinpath("testbed", "former").glob("*.whl")

pytestmark = pytest.mark.skipif(bool(MONOLITHIC_ROOT), reason="the former release is at hand for VOLTTRON 11")


def replace(side, other, central, source):
    """Put another release in the place of the one that is installed. VOLTTRON 11 deletes its data with it."""
    side.platform.vctl("remove", side.platform.uuid(FAILOVER))
    side.failover_source = source
    side.install_failover(other, central)
    if central:
        side.register_at(central)
    side.start_agent(FAILOVER)


def await_topics(pair, wanted):
    """Wait until heartbeats go out on these topics alone, on both platforms."""
    def heard():
        topics = {side: set() for side in pair.sides}
        for side, seen in topics.items():
            for prefix in "heartbeat/simple_", "failover/":
                side.observer.link.subscribe(prefix, lambda topic, *_, seen=seen: seen.add(topic))
        gevent.sleep(3 * PERIOD)
        return [topics[side] for side in pair.sides] == wanted

    wait(heard, LIMIT, "heartbeats on {}".format(wanted))


def await_normal(pair):
    for side in pair.sides:
        await_status(side, lambda status: status["other"]["liveness"] == "up" and status["vc"]["liveness"] == "up"
                     and status["health"] == "GOOD", "each side hears the other one and VC")
    wait(lambda: pair.primary.runs() and not pair.secondary.runs(), LIMIT, "the primary runs, the secondary not")
    pair.settle()


@pytest.mark.parametrize("first", ["primary", "secondary"])
def test_either_side_can_be_upgraded_first(show_logs, folder, kept, first):
    """Takeover and give-back work with the two releases side by side, and never do both run."""
    with contextlib.closing(Central(folder / ("former-central-" + first))) as central, contextlib.closing(show_logs(
            Pair(folder / ("former-" + first), None, central))) as pair:
        upgraded, other = pair.sides if first == "primary" else pair.sides[::-1]
        for side in pair.sides:
            side.failover_source = FORMER
        central.install(kept)
        pair.install(kept=kept)
        await_normal(pair)
        with contextlib.closing(Recorder([side.platform for side in pair.sides])) as recorder:
            recorder.start()
            replace(upgraded, other, central, REPOSITORY)
            await_normal(pair)
            pair.secondary.observer.alerts.clear()
            pair.primary.platform.power_off()
            await_takeover(pair)
            pair.primary.bring_back()
            await_give_back(pair)
            assert not upgraded.said()["other"]["signs"], "the former release cannot"
            if first == "primary":
                replace(other, upgraded, central, REPOSITORY)
                await_normal(pair)
                for side in pair.sides:
                    await_status(side, lambda status: status["other"]["signs"], "signatures")
            assert recorder.overlap() == 0, recorder.story()


def test_a_pair_leaves_its_own_topics_when_one_side_goes_back_to_the_former_release(show_logs, folder, kept):
    """That side listens to the common topics alone, and publishes on nothing else. It is heard before it counts as down."""
    common = [topic("secondary", "simple"), topic("primary", "simple")]
    own = [pair_topic("secondary", "simple", MANAGED), pair_topic("primary", "simple", MANAGED)]
    with contextlib.closing(show_logs(Pair(folder / "former-topics"))) as pair:
        pair.install(kept=kept, require_signatures=False, heartbeat_period=PERIOD)
        await_topics(pair, [{own[0]}, {own[1]}])
        replace(pair.primary, pair.secondary, None, FORMER)
        for side in pair.sides:
            await_status(side, lambda status: status["other"]["liveness"] == "up", "each side hears the other one")
        await_topics(pair, [{common[0], own[0]}, {common[1]}])
        wait(lambda: pair.primary.runs() and not pair.secondary.runs(), LIMIT, "the primary runs, the secondary not")
