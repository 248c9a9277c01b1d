"""Two sides that hear each other: what wrong configurations, a lost memory and broken clocks do to a pair."""

import pytest

from failover.decision.events import VcKnown
from failover.decision.setup import Record
from failover.decision.vocabulary import AgentState, Command, Path
from tests.driving import GRACE, TIMEOUT, TIMING, Core

# Measuring what they cover would make them take four times as long. The tests of each part cover the same.
pytestmark = pytest.mark.unmeasured

STEP = 0.25
KNOWN = Record(own_terms=TIMING, peer_terms=TIMING)


class Side:
    """One side on a platform that answers, whose managed agent starts and stops in no time."""

    def __init__(self, name, role, simple, now=0.0, record=KNOWN, vc="vc"):
        self.name, self.mode, self.vc, self.clock_ahead = name, "simple" if simple else "standard", vc, 0.0
        self.starts = 0
        self.vc_answers = self.hears = True
        self.configure(role, now, record)
        self.running = False

    def configure(self, role, now, record=None):
        """The failover agent starts with this role, and with what its last start has left."""
        self.starts += 1
        record = self.core.record if record is None else record
        self.core = Core(role, self.mode, now + self.clock_ahead, name=self.name, record=record,
                         boot_id="{}-{}".format(self.name, self.starts))
        self.core.post(VcKnown(self.vc))

    @property
    def alike(self):
        """The instance that is configured with this side's role."""
        return self.core.view().alike

    @property
    def acting(self):
        return self.core.state.roles.acting

    @property
    def is_vc_apart(self):
        return self.core.lease.witness.is_apart


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
        core.observe(AgentState.RUNNING if side.running else AgentState.STOPPED, now)
        core.decide(now)
        if core.agent.pending is not None:
            side.running = core.agent.pending is Command.START
            core.end_command(now, is_gone=not side.running)
        self.deliver(core.beat(now), other, Path.DIRECT, self.direct)
        if side.mode == "standard":
            one = core.beat(now, Path.VC)
            self.deliver(one, other, Path.VC, side.vc == other.vc)
            if one is not None and side.vc_answers:
                core.vc_answers(one, now)

    def deliver(self, one, other, path, is_open):
        if one is not None and is_open and other is not self.halted and other.hears:
            other.core.hear(one, self.now + other.clock_ahead, path)


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
        assert side.alike is not None
        assert side.acting == ("primary" if side.name == "a" else "secondary")


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
    assert [side.alike for side in two.sides] == [None, None]


def test_a_stranger_with_the_same_role_changes_nothing():
    two = Two()
    two.run(30)
    primary = two.sides[0]
    for number in range(30):
        strange = two.sides[1].core.peer.heartbeat._replace(instance_name="0", boot_id="strange", sequence=100 + number)
        assert "configured as primary too" in primary.core.hear(strange, two.now)
        assert two.run(1) == [True, False]
    assert primary.acting == "primary" and primary.alike == "0"


@pytest.mark.parametrize("simple", [True, False])
def test_one_heartbeat_alone_changes_no_role(simple):
    two = Two(simple=simple)
    two.run(30)
    forged = two.sides[1].core.peer.heartbeat._replace(instance_name="b", boot_id="forged", sequence=1)
    assert two.sides[0].core.hear(forged, two.now) is None
    assert two.run(5) == [True, False] and two.sides[0].acting == "primary"


@pytest.mark.parametrize("simple", [True, False])
def test_one_forged_heartbeat_makes_the_peer_no_stranger(simple):
    """By its name a side knows its peer also when that is configured with the same role later."""
    two = Two(simple=simple)
    two.run(30)
    forged = two.sides[0].core.peer.heartbeat._replace(instance_name="nowhere", boot_id="forged", sequence=1)
    assert two.sides[0].core.hear(forged, two.now) is None
    two.sides[1].running = False
    two.sides[1].configure("primary", two.now)
    assert two.run(60) == [True, False] and two.sides[1].acting == "secondary"


def test_a_peer_that_does_not_yield_is_yielded_to():
    """One of an earlier release, which refuses heartbeats of its own role."""
    two = Two(("primary", "primary"))
    two.sides[1].hears = False
    assert two.run(120) == [False, True] and two.both == 0 and two.sides[0].acting == "secondary"


# What a side believes of its own past

