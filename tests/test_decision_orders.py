"""Operators' orders: switchover, pause, what is kept after a takeover; and a peer that leaves in order."""

from math import inf

import pytest

from failover.decision import events as happens
from failover.decision.effects import ForbidRestart, PrepareStart, Stop
from failover.decision.orders import LONGEST_PAUSE, Orders
from failover.decision.release import may_run
from failover.decision.setup import Record
from failover.decision.switching import no_switchover
from failover.decision.vocabulary import AgentState, Command, Liveness, Path
from failover.heartbeat import decode, encode
from tests.driving import AGENT, GRACE, PERIOD, TIMEOUT, Core, heartbeat
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
])
def test_a_side_that_does_not_say_it_is_ready_is_not_switched_to(changes, words):
    core = Core("primary", "simple")
    core.observe(AgentState.RUNNING, 1.0)
    core.beat(1.0)
    said = heartbeat(1, agent_id="secondary")._replace(
        order=0, heard_boot_id="boot-here", heard_sequence=core.state.outbox.sequence)
    core.hear(said._replace(**changes), 1.1)
    assert words in no_switchover(core.state, "secondary", core.now)


def test_no_switchover_to_a_side_that_has_just_been_stopped():
    core = Core("primary", "simple")
    core.observe(AgentState.RUNNING, 1.0)
    core.beat(1.0)
    said = heartbeat(1, agent_id="secondary", may_run=False)._replace(
        order=0, heard_boot_id="boot-here", heard_sequence=core.state.outbox.sequence)
    core.hear(said, 1.1)
    assert no_switchover(core.state, "secondary", core.now) is None
    core.hear(said._replace(sequence=2, leaving=True), 1.2)
    assert "has been stopped" in no_switchover(core.state, "secondary", core.now)


def test_no_switchover_of_equal_roles():
    two = Two(roles=("primary", "primary"))
    two.run(30)
    assert "both sides are configured as primary" in no_switchover(two.sides[0].core.state, "secondary", two.now)


# Which orders hold

def test_who_had_the_same_role_once_stands_in_the_way_of_no_switchover():
    """It has got its right role, and another name."""
    two = Two(("primary", "primary"), simple=True)
    two.run(30)
    two.sides[1].name = "other"
    two.sides[1].configure("secondary", two.now)
    two.run(2 * TIMEOUT)
    order(two, 0, happens.SwitchoverAsked("secondary"))
    assert two.run(10) == [False, True]


def test_the_higher_number_holds_and_of_two_alike_those_of_the_last_by_name():
    own = Orders(2, "m", "primary")
    for number, by, holds in ((1, "z", False), (2, "a", False), (2, "m", True), (2, "n", True), (3, "a", True)):
        heard = own.heard(heartbeat()._replace(order=number, ordered_by=by, preferred="secondary"), 0.0)
        assert (heard.preferred == "secondary") is holds
    assert own.heard(heartbeat(), 0.0) is own
    assert own.heard(heartbeat()._replace(order=9), 0.0) is own  # It does not say whose, nor what.


def test_of_two_orders_with_one_number_of_one_side_the_same_holds_on_both():
    """Who gave the first had lost its memory."""
    first, second = Orders(1, "a", "secondary"), Orders(1, "a", "primary", 60.0)
    said = [heartbeat()._replace(order=1, ordered_by="a", preferred=one.preferred) for one in (first, second)]
    assert second.heard(said[0], 0.0) == first and first.heard(said[1], 0.0) is first
    assert not second.are_those_of(said[0]) and not first.are_those_of(said[1])


@pytest.mark.parametrize("order_number", [1, 500, 2 ** 20])
def test_one_heartbeat_alone_orders_nothing(order_number):
    core = Core("secondary", "standard")
    ordered = heartbeat(1, mode="standard")._replace(order=order_number, ordered_by="z", preferred="secondary")
    core.hear(ordered, 1.0)
    core.hear(heartbeat(2, mode="standard")._replace(order=0), 1.5)
    core.hear(ordered._replace(boot_id="forged", sequence=5), 2.0)
    assert core.state.orders == Orders() and core.state.roles.acting == "secondary"
    core.hear(ordered._replace(sequence=3), 3.0)
    core.hear(ordered._replace(sequence=4), 3.1)
    assert core.state.orders.number == order_number and core.state.roles.acting == "primary"


def test_a_primary_of_this_moment_has_not_been_silent_before():
    """As the secondary it did not listen for \"running\"."""
    two = running(False)
    order(two, 0, happens.SwitchoverAsked("secondary"))
    two.run(30)
    order(two, 0, happens.SwitchoverAsked("primary"))
    assert two.sides[0].core.lease.sighted_running == two.now
    assert not two.sides[0].core.lease.is_held
    assert two.run(30) == [True, False] and two.both == 0


