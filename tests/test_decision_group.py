"""Several managed agents as one: their order, and that all of them are gone in time."""

import itertools
import random

import pytest

from failover.decision.effects import Launch, PrepareStart, Stop
from failover.decision.events import CommandEnded, ReadyToStart, StartAnswered
from failover.decision.group import state_of
from failover.decision.setup import Record
from failover.decision.vocabulary import AgentState, Command, Path
from tests.driving import GRACE, TIMEOUT, TIMING, Core, heartbeat

RUNNING, STOPPED, MISSING, UNKNOWN, STARTING = (
    AgentState.RUNNING, AgentState.STOPPED, AgentState.MISSING, AgentState.UNKNOWN, AgentState.STARTING)
AGENTS = ("driver", "actuator", "control")


class Machine:
    """A side with three managed agents. It does what it is told; time goes on in steps of an eighth of a second.

    :ivar takes: seconds that each agent takes to end; one that takes longer than a stop has is killed at its end.
    :ivar runs: the agents that run, in the order of their start.
    :ivar story: (moment, what, agent) of each start and end.
    """

    def __init__(self, role, mode):
        self.core = Core(role, mode, agents=AGENTS, record=Record(peer_terms=TIMING))
        self.now, self.runs, self.story = 0.0, [], []
        self.takes = dict.fromkeys(AGENTS, 0.5)
        self.missing, self.fails, self.stuck = set(), set(), set()
        self._due, self._done = [], 0
        self._numbers = itertools.count(1)
        self._heard = self._sent = None

    def run(self, seconds, peer=None, vc=False):
        """Let time pass. The peer is heard if `peer` says whether its agents may run; VC answers if `vc`."""
        until, core = self.now + seconds, self.core
        while self.now < until:
            self.now += 0.125
            for one in sorted(one for one in self._due if one[0] <= self.now):
                self._due.remove(one)
                one[2](*one[3])
            for agent in AGENTS:
                state = MISSING if agent in self.missing else RUNNING if agent in self.runs else STOPPED
                core.observe(state, self.now, agent=agent)
            if peer is not None and self.now % 1.0 == 0:
                other, mode = "secondary" if core.setup.role == "primary" else "primary", core.setup.mode
                core.hear(heartbeat(next(self._numbers), agent_id=other, mode=mode, may_run=peer,
                                    agent_vip_identity="driver+actuator+control")._replace(
                    heard_boot_id="boot-here" if self._sent else None, heard_sequence=self._sent), self.now)
            for one in (core.beat(self.now), core.ask_vc(self.now) if vc else core.beat(self.now, Path.VC)):
                self._sent = self._sent if one is None else one.sequence
            for effect in core.effects[self._done:]:
                self._perform(effect)
            self._done = len(core.effects)

    def _perform(self, effect):
        number = getattr(effect, "number", None)
        if isinstance(effect, PrepareStart):
            self._at(0.0, self.core.post, ReadyToStart(effect.agent, number))
        elif isinstance(effect, Launch):
            self._at(0.2, self._started, effect.agent, number)
        elif isinstance(effect, Stop):
            self.story.append((self.now, "stop", effect.agent))
            if effect.agent not in self.stuck:
                self._at(min(self.takes[effect.agent], effect.within), self._ended, effect.agent, number)

    def _at(self, delay, call, *args):
        self._due.append((self.now + delay, next(self._numbers), call, args))

    def _started(self, agent, number):
        succeeds = agent not in self.fails
        if succeeds:
            self.runs.append(agent)
            self.story.append((self.now, "runs", agent))
        self.core.post(StartAnswered(agent, number), self.now)
        self.core.post(CommandEnded(agent, number, Command.START, succeeds), self.now)

    def _ended(self, agent, number):
        if agent in self.runs:
            self.runs.remove(agent)
            self.story.append((self.now, "gone", agent))
        self.core.post(CommandEnded(agent, number, Command.STOP, True, is_gone=True), self.now)

    def told(self, what):
        return [agent for _, told, agent in self.story if told == what]

    def moment(self, what, agent):
        return next(at for at, told, one in self.story if (told, one) == (what, agent))


def active(mode, role="primary"):
    """A side whose agents all run."""
    machine = Machine(role, mode)
    machine.run(40, peer=False if role == "primary" else None, vc=mode == "standard")
    assert machine.runs == list(AGENTS), machine.story
    return machine


@pytest.mark.parametrize("mode", ["simple", "standard"])
def test_they_start_in_their_order_each_when_those_before_it_run(mode):
    machine = active(mode)
    assert machine.told("runs") == list(AGENTS) and not machine.told("stop")
    assert len(machine.core.given(Launch)) == 3


