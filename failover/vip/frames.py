"""VIP messages as frames and back, without a socket.

A message is a list of frames: peer, protocol, user, id, subsystem, arguments. What a router or a peer sends may be
anything. Nothing here raises for it but :class:`Unreadable` and :class:`RemoteError`, and no text of theirs passes
without :func:`failover.text.clean`.
"""

import base64
import json
import secrets
from typing import Any, List, NamedTuple, Sequence, Tuple

from failover.text import clean, integer
from failover.vip.errors import RemoteError, Unreadable

__all__ = [
    "AGENTSTOP", "ERROR", "HELLO", "PING", "PUBSUB", "QUERY", "RPC", "Message", "Publication", "answer", "call",
    "decode", "encode", "error_text", "is_publication", "is_welcome", "key_bytes", "new_id", "publication", "publish",
    "subscribe"
]

# Subsystems. What the router does not deliver comes back as an error, as does what it refuses.
AGENTSTOP, ERROR, HELLO, PING = b"agentstop", b"error", b"hello", b"ping"
PUBSUB, QUERY, RPC = b"pubsub", b"query", b"RPC"

_PROTO = b"VIP1"
_PUBLISH = b"publish"
# Frames of a message before its arguments.
_HEAD = 5


class Message(NamedTuple):
    """A message, whose parts may still be anything.

    :ivar peer: the name of whom it goes to or comes from; the router is the peer without a name.
    :ivar ident: an answer has that of its request.
    """

    peer: bytes
    ident: bytes
    subsystem: bytes
    args: List[bytes]


class Publication(NamedTuple):
    """What somebody published: ``message`` is anything that JSON can say, the rest is cleaned text."""

    topic: str
    sender: str
    message: Any


def encode(peer: str, subsystem: bytes, ident: bytes, *args: bytes, user: str = "") -> List[bytes]:
    """Return the frames of a message to a peer; the router is the peer without a name.

    :param user: what a router of VOLTTRON 11 looks up to see who may publish; that of VOLTTRON 9 goes by the key instead. What
        is granted is granted to the name that is known, so it is that one, also while another one is used to connect.
    """
    user = user if subsystem == PUBSUB else ""
    return [_encode(peer), _PROTO, _encode(user), ident, subsystem] + list(args)


def decode(frames: Sequence[bytes]) -> Message:
    """Return the message that these frames are.

    :raises Unreadable: they are too few for one.
    """
    if len(frames) < _HEAD:
        raise Unreadable("a message of {} frames".format(len(frames)))
    peer, _, _, ident, subsystem = frames[:_HEAD]
    return Message(peer, ident, subsystem, list(frames[_HEAD:]))


def new_id() -> bytes:
    """Return an id for a request, which nobody else can guess and so answer.

    A router of VOLTTRON 11 turns what looks like a number into one, and sends it back as four raw bytes.
    """
    return b"id" + secrets.token_hex(8).encode()


def publish(topic: str, text: str) -> List[bytes]:
    """Return the arguments that publish a text."""
    return [_PUBLISH, _encode(topic), json.dumps({"bus": "", "headers": {}, "message": text}).encode()]


def subscribe(prefix: str) -> List[bytes]:
    """Return the arguments that subscribe to topics."""
    return [b"subscribe", json.dumps({"prefix": [prefix], "bus": "", "all_platforms": False}).encode()]


def call(method: str, args: Tuple[Any, ...], ident: bytes) -> bytes:
    """Return the argument that calls a method."""
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": list(args), "id": ident.decode()}).encode()


def key_bytes(text: str) -> bytes:
    """Return a key from VOLTTRON's text of 43 characters. Raises ValueError for other text."""
    key = base64.b64decode(text + "=", altchars=b"-_", validate=True)
    if len(key) != 32:
        raise ValueError("a key has 43 characters")
    return key


def is_welcome(message: Message) -> bool:
    """Say whether this is the router's answer to the hello."""
    return message.ident == message.subsystem == HELLO and message.args[:1] == [b"welcome"]


def is_publication(message: Message) -> bool:
    """Say whether this is what somebody published, readable or not, and not an answer."""
    return message.subsystem == PUBSUB and message.args[:1] == [_PUBLISH]


def publication(message: Message) -> Publication:
    """Return what was published.

    :raises Unreadable: that cannot be read.
    """
    try:
        topic, body = message.args[1].decode(), _parse(message.args[2])
        sender, content = body["sender"], body["message"]
    except (ValueError, LookupError, TypeError):
        raise Unreadable("a publication that cannot be read") from None
    if not isinstance(sender, str):
        raise Unreadable("a publication whose sender is no text")
    return Publication(clean(topic), clean(sender), content)


def answer(message: Message) -> Any:
    """Return what a call or a query is answered with. A query's answer is text, or None if there is no such setting.

    :raises RemoteError: the peer refused, the method raised, or the answer cannot be read.
    """
    if message.subsystem == QUERY:
        return _text(message.args[1]) or None if len(message.args) > 1 else None
    if message.subsystem != RPC or not message.args:
        raise RemoteError(error_text(message))
    try:
        body = _parse(message.args[0])
        error, result = body.get("error"), body.get("result")
    except (ValueError, AttributeError):
        raise RemoteError("the answer could not be read") from None
    if error is not None:
        raise RemoteError(_rpc_error_text(error))
    return result


def error_text(message: Message) -> str:
    """Return the text of a VIP error: number, text, peer, subsystem. Numbers come as text or as four raw bytes."""
    return _text(message.args[1]) if len(message.args) > 1 else "no reason given"


def _rpc_error_text(error: Any) -> str:
    if not isinstance(error, dict):
        return clean(error)
    data = error.get("data")
    detail = data.get("detail", "") if isinstance(data, dict) else ""
    return clean("{} {}".format(clean(error.get("message", "")), clean(detail)).strip())


def _parse(data: bytes) -> Any:
    """Read JSON. Raises ValueError for whatever cannot be read."""
    try:
        return json.loads(data.decode(), parse_int=integer)
    except (RecursionError, MemoryError):
        raise ValueError("too deep or too large") from None


def _text(data: bytes) -> str:
    return clean(data[:4096].decode(errors="replace"))


def _encode(text: str) -> bytes:
    return text.encode(errors="replace")
