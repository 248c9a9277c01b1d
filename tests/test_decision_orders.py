"""Operators' orders: switchover, pause, what is kept after a takeover; and a peer that leaves in order."""

from math import inf

import pytest

from failover.decision import events as happens
from failover.decision.orders import LONGEST_PAUSE, Orders
from failover.decision.setup import Record
from failover.decision.switching import no_switchover
from failover.decision.vocabulary import AgentState, Liveness, Path
from tests.driving import PERIOD, TIMEOUT, Core, heartbeat
from tests.test_decision_pair import KNOWN, STEP, Two

BOTH_MODES = pytest.mark.parametrize("simple", [True, False], ids=["simple", "standard"])


def running(simple, **options):
    """Return a pair whose primary runs."""
    two = Two(simple=simple, **options)
    assert two.run(30) == [True, False]
    two.both = 0
    return two


def order(two, side, event):
    two.sides[side].core.post(event, two.now)


def restart(two, side):
    """Its failover agent ends, in standard failover with the managed agent, and starts again."""
    one = two.sides[side]
    one.running = one.running and one.mode == "simple"
    one.configure(one.core.setup.role, two.now)


# Switchover

@BOTH_MODES
@pytest.mark.parametrize("on", [0, 1])
def test_a_switchover_there_and_back_from_either_side(simple, on):
    two = running(simple)
    order(two, on, happens.SwitchoverAsked("secondary"))
    assert two.run(3) == [False, True]
    assert [side.acting for side in two.sides] == ["secondary", "primary"]
    assert two.run(100) == [False, True]
    order(two, 1 - on, happens.SwitchoverAsked("primary"))
    assert two.run(3) == [True, False] and two.run(100) == [True, False]
    assert two.both == 0


@BOTH_MODES
def test_an_order_outlives_restarts(simple):
    two = running(simple)
    order(two, 0, happens.SwitchoverAsked("secondary"))
    two.run(30)
    for side in (0, 1):
        restart(two, side)
        two.run(60)
    assert two.run(1) == [False, True] and two.both == 0


@BOTH_MODES
def test_a_choice_ends_when_the_chosen_side_fails(simple):
    two = running(simple)
    order(two, 0, happens.SwitchoverAsked("secondary"))
    assert two.run(30) == [False, True]
    two.sides[1].running, two.halted = False, two.sides[1]
    assert two.run(60)[0]
    two.halted = None
    two.sides[1].configure("secondary", two.now)
    assert two.run(60) == [True, False] and two.sides[0].acting == "primary"


@pytest.mark.parametrize("change, words", [
    (lambda core: core.observe(AgentState.MISSING, core.now), "not installed on here"),
    (lambda core: core.post(happens.TroubleChanged("no start")), "on here: no start"),
    (lambda core: core.post(happens.PauseAsked(60.0)), "does not know the last orders yet"),
    (lambda core: core.decide(core.now + 2 * TIMEOUT), "not heard"),
])
def test_a_side_that_is_not_ready_is_not_switched_to(change, words):
    core = Core("secondary", "simple")
    core.observe(AgentState.STOPPED, 1.0)
    core.beat(1.0)
    core.hear(heartbeat(1)._replace(order=0, heard_boot_id="boot-here", heard_sequence=core.state.outbox.sequence), 1.1)
    assert no_switchover(core.state, "secondary", core.now) is None
    change(core)
    assert words in no_switchover(core.state, "secondary", core.now)
    core.post(happens.SwitchoverAsked("secondary"))
    assert core.state.orders.preferred == "primary" and core.notes[-1].startswith("no switchover: ")


