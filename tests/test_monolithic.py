"""What only a platform of VOLTTRON 9 has: settings for VOLTTRON Central, and a store of known hosts."""

import contextlib
import json
import subprocess

import pytest

from tests.conftest import is_normal
from tests.testbed.central import RealCentral
from tests.testbed.pair import FAILOVER, LIMIT, MANAGED, REPOSITORY, Pair, Side, await_status, wait
from tests.testbed.platforms import MONOLITHIC_PYTHON, MONOLITHIC_ROOT, MonolithicPlatform

pytestmark = pytest.mark.skipif(not MONOLITHIC_ROOT, reason="needs VOLTTRON 9: `make test-monolithic`")

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
    pyzmq = subprocess.run([MONOLITHIC_PYTHON, "-c", "import zmq; print(zmq.pyzmq_version())"], check=True,
                           capture_output=True, text=True).stdout.strip()
    warnings = [line for line in log().splitlines() if "WARNING: platform: " in line]
    if int(pyzmq.split(".")[0]) < 23:
        assert warnings == []
    else:
        [line] = warnings
        assert "with pyzmq {} ".format(pyzmq) in line and "pip install pyzmq==22.3.0" in line
    side.stop_agent(FAILOVER)

    side.configure(remote_serverkey=WRONG_KEY, volttron_central_vip=VC, volttron_central_serverkey=WRONG_KEY)
    side.start_agent(FAILOVER)
    wait(lambda: not side.runs(FAILOVER), LIMIT, "its end")
    for key, known in (("remote_serverkey", OTHER_KEY), ("volttron_central_serverkey", VC_KEY)):
        [line] = [line for line in log().splitlines() if "configuration: {}:".format(key) in line]
        assert WRONG_KEY in line and known in line
    assert "Traceback" not in log()


class CentralByWebAddress(RealCentral):
    """The platforms know VC by its web address, as `vcfg` writes it."""

    def prepare(self, side):
        side.platform.set(volttron_central_address=self.web_address)

    @property
    def web_address(self):
        return self.page[:-len("/vc/index.html")]


@pytest.mark.timeout(600)
def test_vc_is_found_by_its_web_address_when_it_comes_up_last(folder, show_logs):
    def found(side):
        status = side.status()
        return status and status["vc"]["up"] and status["vc"]["liveness"] == "up" and status

    with contextlib.closing(CentralByWebAddress(folder / "webcentral")) as central, contextlib.closing(
            show_logs(Pair(folder / "web", central=central))) as pair:
        central.install()
        pair.install(start=False, volttron_central_vip="", volttron_central_serverkey="")
        central.platform.stop()
        for side in pair.sides:
            side.start_agent(FAILOVER)
        asked = "asked {}/discovery/ for VC's VIP address: Connection refused".format(central.web_address)
        for side in pair.sides:
            status = await_status(side, lambda status: status["vc"]["liveness"] == "down" and status["problems"],
                                  "that VC is down")
            assert status["vc"]["address"] == central.web_address and status["vc"]["last_error"] == asked
            assert any(problem.endswith(asked) for problem in status["problems"]), status["problems"]
        wait(pair.primary.runs, LIMIT, "the managed agent: the two hear each other")

        central.bring_back()
        for side in pair.sides:
            wait(lambda: found(side), LIMIT, "VC")
            assert side.status()["vc"]["address"] == central.platform.address
        wait(lambda: is_normal(pair), LIMIT, "the pair's normal state")

        pair.primary.platform.power_off()
        wait(pair.secondary.runs, LIMIT, "takeover, which VC must have verified")
