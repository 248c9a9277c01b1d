"""VIP messages without a socket: what is encoded is decoded again, and a router or a peer may send anything."""

import json

import pytest
from gevent.event import AsyncResult
from hypothesis import example, given, settings
from hypothesis import strategies as st

from failover.text import clean
from failover.vip import frames
from failover.vip.endpoint import Endpoint
from failover.vip.errors import LinkError, RemoteError, Unreadable
from failover.vip.frames import Message
from failover.vip.proof import Times
from failover.vip.session import Session

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["error", "data", "detail", "message", "result", "sender", "id", "x"]), inner, max_size=4),
    max_leaves=12)
DOCUMENT = st.builds(lambda value: json.dumps(value).encode(), JSON)
FRAME = (st.binary(max_size=40) | DOCUMENT | st.sampled_from([
    b"pubsub", b"publish", b"RPC", b"error", b"query", b"hello", b"welcome", b"ping", b"VIP1", b"ours", b"pending", b"",
    b"[" * 100000, b'{"a":' * 100000, b'{"result": ' + b"9" * 5000 + b"}", b'{"error": 5}', b'{"error": {"data": 7}}']))
# Topics, names and the like, as this side says them: no halves of surrogate pairs.
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
# What JSON gives back as it was.
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-10 ** 300, 10 ** 300) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4), max_leaves=12)


def to_json(value):
    return json.dumps(value).encode()


@st.composite
def genuine(draw):
    """The frames of a message as this side or a router makes it."""
    ident = draw(st.sampled_from([b"ours", b"pending"]))
    topic, text, value = draw(TEXT), draw(TEXT), draw(VALUE)
    return frames.encode(draw(TEXT), *draw(st.sampled_from([
        [frames.HELLO, frames.HELLO, frames.HELLO],
        [frames.HELLO, frames.HELLO, b"welcome", b"1.0", b"router", b"us", b"address"],
        [frames.PING, ident, b"ping"],
        [frames.PUBSUB, ident, *frames.publish(topic, text)],
        [frames.PUBSUB, ident, *frames.subscribe(topic)],
        [frames.PUBSUB, ident, b"publish", topic.encode(), to_json({"sender": text, "bus": "", "message": value})],
        [frames.RPC, ident, frames.call("method", (value,), ident)],
        [frames.RPC, ident, to_json({"jsonrpc": "2.0", "id": "ours", "result": value})],
        [frames.RPC, ident, to_json({"id": "ours", "error": {"code": 1, "message": text, "data": {"detail": value}}})],
        [frames.QUERY, ident, b"name", text.encode()],
        [frames.ERROR, ident, b"113", text.encode(), b"peer", b"RPC"],
        [frames.AGENTSTOP, ident, text.encode()]])))


@st.composite
def damaged(draw):
    """A genuine message that was cut off, or in which a few bits or frames are not what they were."""
    message = draw(genuine())
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(message) - 1)) if message else 0
        damage = draw(st.sampled_from(["cut", "drop", "double", "shorten", "flip"])) if message else "none"
        if damage == "cut":
            message = message[:at]
        elif damage == "drop":
            del message[at]
        elif damage == "double":
            message.insert(at, message[at])
        elif damage == "shorten":
            message[at] = message[at][:draw(st.integers(0, len(message[at])))]
        elif damage == "flip" and message[at]:
            bit = draw(st.integers(0, 8 * len(message[at]) - 1))
            flipped = bytearray(message[at])
            flipped[bit // 8] ^= 1 << bit % 8
            message[at] = bytes(flipped)
    return message


RECEIVED = st.lists(FRAME, max_size=9) | genuine() | damaged()


def assert_clean(text):
    assert isinstance(text, str) and len(text) <= 300 and (text == "" or text.isprintable())


@settings(max_examples=1000, deadline=None)
@given(RECEIVED)
@example([])
@example([b"", b"VIP1", b"", b"hello", b"hello", b"welcome"])
@example([b"", b"VIP1", b"", b"ours", b"RPC", b'{"error": {"message": {"a": 1}, "data": {"detail": [1]}}}'])
def test_whatever_comes_is_decoded_or_refused(received):
    """Nothing is raised but what the decoder says it raises."""
    try:
        message = frames.decode(received)
    except Unreadable:
        assert len(received) < 5
        return
    assert message == (received[0], received[3], received[4], received[5:])
    assert frames.is_welcome(message) in (True, False) and frames.is_publication(message) in (True, False)
    assert_clean(frames.error_text(message))
    try:
        publication = frames.publication(message)
        assert_clean(publication.topic)
        assert_clean(publication.sender)
    except Unreadable:
        pass
    for subsystem in (message.subsystem, frames.RPC, frames.QUERY, frames.ERROR):
        try:
            frames.answer(message._replace(subsystem=subsystem))
        except RemoteError as error:
            assert_clean(str(error))


@settings(max_examples=1000, deadline=None)
@given(RECEIVED)
def test_whatever_comes_is_survived_by_a_session(received):
    heard = []
    session = Session(Endpoint("tcp://127.0.0.1:1", "", "", "", ""), "name", Times(1, 1),
                      lambda *args: heard.append(args), lambda: None)
    result = session._questions._calls[b"ours"] = AsyncResult()
    session._proof.pending = b"pending"
    session._handle(received)
    if session.refusal is not None:
        assert_clean(session.refusal)
    if result.ready() and not result.successful():
        assert isinstance(result.exception, RemoteError)
        assert_clean(str(result.exception))
    for topic, sender, _ in heard:
        assert_clean(topic)
        assert_clean(sender)


def test_the_errors_of_the_decoder_are_no_errors_of_the_link():
    """Who asks must be able to tell a peer's refusal from a connection that is down."""
    assert not issubclass(RemoteError, LinkError) and not issubclass(Unreadable, (LinkError, RemoteError))


# Encoded and decoded again

@given(TEXT, st.binary(max_size=10), st.binary(max_size=10), st.lists(st.binary(max_size=10), max_size=5))
def test_a_message_is_decoded_as_it_was_encoded(peer, subsystem, ident, args):
    assert frames.decode(frames.encode(peer, subsystem, ident, *args)) == (peer.encode(), ident, subsystem, args)


@given(TEXT, TEXT, st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20))
def test_what_is_published_is_read_as_it_was(topic, text, sender):
    """The router adds the sender."""
    message = frames.decode(frames.encode("", frames.PUBSUB, b"id1", *frames.publish(topic, text)))
    assert frames.is_publication(message)
    with pytest.raises(Unreadable):
        frames.publication(message)
    kind, name, body = message.args
    passed_on = message._replace(args=[kind, name, to_json(dict(json.loads(body.decode()), sender=sender))])
    assert frames.publication(passed_on) == (clean(topic), clean(sender), text)