def test_orders_at_once_one_after_the_other_never_let_both_run():
    two = running(False)
    for number in range(40):
        order(two, number % 2, happens.SwitchoverAsked(("secondary", "primary")[number % 2]))
        two.run(STEP * (number % 7 + 1))
        order(two, number % 2, happens.SwitchoverAsked(("primary", "secondary")[number % 2]))
        two.run(STEP * (number % 5 + 1))
    assert two.both == 0
    assert sum(two.run(60)) == 1


def test_beside_a_peer_without_content_each_side_goes_by_its_configuration():
    core = Core("primary", "simple", record=Record(orders=Orders(4, "there", "secondary")))
    assert core.state.roles.acting == "secondary"
    for now in (1.0, 2.0):
        core.hear(None, now)
    assert core.state.roles.acting == "primary"

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
    assert not may_run(heartbeat(3, mode="standard", may_run=False), core.state)  # It goes by its configuration too.
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


@BOTH_MODES
def test_what_runs_in_a_pause_goes_on_though_the_peer_comes_back(simple):
    two = running(simple)
    two.sides[0].running, two.halted = False, two.sides[0]
    assert two.run(60)[1]
    order(two, 1, happens.PauseAsked(100.0))
    two.halted, two.both = None, 0
    two.sides[0].configure("primary", two.now)
    assert two.run(60) == [False, True]
    assert two.run(60) == [True, False] and two.both == 0


@pytest.mark.parametrize("returns", [False, True], ids=["cut", "returned"])
def test_of_two_copies_in_a_pause_the_preferred_sides_goes_on(returns):
    """In simple failover both run while they cannot hear each other. A pause does not keep it so when they can."""
    two = running(True)
    two.direct = False
    if returns:
        two.sides[0].running, two.halted = False, two.sides[0]
    two.run(30)
    order(two, 1, happens.PauseAsked(600.0))
    two.halted = None
    if returns:
        two.sides[0].configure("primary", two.now)
    assert two.run(30) == [True, True]
    two.direct = True
    assert two.run(5) == [True, False]
    assert two.run(30) == [True, False] and two.sides[1].core.state.orders.is_paused


def test_in_a_pause_the_platform_starts_nothing_again_either():
    core = Core("primary", "simple")
    core.observe(AgentState.RUNNING, 0.0)
    core.post(happens.PauseAsked(600.0), 1.0)
    core.observe(AgentState.STOPPED, 2.0, ended_badly=True)
    assert core.given(ForbidRestart)


def test_one_heartbeat_alone_stops_nothing_in_a_pause():
    core = Core("secondary", "simple", record=Record(orders=Orders(1, "there", paused_until=600.0)))
    under = dict(order=1, ordered_by="there", preferred="primary", pause_left=500.0)
    for number, said in enumerate(["stopped", "running", "stopped", "running"]):
        core.observe(AgentState.RUNNING, float(number))
        core.hear(heartbeat(number + 1)._replace(state=said, **under), float(number))
        assert core.decide(float(number)).wanted is None
    core.hear(heartbeat(5)._replace(state="running", **dict(under, order=2)), 4.0)
    assert core.decide(4.0).wanted is None  # By other orders that side may not be preferred.
    core.hear(heartbeat(6)._replace(state="running", **under), 4.5)
    assert core.decide(4.5).wanted is Command.STOP


@BOTH_MODES
@pytest.mark.parametrize("boots", [True, False], ids=["booted", "missed"])
def test_the_first_heartbeat_that_tells_of_a_pause_starts_nothing(simple, boots):
    two = running(simple)
    primary = two.sides[0]
    record = primary.core.record
    primary.running, two.halted = False, primary
    order(two, 1, happens.PauseAsked(600.0))
    two.run(1)
    two.halted = None
    if boots:
        record = record._replace(orders=two.sides[1].core.state.orders._replace(paused_until=None, is_pause_lost=True))
    primary.configure("primary", two.now, record._replace(lease_until=None))
    assert two.run(60) == [False, False] and two.both == 0
    assert not primary.core.given(PrepareStart)


def test_a_pause_that_is_not_confirmed_does_not_keep_it_from_starting():
    """One heartbeat may be forged, and orders that nobody can have missed are none."""
    core = Core("primary", "simple")
    core.observe(AgentState.STOPPED, 0.0)
    core.hear(heartbeat(1, may_run=False)._replace(order=1, ordered_by="there", preferred="primary", pause_left=30.0), 0.5)
    assert core.decide(0.6).wanted is Command.START and not core.given(PrepareStart)
    core.observe(AgentState.STOPPED, 0.5 + 2 * PERIOD)
    core.decide(0.5 + 2 * PERIOD)
    assert core.given(PrepareStart)


