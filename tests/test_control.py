"""The managed agent through control, with answers in orders that a real control gives only when it hangs."""

import importlib
import sys
import types

import gevent
import pytest

from failover.decision.vocabulary import AgentState

# Importing VOLTTRON replaces the sockets and threads of this process by gevent's, which the relays of other tests do
# without. Of VOLTTRON, control.py needs only these names.
_NAMES = types.ModuleType("failover.compat")
_NAMES.CONTROL = "platform.control"
_NAMES.RemoteError = type("RemoteError", (Exception,), {})
_NAMES.find_agent = lambda ask, identity, before: ask("identity_exists", identity) or None
_NAMES.is_refusal = lambda error: False
sys.modules["failover.compat"] = _NAMES
_control = importlib.import_module("failover.control")
del sys.modules["failover.compat"], sys.modules["failover.control"]
ControlError, ControlSilent, ManagedAgent = _control.ControlError, _control.ControlSilent, _control.ManagedAgent


class Control:
    """Answers as the control of a platform on which one agent is installed. While it hangs it does not."""

    def __init__(self):
        self.hangs = False
        self.status = [None, None]
        self.asked = []

    def __call__(self, peer, method, *args):
        self.asked.append((method, *args))
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