@given(VALUE)
def test_a_result_is_read_as_it_was(value):
    assert frames.answer(Message(b"peer", b"id1", frames.RPC, [to_json({"result": value})])) == value


@given(TEXT, st.lists(VALUE, max_size=3))
def test_a_call_says_what_is_called(method, args):
    assert json.loads(frames.call(method, tuple(args), b"id1").decode()) == {
        "jsonrpc": "2.0", "method": method, "params": args, "id": "id1"}


@given(TEXT)
def test_a_subscription_says_to_what(prefix):
    message = frames.decode(frames.encode("", frames.PUBSUB, b"id1", *frames.subscribe(prefix)))
    assert message.args[0] == b"subscribe" and not frames.is_publication(message)
    assert json.loads(message.args[1].decode()) == {"prefix": [prefix], "bus": "", "all_platforms": False}


def test_ids_differ_and_are_no_numbers():
    """A router of VOLTTRON 11 changes numbers."""
    idents = [frames.new_id() for _ in range(100)]
    assert len(set(idents)) == 100 and not any(one.isdigit() for one in idents)


def test_halves_of_surrogate_pairs_are_replaced():
    assert frames.encode("\udc80", b"RPC", b"id1") == [b"?", b"VIP1", b"", b"id1", b"RPC"]
    assert frames.publish("\udc80", "\udc80")[1] == b"?"


# Answers

def rpc(document):
    return Message(b"peer", b"id1", frames.RPC, [to_json(document)])


@pytest.mark.parametrize("body, value", [
    ({"result": [1, "two"]}, [1, "two"]), ({"result": None}, None), ({}, None), ({"result": 1, "error": None}, 1)])
def test_results(body, value):
    assert frames.answer(rpc(body)) == value


@pytest.mark.parametrize("error, text", [
    (5, "5"), ("words", "words"), ([1], "[1]"), ({"data": 7}, ""), ({"message": "words", "data": 7}, "words"),
    ({"message": "words", "data": {"detail": "more"}}, "words more"), ({"message": "a\nb"}, "a\\nb")])
def test_errors(error, text):
    with pytest.raises(RemoteError) as caught:
        frames.answer(rpc({"error": error}))
    assert str(caught.value) == text


@pytest.mark.parametrize("args, value", [([b"name", b"text"], "text"), ([b"name", b""], None), ([], None)])
def test_settings(args, value):
    assert frames.answer(Message(b"", b"id1", frames.QUERY, args)) == value


# Keys

@pytest.mark.parametrize("key", ["", "A" * 42, "A" * 44, "é" * 43, "A" * 42 + "!", "A" * 42 + "\n"])
def test_what_is_no_key_is_refused(key):
    with pytest.raises(ValueError):
        frames.key_bytes(key)


def test_a_key_is_read():
    assert frames.key_bytes("A" * 42 + "E") == b"\0" * 31 + b"\x01"


def test_the_router_learns_who_publishes_and_no_agent_does():
    assert frames.encode("", frames.PUBSUB, b"id1", user="node-a.failover")[2] == b"node-a.failover"
    assert frames.encode("other", frames.RPC, b"id1", user="node-a.failover")[2] == b""
