"""What VC and VCPs say becomes events, whatever goes wrong: with a router of the test's own."""

import json

import gevent
import pytest

from failover.decision.effects import AskVcp, Publish
from failover.decision.events import (
    HeartbeatReceived,
    LinkChanged,
    LinkFree,
    PublishRefused,
    VcAnswered,
    VcKnown,
    VcpAnswered,
)
from failover.decision.heartbeat import Heartbeat
from failover.decision.vocabulary import Path
from failover.seal import Seal
from failover.vc_client import Topics, VcClient
from failover.vip.link import RemoteError
from tests.test_link_faults import ERRORS, FORGED, LIMIT, ODD, await_rebuilt, await_up, no_traceback, router  # noqa: F401
from tests.testbed.pair import wait

TOPIC, WIDE = "failover/topic", ("failover/wide/a", "failover/wide/b")


def heartbeat(sequence):
    return Heartbeat("node-a", "failover", "agent", "primary", "standard", 10, 1, 1, "boot", sequence, None, None, True)


class Client(VcClient):
    """One that keeps what it posts.

    :ivar error: raised by whoever takes an event.
    """

    def __init__(self, endpoint):
        self.events, self.error = [], None
        super().__init__(endpoint, "vc", Topics(TOPIC, WIDE), Seal(), 0.5, 0.2, self.take)

    def take(self, event):
        self.events.append(event)
        if self.error is not None and not isinstance(event, PublishRefused):  # That one, `send` awaits.
            raise self.error

    def await_event(self, kind, **fields):
        def found():
            return next((event for event in self.events if isinstance(event, kind) and all(
                getattr(event, name) == value for name, value in fields.items())), None)

        return wait(found, LIMIT, "{} {}".format(kind.__name__, fields))

    def send(self, sequence):
        """Publish until that can be done."""
        def done():
            before = len(self.events)
            self.publish(Publish(Path.VC, heartbeat(sequence)))
            return not any(isinstance(event, PublishRefused) for event in self.events[before:])

        wait(done, LIMIT, "publish")


@pytest.fixture
def client(router):  # noqa: F811
    client = Client(router.endpoint())
    client.link.start()
    await_up(client.link)
    yield client
    client.link.close()


def echo(router, answer=b'{"result": {"status": "GOOD"}}'):  # noqa: F811
    """Have the router pass on what is published, and answer calls."""
    def on_request(sender, recipient, ident, subsystem, args):
        if subsystem == b"RPC":
            return [b"RPC", answer]
        if args[:1] == [b"publish"]:
            body = json.loads(args[2].decode())
            gevent.spawn(router.publish, sender.decode(), args[1],
                         json.dumps(dict(body, sender=sender.decode())).encode())
        return None

    router.on_request = on_request


def test_it_says_by_which_vc_it_goes_before_it_is_used(router, client):  # noqa: F811
    assert client.events[:2] == [VcKnown(router.endpoint().serverkey), LinkChanged(Path.VC, True)]


def test_an_answered_question_and_what_comes_back_are_events(router, client):  # noqa: F811
    echo(router)
    client.send(7)
    client.await_event(VcAnswered, sequence=7)
    assert client.await_event(HeartbeatReceived, path=Path.VC).heartbeat == heartbeat(7)
    client.await_event(LinkFree, path=Path.VC)


def test_what_goes_out_widely_does_so_on_all_topics_and_one_answer_is_awaited(router, client):  # noqa: F811
    published = []

    def on_request(sender, recipient, ident, subsystem, args):
        if args[:1] == [b"publish"]:
            published.append(args[1].decode())

    router.on_request = on_request
    client.send(1)
    wait(lambda: published == [TOPIC], LIMIT, "the narrow one")
    wait(lambda: client.publish(Publish(Path.VC, heartbeat(2), widely=True)) or published[1:], LIMIT, "publish")
    wait(lambda: set(published[1:]) == {TOPIC, *WIDE}, LIMIT, "the wide one")
    client.send(3)
    wait(lambda: published[-1] == TOPIC, LIMIT, "a narrow one again")


@pytest.mark.parametrize("topic", (TOPIC,) + WIDE)
def test_what_comes_on_another_topic_than_the_pairs_is_told_as_such(router, client, topic):  # noqa: F811
    client.send(1)
    router.publish("node.test", topic.encode(), b'{"sender": "x", "message": "of another"}')
    assert client.await_event(HeartbeatReceived, sender="x").widely is (topic != TOPIC)


KEYS = "a" * 43, "b" * 43, "c" * 43