@pytest.mark.parametrize("mode", ["simple", "standard"])
def test_they_stop_in_the_reverse_order_each_when_those_after_it_are_gone(mode):
    machine = active(mode, "secondary" if mode == "simple" else "primary")
    machine.run(30, peer=True if mode == "simple" else None)
    assert machine.story[-6:] == sorted(machine.story[-6:])
    assert [(what, agent) for _, what, agent in machine.story[-6:]] == [
        ("stop", "control"), ("gone", "control"), ("stop", "actuator"), ("gone", "actuator"), ("stop", "driver"),
        ("gone", "driver")]


@pytest.mark.parametrize("mode", ["simple", "standard"])
def test_one_that_does_not_end_has_its_share_of_the_time(mode):
    machine = active(mode, "secondary" if mode == "simple" else "primary")
    machine.takes = dict.fromkeys(AGENTS, 100.0)
    machine.run(30, peer=True if mode == "simple" else None)
    begin = machine.moment("stop", "control")
    for number, agent in enumerate(reversed(AGENTS)):
        assert machine.moment("gone", agent) - begin == pytest.approx((number + 1) * GRACE / 3, abs=0.3), machine.story


@pytest.mark.parametrize("seed", range(20))
def test_in_standard_failover_all_are_gone_when_the_time_is_over(seed):
    machine, chance = active("standard"), random.Random(seed)
    machine.takes = {agent: chance.choice((0.1, 1.0, 3.0, 100.0)) * chance.random() for agent in AGENTS}
    isolated, lost = machine.now, None
    while machine.now < isolated + 40:
        machine.run(0.125)
        lost = lost or (None if machine.core.lease.is_held else machine.core.lease.given_up_at)
    assert isolated + TIMEOUT - 1.5 <= lost <= isolated + TIMEOUT
    assert machine.runs == [] and max(at for at, what, _ in machine.story if what == "gone") <= lost + GRACE + 0.3


@pytest.mark.parametrize("mode", ["simple", "standard"])
def test_one_that_nothing_ends_does_not_keep_the_others(mode):
    machine = active(mode, "secondary" if mode == "simple" else "primary")
    machine.stuck.add("control")
    machine.run(20, peer=True if mode == "simple" else None)
    begin = machine.moment("stop", "control")
    assert machine.runs == ["control"] and machine.moment("gone", "driver") - begin <= GRACE + 0.3, machine.story


def test_without_the_one_before_it_none_starts():
    machine = Machine("primary", "simple")
    machine.missing.add("actuator")
    machine.run(20, peer=False)
    assert machine.runs == ["driver"]
    machine.missing.clear()
    machine.fails.add("actuator")
    machine.run(30, peer=False)
    assert machine.runs == ["driver"]
    machine.fails.clear()
    machine.run(90, peer=False)
    assert machine.runs == list(AGENTS)


def test_one_that_ends_is_started_again_and_the_others_run_on():
    machine = active("simple")
    machine.runs.remove("driver")
    machine.run(10, peer=False)
    assert sorted(machine.runs) == sorted(AGENTS) and not machine.told("stop") and machine.told("runs")[3:] == ["driver"]


def test_any_that_runs_is_said_to_run():
    machine = active("standard")
    machine.takes = dict.fromkeys(AGENTS, 100.0)
    machine.run(TIMEOUT + 1)
    machine.run(GRACE / 2)
    assert "control" not in machine.runs and "driver" in machine.runs and machine.core.state.may_run


def test_a_copy_that_appears_without_a_lease_has_no_time():
    machine = active("standard")
    machine.run(40)
    assert machine.runs == [] and not machine.core.lease.is_held
    machine.takes = dict.fromkeys(AGENTS, 100.0)
    machine.runs = ["driver", "control"]
    machine.run(0.5)
    assert machine.runs == []


@pytest.mark.parametrize("states, wanted, state", [
    ((RUNNING, RUNNING), None, RUNNING), ((STOPPED, STOPPED), None, STOPPED), ((RUNNING, STOPPED), Command.START, STARTING),
    ((RUNNING, STOPPED), Command.STOP, RUNNING), ((RUNNING, MISSING), Command.START, MISSING),
    ((MISSING, UNKNOWN), None, UNKNOWN), ((STARTING, RUNNING), None, STARTING), ((MISSING,), None, MISSING)])
def test_the_state_of_all_of_them(states, wanted, state):
    assert state_of(states, wanted) is state
