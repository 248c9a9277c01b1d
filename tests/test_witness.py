"""Standard failover with a bare third platform of VOLTTRON 11 as the witness in VC's place: nothing is installed on it."""

import contextlib

import pytest

from tests.conftest import is_normal
from tests.test_standard_faults import SILENCE
from tests.testbed.central import StandInCentral
from tests.testbed.pair import (
    FAILOVER,
    LIMIT,
    Pair,
    await_alert,
    await_give_back,
    await_lasting,
    await_status,
    await_takeover,
    wait,
)
from tests.testbed.platforms import MONOLITHIC_ROOT
from tests.testbed.recorder import Recorder

pytestmark = pytest.mark.skipif(bool(MONOLITHIC_ROOT), reason="VOLTTRON 9 has VC")


class Witness(StandInCentral):
    """A platform without agents."""

    def install(self):
        self.power_on()

    def bring_back(self, identity=None):
        if self.platform.pid is None:
            self.platform.power_off()
            self.power_on()


def await_normal(pair):
    wait(lambda: is_normal(pair) and all(status and status["vc"]["liveness"] == "up" for status in (
        side.status() for side in pair.sides)), LIMIT, "the normal state")


def test_a_bare_platform_is_a_witness(show_logs, folder, kept):
    with contextlib.closing(Witness(folder / "witness")) as witness, contextlib.closing(show_logs(
            Pair(folder / "witnessed", None, witness))) as pair:
        witness.install()
        pair.install(kept=kept, volttron_central_identity="platform.health")
        await_normal(pair)
        with contextlib.closing(Recorder([side.platform for side in pair.sides])) as recorder:
            recorder.start()
            pair.primary.platform.power_off()
            await_takeover(pair)
            pair.primary.bring_back()
            await_give_back(pair)
            await_normal(pair)

            witness.platform.power_off()  # Then the primary goes on as long as the secondary answers.
            for side in pair.sides:
                await_status(side, lambda status: status["vc"]["liveness"] == "down", "no witness")
            assert pair.primary.runs() and not pair.secondary.runs()
            witness.bring_back()
            await_normal(pair)

            for relay in (pair.primary.to_other, pair.secondary.to_other, pair.primary.to_central):
                relay.stall()  # With neither it stops, and the secondary starts.
            await_takeover(pair)
            assert not pair.primary.runs()
            for relay in pair.relays:
                relay.resume()
            await_give_back(pair)
            await_normal(pair)

            # With a wrong key the primary cannot reach the secondary, and neither can check what the other one says.
            pair.primary.configure(remote_serverkey=witness.platform.serverkey)
            pair.primary.restart_agent(FAILOVER)
            for side in pair.sides:
                await_alert(side, "BAD", "signed with another key")
            await_lasting(lambda: pair.secondary.runs() and not pair.primary.runs(), SILENCE + 2, "the secondary alone")
            assert recorder.overlap() == 0, recorder.story()
