"""What a router or a peer may send, without a socket: anything."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from failover import frames
from failover.frames import RemoteError
from failover.link import Endpoint, Link, _Session
from gevent.event import AsyncResult

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["error", "data", "detail", "message", "result", "sender", "id", "x"]), inner, max_size=4),
    max_leaves=12)
DOCUMENT = st.builds(lambda value: json.dumps(value).encode(), JSON)
FRAME = (st.binary(max_size=40) | DOCUMENT | st.sampled_from([
    b"pubsub", b"publish", b"RPC", b"error", b"query", b"hello", b"welcome", b"ping", b"VIP1", b"ours", b"pending", b"",
    b"[" * 100000, b'{"a":' * 100000, b'{"result": ' + b"9" * 5000 + b"}", b'{"error": 5}', b'{"error": {"data": 7}}']))


def assert_clean(text):
    assert isinstance(text, str) and len(text) <= 300 and (text == "" or text.isprintable())


@settings(max_examples=500, deadline=None)
@given(st.lists(FRAME, max_size=9))
def test_whatever_comes_is_survived(message):
    heard = []
    link = Link(Endpoint("tcp://127.0.0.1:1", "", "", "", ""), 1, 1)
    link.subscribe("", lambda *args: heard.append(args))
    session = _Session(link, "name", False, None)
    result = session._calls[b"ours"] = AsyncResult()
    session._pending = b"pending"
    session._handle(message)
    if session.refusal is not None:
        assert_clean(session.refusal)
    if result.ready() and not result.successful():
        assert isinstance(result.exception, RemoteError)
        assert_clean(str(result.exception))
    for topic, sender, _ in heard:
        assert_clean(topic)
        assert_clean(sender)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from([b"RPC", b"query", b"error", b"pubsub", b""]), st.lists(FRAME, max_size=4))
@example(b"RPC", [b'{"error": {"message": {"a": 1}, "data": {"detail": [1]}}}'])
def test_an_answer_is_a_value_or_a_remote_error(subsystem, args):
    try:
        frames.answer(subsystem, args)
    except RemoteError as error:
        assert_clean(str(error))


@pytest.mark.parametrize("body, value", [
    ({"result": [1, "two"]}, [1, "two"]), ({"result": None}, None), ({}, None), ({"result": 1, "error": None}, 1)])
def test_results(body, value):
    assert frames.answer(b"RPC", [json.dumps(body).encode()]) == value


@pytest.mark.parametrize("error, text", [
    (5, "5"), ("words", "words"), ([1], "[1]"), ({"data": 7}, ""), ({"message": "words", "data": 7}, "words"),
    ({"message": "words", "data": {"detail": "more"}}, "words more"), ({"message": "a\nb"}, "a\\nb")])
def test_errors(error, text):
    with pytest.raises(RemoteError) as caught:
        frames.answer(b"RPC", [json.dumps({"error": error}).encode()])
    assert str(caught.value) == text


@pytest.mark.parametrize("key", ["", "A" * 42, "A" * 44, "é" * 43, "A" * 42 + "!", "A" * 42 + "\n"])
def test_what_is_no_key_is_refused(key):
    with pytest.raises(ValueError):
        frames.key_bytes(key)


def test_a_key_is_read():
    assert frames.key_bytes("A" * 42 + "E") == b"\0" * 31 + b"\x01"