@pytest.mark.parametrize("length", [3600.0, LONGEST_PAUSE])
def test_what_is_said_of_a_pause_can_be_read(length):
    core = Core("primary", "simple", now=987654.321)
    core.post(happens.PauseAsked(length), 987654.4)
    said = core.beat(987654.4000001)
    assert decode(encode(said)) == said and length - 1 < said.pause_left <= length


def test_a_pause_ends_however_late_its_end_is_heard():
    core = Core("secondary", "simple")
    for number in range(2, 60):
        core.hear(heartbeat(number)._replace(order=1, ordered_by="there", preferred="primary",
                                             pause_left=max(0.1, 30.0 - number)), number + 3.0)
    assert not core.state.orders.is_paused


def test_after_a_boot_the_peer_tells_how_long_a_pause_lasts():
    core = Core("secondary", "simple", record=Record(orders=Orders(1, "there", is_pause_lost=True)))
    for number in (1, 2):
        core.hear(heartbeat(number)._replace(order=1, ordered_by="there", preferred="primary", pause_left=30.0),
                  float(number))
    assert core.state.orders.paused_until == 32.0


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


@pytest.mark.parametrize("how", ["an operator", "fail_back", "a handover"])
def test_whoever_gives_up_what_runs_without_vc_has_the_time_to_stop_it(how):
    """VC has not answered for long: the lease is held because the two hear each other, which counts for a primary alone."""
    two = takeover(60.0, False) if how == "fail_back" else running(False) if how == "an operator" else failing(
        False, unhealthy_after=5.0)
    active = two.sides[two.run(1).index(True)]
    for side in two.sides:
        side.vc_answers = False
    two.run(30)
    before = len(active.core.given(Stop))
    if how == "an operator":
        active.core.post(happens.SwitchoverAsked("secondary"))
    elif how == "a handover":
        active.core.post(happens.AgentFailed(AGENT, True))
    two.run(50)
    assert active.acting == "secondary" and active.core.given(Stop)[before].within > GRACE - 1


@BOTH_MODES
def test_what_is_kept_goes_back_when_the_primary_has_been_well_for_long_enough(simple):
    two = takeover(60.0, simple)
    assert two.run(55) == [False, True]
    assert two.run(15) == [True, False] and two.both == 0


def test_what_is_kept_is_still_kept_after_a_pause():
    two = takeover(60.0, False)
    two.run(10)
    order(two, 1, happens.PauseAsked(5.0))
    assert two.run(30) == [False, True] and two.sides[1].core.state.orders.is_kept
    assert two.run(60) == [True, False]


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


def test_a_farewell_that_was_held_up_a_little_does_too():
    """What it acknowledges is up to a period old before it is sent."""
    core = left(age=1.5 * PERIOD)
    assert core.decide(core.now).wanted.value == "start" and core.lease.is_held


def test_a_farewell_that_comes_the_other_way_too_takes_nothing_back():
    core = left(age=1.5 * PERIOD)
    again = core.peer.farewell._replace(sequence=core.peer.farewell.sequence + 1)
    core.hear(again, core.now + PERIOD)
    assert core.peer.has_left and core.decide(core.now).wanted.value == "start"
    core.hear(again._replace(sequence=again.sequence + 1, may_run=True), core.now + STEP)
    assert not core.peer.has_left


@pytest.mark.parametrize("core", [
    left(age=2 * PERIOD), left(age=2.5 * PERIOD), left(heard_boot_id="another")], ids=["late", "later", "of another start"])
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


def test_a_farewell_that_comes_after_a_later_start_was_heard_does_not():
    """All of the former start, its only heartbeat and its farewell, was held up."""
    core = Core("secondary", "standard", record=KNOWN)
    core.beat(1.0)
    acknowledges = dict(order=0, heard_boot_id="boot-here", heard_sequence=core.state.outbox.sequence)
    core.hear(heartbeat(1, "second", mode="standard")._replace(**acknowledges), 1.4)
    core.hear(heartbeat(1, "first", mode="standard")._replace(order=0), 1.5)
    core.hear(heartbeat(2, "first", mode="standard", may_run=False)._replace(leaving=True, **acknowledges), 1.5)
    assert core.peer.farewell is not None and not core.peer.has_left
    core.hear(heartbeat(2, "second", mode="standard")._replace(**acknowledges), 1.6)
    core.hear(heartbeat(3, "first", mode="standard", may_run=False)._replace(leaving=True, **acknowledges), 1.7)
    assert core.peer.farewell is None


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


# A managed agent that fails

def failing(simple, **setup):
    """Return a pair that goes by these keys, whose primary runs."""
    two = running(simple)
    for side in two.sides:
        side.core.state = side.core.state._replace(setup=side.core.state.setup._replace(**setup))
    return two


