"""Each kind of problem: what is said when it appears, and when it has gone."""

import pytest

from failover.decision.decision import Decision
from failover.decision.orders import Orders
from failover.decision.table import Action
from failover.decision.vocabulary import AgentState, Command, Liveness
from failover.words import problems
from tests.test_words import AROUND, NO_LEASE, PEER, TAKEOVER, make_view

UP, UNKNOWN, DOWN = Liveness.UP, Liveness.UNKNOWN, Liveness.DOWN
WANTS_RUN = Decision(Action.START, UP, UP, wanted=Command.START)
WANTS_STOP = Decision(Action.STOP, UP, UP, wanted=Command.STOP)


def primary(**fields):
    return make_view("primary", "standard", **dict(dict(decision=WANTS_RUN, state=AgentState.RUNNING), **fields))


def fault(key):
    return AROUND._replace(faults={key: key + " failed: why"}, has_settled=False)


WELL = primary()

# For each kind: a view and surroundings in which there is such a problem, the text of its appearing, and of its going.
CASES = {
    "missing": (primary(state=AgentState.MISSING), AROUND,
                "platform.driver is not installed here: run `vctl install` with `--vip-identity platform.driver`",
                "platform.driver is installed again"),
    "unauthorized": (WELL, fault("unauthorized"), "unauthorized failed: why", "the missing authorization has been granted"),
    "start": (WELL, fault("start"), "start failed: why", "the start of platform.driver succeeded"),
    "stop": (primary(decision=WANTS_STOP), fault("stop"), "stop failed: why", "the stop of platform.driver succeeded"),
    "stray": (WELL, fault("stray"), "stray failed: why", "no copy of platform.driver unknown to the platform remains"),
    "signals": (WELL, fault("signals"), "signals failed: why", "platform.driver no longer runs as another user"),
    "absent": (WELL, fault("absent"), "absent failed: why", "platform.driver is on the message bus, or no longer runs here"),
    "silent": (WELL, fault("silent"), "silent failed: why", "platform.driver answers again, or no longer runs here"),
    "unwell": (WELL, fault("unwell"), "unwell failed: why", "platform.driver no longer reports BAD"),
    "second": (primary(peer=PEER._replace(instance_name="node-b")), AROUND._replace(answers_there=True),
               "platform.driver also answers on node-b, so that two copies run: `vctl start` the failover agent there; if "
               "it runs, see `python -m failover status` there",
               "the secondary is heard again, or platform.driver no longer answers there"),
    "config": (WELL, fault("config"), "config failed: why",
               "the configuration in use is the one that is stored or installed"),
    "unlike": (primary(installation="driver-1 aa bb",
                       peer=PEER._replace(instance_name="node-b", installation="driver-2 aa bc")),
               AROUND, "platform.driver is driver-1 here and driver-2 on node-b: install the same on both; what is in the "
               "configuration store for platform.driver differs from that on node-b: see `vctl config list platform.driver` "
               "and `vctl config get platform.driver NAME` on both", "platform.driver is installed alike on both sides"),
    "times": (WELL, AROUND._replace(is_timeout_late=True), "the configured times are not in use yet, because the other side "
              "is down or sends too seldom for them: store the same configuration there too, or start its failover agent",
              "the configured times are in use"),
    "memory": (WELL, fault("memory"), "memory failed: why", "state is being saved to disk again"),
    "deaf": (WELL, fault("deaf"), "deaf failed: why", "heartbeats can be heard again"),
    "unsigned": (primary(unsigned_ago=9.9), AROUND, "unsigned heartbeats come in and do not count, because the other side signs its "
                 "own: somebody forges them, and the platform's log says under which name; or the other side has been given an "
                 "earlier release or cannot read its keys any more: then set require_signatures to false here and restart the "
                 "failover agent", "no more unsigned heartbeats come in"),
    "wrong": (primary(wrong_ago=9.9), AROUND, "heartbeats come in that are signed with another key and do not count: "
              "remote_serverkey is wrong on one of the two sides, so compare it with what `vctl auth servercred` (on VOLTTRON 9 "
              "`vctl auth serverkey`) prints on the other platform, and restart the failover agent; or somebody forges them",
              "no more heartbeats come in with a wrong signature"),
    "keys": (WELL, fault("keys"), "keys failed: why", "signatures can be checked again"),
    "loop": (WELL, AROUND._replace(loop="stopped 3 times within 5 min"),
             "platform.driver stopped 3 times within 5 min: see why in the platform's log; each time it is started again "
             "after a pause", "platform.driver keeps running, or no longer needs to run here"),
    "handed": (primary(orders=Orders(1, "node-a", "secondary", is_handed_over=True)), AROUND,
               "platform.driver failed on node-a, and was handed over to the other side, once: when that is mended, run "
               "`python -m failover switchover --to node-a`", "the handover of platform.driver is over"),
    "quiet": (primary(is_quiet=True), AROUND, "this failover agent starts nothing yet: its former process was killed while "
              "it ended, so this platform may be shutting down; if not, it resumes within 120 s",
              "this failover agent is active again"),
    "there": (primary(peer=PEER._replace(instance_name="node-b", trouble="platform.driver is not installed here")), AROUND,
              "on node-b: platform.driver is not installed here; see `python -m failover status` there",
              "platform.driver is well again on the secondary"),
    "control": (primary(platform_answers=False), AROUND, "control of this platform does not answer, so no heartbeats are "
                "sent: see `vctl status` and the platform's log", "control of this platform answers again"),
    "link": (WELL, AROUND._replace(link_up=False, link_error="no route", link_since=5.0), "remote link lost: no route",
             "remote link found: tcp://192.0.2.10:1 answers again"),
    "refused": (WELL, AROUND._replace(link_refusal="not you"), "tcp://192.0.2.10:1 refuses our heartbeats: not you; allow "
                "them with `vctl authz add agent node-a.failover --pubsub-capabilities heartbeat/primary:publish "
                "failover/platform.driver/primary:publish` there (on VOLTTRON 9 `vctl auth update`, with the capability that "
                "the topic requires)", "tcp://192.0.2.10:1 accepts heartbeats again"),
    "peer": (primary(decision=WANTS_RUN._replace(peer=DOWN), heard_ago=11.0), AROUND,
             "secondary not heard since noon: nobody would take over; see `vctl status` there",
             "the secondary is heard again"),
    "differ": (primary(peer_mode="standard", peer=PEER._replace(timeout=20.0, stop_grace=7.0)), AROUND,
               "timeout is 10.0 here and 20.0 on node-a; stop_grace is 5.0 here and 7.0 on node-a: configure both "
               "sides alike",
               "both sides are configured alike again"),
    "rival": (primary(alike="node-b", acting="primary"), AROUND, "node-b is configured as primary too: give one of the two "
              "the other agent_id; until then this side acts as the primary", "only one primary is heard again"),
    "names": (primary(peer=PEER), AROUND, "both platforms have the instance name node-a: give them different ones",
              "the two platforms have different names again"),
    "vc": (primary(decision=WANTS_RUN._replace(vc=DOWN)), AROUND._replace(vc_address="tcp://192.0.2.30:1", vc_error="no"),
           "VC at tcp://192.0.2.30:1 does not answer: no", "VOLTTRON Central answers again"),
    "vcs": (primary(lease=NO_LEASE._replace(is_vc_apart=True)), AROUND, "the secondary goes by another VC, so that nobody "
            "can verify that it is down: give both sides the same volttron_central_vip",
            "both sides go by the same VC again"),
    "isolated": (primary(decision=Decision(Action.STOP, DOWN, DOWN, wanted=Command.STOP)), AROUND,
                 "neither VC nor the secondary answers: platform.driver must not run here",
                 "this primary is no longer isolated"),
    "unsupervised": (primary(lease=NO_LEASE._replace(vcp_word="runs")), AROUND, "the secondary is not heard, but its VCP "
                     "says that platform.driver runs there: start its failover agent",
                     "the secondary's failover agent is heard again, or platform.driver no longer runs there"),
    "copy": (primary(), AROUND._replace(has_unexpected_copy=True), "platform.driver ran here though this side may not run "
             "it: started by hand, by the platform, or before this failover agent, it is stopped; do not start or enable it "
             "yourself", "platform.driver no longer runs here without permission"),
}


