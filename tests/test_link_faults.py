"""A link goes on, whatever is raised inside it, and whatever its router sends: with a router of the test's own."""

import gc
import json
import os
import signal

import gevent
import psutil
import pytest

from failover import clock
from failover.vip import attempts
from failover.vip.briefly import connected
from failover.vip.link import Endpoint, Link, LinkError, RemoteError
from failover.vip.session import Session
from tests.testbed.pair import wait
from tests.testbed.router import Router, started

LIMIT = 60


class Unforeseen(BaseException):
    """No Exception, as gevent.Timeout is none."""


ERRORS = [gevent.Timeout, SystemExit, Unforeseen, KeyError, LinkError]


@pytest.fixture
def router():
    router = Router()
    yield router
    router.close()


@pytest.fixture(autouse=True)
def no_traceback(monkeypatch):
    """Nothing may end a greenlet with an error that nobody sees but on stderr."""
    seen = []
    hub = gevent.get_hub()
    monkeypatch.setattr(hub, "print_exception", lambda context, kind, value, tb: seen.append((context, value)))
    yield seen
    assert seen == []


def await_up(link):
    wait(lambda: link.up, LIMIT, "link up, last error: {}".format(link.last_error))


def await_rebuilt(link, before):
    link.retry_now()
    wait(lambda: link.up and link._session is not before, LIMIT, "a new connection: {}".format(link.last_error))


def proves_itself(link):
    """Wait until the link publishes, and has had the answer to that."""
    for _ in range(2):
        wait(lambda: link.publish("test/a", "text"), LIMIT, "publish")


def greenlet_of(link, place):
    return {"run": link._greenlet, "monitor": link._session._transport._greenlets[0],
            "socket": link._session._transport._greenlets[1]}[place]


# What is raised where the link waits

@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("place", ["run", "monitor", "socket"])
def test_raised_while_it_serves(router, place, error):
    with started(router.endpoint()) as link:
        await_up(link)
        session = link._session
        greenlet_of(link, place).kill(error, block=False)
        await_rebuilt(link, session)
        proves_itself(link)


@pytest.mark.parametrize("place", ["monitor", "socket"])
def test_a_reader_that_is_killed_does_not_leave_it_deaf(router, place):
    with started(router.endpoint(), probe_every=60) as link:
        await_up(link)
        session = link._session
        greenlet_of(link, place).kill(block=False)
        await_rebuilt(link, session)
        proves_itself(link)
        assert "reads from" in session._transport.broken_off


@pytest.mark.parametrize("error", ERRORS)
def test_raised_while_it_opens(router, error):
    router.silent = True
    with started(router.endpoint(), answer_within=5) as link:
        wait(lambda: link._session is not None and link._session._shaken, LIMIT, "the handshake")
        link._greenlet.kill(error, block=False)
        router.silent = False
        await_up(link)
        proves_itself(link)


@pytest.mark.parametrize("error", ERRORS)
def test_raised_while_it_pauses(router, error, monkeypatch):
    monkeypatch.setattr(attempts, "_FIRST_PAUSE", 60)
    monkeypatch.setattr(attempts, "_LONGEST_PAUSE", 60)
    with started(router.endpoint(address="tcp://127.0.0.1:1"), answer_within=LIMIT) as link:
        wait(lambda: link.last_error and link._session._transport._socket is None, LIMIT, "the first attempt")
        gevent.sleep(0.1)
        link.endpoint = router.endpoint()
        link._greenlet.kill(error, block=False)
        await_up(link)


@pytest.mark.parametrize("error", ERRORS)
def test_raised_while_a_session_closes(router, error, monkeypatch):
    """A process that was frozen finds all its time limits passed."""
    def fail(*args, **kwargs):
        raise error

    with started(router.endpoint()) as link:
        await_up(link)
        first, sock, monitor = link._session, link._session._transport._socket, link._session._transport._monitor
        with monkeypatch.context() as patch:
            patch.setattr(gevent, "killall", fail)
            patch.setattr(gevent, "joinall", fail)
            link.renew("as a test wants")
            await_rebuilt(link, first)
            assert sock.closed and monitor.closed
        proves_itself(link)


