"""The managed agent through control, with answers in orders that a real control gives only when it hangs."""

import contextlib
import importlib
import resource
import subprocess
import sys
import types

import gevent
import pytest

from failover import clock, process
from failover.decision.effects import Launch, PrepareStart, Stop
from failover.decision.events import CommandEnded
from failover.decision.vocabulary import AgentState, Command
from failover.runs import Runs
from tests.testbed.pair import LIMIT, wait

# Importing VOLTTRON replaces the sockets and threads of this process by gevent's, which the relays of other tests do
# without. Of VOLTTRON, control.py and those who use it need only these names.
_NAMES = types.ModuleType("failover.compat")
_NAMES.CONTROL = "platform.control"
_NAMES.RemoteError = type("RemoteError", (Exception,), {})
_NAMES.find_agent = lambda ask, identity, before: ask("identity_exists", identity) or None
_NAMES.is_refusal = lambda error: False
_NAMES.volttron_home = lambda: "/nowhere"
sys.modules["failover.compat"] = _NAMES
_observer, _group = map(importlib.import_module, ("failover.managed.observer", "failover.managed.group"))
_control, _executor, _processes, _strays = (sys.modules["failover." + one] for one in (
    "control", "managed.executor", "managed.processes", "managed.strays"))
for _name in [one for one in sys.modules if one.startswith(("failover.compat", "failover.control", "failover.managed."))]:
    del sys.modules[_name]
ControlError, ControlSilent, ManagedAgent = _control.ControlError, _control.ControlSilent, _control.ManagedAgent


class Control:
    """Answers as the control of a platform on which one agent is installed. While it hangs it does not."""

    def __init__(self):
        self.hangs = False
        self.status = [None, None]
        self.asked, self.asked_at = [], []

    def __call__(self, peer, method, *args):
        self.asked.append((method, *args))
        self.asked_at.append(clock.now())
        if self.hangs:
            gevent.sleep(60)
        if method == "identity_exists":
            return "uuid-1"
        if method == "agent_vip_identity":
            return "platform.driver"
        if args[0] is None:
            raise TypeError("expected a string for 'uuid'")
        if method == "start_agent":
            self.status = [7, None]
        return self.status if method == "agent_status" else None


@pytest.fixture
def control():
    return Control()


@pytest.fixture
def managed(control):
    return ManagedAgent(control, "platform.driver", answer_within=0.1)


def start(managed):
    """Start the agent as is done on platforms; return what control has answered by then."""
    answers = []
    managed.look_up()
    managed.start(lambda: answers.append(managed.start_is_open))
    return answers


@pytest.mark.parametrize("looks", [1, 2, 3, 4])
def test_a_start_that_control_does_not_answer_leaves_the_agent_known(managed, control, looks):
    for _ in range(looks):
        managed.observe()
    control.hangs = True
    with pytest.raises(ControlSilent):
        start(managed)
    control.hangs = False
    assert [managed.observe() for _ in range(3)].count(AgentState.STOPPED) >= 1
    assert start(managed) == [False] and AgentState.RUNNING in [managed.observe(), managed.observe()]
    assert ("agent_status", None) not in control.asked


def test_what_is_not_installed_any_more_is_not_started(managed, control):
    managed.observe()
    managed._call = lambda peer, method, *args: None
    with pytest.raises(ControlError, match="platform.driver is not installed any more"):
        start(managed)


@pytest.mark.parametrize("is_installed, words", [(True, "try `vctl start uuid-1`"), (False, "run `vctl install`")])
def test_a_failed_start_names_the_command_that_helps(managed, control, is_installed, words):
    def fail(peer, method, *args):
        if method == "start_agent":
            raise ValueError("no entry point")
        return control(peer, method, *args) if is_installed else None

    managed._call = fail
    executor, *_, events = executor_of(managed)
    executor.prepare_start(PrepareStart("platform.driver", 1))
    wait(lambda: events, 10, "what is needed")
    if is_installed:
        executor.launch(Launch("platform.driver", 2, None))
        wait(lambda: len(events) == 3, 10, "the start")
    assert words in executor._faults["start"] and "None" not in executor._faults["start"]


def test_a_failed_stop_of_what_is_not_installed_names_no_command_for_it(managed):
    executor, *_ = executor_of(managed)
    executor._fail(Command.STOP, "process 5 does not end")
    assert executor._faults["stop"] == "stop of platform.driver failed: process 5 does not end; see the platform's log"