@pytest.mark.parametrize("changes, words", [
    (dict(order=None), "release of the failover agent that knows no switchover"),
    (dict(heard_boot_id=None, heard_sequence=None), "does not hear this side"),
    (dict(trouble="not authorized"), "on there: not authorized"),
    (dict(state="not installed"), "platform.driver is not installed on there"),
    (dict(pause_left=60.0), "paused"),
])
def test_a_side_that_does_not_say_it_is_ready_is_not_switched_to(changes, words):
    core = Core("primary", "simple")
    core.observe(AgentState.RUNNING, 1.0)
    core.beat(1.0)
    said = heartbeat(1, agent_id="secondary")._replace(
        order=0, heard_boot_id="boot-here", heard_sequence=core.state.outbox.sequence)
    core.hear(said._replace(**changes), 1.1)
    assert words in no_switchover(core.state, "secondary", core.now)


def test_no_switchover_of_equal_roles():
    two = Two(roles=("primary", "primary"))
    two.run(30)
    assert "both sides are configured as primary" in no_switchover(two.sides[0].core.state, "secondary", two.now)


# Which orders hold

def test_the_higher_number_holds_and_of_two_alike_those_of_the_last_by_name():
    own = Orders(2, "m", "primary")
    for number, by, holds in ((1, "z", False), (2, "a", False), (2, "m", False), (2, "n", True), (3, "a", True)):
        heard = own.heard(heartbeat()._replace(order=number, ordered_by=by, preferred="secondary"), 0.0)
        assert (heard.preferred == "secondary") is holds
    assert own.heard(heartbeat()._replace(order=2 ** 40, ordered_by="z", preferred="secondary"), 0.0) is own
    assert own.heard(heartbeat(), 0.0) is own


def test_two_orders_at_once_end_alike_on_both_sides():
    two = running(False)
    two.direct = False
    order(two, 0, happens.SwitchoverAsked("secondary"))
    order(two, 1, happens.PauseAsked(5.0))
    two.direct = True
    two.run(60)
    assert two.sides[0].core.state.orders[:3] == two.sides[1].core.state.orders[:3]
    assert two.both == 0


def test_beside_a_release_that_knows_no_orders_each_side_goes_by_its_configuration():
    core = Core("secondary", "standard", record=Record(orders=Orders(4, "there", "secondary")))
    assert core.state.roles.acting == "primary"
    core.hear(heartbeat(1, mode="standard"), 1.0)
    assert core.state.roles.acting == "primary"  # One may be forged.
    core.hear(heartbeat(2, mode="standard"), 2.0)
    assert core.state.roles.acting == "secondary"
    core.hear(heartbeat(3, mode="standard", may_run=False)._replace(order=4, ordered_by="there", preferred="secondary"), 3.0)
    assert core.state.roles.acting == "primary"


# Pause

@BOTH_MODES
@pytest.mark.parametrize("on", [0, 1])
def test_in_a_pause_nobody_starts_anything_and_it_ends_by_itself(simple, on):
    two = running(simple)
    order(two, on, happens.PauseAsked(40.0))
    two.run(2)
    two.sides[0].running = False
    assert two.run(30) == [False, False]
    restart(two, on)
    assert two.run(5) == [False, False]
    assert two.run(30) == [True, False] and two.both == 0


@BOTH_MODES
def test_a_pause_leaves_alone_what_runs_and_can_be_ended(simple):
    two = running(simple)
    order(two, 0, happens.PauseAsked(1e9))
    assert two.run(30) == [True, False]
    assert two.sides[1].core.state.orders.paused_until <= two.now + LONGEST_PAUSE
    two.sides[0].running = False
    assert two.run(5) == [False, False]
    order(two, 1, happens.ResumeAsked())
    assert two.run(3) == [True, False]


def test_a_lease_that_is_lost_stops_the_agent_in_a_pause_too():
    two = running(False)
    order(two, 0, happens.PauseAsked(600.0))
    two.run(2)
    two.direct, two.sides[0].vc_answers, two.sides[0].vc = False, False, "out of reach"
    assert two.run(2 * TIMEOUT) == [False, False]
    assert two.run(100) == [False, False]


# What is kept after a takeover

def takeover(fail_back, simple):
    two = running(simple)
    for side in two.sides:
        side.core.state = side.core.state._replace(setup=side.core.state.setup._replace(fail_back=fail_back))
    two.sides[0].running, two.halted = False, two.sides[0]
    assert two.run(60)[1]
    two.halted, two.both = None, 0
    two.sides[0].configure("primary", two.now)
    return two