@pytest.mark.parametrize("error", ERRORS)
def test_raised_while_a_session_fades(router, error):
    with started(router.endpoint()) as link:
        await_up(link)
        first, sock = link._session, link._session._transport._socket
        asked = gevent.spawn(pytest.raises, LinkError, link.call, "peer", "method", timeout=5)
        wait(lambda: first.unanswered, LIMIT, "the question")
        link.renew("as a test wants")
        await_rebuilt(link, first)
        asked.get(timeout=5)
        assert not sock.closed
        first._transport._greenlets[-1].kill(error, block=False)
        wait(lambda: sock.closed, LIMIT, "the end of the old connection")
        proves_itself(link)


@pytest.mark.parametrize("error", [gevent.Timeout, Unforeseen, KeyError])
@pytest.mark.parametrize("name", ["open", "serve_one", "subscribe", "_handle", "close", "fade", "give_up_calls"])
def test_raised_by_a_step(router, name, error, monkeypatch):
    """Once, at its end. What is unforeseen is so wherever it comes from."""
    step = getattr(Session, name)
    raised = []

    def fail_once(*args):
        step(*args)
        if not raised:
            raised.append(1)
            raise error

    with started(router.endpoint()) as link:
        link.subscribe("test/", lambda *_: None)
        await_up(link)
        asked = gevent.spawn(pytest.raises, LinkError, link.call, "peer", "method", timeout=5)
        wait(lambda: link._session.unanswered, LIMIT, "the question")
        session = link._session
        monkeypatch.setattr(Session, name, fail_once)
        link.renew("as a test wants")
        await_rebuilt(link, session)
        wait(lambda: raised and link.up, LIMIT, "the error")
        asked.get(timeout=5)
        proves_itself(link)


def test_it_comes_up_again_and_again(router, monkeypatch):
    with started(router.endpoint()) as link:
        for error in ERRORS * 3:
            await_up(link)
            session = link._session
            gevent.sleep(0.01)
            link._greenlet.kill(error, block=False)
            await_rebuilt(link, session)


@pytest.mark.parametrize("error", ERRORS)
def test_raised_by_callbacks(router, error):
    calls = []

    def fail(*args):
        calls.append(args)
        raise error

    with started(router.endpoint(), on_change=fail) as link:
        link.subscribe("test/", fail)
        link.subscribe("test/a", lambda topic, sender, message: calls.append(message))
        await_up(link)
        proves_itself(link)
        session = link._session
        router.publish("node.test", b"test/a", b'{"sender": "somebody", "message": "text"}')
        wait(lambda: ("test/a", "somebody", "text") in calls and "text" in calls, LIMIT, "both callbacks")
        proves_itself(link)
        assert link._session is session
        link.renew("as a test wants")
        await_rebuilt(link, session)


# An interrupt

def interrupted(act):
    """Return whether the main greenlet was interrupted by what is done meanwhile."""
    try:
        act()
        gevent.sleep(5)  # It is interrupted, or nothing comes.
    except KeyboardInterrupt:
        return True
    return False


@pytest.mark.parametrize("place", ["run", "monitor", "socket"])
def test_an_interrupt_reaches_the_main_greenlet_and_leaves_the_link(router, place, no_traceback):
    """Python raises it in whichever greenlet runs. VOLTTRON stops agents by it."""
    with started(router.endpoint()) as link:
        await_up(link)
        session = link._session
        assert interrupted(lambda: greenlet_of(link, place).kill(KeyboardInterrupt, block=False))
        await_rebuilt(link, session)
    no_traceback.clear()


def test_a_sigint_during_a_callback_reaches_the_main_greenlet(router, no_traceback):
    with started(router.endpoint()) as link:
        await_up(link)
        link.subscribe("test/", lambda *_: os.kill(os.getpid(), signal.SIGINT))
        assert interrupted(lambda: router.publish("node.test", b"test/a", b'{"sender": "x", "message": ""}'))
        proves_itself(link)
    no_traceback.clear()


# Closing

@pytest.mark.parametrize("error", ERRORS)
def test_close_raises_nothing_and_closes_all(router, error, monkeypatch):
    def fail(*args, **kwargs):
        raise error

    link = Link(router.endpoint(), 0.5, 0.2)
    link.start()
    await_up(link)
    sock, greenlet = link._session._transport._socket, link._greenlet
    with monkeypatch.context() as patch:
        patch.setattr(gevent, "killall", fail)
        patch.setattr(gevent, "joinall", fail)
        patch.setattr(Session, "take_leave", fail)
        link.close()
    assert sock.closed and greenlet.dead and not link.up
    link.close()