def find(seen, around, before=None):
    return problems.find(seen, around, before or {})


def test_each_kind_has_its_test():
    assert CASES.keys() == problems.KINDS.keys()


@pytest.mark.parametrize("key", CASES)
def test_it_is_said_when_it_appears_and_when_it_has_gone(key):
    seen, around, appears, goes = CASES[key]
    found = find(seen, around)
    assert found[key] == appears
    well = primary(installation="driver-1 aa bb", peer_mode="standard", peer=PEER._replace(
        instance_name="node-b", mode="standard", installation="driver-1 aa bb"))
    assert find(well, AROUND, found) == {}
    assert problems.gone(key, well, AROUND) == goes


@pytest.mark.parametrize("key, seen, around", [
    ("missing", primary(state=AgentState.UNKNOWN), AROUND),
    ("link", primary(), AROUND._replace(link_up=False, link_error="no", link_since=1.0)),
    ("peer", primary(decision=WANTS_RUN._replace(peer=UNKNOWN)), AROUND),
    ("peer", primary(decision=WANTS_RUN._replace(peer=DOWN), platform_answers=False), AROUND),
    ("differ", primary(peer=None, heard_ago=None, peer_mode="standard"), AROUND),
    ("vc", primary(decision=WANTS_RUN._replace(vc=UNKNOWN)), AROUND),
    ("isolated", primary(decision=Decision(Action.WAIT, UNKNOWN, UNKNOWN)), AROUND),
    ("unsupervised", primary(lease=NO_LEASE._replace(vcp_word="no answer")), AROUND),
    ("unsupervised", primary(lease=NO_LEASE._replace(vcp_word="runs", silent_for=None)), AROUND),
    ("unsupervised", primary(lease=NO_LEASE._replace(vcp_word="no answer", silent_for=None)), AROUND),
])
def test_what_was_the_matter_and_of_which_nothing_is_known_stays(key, seen, around):
    assert find(seen, around, {key: "as before"})[key] == "as before"
    assert key not in find(seen, around)


