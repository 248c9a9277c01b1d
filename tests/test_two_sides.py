"""Two decision cores that hear each other: what wrong configurations, a lost memory and broken clocks do to a pair."""

import copy
from dataclasses import replace

import pytest

from failover.config import Config
from failover.core import Action, AgentState, Core, Terms
from failover.lease import LeaseCore, Remembered

PERIOD, TIMEOUT, GRACE = 1.0, 10.0, 5.0
TERMS = Terms(TIMEOUT, PERIOD, GRACE)
STEP = 0.25


class Side:
    """A core on a platform that answers, whose managed agent starts and stops in no time."""

    def __init__(self, name, agent_id, simple, now=0.0, memory=None, vc="vc"):
        self.name, self.simple, self.vc, self.clock_ahead = name, simple, vc, 0.0
        self.configure(agent_id, now, Remembered(own_terms=TERMS, peer_terms=TERMS) if memory is None else memory)
        self.running = False

    def configure(self, agent_id, now, memory=None):
        config = Config(agent_id, self.simple, "tcp://127.0.0.1:1", "key", "platform.driver", PERIOD, TIMEOUT, GRACE)
        self.starts = getattr(self, "starts", 0) + 1
        names = self.name, "failover", "{}-{}".format(self.name, self.starts), now + self.clock_ahead
        if self.simple:
            self.core = Core(config, *names)
        else:
            self.core = LeaseCore(config, *names, memory if memory is not None else self.core.remembered)
            self.core.vc_known(self.vc)
        self.core.subscribed()


class Two:
    """Both sides. Time goes on in steps of a quarter of a second.

    :ivar both: at how many of them both managed agents ran.
    """

    def __init__(self, roles=("primary", "secondary"), simple=False, names=("a", "b"), **options):
        self.now, self.both, self.direct = 0.0, 0, True
        self.halted = None
        self.sides = [Side(name, role, simple, **options) for name, role in zip(names, roles)]

    def run(self, seconds):
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.now += STEP
            for side, other in zip(self.sides, self.sides[::-1]):
                if side is not self.halted:
                    self.step(side, other)
            self.both += all(side.running and side is not self.halted for side in self.sides)
        return [side.running for side in self.sides]

    def step(self, side, other):
        core, now = side.core, self.now + side.clock_ahead
        core.agent_observed(AgentState.RUNNING if side.running else AgentState.STOPPED, now, now)
        decision = core.decide(now)
        if core.wants_proof_of_hearing(now):
            core.hearing_asked(now)
            core.hearing_proven(now)
        if decision.command is not None:
            core.command_begun(decision.command)
            side.running = decision.command is Action.START
            core.command_ended(now)
        heartbeat = core.beat(now)
        if heartbeat is not None:
            core.beat_sent(heartbeat, now)
            if self.direct and other is not self.halted:
                other.core.heard(heartbeat, self.now + other.clock_ahead)
        if not side.simple:
            if core.wants_vcp(now):
                core.vcp_asked(now)
                core.vcp_silent(now)
            heartbeat = core.beat_to_vc(now)
            if heartbeat is not None:
                core.vc_asked(heartbeat, now)
                core.vc_answered(heartbeat.sequence, now)
                if side.vc == other.vc and other is not self.halted:
                    other.core.heard(heartbeat, self.now + other.clock_ahead, over_vc=True)


# The same role on both sides

ROLES = [("primary", "primary"), ("secondary", "secondary")]


@pytest.mark.parametrize("simple", [True, False])
@pytest.mark.parametrize("roles", ROLES, ids=lambda roles: roles[0])
@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")], ids="".join)
def test_of_two_with_the_same_role_the_first_by_name_runs(roles, names, simple):
    two = Two(roles, simple, names)
    assert two.run(60) == [name == "a" for name in names]
    assert two.both <= (0 if not simple else 2 * (TIMEOUT + GRACE) / STEP)
    two.both = 0
    two.run(600)
    assert two.both == 0
    for side in two.sides:
        assert side.core.rival(two.now) is not None
        assert side.core.role == ("primary" if side.name == "a" else "secondary")


@pytest.mark.parametrize("changed, role", [(0, "secondary"), (1, "primary")])
@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")], ids="".join)
def test_roles_that_are_exchanged_one_side_after_the_other_never_let_both_run(changed, role, names):
    two = Two(names=names)
    assert two.run(30) == [True, False]
    two.sides[changed].running = False  # Its failover agent is stopped in order, and with it the managed agent.
    two.sides[changed].configure(role, two.now)
    assert two.run(60) == [name == "a" for name in names]
    other = 1 - changed
    two.sides[other].running = False
    two.sides[other].configure("primary" if role == "secondary" else "secondary", two.now)
    assert two.run(60) == [False, True] and two.both == 0
    assert [side.core.rival(two.now) for side in two.sides] == [None, None]


def test_a_stranger_with_the_same_role_changes_nothing():
    two = Two()
    two.run(30)
    primary = two.sides[0].core
    for _ in range(30):
        heartbeat = replace(primary.beat(two.now + 1) or two.sides[1].core.peer, instance_name="0", boot_id="strange",
                            sequence=100 + int(two.now))
        assert "configured as primary too" in primary.heard(heartbeat, two.now)
        assert two.run(1) == [True, False]
    assert primary.role == "primary" and primary.rival(two.now) == "0"