def test_close_ends_with_open_questions_and_a_router_that_is_silent(router):
    link = Link(router.endpoint(), 5, 5)
    link.start()
    await_up(link)
    asked = gevent.spawn(pytest.raises, LinkError, link.call, "peer", "method", timeout=60)
    wait(lambda: link._session.unanswered, LIMIT, "the question")
    router.silent = True
    before = clock.now()
    link.close()
    assert clock.now() - before < 9
    asked.get(timeout=LIMIT)


def test_who_is_killed_while_it_closes_leaves_nothing_open(router):
    link = Link(router.endpoint(), 5, 5)
    link.start()
    await_up(link)
    gevent.spawn(pytest.raises, LinkError, link.call, "peer", "method", timeout=60)
    wait(lambda: link._session.unanswered, LIMIT, "the question")
    sock = link._session._transport._socket
    closing = gevent.spawn(link.close)
    gevent.sleep(0.1)
    closing.kill()
    wait(lambda: sock.closed, LIMIT, "the end of the connection")


def test_a_callback_may_close_it(router):
    link = Link(router.endpoint(), 0.5, 0.2, on_change=lambda: link.up and link.close())
    link.start()
    wait(lambda: link._greenlet is None, LIMIT, "the end of the link")
    assert not link.up and link._session._transport._socket is None


def test_a_session_that_ends_refuses_what_is_asked_of_it(router):
    with started(router.endpoint()) as link:
        await_up(link)
        session = link._session
        session.close()
        assert link.publish("test/a", "text") is False
        with pytest.raises(LinkError):
            link.call("peer", "method", timeout=1)
        with pytest.raises(LinkError):
            link.query("name", timeout=1)
        session.take_leave()
        link.subscribe("test/", lambda *_: None)
        link.renew("as a test wants")
        await_rebuilt(link, session)


def test_after_the_end_nothing_can_be_asked(router):
    link = Link(router.endpoint(), 0.5, 0.2)
    link.start()
    await_up(link)
    link.close()
    link.renew("as a test wants")
    link.retry_now()
    assert link.publish("test/a", "text") is False
    with pytest.raises(LinkError):
        link.call("peer", "method", timeout=1)


def test_it_is_started_once_and_may_be_started_again_after_its_end(router):
    link = Link(router.endpoint(), 0.5, 0.2)
    link.start()
    link.start()
    await_up(link)
    link.start()
    gevent.sleep(0.3)
    assert router.hellos == ["node.test"]
    link.close()
    link.start()
    await_up(link)
    link.close()


def test_ends_leak_nothing(router):
    def use():
        with started(router.endpoint()) as link:
            await_up(link)
            for error in ERRORS:
                session = link._session
                link._greenlet.kill(error, block=False)
                await_rebuilt(link, session)

    use()
    gc.collect()
    process = psutil.Process()
    before = process.num_fds()
    for _ in range(3):
        use()
    gc.collect()
    wait(lambda: process.num_fds() <= before, LIMIT, "no more open files than {}".format(before))


# What a router or a peer sends

ODD = [b"", b"[]", b"5", b"null", b'"error"', b"\xff", b"{", b'{"error": 5}', b'{"error": {"data": 7}}',
       b'{"error": {"message": null, "data": [1]}}', b'{"error": [{}]}', b"[" * 100000, b'{"a":' * 100000,
       b'{"result": ' + b"9" * 100000 + b"}", b'{"sender": {}, "message": []}', b'{"sender": "x"}', b'["sender"]',
       b'{"sender": "x", "message": ' + b"[" * 100000]


def test_odd_messages_end_nothing(router):
    heard = []
    with started(router.endpoint(), answer_within=10) as link:
        link.subscribe("", lambda *args: heard.append(args))
        await_up(link)
        session = link._session
        for odd in ODD:
            answer = []
            router.on_request = lambda sender, recipient, ident, subsystem, args: (
                [b"RPC", odd] if subsystem == b"RPC" else None)
            try:
                answer.append(link.call("peer", "method", timeout=2))
            except RemoteError as error:
                answer.append(str(error))
            assert answer == [None] and odd[:1] == b"{" or isinstance(answer[0], str) and len(answer[0]) <= 300
            router.publish("node.test", b"test/a", odd)
            router.publish("node.test", odd, b"{}")
            for count in range(7):
                router.send("node.test", *[odd] * count)
        proves_itself(link)
        assert link._session is session
        assert heard == []


