"""The pairs of platforms that the platform tests share, and the end of their logs when a test fails."""

import contextlib
import functools
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

import coverage
import pytest

from failover.recording.recording import read
from failover.recording.trace import trace
from failover.vip.link import LinkError, RemoteError
from tests.testbed.central import Central
from tests.testbed.kept import Kept
from tests.testbed.pair import FAILOVER, LIMIT, MANAGED, REPOSITORY, Pair, wait
from tests.testbed.platforms import MONOLITHIC_ROOT
from tests.testbed.recorder import Recorder

PAIRS = pytest.StashKey()

# Seconds in which a failover agent has stopped what runs at its start, if that may not go on.
STOPS_WITHIN = 3

# By how much a long computation has a lower priority than the platforms.
GIVES_WAY = 10

# Tests that share a pair of platforms run in one worker, one after the other. These files are long enough for a pair of
# their own, or, if they need both kinds, for one of each.
ALONE = ("test_standard", "test_standard_faults", "test_ending", "test_operators", "test_simple", "test_troubles")
SHARED = {"installed_standard_pair": "standard", "installed_pair": "simple"}

# What takes longest. It begins first, so that none is left over when all the others are done; among it something that
# needs no platforms, so that fewer are installed at the same time.
LONG = ("test_standard, standard", "test_simple, simple", "test_explore", "test_standard_faults, standard", "test_recipes",
        "test_former_release", "test_simulator", "test_operators, standard", "test_operators, simple", "test_troubles, simple",
        "test_link_faults", "test_ending, standard", "simple", "test_real_agents", "standard", "test_demo", "test_witness",
        "test_link_addresses", "test_troubles", "test_decision_pair", "test_process", "test_status_command")


def pytest_configure(config):
    config.stash[PAIRS] = Pairs()
    config.addinivalue_line("markers", "unmeasured: a long computation; what it covers is not measured, and it gives way "
                                       "to the platforms, which must be in time.")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """Do what pytest-cov's own marker `no_cover` does, but for each of the measurements that run in a worker of xdist."""
    stopped, gives_way = [], item.get_closest_marker("unmeasured") and may_raise_priority()
    while item.get_closest_marker("unmeasured") and coverage.Coverage.current():
        stopped.append(coverage.Coverage.current())
        stopped[-1].stop()
    if gives_way:
        os.nice(GIVES_WAY)
    yield
    if gives_way:
        os.nice(-GIVES_WAY)
    for one in reversed(stopped):
        one.start()


@functools.lru_cache(maxsize=None)
def may_raise_priority():
    """Whether this process can take back that it gives way."""
    try:
        os.nice(-1)
    except PermissionError:
        return False
    os.nice(1)
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    groups, names = {item: group_of(item) for item in items}, list(LONG)
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
        names += [group] if group not in names else []
    items.sort(key=lambda item: names.index(groups[item]))


def shares(item, fixture):
    """Whether a test takes the shared pair of this fixture."""
    # A fixture that takes either pair is not seen to need it, but says by its parameter which one.
    either = item.callspec.params.get("each_pair") if hasattr(item, "callspec") else None
    return SHARED[fixture] == either if either else fixture in item.fixturenames


def group_of(item):
    """Return the name of those tests which run in one worker, one after the other."""
    kinds = [kind for fixture, kind in SHARED.items() if shares(item, fixture)]
    if not kinds:
        return item.path.stem
    return kinds[0] if item.path.stem not in ALONE else "{}, {}".format(item.path.stem, kinds[0])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item, nextitem):
    """Close a pair after the last test that shares it. Platforms cost a percent of a core each, and what runs on them more."""
    try:
        return (yield)
    finally:
        if nextitem is None or group_of(nextitem) != group_of(item):
            item.config.stash[PAIRS].close()


class Pairs:
    """The pairs that tests share: each is installed when a test needs it.

    :ivar shown: the pairs whose logs are shown when a test fails that takes the fixture of this name.
    """

    def __init__(self):
        self.shown = {}
        self._failed = {}
        self._stack = contextlib.ExitStack()
        self._count = 0

    def get(self, name, installed, folder, measured, kept):
        """Return a pair. If it could not be installed before, raise what was raised then."""
        if name in self._failed:
            raise self._failed[name]
        if name not in self.shown:
            self._count += 1
            try:
                self._stack.enter_context(installed(folder / str(self._count), measured, kept, self.shown))
            except Exception as error:
                self._failed[name] = error
                raise
        return self.shown[name]

    def close(self):
        """Close all, and be ready for others."""
        self.shown.clear()
        self._failed.clear()
        self._stack.close()