@pytest.mark.parametrize("key, seen, around", [
    ("start", primary(), fault("start")._replace(has_settled=True)),
    ("start", primary(decision=WANTS_STOP), fault("start")),
    ("stop", primary(), fault("stop")),
    ("stop", primary(decision=WANTS_STOP, state=AgentState.STOPPED), fault("stop")),
    ("loop", primary(decision=WANTS_STOP), AROUND._replace(loop="stopped 3 times within 5 min")),
    ("there", primary(peer=PEER._replace(trouble="x"), farewell=PEER), AROUND),
    ("link", primary(), AROUND._replace(link_up=False, link_error="no", link_since=1.0)),
    ("peer", make_view(decision=Decision(Action.START, DOWN, wanted=Command.START)), AROUND),
])
def test_what_is_over_or_not_certain_is_no_problem(key, seen, around):
    assert key not in find(seen, around)


@pytest.mark.parametrize("word, silent_for", [("does not run", 7.3), ("no answer", 22.2), (None, None)])
def test_what_vcp_says_in_the_end_or_a_heartbeat_ends_that_nobody_supervises_the_agent(word, silent_for):
    seen = primary(lease=NO_LEASE._replace(vcp_word=word, silent_for=silent_for))
    assert "unsupervised" not in find(seen, AROUND, {"unsupervised": "as before"})


def test_an_order_given_after_a_handover_does_not_move_where_it_failed():
    orders = Orders(3, "node-b", "secondary", is_handed_over=True)  # As when a pause was ended there.
    there = PEER._replace(instance_name="node-b")
    assert find(primary(orders=orders, peer=there), AROUND)["handed"].endswith("switchover --to node-a`")
    assert find(make_view("secondary", "standard", orders=orders, peer=there), AROUND)["handed"].endswith(
        "switchover --to node-b`")


def test_heartbeats_that_come_back_are_said_to():
    assert find(primary(alike="node-a"), AROUND)["rival"].startswith("remote_vip tcp://192.0.2.10:1 leads to this platform")


def test_a_primary_that_is_not_heard_says_so():
    found = find(primary(decision=WANTS_RUN._replace(peer=DOWN), heard_ago=1.0), AROUND)
    assert found["peer"].startswith("secondary is heard, but it does not hear this side: nobody would take over")
    # What it acknowledged last is older than its last heartbeat.
    found = find(primary(decision=WANTS_RUN._replace(peer=DOWN), heard_ago=8.5), AROUND)
    assert found["peer"].startswith("secondary not heard since noon")
    found = find(make_view(mode="standard", decision=WANTS_STOP._replace(peer=DOWN)), AROUND)
    assert found["peer"] == "primary not heard since noon: see `vctl status` there"


@pytest.mark.parametrize("seen, around, text", [
    (primary(), AROUND._replace(loop="stopped 3 times within 5 min"), "platform.driver stopped 3 times within 5 min"),
    (primary(state=AgentState.MISSING), AROUND, "platform.driver is not installed here"),
    (make_view(decision=TAKEOVER), AROUND._replace(answers_there=True),
     "platform.driver also answers on node-a, so that two copies run"),
    (primary(), fault("unwell"), "unwell failed"),
    (primary(), fault("memory"), None),
    (primary(decision=WANTS_STOP), fault("unwell"), None),
    # A standby that could not take over.
    (make_view(state=AgentState.MISSING), AROUND, "platform.driver is not installed here"),
    (make_view(), fault("unauthorized"), "unauthorized failed"),
])
def test_the_peer_is_told_what_is_wrong_with_the_managed_agent(seen, around, text):
    assert problems.trouble(seen, around, find(seen, around)) == text