def test_what_control_says_is_one_bounded_line(control):
    def fail(peer, method, *args):
        raise ValueError("x\nERROR forged" + "y" * 9_000_000)

    with pytest.raises(ControlError) as caught:
        ManagedAgent(fail, "platform.driver", 0.1).observe()
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_a_start_is_open_until_control_has_answered_it_whoever_waits(managed, control):
    managed.observe()

    def hang(peer, method, *args):
        if method == "start_agent":
            gevent.sleep(0.3)
        return control(peer, method, *args)

    managed._call = hang
    starting = gevent.spawn(start, managed)
    gevent.sleep(0.1)
    assert managed.start_is_open and managed.observe() in (AgentState.STOPPED, None)
    starting.kill()
    assert managed.start_is_open
    gevent.sleep(0.4)
    assert not managed.start_is_open


def test_a_start_that_is_refused_says_so(managed, control):
    managed.observe()

    def refuse(peer, method, *args):
        if method == "start_agent":
            raise ValueError("no entry point")
        return control(peer, method, *args)

    managed._call = refuse
    with pytest.raises(ControlError, match="no entry point"):
        start(managed)
    assert not managed.start_is_open


@pytest.mark.parametrize("status", [[None, None], [7, 0]], ids=["never started", "ended"])
def test_the_uuid_of_what_does_not_run_is_looked_up_now_and_then(managed, control, status):
    control.status = status
    seen = [managed.observe() for _ in range(20)]
    assert set(seen) == {AgentState.STOPPED, None}
    assert 3 <= [method for method, *_ in control.asked].count("identity_exists") <= 5


def test_the_uuid_is_looked_up_at_once_when_control_has_forgotten_the_agent(managed, control):
    control.status = [7, 0]
    managed.observe(), managed.observe()
    control.status = [None, None]
    control.asked.clear()
    managed.observe(), managed.observe()
    assert control.asked == [("agent_status", "uuid-1"), ("identity_exists", "platform.driver")]


def executor_of(managed):
    """Return what starts and stops an agent, its strays and runs, and the events that come of it."""
    events, runs = [], Runs()
    processes = _processes.Processes(managed, lambda: True, events.append)
    strays = _strays.Strays(managed, processes, runs, events.append, {})
    return _executor.Executor(managed, processes, strays, runs, events.append, lambda: True, str, {}), strays, runs, events


@contextlib.contextmanager
def observed(managed):
    """Have an agent observed, and provide the events."""
    executor, strays, runs, events = executor_of(managed)
    greenlet = gevent.spawn(_observer.Observer(managed, executor, strays, runs, 200.0, events.append, {}).run)
    try:
        yield events
    finally:
        greenlet.kill()


@pytest.fixture
def main(control):
    """A living process, of which control says that it is the agent's."""
    one = subprocess.Popen(["sleep", "60"])
    control.status = [one.pid, None]
    yield one
    one.kill()
    one.wait(10)


def test_control_is_asked_less_often_when_all_is_calm(managed, control, main, monkeypatch):
    for name, seconds in dict(_WATCH_EVERY=0.05, _CALM_EVERY=0.4, _CALM_AFTER=0.5).items():
        monkeypatch.setattr(_observer, name, seconds)
    with observed(managed):
        wait(lambda: len(control.asked) > 5 and control.asked_at[-1] - control.asked_at[-2] >= 0.4, 10, "a calm pause")


def test_the_end_of_the_process_is_noticed_at_once(managed, control, main, monkeypatch):
    for name, seconds in dict(_CALM_EVERY=60.0, _CALM_AFTER=0.0).items():
        monkeypatch.setattr(_observer, name, seconds)
    with observed(managed) as events:
        wait(lambda: len(events) == 2, 10, "the two looks with which it begins")
        assert {event.state for event in events} == {AgentState.RUNNING}
        control.status = [main.pid, -9]
        main.kill()
        wait(lambda: events[-1].state is AgentState.STOPPED, 10, "the end")


def test_what_a_command_has_done_is_seen_at_once_though_the_uuid_is_looked_up_first(managed, control, monkeypatch):
    for name in ("_WATCH_EVERY", "_CALM_EVERY"):
        monkeypatch.setattr(_observer, name, 60.0)
    control.status = [7, 0]
    managed.observe()
    managed._look_up = True
    executor, strays, runs, events = executor_of(managed)
    observer = _observer.Observer(managed, executor, strays, runs, 200.0, events.append, {})
    observer.look_now.clear()
    executor.ended_at = clock.now()
    greenlet = gevent.spawn(observer.run)
    try:
        wait(lambda: any(event.state is AgentState.STOPPED for event in events), 10, "the end")
    finally:
        greenlet.kill()


def test_a_stop_is_over_when_the_process_is_though_control_says_so_late(managed, control, main):
    managed.observe()

    def stop_and_sleep(peer, method, *args):
        if method == "stop_agent":
            main.kill()
            gevent.sleep(60)
        return control(peer, method, *args)

    managed._call = stop_and_sleep
    executor, *_, events = executor_of(managed)
    executor.stop(Stop("platform.driver", 1, 100.0))
    wait(lambda: events, 10, "the end")
    assert events == [CommandEnded("platform.driver", 1, Command.STOP, True, True)]