@pytest.fixture(scope="session")
def folder():
    """A folder with a short name: a platform's socket in it must stay below 108 characters."""
    folder = Path(tempfile.mkdtemp(prefix="failover-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def measured(request):
    """The environment in which the failover agents' own processes measure their coverage, if it is measured."""
    if not request.config.getoption("cov_source", None):
        return {}
    return {"COVERAGE_PROCESS_START": str(REPOSITORY / "pyproject.toml"),
            "COVERAGE_FILE": str(REPOSITORY / ".coverage")}


@pytest.fixture(scope="session")
def kept(tmp_path_factory):
    """What one of the workers has installed, for all of them. None on VOLTTRON 9, whose files are others."""
    folder = tmp_path_factory.getbasetemp()
    return None if MONOLITHIC_ROOT else Kept((folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "kept")


@pytest.fixture
def installed_pair(request, folder, measured, kept):
    """Two platforms with both agents on each, the failover agents started. Tests take `pair`, which is in order."""
    return request.config.stash[PAIRS].get("installed_pair", simple_pair_in, folder, measured, kept)


@contextlib.contextmanager
def simple_pair_in(folder, measured, kept, pairs):
    pair = pairs["installed_pair"] = Pair(folder, measured)
    try:
        for side in pair.sides:
            measure_coverage(side.platform)
        pair.install(kept=kept)
        yield pair
        shut_down(pair, measured)
    finally:
        pair.close()


def shut_down(pair, measured):
    """If the failover agents measure their coverage, shut the platforms down in order: only then they write it."""
    for side in pair.sides if measured else ():
        if side.platform.pid:
            side.platform.thaw()
            side.platform.stop()


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
        side.bring_back()
        forget_troubles(side)
    take_orders_back(pair)
    wait(lambda: is_normal(pair) and all(map(has_said_all, pair.sides)), LIMIT, "the pair's normal state")
    pair.settle()


def take_orders_back(pair):
    """End a pause, and prefer the primary again, if a test has left it otherwise."""
    def is_done():
        statuses = [(side, side.status()) for side in pair.sides]
        for side, status in statuses:
            with contextlib.suppress(LinkError, RemoteError):  # It is refused until the primary is ready.
                if status and status["orders"]["paused_for"] is not None:
                    side.observer.order("resume", timeout=15)
                elif status and status["orders"]["preferred"] != "primary":
                    side.observer.order("switchover", "primary", timeout=15)
        return all(status and status["orders"]["paused_for"] is None and status["orders"]["preferred"] == "primary"
                   for _, status in statuses)

    wait(is_done, LIMIT, "nothing is ordered any more", interval=0.5)


def has_said_all(side):
    """Whether the alerts of a failover agent have been sent: they and its health are sent one after the other."""
    status = side.status()
    with contextlib.suppress(LinkError, RemoteError):
        return status is not None and side.health()["context"] == status["text"]
    return False


def forget_troubles(side):
    """Have the failover agent begin anew if it would still speak of what is over, for half a minute or so."""
    status = side.status()
    if status and any("flapping" in problem or " times within " in problem for problem in status["problems"]):
        side.restart_agent(FAILOVER)


def is_normal(pair):
    primary, secondary = (side.status() for side in pair.sides)
    return (primary and secondary and goes_on(pair.primary, primary["decided_for"]) and not pair.secondary.runs()
            and primary["health"] == secondary["health"] == "GOOD"
            and primary["other"]["liveness"] == secondary["other"]["liveness"] == "up"
            and not primary["other"]["may_run"] and secondary["other"]["may_run"])


def goes_on(side, decided_for):
    """Whether the managed agent runs, and was started by the present decision, or that has had the time to stop it first."""
    processes = side.platform.processes(MANAGED)
    return bool(processes) and (decided_for > STOPS_WITHIN or all(
        time.time() - process.create_time() < decided_for for process in processes))


@pytest.fixture
def installed_standard_pair(request, folder, measured, kept):
    """VOLTTRON Central, and a pair for standard failover. Tests take `standard_pair`, which is in order."""
    return request.config.stash[PAIRS].get("installed_standard_pair", standard_pair_in, folder, measured, kept)


@contextlib.contextmanager
def standard_pair_in(folder, measured, kept, pairs):
    central = Central(folder / "central")
    pair = pairs["installed_standard_pair"] = Pair(folder, measured, central)
    pair.recorder = Recorder([side.platform for side in pair.sides])
    try:
        central.install(kept)
        for side in pair.sides:
            measure_coverage(side.platform)
        pair.install(kept=kept)
        for side in pair.sides:
            side.config_file(MANAGED).write_text("{}\n")
        pair.configurations = {file: file.read_text() for side in pair.sides
                               for file in (side.config_file(FAILOVER), side.config_file(MANAGED))}
        pair.recorder.start()
        yield pair
        pair.recorder.close()
        shut_down(pair, measured)
    finally:
        pair.close()
        central.close()


@pytest.fixture
def standard_pair(installed_standard_pair):
    """The pair for standard failover in its normal state, with `recorder`, which began anew.

    In the end everything is brought in order again, and until then the managed agents have not run at once: for
    longer than `allowed_overlap`, which is 0 unless the test sets it and says why.
    """
    pair = installed_standard_pair
    restore_standard(pair)
    for side in pair.sides:
        side.observer.alerts.clear()
    pair.recorder.clear()
    pair.allowed_overlap = 0
    yield pair
    restore_standard(pair)
    assert pair.recorder.longest_gap < 10, "the recorder did not get to look"
    assert pair.recorder.overlap() <= pair.allowed_overlap, "both ran:\n" + pair.recorder.story()


def restore_standard(pair):
    """Bring the pair for standard failover into its normal state, whatever a test before left behind."""
    for relay in pair.relays:
        relay.resume()
    for side in (pair.central,) + pair.sides:
        side.platform.thaw()
    pair.central.bring_back()
    changed = [file for file, text in pair.configurations.items() if file.read_text() != text]
    for file in changed:
        file.write_text(pair.configurations[file])
    for side in pair.sides:
        if side.config_file(FAILOVER) in changed and side.platform.pid and side.runs(FAILOVER):
            side.stop_agent(FAILOVER)
        if side.config_file(MANAGED) in changed:
            for process in side.platform.processes(MANAGED):
                process.kill()
        side.bring_back()
        pair.central.await_vcp(side)
        forget_troubles(side)
    take_orders_back(pair)
    wait(lambda: is_normal(pair) and all(status and status["vc"]["liveness"] == "up" and status["vc"]["up"]
                                         for status in (side.status() for side in pair.sides))
         and all(map(has_said_all, pair.sides)), LIMIT, "the normal state of the pair for standard failover")
    pair.settle()


def measure_coverage(platform):
    """Have each failover agent's process of this platform measure its coverage, and no other process.

    A monolithic platform's agents run in an environment that is not ours to add anything to: they measure nothing.
    """
    if "COVERAGE_PROCESS_START" not in platform.env:
        return
    for site_packages in (platform.root / "env").glob("lib/python*/site-packages"):
        (site_packages / "measure.pth").write_text(
            "import os; os.environ.get('AGENT_VIP_IDENTITY') == {!r} and "
            "__import__('coverage').process_startup()\n".format(FAILOVER))


@pytest.fixture
def show_logs(request):
    """Return a function that has the end of a pair's logs shown if the test fails, and returns the pair."""
    pairs = request.config.stash[PAIRS].shown

    def show(pair):
        pairs["show_logs"] = pair
        return pair

    yield show
    pairs.pop("show_logs", None)


@pytest.fixture(params=["simple", "standard"])
def each_pair(request, show_logs):
    """Either pair. In the end the primary is preferred and nothing is paused."""
    pair = show_logs(request.getfixturevalue("pair" if request.param == "simple" else "standard_pair"))
    yield pair
    for side in pair.sides:
        side.bring_back()
    take_orders_back(pair)
    wait(lambda: is_normal(pair), LIMIT, "the normal state")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for fixture, pair in item.config.stash[PAIRS].shown.items():
            if fixture in item.fixturenames or fixture in SHARED and shares(item, fixture):
                report.sections.append(("end of the platforms' logs", pair.tails()))
                keep_recordings(item.name, pair, report.sections)


def keep_recordings(name, pair, sections):
    """Keep both sides' recordings below `test-recordings/`, and tell what is in them."""
    folder = REPOSITORY / "test-recordings" / re.sub(r"[^\w.-]", "_", name)
    try:
        for recording in pair.recordings():
            folder.mkdir(parents=True, exist_ok=True)
            kept = Path(shutil.copy(str(recording), str(folder)))
            sections.append(("recording {}".format(kept), "\n".join(trace(read(kept), 120.0))))
    except Exception as error:  # The test has failed, and what it says matters more.
        sections.append(("recordings", "there are none: {!r}".format(error)))
