"""What only a platform of VOLTTRON 9 has: settings for VOLTTRON Central, and a store of known hosts."""

import contextlib
import json

import pytest

from tests.pair import FAILOVER, MANAGED, REPOSITORY, Side, await_status, wait
from tests.platforms import MONOLITHIC_ROOT, MonolithicPlatform

pytestmark = pytest.mark.skipif(not MONOLITHIC_ROOT, reason="needs VOLTTRON 9: `make test-monolithic`")

LIMIT = 60
VC, VC_KEY = "tcp://127.0.0.1:1", "v" * 42 + "A"
OTHER, OTHER_KEY, WRONG_KEY = "tcp://127.0.0.1:2", "o" * 42 + "A", "w" * 42 + "A"


@pytest.fixture
def side(folder):
    """A platform with these settings and this known host."""
    with contextlib.closing(Side(folder / "known", "primary", kind=MonolithicPlatform)) as side:
        side.platform.set(volttron_central_address=VC, volttron_central_serverkey=VC_KEY)
        side.power_on()
        side.platform.vctl("auth", "add-known-host", "--host", OTHER.split("//")[1], "--serverkey", OTHER_KEY)
        yield side


def test_what_the_platform_knows_need_not_be_configured(side):
    def log():
        return side.platform.log.read_text()

    raw = json.loads((REPOSITORY / "config" / "primary.json").read_text())
    raw.update(simple_behavior=False, remote_vip=OTHER)
    del raw["remote_serverkey"]
    side.platform.install(REPOSITORY, config=raw)
    status = await_status(side, lambda status: status["vc"]["last_error"] and status["link"]["last_error"], "errors")
    assert status["vc"]["address"] == VC and "nothing listens" in status["vc"]["last_error"]
    assert status["link"]["address"] == OTHER and "nothing listens" in status["link"]["last_error"]
    assert status["managed_agent"]["identity"] == MANAGED
    side.stop_agent(FAILOVER)

    side.configure(remote_serverkey=WRONG_KEY, volttron_central_vip=VC, volttron_central_serverkey=WRONG_KEY)
    side.start_agent(FAILOVER)
    wait(lambda: not side.runs(FAILOVER), LIMIT, "its end")
    for key, known in (("remote_serverkey", OTHER_KEY), ("volttron_central_serverkey", VC_KEY)):
        [line] = [line for line in log().splitlines() if "configuration: {}:".format(key) in line]
        assert WRONG_KEY in line and known in line
    assert "Traceback" not in log()
