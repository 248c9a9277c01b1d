"""The pair of platforms that the platform tests share, and the end of their logs when a test fails."""

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.pair import FAILOVER, REPOSITORY, Pair, wait

PAIR = pytest.StashKey()


@pytest.fixture(scope="session")
def folder():
    """A folder with a short name: a platform's socket in it must stay below 108 characters."""
    folder = Path(tempfile.mkdtemp(prefix="failover-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def measured():
    """The environment in which the failover agents' own processes measure their coverage."""
    return {"COVERAGE_PROCESS_START": str(REPOSITORY / "pyproject.toml"),
            "COVERAGE_FILE": str(REPOSITORY / ".coverage")}


@pytest.fixture(scope="session")
def installed_pair(request, folder, measured):
    """Two platforms with both agents on each, the failover agents started. Tests take `pair`, which is in order."""
    pair = Pair(folder / "pair", measured)
    request.config.stash[PAIR] = pair
    try:
        for side in pair.sides:
            measure_coverage(side.platform)
        pair.install()
        yield pair
        for side in pair.sides:
            if side.platform.pid:
                side.platform.thaw()
                side.platform.stop()
    finally:
        pair.close()


@pytest.fixture
def pair(installed_pair):
    """The pair in its normal state: everything up, the managed agent on the primary alone, no old alerts."""
    restore(installed_pair)
    for side in installed_pair.sides:
        side.observer.alerts.clear()
    return installed_pair


def restore(pair):
    """Bring the pair into its normal state, whatever a test before left behind."""
    for side in pair.sides:
        side.platform.thaw()
        if side.platform.pid is None:
            side.platform.power_off()
            side.power_on()
        if not side.runs(FAILOVER):
            side.start_agent(FAILOVER)
    wait(lambda: is_normal(pair), 60, "the pair's normal state")


def is_normal(pair):
    primary, secondary = (side.status() for side in pair.sides)
    return (primary and secondary and pair.primary.runs() and not pair.secondary.runs()
            and primary["health"] == secondary["health"] == "GOOD"
            and primary["other"]["liveness"] == secondary["other"]["liveness"] == "up"
            and not primary["other"]["may_run"] and secondary["other"]["may_run"])


def measure_coverage(platform):
    """Have each failover agent's process of this platform measure its coverage, and no other process."""
    [site_packages] = (platform.root / "env").glob("lib/python*/site-packages")
    (site_packages / "measure.pth").write_text(
        "import os; os.environ.get('AGENT_VIP_IDENTITY') == {!r} and "
        "__import__('coverage').process_startup()\n".format(FAILOVER))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed and PAIR in item.config.stash:
        report.sections.append(("end of both platforms' logs", item.config.stash[PAIR].tails()))