@BOTH_MODES
def test_what_is_kept_does_not_go_back(simple):
    two = takeover(inf, simple)
    assert two.run(600) == [False, True] and two.both == 0
    order(two, 0, happens.SwitchoverAsked("primary"))
    assert two.run(3) == [True, False]


@BOTH_MODES
def test_what_is_kept_goes_back_when_the_primary_has_been_well_for_long_enough(simple):
    two = takeover(60.0, simple)
    assert two.run(55) == [False, True]
    assert two.run(15) == [True, False] and two.both == 0


# A peer that leaves in order

def left(age=0.0, boot_id="boot-there", **changes):
    """Return a side that hears its primary, and then its farewell, which acknowledges a heartbeat of that age."""
    core = Core("secondary", "standard", record=KNOWN)
    core.post(happens.VcKnown("vc"))
    now = 0.0
    for number in range(1, 40):
        now = number * PERIOD / 2
        core.observe(AgentState.STOPPED, now)
        core.decide(now)
        core.beat(now)
        one = core.beat(now, Path.VC)
        if one is not None:
            core.vc_answers(one, now)
        core.hear(heartbeat(number, mode="standard")._replace(order=0), now)
    acknowledged = core.state.outbox.sent[-1]
    now = acknowledged[1] + age
    core.hear(heartbeat(100, boot_id, mode="standard", may_run=False)._replace(
        order=0, leaving=True, state="stopped", heard_sequence=acknowledged[0], **dict(
            dict(heard_boot_id="boot-here"), **changes)), now)
    return core


def test_a_farewell_lets_the_secondary_start_at_once():
    core = left()
    assert core.decide(core.now).wanted.value == "start" and core.lease.is_held


@pytest.mark.parametrize("core", [
    left(age=PERIOD), left(age=1.5 * PERIOD), left(heard_boot_id="another")], ids=["late", "later", "of another start"])
def test_a_farewell_that_is_old_does_not(core):
    assert core.decide(core.now).wanted.value == "stop" and not core.lease.is_held


def test_a_farewell_of_a_former_start_does_not():
    core = left(age=0.0, boot_id="boot-there")
    again = Core("secondary", "standard", record=KNOWN)
    again.hear(heartbeat(1, "first", mode="standard")._replace(order=0), 1.0)
    again.hear(heartbeat(1, "second", mode="standard")._replace(order=0), 2.0)
    again.beat(2.0)
    again.hear(heartbeat(9, "first", mode="standard", may_run=False)._replace(
        order=0, leaving=True, heard_boot_id="boot-here", heard_sequence=again.state.outbox.sequence), 2.0)
    assert core.peer.has_left and not again.peer.has_left


def test_a_farewell_ends_with_the_next_heartbeat():
    core = left()
    core.hear(heartbeat(1, "next", mode="standard")._replace(order=0), core.now + STEP)
    assert core.state.decision.peer is Liveness.UP and not core.lease.is_held


def test_in_simple_failover_what_was_left_running_is_gone_when_its_platform_is():
    core = Core("secondary", "simple")
    core.observe(AgentState.STOPPED, 1.0)
    core.post(happens.LinkChanged(Path.DIRECT, True))
    core.hear(heartbeat(1), 1.0)
    core.hear(heartbeat(2)._replace(leaving=True, state="running"), 1.5)
    assert core.decide(2.0).wanted.value == "stop"
    core.post(happens.LinkChanged(Path.DIRECT, False))
    assert core.decide(2.0).wanted.value == "start"


def test_without_a_farewell_a_lost_connection_says_nothing():
    core = Core("secondary", "simple")
    core.observe(AgentState.STOPPED, 1.0)
    core.hear(heartbeat(1), 1.0)
    core.post(happens.LinkChanged(Path.DIRECT, False))
    assert core.decide(2.0).wanted.value == "stop"