FORGED = "x\n2026-01-01 00:00:00 forged line \x1b[2J\r\u2028"


@pytest.mark.parametrize("answer", [
    [b"error", b"1", FORGED.encode() * 100000, b"peer", b"RPC"],
    [b"RPC", json.dumps({"error": {"message": FORGED * 100000, "data": {"detail": FORGED}}}).encode()],
    [b"RPC", json.dumps({"error": FORGED * 100000}).encode()],
    [b"RPC", json.dumps({"error": {"message": {FORGED: 1}, "data": {"detail": [FORGED] * 1000}}}).encode()],
], ids=["of the router", "message", "text", "odd"])
def test_foreign_error_texts_are_bounded_lines(router, answer):
    with started(router.endpoint(), answer_within=5) as link:
        await_up(link)
        router.on_request = lambda sender, recipient, ident, subsystem, args: answer if subsystem == b"RPC" else None
        with pytest.raises(RemoteError) as caught:
            link.call("peer", "method", timeout=5)
        assert_harmless(str(caught.value))


def assert_harmless(text):
    assert text and text.isprintable() and len(text) <= 300


def test_a_refusal_and_a_query_answer_are_bounded_lines(router):
    with started(router.endpoint(), answer_within=5) as link:
        await_up(link)
        text = FORGED.encode() * 100000
        router.on_request = lambda sender, recipient, ident, subsystem, args: {
            b"pubsub": [b"error", b"1", text, b"", b"pubsub"], b"query": [b"query", b"name", text]}.get(subsystem)
        link.publish("test/a", "text")
        wait(lambda: link.refusal, LIMIT, "the refusal")
        assert_harmless(link.refusal)
        assert_harmless(link.query("name", timeout=5))


def test_the_last_error_is_a_bounded_line(caplog):
    class Foreign(Exception):
        """As raised by what a platform brings along."""

    with started(Endpoint("tcp://" + FORGED * 1000, "A" * 43, "node.test", "A" * 43, "A" * 43)) as link:
        wait(lambda: link.last_error, LIMIT, "the error")
        assert link.last_error.isprintable() and len(link.last_error) < 1000
        link._greenlet.kill(Foreign(FORGED * 100000), block=False)
        link._set(False, Foreign(FORGED * 100000))
        assert_harmless(link.last_error)
        gevent.sleep(0.1)
    assert all(record.getMessage().isprintable() and len(record.getMessage()) < 1500 for record in caplog.records)


def test_sender_and_topic_are_clean(router):
    heard = []
    with started(router.endpoint()) as link:
        link.subscribe("test/", lambda *args: heard.append(args))
        await_up(link)
        router.publish("node.test", ("test/" + FORGED).encode(),
                       json.dumps({"sender": FORGED * 1000, "message": FORGED}).encode())
        wait(lambda: heard, LIMIT, "the publication")
        [(topic, sender, message)] = heard
        assert_harmless(topic)
        assert_harmless(sender)
        assert message == FORGED


def test_a_message_that_would_fill_the_memory_ends_the_connection_only(router):
    with started(router.endpoint(), answer_within=5) as link:
        await_up(link)
        session = link._session
        router.publish("node.test", b"test/a", b"x" * (3 * 2 ** 20))
        proves_itself(link)
        assert link._session is session
        router.publish("node.test", b"test/a", b"x" * (17 * 2 ** 20))
        await_rebuilt(link, session)


def test_nobody_else_can_answer_a_question(router):
    """The ids of questions cannot be guessed."""
    seen = []

    def note(sender, recipient, ident, subsystem, args):
        seen.append(ident)

    router.on_request = note
    with started(router.endpoint()) as link:
        await_up(link)
        wait(lambda: len(seen) > 3, LIMIT, "some questions")
    idents = set(seen) - {b"hello"}
    assert len(idents) == len(seen) - 1 and all(len(one) >= 16 for one in idents)


def test_connected_closes_whatever_happens(router):
    with pytest.raises(Unforeseen), connected(router.endpoint(), LIMIT) as link:
        assert link.up
        sock = link._session._transport._socket
        raise Unforeseen
    assert sock.closed
