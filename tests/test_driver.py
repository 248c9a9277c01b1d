"""The driver: what is posted is taken in, and nothing that goes wrong keeps time from going on."""

import gevent
import pytest

from failover import clock, driver
from failover.decision import machine
from failover.decision.effects import ProveHearing, Want
from failover.decision.events import AgentObserved, EndAsked, PlatformAnswered, PlatformSeen, Tick
from failover.decision.setup import Record, Setup
from failover.decision.vocabulary import AgentState, Timing
from failover.driver import Driver
from tests.testbed.pair import wait

TIMING = Timing(2.0, 0.5, 0.5)


class Recordist:
    def __init__(self):
        self.events, self.failures, self.error = [], [], None

    def add(self, at, event, effects, state):
        self.events.append(event)
        if self.error is not None:
            raise self.error

    def failed(self, what):
        self.failures.append(what)


class Shell:
    """What is around a driver, and keeps what it is told."""

    def __init__(self):
        self.effects, self.observed, self.given_up, self.seen = [], [], [], None
        self.recordist = Recordist()
        setup = Setup("simple", "primary", TIMING, 0.5, "here", "failover", ("agent",), "boot", 1.0)
        perform = dict.fromkeys((ProveHearing, Want), self.effects.append)
        self.driver = Driver(machine.initial(setup, Record(), clock.now()), perform, self.look, self.observe,
                             self.recordist, lambda: self.given_up.append(True))

    def look(self):
        seen, self.seen = self.seen, None
        return seen

    def observe(self, before, after, event, effects):
        self.observed.append(event)


@pytest.fixture
def shell():
    shell = Shell()
    greenlet = gevent.spawn(shell.driver.run)
    yield shell
    greenlet.kill()


def test_what_is_posted_is_taken_in_and_time_goes_on(shell):
    shell.driver.post(AgentObserved("agent", AgentState.RUNNING, clock.now()))
    wait(lambda: len(shell.observed) >= 4, 15, "some ticks")
    assert shell.observed == shell.recordist.events and shell.observed.count(Tick()) >= 3
    assert shell.effects[0] == Want("agent", shell.driver.state.decision.wanted, False)
    assert shell.driver.state.agents[0].state is AgentState.RUNNING


def test_what_is_seen_before_a_wait_comes_first(shell):
    shell.seen = PlatformSeen(False)
    wait(lambda: PlatformSeen(False) in shell.observed, 15, "the platform is gone")
    assert not shell.driver.state.sight.platform_lives


def test_an_event_is_dated_when_it_is_posted():
    shell = Shell()
    shell.driver.post(PlatformAnswered())
    posted = clock.now()
    gevent.sleep(0.2)
    greenlet = gevent.spawn(shell.driver.run)
    wait(lambda: shell.observed, 15, "a step")
    greenlet.kill()
    assert shell.driver.state.sight.platform_answered <= posted


@pytest.mark.parametrize("where", ["step", "perform", "observe", "record"])
def test_an_error_costs_one_event(shell, where, monkeypatch, caplog):
    def fail(*args):
        raise KeyError("unforeseen")

    with monkeypatch.context() as patch:
        if where == "step":
            patch.setattr(driver, "step", fail)
        elif where == "perform":
            patch.setattr(shell.driver, "_perform", {})
        elif where == "observe":
            patch.setattr(shell.driver, "_observe", fail)
        else:
            shell.recordist.error = KeyError("unforeseen")
        shell.driver.take(AgentObserved("agent", AgentState.RUNNING, clock.now()))
    shell.recordist.error = None
    assert shell.recordist.failures and "KeyError" in caplog.text
    assert shell.driver.state.agents[0].state is (AgentState.UNKNOWN if where == "step" else AgentState.RUNNING)
    if where in ("observe", "record"):
        assert shell.effects, "they are performed all the same"
    shell.driver.take(PlatformAnswered())
    assert shell.recordist.events[-1] == PlatformAnswered() and not shell.given_up


def fail(*args):
    raise OSError(24, "Too many open files")


@pytest.mark.parametrize("where", ["look", "deadline"])
def test_an_error_between_two_steps_does_not_keep_time_from_going_on(shell, where, monkeypatch):
    monkeypatch.setattr(*(shell.driver, "_look") if where == "look" else (driver, "deadline"), fail)
    shell.driver.post(AgentObserved("agent", AgentState.RUNNING, clock.now()))
    wait(lambda: len(shell.observed) >= 4, 15, "some ticks")
    assert shell.driver.state.agents[0].state is AgentState.RUNNING and shell.recordist.failures and not shell.given_up


def test_who_cannot_look_sees_nothing(shell, monkeypatch):
    monkeypatch.setattr(shell.driver, "_look", fail)
    assert shell.driver.look() is None


@pytest.mark.parametrize("also", ["nothing", "look", "deadline", "recording"])
def test_who_cannot_decide_any_more_gives_up(shell, also, monkeypatch):
    monkeypatch.setattr(driver, "step", lambda *args: 1 / 0)
    if also == "look":
        monkeypatch.setattr(shell.driver, "_look", fail)
    elif also == "deadline":
        monkeypatch.setattr(driver, "deadline", fail)
    elif also == "recording":
        monkeypatch.setattr(shell.recordist, "failed", fail)
    wait(lambda: shell.given_up, 15, "giving up")


def test_decide_performs_nothing():
    shell = Shell()
    shell.driver.decide(EndAsked())
    assert shell.driver.state.is_ending and shell.effects == shell.observed == []