@pytest.mark.parametrize("ours, theirs, meet", [
    ((0, 1, "a"), (1, 0, "a"), True),
    ((0, 2, "a"), (1, 0, "a"), True),
    ((0, 1, "a"), (1, 2, "a"), True),
    ((0, 1, "a+b"), (1, 0, "b"), True),
    ((0, 2, "a+b"), (1, 0, "b+a"), True),
    ((0, 2, "a"), (1, 2, "a"), True),
    ((0, 1, "a"), (1, 0, "b"), False),
])
def test_two_meet_if_one_knows_the_others_key_and_both_manage_an_agent(ours, theirs, meet):
    one, other = (Topics.of(KEYS[own], KEYS[remote], managed) for own, remote, managed in (ours, theirs))
    assert bool({one.pair, *one.wide} & {other.pair, *other.wide}) is meet
    assert (one.pair == other.pair) is (ours[:2] == theirs[1::-1] and ours[2] == theirs[2])


def test_a_heartbeat_that_cannot_go_out_is_refused(router, client):  # noqa: F811
    client.link.close()
    client.publish(Publish(Path.VC, heartbeat(3)))
    assert client.events[-1] == PublishRefused(Path.VC, 3)


@pytest.mark.parametrize("error", ERRORS)
def test_a_listener_that_raises(router, client, error):  # noqa: F811
    echo(router)
    client.error = error
    session = client.link._session
    client.send(1)
    client.await_event(VcAnswered, sequence=1)
    router.publish("node.test", TOPIC.encode(), b'{"sender": "x", "message": "of another"}')
    client.await_event(HeartbeatReceived, sender="x", heartbeat=None)
    client.send(2)
    client.await_event(VcAnswered, sequence=2)
    assert client.link._session is session
    del client.events[:]
    client.link.renew("as a test wants")
    await_rebuilt(client.link, session)
    client.await_event(LinkChanged, up=False)
    client.await_event(VcKnown)


def test_a_listener_that_raises_when_a_refused_publish_can_be_tried_again(router, client):  # noqa: F811
    echo(router)
    client.error = KeyError
    client.publish(Publish(Path.VC, heartbeat(1)))
    client.publish(Publish(Path.VC, heartbeat(2)))  # The first has not been answered yet.
    client.await_event(PublishRefused, sequence=2)
    client.await_event(VcAnswered, sequence=1)
    del client.events[:]
    client.await_event(LinkFree)


@pytest.mark.parametrize("error", ERRORS + [RemoteError])
def test_a_question_to_vc_that_fails_is_no_answer(router, client, error, monkeypatch):  # noqa: F811
    def fail(*args, **kwargs):
        raise error(FORGED)

    echo(router)
    with monkeypatch.context() as patch:
        patch.setattr(client.link, "call", fail)
        client.send(1)
        gevent.sleep(0.1)
    client.send(2)
    client.await_event(VcAnswered, sequence=2)
    assert not any(event == VcAnswered(1) for event in client.events)


@pytest.mark.parametrize("error", ERRORS)
def test_a_question_to_vcp_that_fails_is_no_answer(router, client, error, monkeypatch):  # noqa: F811
    def fail(*args, **kwargs):
        raise error(FORGED)

    monkeypatch.setattr(client.link, "call", fail)
    monkeypatch.setattr(gevent.get_hub(), "print_exception", lambda *args: None)
    client.ask_vcp(AskVcp("node-b", "agent", 2.0))
    assert client.await_event(VcpAnswered).runs is None


ODD_AGENTS = [b'{"result": ' + one + b"}" for one in (
    b"5", b'"text"', b"{}", b'{"a": 1}', b"[5]", b"[[]]", b'[["u", "n", 5, "agent"]]', b'[["u", "n", [], "agent"]]',
    b'[["u", "n", null, "agent"]]')]


@pytest.mark.parametrize("answer", ODD + ODD_AGENTS, ids=lambda answer: answer[:40].decode(errors="replace"))
def test_odd_answers_of_vcp_are_none(router, client, answer, caplog):  # noqa: F811
    echo(router, answer)
    client.ask_vcp(AskVcp(FORGED, "agent", 2.0))
    assert not client.await_event(VcpAnswered).runs
    assert all(record.getMessage().isprintable() and len(record.getMessage()) < 700 for record in caplog.records)


def test_an_agent_runs_that_has_a_process_and_no_exit_status(router, client):  # noqa: F811
    for status, runs in (("[7, null]", True), ("[7, 0]", False), ("[null, null]", False)):
        echo(router, '{{"result": [["u", "n", {}, "agent"]]}}'.format(status).encode())
        del client.events[:]
        client.ask_vcp(AskVcp("node-b", "agent", 2.0))
        assert client.await_event(VcpAnswered).runs is runs