def test_one_heartbeat_alone_changes_no_role():
    two = Two()
    two.run(30)
    forged = replace(two.sides[1].core.peer, instance_name="b", boot_id="forged", sequence=1)
    assert two.sides[0].core.heard(forged, two.now) is None
    assert two.run(5) == [True, False] and two.sides[0].core.role == "primary"


def test_a_peer_that_does_not_yield_is_yielded_to():
    """One of an earlier release, which refuses heartbeats of its own role."""
    two = Two(("primary", "primary"))
    old = two.sides[1].core
    old.heard = lambda heartbeat, now, over_vc=False: "configured as primary too"
    assert two.run(120) == [False, True] and two.both == 0 and two.sides[0].core.role == "secondary"


# What a side believes of its own past

def test_a_side_that_is_set_back_to_a_snapshot_begins_anew():
    two = Two()
    two.run(30)
    primary = two.sides[0]
    saved = copy.deepcopy(vars(primary.core))
    at = two.now
    two.run(10)
    two.halted = primary
    assert two.run(60)[1]
    two.halted = None
    vars(primary.core).update(saved)
    primary.running, primary.clock_ahead = True, at - two.now
    while not primary.core.news:
        two.run(STEP)
        assert two.now < at + 75
    assert "set back" in primary.core.news[0] and primary.core.boot_id.startswith("a-1-")
    two.run(STEP)
    two.both = 0
    assert two.run(30) == [True, False] and two.both == 0


@pytest.mark.parametrize("index", [0, 1], ids=["primary", "secondary"])
def test_a_side_whose_clock_stood_still_begins_anew(index):
    two = Two()
    two.run(30)
    halted = two.sides[index]
    two.halted = halted
    assert two.run(60)[1 - index]
    two.halted = None
    halted.clock_ahead -= 60
    said = []
    for _ in range(12):
        two.run(STEP)
        said += halted.core.news
    assert len(set(said)) == 1 and "stood still for" in said[0]
    assert two.sides[1 - index].core.news == []
    two.both = 0
    assert two.run(30) == [True, False] and two.both == 0


@pytest.mark.parametrize("rate", [1.02, 1 / 1.02], ids=["fast", "slow"])
def test_clocks_that_run_apart_within_the_promise_raise_no_suspicion(rate):
    two = Two()
    for _ in range(2400):
        two.run(STEP)
        two.sides[0].clock_ahead += STEP * (rate - 1)
    assert [side.core.news for side in two.sides] == [[], []]


def test_one_heartbeat_alone_proves_neither():
    two = Two()
    two.run(30)
    core = two.sides[0].core
    genuine = core.peer
    core.heard(replace(genuine, sequence=genuine.sequence + 1, heard_sequence=core._sequence + 900), two.now)
    core.heard(replace(genuine, sequence=genuine.sequence + 2, clock=two.now + 900), two.now)
    core.heard(replace(genuine, sequence=genuine.sequence + 3, clock=0.0), two.now)
    assert two.run(5) == [True, False] and core.boot_id == "a-1" and core.news == []


# Which VC

def test_a_silence_on_another_vc_does_not_count():
    two = Two()
    two.sides[1].vc = "another"
    two.sides[1].core.vc_known("another")
    assert two.run(30) == [True, False]
    assert all(side.core.vc_apart for side in two.sides)
    two.direct = False
    two.run(300)
    assert two.both == 0
    two.sides[1].configure("secondary", two.now)
    assert two.run(300) == [True, False]
    assert two.both == 0 and two.sides[1].core.vc_apart, "forgotten by a restart"
    two.sides[1].vc = "vc"
    two.sides[1].configure("secondary", two.now)
    assert two.run(30) == [True, False] and not two.sides[1].core.vc_apart


def test_two_vcs_with_the_same_key_are_found_out():
    two = Two()
    two.sides[1].vc = "moved"
    two.sides[1].core.vc_known("vc")
    two.run(30)
    assert all(side.core.vc_apart for side in two.sides)
    two.direct = False
    two.run(300)
    assert two.both == 0


def test_a_peer_whose_vc_does_not_answer_goes_by_no_other_one():
    two = Two()
    two.run(30)
    primary = two.sides[0].core
    primary.vc_answered = lambda sequence, now: None
    two.sides[0].vc = "unreachable"
    primary.vc_known("vc")
    two.run(60)
    assert not two.sides[1].core.vc_apart


# A lost memory

def test_without_memory_the_times_of_the_peer_are_taken_to_be_the_longest_plausible_ones():
    side = Side("a", "secondary", False, memory=Remembered()).core
    known = Side("a", "secondary", False).core
    assert side.silence_needed == pytest.approx(10 * known.silence_needed)
    assert known.silence_needed == pytest.approx(sum(TERMS) * 1.01 / 0.99)


def test_two_heartbeats_make_up_for_a_lost_memory():
    two = Two(memory=Remembered())
    assert two.run(10) == [True, False]
    for side in two.sides:
        assert side.core.knows_peer_terms and side.core.silence_needed == pytest.approx(sum(TERMS) * 1.01 / 0.99)