@pytest.mark.parametrize("timeout, seconds", [(4.0, 1.0), (6.0, 1.0), (9.0, 1.5), (10.0, 2.0), (60.0, 2.0), (1.0, 0.25)])
def test_a_silence_of_control_as_long_as_an_installation_takes_counts_as_none(timeout, seconds):
    assert _observer.Observer(None, None, None, None, timeout, None, {})._calm_every == seconds


def test_a_time_limit_that_is_swallowed_does_not_keep_the_signals_from_coming(managed, control, main):
    """As inside VOLTTRON's call."""
    managed.observe(), managed.observe()

    def swallow(peer, method, *args):
        while method == "stop_agent":
            with contextlib.suppress(gevent.Timeout):
                gevent.sleep(60)
        return control(peer, method, *args)

    managed._call = swallow
    executor, *_, events = executor_of(managed)
    executor.stop(Stop("platform.driver", 1, 2.0))
    wait(lambda: CommandEnded("platform.driver", 1, Command.STOP, True, True) in events, 10, "the end")
    assert main.wait(10) < 0


# What control names, and nobody can see from here: as with /proc that hides the processes of other users

@pytest.fixture
def unseen(managed, control):
    """Control says that the agent runs, as a process that is not there, until it is told to stop it."""
    control.status = [2 ** 22 + 1, None]
    managed.observe(), managed.observe()
    return managed


@pytest.mark.parametrize("within", [100.0, 0.1], ids=["usual", "at once"])
def test_control_stops_what_cannot_be_seen(unseen, control, within):
    executor, *_, events = executor_of(unseen)
    executor.stop(Stop("platform.driver", 1, within))
    wait(lambda: events, 10, "the end")
    assert ("stop_agent", "uuid-1") in control.asked
    assert events == [CommandEnded("platform.driver", 1, Command.STOP, True, True)]


def hang(*args):
    gevent.sleep(60)


def swallow_the_time_limit(*args):
    while True:
        with contextlib.suppress(gevent.Timeout):
            gevent.sleep(60)


@pytest.mark.parametrize("call", [hang, swallow_the_time_limit])
def test_what_cannot_be_seen_is_not_gone_because_control_is_silent(unseen, call):
    unseen._call = call
    executor, *_, events = executor_of(unseen)
    executor.stop(Stop("platform.driver", 1, 0.5))
    wait(lambda: events, 10, "the end")
    assert events == [CommandEnded("platform.driver", 1, Command.STOP, False, False)]
    assert "did not answer" in executor._faults["stop"]


def test_what_cannot_be_seen_is_a_problem(unseen, control):
    executor, strays, runs, events = executor_of(unseen)
    faults = {}
    greenlet = gevent.spawn(_observer.Observer(unseen, executor, strays, runs, 200.0, events.append, faults).run)
    try:
        wait(lambda: "cannot be seen" in faults.get("signals", ""), 10, "the problem")
    finally:
        greenlet.kill()


# No file descriptor is left, so that processes cannot be looked at

@pytest.fixture
def no_descriptors():
    """Return a context in which this process can open nothing."""
    @contextlib.contextmanager
    def exhausted():
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)

    gevent.sleep(0)  # gevent has what it needs.
    return exhausted


def stopped_without_descriptors(managed, no_descriptors, within=1.0):
    """Have an agent stopped, and return what comes of it: the event, and what is said of a failure."""
    executor, *_, events = executor_of(managed)
    with no_descriptors():
        executor.stop(Stop("platform.driver", 1, within))
        limit = clock.now() + 20
        while not any(isinstance(event, CommandEnded) for event in events) and clock.now() < limit:
            gevent.sleep(0.05)
    return [event for event in events if isinstance(event, CommandEnded)], executor._faults.get("stop", "")


@pytest.mark.parametrize("within", [1.0, 0.1], ids=["usual", "at once"])
def test_control_is_asked_though_no_process_can_be_looked_at(managed, control, no_descriptors, within):
    """Of the main process nothing is known yet."""
    managed.uuid = "uuid-1"
    events, said = stopped_without_descriptors(managed, no_descriptors, within)
    assert ("stop_agent", "uuid-1") in control.asked
    assert events == [CommandEnded("platform.driver", 1, Command.STOP, False, False)] and "cannot be looked at" in said