def test_a_side_that_is_set_back_to_a_snapshot_begins_anew():
    two = Two()
    two.run(30)
    primary = two.sides[0]
    saved, at = primary.core.state, two.now
    two.run(10)
    two.halted = primary
    assert two.run(60)[1]
    two.halted = None
    primary.core.state = saved
    primary.core.now = saved.now
    primary.running, primary.clock_ahead = True, at - two.now
    while not primary.core.news:
        two.run(STEP)
        assert two.now < at + 75
    assert "set back" in primary.core.news[0] and primary.core.state.incarnation.boot_id.startswith("a-1-")
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
    two.run(12 * STEP)
    assert len(halted.core.news) == 1 and "stood still for" in halted.core.news[0]
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
    genuine = core.peer.heartbeat
    core.hear(genuine._replace(sequence=genuine.sequence + 1, heard_sequence=core.state.outbox.sequence + 900), two.now)
    core.hear(genuine._replace(sequence=genuine.sequence + 2, clock=two.now + 900), two.now)
    core.hear(genuine._replace(sequence=genuine.sequence + 3, clock=0.0), two.now)
    assert two.run(5) == [True, False] and core.state.incarnation.boot_id == "a-1" and core.news == []


# Which VC

def test_a_silence_on_another_vc_does_not_count():
    two = Two()
    two.sides[1].vc = "another"
    two.sides[1].core.post(VcKnown("another"))
    assert two.run(30) == [True, False]
    assert all(side.is_vc_apart for side in two.sides)
    two.direct = False
    two.run(300)
    assert two.both == 0
    two.sides[1].configure("secondary", two.now)
    assert two.run(300) == [True, False]
    assert two.both == 0 and two.sides[1].is_vc_apart, "forgotten by a restart"
    two.sides[1].vc = "vc"
    two.sides[1].configure("secondary", two.now)
    assert two.run(30) == [True, False] and not two.sides[1].is_vc_apart


@pytest.mark.parametrize("is_stale", [True, False])
def test_one_message_on_vcs_bus_does_not_end_that_the_peer_goes_by_another_vc(is_stale):
    two = Two()
    two.sides[1].vc = "another"
    two.sides[1].core.post(VcKnown("another"))
    assert two.run(30) == [True, False] and two.sides[1].is_vc_apart
    two.direct = False
    last = two.sides[1].core.peer.heartbeat
    two.run(5)
    replayed = last._replace(sequence=last.sequence - 1 if is_stale else last.sequence + 1)
    two.sides[1].core.hear(replayed, two.now, Path.VC)
    two.run(100)
    assert two.both == 0 and two.sides[1].is_vc_apart


def test_two_vcs_with_the_same_key_are_found_out():
    two = Two()
    two.sides[1].vc = "moved"
    two.sides[1].core.post(VcKnown("vc"))
    two.run(30)
    assert all(side.is_vc_apart for side in two.sides)
    two.direct = False
    two.run(300)
    assert two.both == 0


def test_a_peer_whose_vc_does_not_answer_goes_by_no_other_one():
    two = Two()
    two.run(30)
    two.sides[0].vc_answers = False
    two.sides[0].vc = "unreachable"
    two.run(60)
    assert not two.sides[1].is_vc_apart


# A lost memory

def test_without_memory_the_times_of_the_peer_are_taken_to_be_the_longest_plausible_ones():
    unknown, known = (Side("a", "secondary", False, record=record).core.state.agreement for record in (Record(), KNOWN))
    assert unknown.silence_needed == pytest.approx(10 * known.silence_needed)
    assert known.silence_needed == pytest.approx(sum(TIMING) * 1.01 / 0.99)


def test_times_that_would_not_outlive_a_restart_are_not_acknowledged():
    """The disk of the secondary takes nothing, and the primary's times are raised."""
    two = Two()
    two.run(30)
    secondary = two.sides[1].core
    secondary.saves = False
    longer = two.sides[0].core.state.setup.timing._replace(timeout=6 * TIMEOUT)
    beat = two.sides[0].core.peer and secondary.peer.heartbeat._replace(timeout=longer.timeout, boot_id="a-2")
    for number in range(1, 5):
        secondary.hear(beat._replace(sequence=number), two.now + number)
        sent = secondary.beat(two.now + number)
        assert sent is None or sent.heard_boot_id is None
    assert secondary.state.agreement.peer.timeout == longer.timeout, "it waits for as long all the same"


def test_two_heartbeats_make_up_for_a_lost_memory():
    two = Two(record=Record())
    assert two.run(10) == [True, False]
    for side in two.sides:
        agreement = side.core.state.agreement
        assert agreement.peer == TIMING and agreement.silence_needed == pytest.approx(sum(TIMING) * 1.01 / 0.99)