def fail(two, side, times=1, every=0.2):
    for _ in range(times):
        order(two, side, happens.AgentFailed("agent"))
        two.run(every)


@BOTH_MODES
def test_a_managed_agent_that_fails_too_often_is_handed_over_once(simple):
    two = failing(simple, max_failures=3)
    fail(two, 0, 2)
    assert two.run(30) == [True, False]
    fail(two, 0)
    assert two.run(3) == [False, True] and two.both == 0
    orders = {side.core.state.orders[:3] + (side.core.state.orders.is_handed_over,) for side in two.sides}
    assert orders == {(1, two.sides[0].core.state.setup.instance_name, "secondary", True)}
    fail(two, 1, 5)
    assert two.run(30) == [False, True]  # It is not handed back.
    order(two, 0, happens.SwitchoverAsked("primary"))
    assert two.run(3) == [True, False]
    assert not any(side.core.state.orders.is_handed_over for side in two.sides)
    assert two.run(30) == [True, False] and two.both == 0  # What failed before does not count any more.
    fail(two, 0, 3)
    assert two.run(3) == [False, True]


@BOTH_MODES
def test_by_default_a_managed_agent_that_fails_stays_where_it_is(simple):
    two = failing(simple)
    fail(two, 0, 20)
    order(two, 0, happens.AgentFailed("agent", True))
    assert two.run(60) == [True, False]


def test_failures_that_are_far_apart_do_not_count():
    two = failing(True, max_failures=2, failure_window=10.0)
    fail(two, 0, 3, every=11)
    assert two.run(3) == [True, False]
    fail(two, 0, 1, every=0.2)
    assert two.run(3) == [True, False]
    fail(two, 0, 1, every=0.2)
    assert two.run(3) == [False, True]


@BOTH_MODES
def test_a_managed_agent_that_is_unwell_for_too_long_is_handed_over(simple):
    two = failing(simple, unhealthy_after=10.0)
    order(two, 0, happens.AgentFailed("agent", True))
    assert two.run(8) == [True, False]
    order(two, 0, happens.AgentFailed("agent", False))
    assert two.run(8) == [True, False]
    order(two, 0, happens.AgentFailed("agent", True))
    assert two.run(8) == [True, False] and two.run(5) == [False, True] and two.both == 0


def test_of_several_agents_each_is_unwell_by_itself():
    """That another one is well again does not make it so."""
    core = Core("primary", "simple", agents=("driver", "actuator"), unhealthy_after=10.0)
    for agent in ("driver", "actuator"):
        core.post(happens.AgentObserved(agent, AgentState.RUNNING, 0.0), 0.0)
    core.post(happens.AgentFailed("driver", True), 1.0)
    core.post(happens.AgentFailed("actuator", True), 5.0)
    core.post(happens.AgentFailed("actuator", False), 6.0)
    core.post(happens.AgentFailed("driver", True), 7.0)
    failures = core.state.failures
    assert not failures.are_too_many(core.setup, 10.9) and failures.are_too_many(core.setup, 11.0)
    core.post(happens.AgentFailed("driver", False), 8.0)
    assert not core.state.failures.are_too_many(core.setup, 1000.0)


def test_nothing_is_handed_over_to_a_side_that_is_not_ready():
    two = failing(True, max_failures=1)
    order(two, 1, happens.TroubleChanged("not installed here"))
    two.run(2)
    fail(two, 0)
    assert two.run(30) == [True, False]
    order(two, 1, happens.TroubleChanged(None))
    assert two.run(3) == [False, True]  # When it is, it is still time.


def test_a_handover_outlives_restarts_and_travels():
    two = failing(True, max_failures=1)
    fail(two, 0)
    assert two.run(5) == [False, True]
    said = two.sides[1].core.beat(two.now + 1)
    assert said.handed_over and decode(encode(said)) == said
    restart(two, 0)
    two.run(10)
    assert two.sides[0].core.state.orders.is_handed_over


@pytest.mark.parametrize("order_number", [2 ** 20 + 1, 2 ** 52, 2 ** 53])
def test_a_number_that_no_side_can_have_missed_is_no_order(order_number):
    """Two forged heartbeats, of a time without signatures, would otherwise bring all later orders beyond what can be said."""
    core = Core("primary", "simple")
    ordered = heartbeat(1, agent_id="secondary")._replace(order=order_number, ordered_by="there", preferred="secondary")
    for number in range(1, 6):
        core.hear(ordered._replace(sequence=number), float(number))
    assert core.state.orders == Orders()
    for number in range(6, 9):
        core.hear(ordered._replace(sequence=number, order=7), float(number))
    assert core.state.orders.number == 7