@pytest.mark.parametrize("within", [2.0, 0.1], ids=["usual", "at once"])
def test_what_control_does_not_end_is_told_by_signals_though_it_cannot_be_looked_at(managed, control, main, no_descriptors,
                                                                                    within):
    managed.observe()
    managed.observe()
    events, said = stopped_without_descriptors(managed, no_descriptors, within)
    assert (("stop_agent", "uuid-1") in control.asked) is (within == 2.0)
    assert main.wait(10) < 0
    assert not events[0].is_gone and "cannot be looked at" in said, "something else of it may be left"


def test_the_end_of_all_needs_no_look_at_processes(managed, control, main, no_descriptors):
    """As when the platform is gone."""
    managed.observe()
    managed.observe()
    one = types.SimpleNamespace(managed=managed, processes=_processes.Processes(managed, lambda: False, str))
    with no_descriptors(), pytest.raises(ControlError, match="cannot be looked at"):
        _group.Group([one], {}).end_all("its platform is gone", 1.0)
    assert main.wait(10) < 0


def test_nobody_is_started_twice_because_nobody_could_be_looked_at(managed, control, main, no_descriptors):
    """What cannot be looked at is not taken for gone."""
    processes = _processes.Processes(managed, lambda: True, str)
    for look in (processes.all, lambda: processes.beside(None)):
        with no_descriptors(), pytest.raises(OSError, match="Too many open files"):
            look()


# Several

class Member:
    """One of several managed agents: a stop of it, and what follows, take their time."""

    def __init__(self, log, name, stop=0.0, forbid=0.0, error=None):
        self.log, self.name, self._stop, self._forbid, self._error = log, name, stop, forbid, error
        self.managed = types.SimpleNamespace(identity=name)
        self.executor = self

    def stop_for_good(self, within):
        self.log.append((self.name, "stop"))
        gevent.sleep(min(self._stop, within))

    def forbid_for_good(self):
        self.log.append((self.name, "forbid"))
        gevent.sleep(self._forbid)
        if self._error:
            raise self._error


def test_a_silent_control_takes_no_time_from_the_end_of_the_others():
    log = []
    group = _group.Group([Member(log, name, forbid=0.2, error=ControlSilent("no answer")) for name in "abc"], {})
    with pytest.raises(ControlError, match="no answer"):
        group.stop_for_good(10.0)
    assert log == [("c", "stop"), ("b", "stop"), ("a", "stop"), ("a", "forbid")]


def test_each_is_kept_from_a_restart_though_control_refuses_one():
    log = []
    group = _group.Group([Member(log, name, error=ControlError("no such agent") if name == "a" else None) for name in "abc"], {})
    with pytest.raises(ControlError, match="no such agent"):
        group.stop_for_good(10.0)
    assert [name for name, what in log if what == "forbid"] == ["a", "b", "c"]


def test_whatever_goes_wrong_with_one_the_others_are_stopped():
    log = []
    members = [Member(log, name) for name in "ab"]
    members[1].stop_for_good = lambda within: 1 / 0
    with pytest.raises(ControlError, match="ZeroDivisionError"):
        _group.Group(members, {}).stop_for_good(10.0)
    assert log == [("a", "stop"), ("a", "forbid"), ("b", "forbid")]


def test_who_limits_the_end_of_all_is_told_that_time_is_up():
    group = _group.Group([Member([], name, stop=60.0) for name in "ab"], {})
    with pytest.raises(gevent.Timeout) as caught, gevent.Timeout(0.2) as limit:
        group.stop_for_good(60.0)
    assert caught.value is limit


def test_what_the_platform_starts_again_is_kept_away_until_it_cannot_come_any_more(managed, monkeypatch):
    """Also if the agent might have run for a moment in between, and if the platform had begun the start before it was forbidden."""
    alerts, copies = [], []
    processes = _processes.Processes(managed, lambda: True, alerts.append)

    def living():
        return [one for one in (process.find(copy.pid) for copy in copies) if one is not None and process.lives(one)]

    def copy():
        copies.append(subprocess.Popen(["sleep", "60"]))

    monkeypatch.setattr(processes, "beside", lambda pid: living())
    monkeypatch.setattr(_processes, "_STARTED_WITHIN", 60.0)
    try:
        processes.want(True)
        copy()
        processes.end(living, 0.0, "it may not run here")
        processes.want(False)
        gevent.sleep(0.1)
        copy()
        gevent.sleep(0.1)
        assert len(living()) == 1, "it may run now"
        processes.want(True)
        wait(lambda: not living(), LIMIT, "the end of a copy")
        processes.settled()
        copy()
        wait(lambda: not living(), LIMIT, "the end of a copy that the platform had begun to start")
        processes.want(False)
        processes.may_come()
        processes.want(True)
        copy()
        gevent.sleep(0.1)
        assert len(living()) == 1, "what has been started in order is stopped in order"
        assert len(alerts) == 3
    finally:
        for one in copies:
            one.kill()
            one.wait(10)
