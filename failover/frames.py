"""What is in a VIP message, without any input or output: requests to send, and what came, made safe.

A message is a list of frames: peer, protocol, user, id, subsystem, arguments. What a router or a peer sends may be
anything. Nothing here raises for it but :class:`RemoteError`, and no text of theirs passes without
:func:`failover.text.clean`.
"""

import base64
import json
import secrets
from typing import Any, List, NamedTuple, Optional

from failover.text import clean

__all__ = [
    "HELLO", "Publication", "RemoteError", "answer", "call", "error_text", "is_welcome", "key_bytes", "message",
    "new_id", "publication", "publish", "subscribe"
]

HELLO = b"hello"

_PROTO = b"VIP1"
# Digits of a number. Some Pythons take minutes to read a number of some million digits.
_LONGEST_NUMBER = 400


class RemoteError(Exception):
    """The peer answered a call with an error. The text is the peer's, cleaned."""


class Publication(NamedTuple):
    """What somebody published: ``message`` is anything that JSON can say, the rest is cleaned text."""

    topic: str
    sender: str
    message: Any


def message(peer: str, subsystem: bytes, ident: bytes, *args: bytes) -> List[bytes]:
    """Return the frames of a message to a peer; the router is the peer without a name."""
    return [_encode(peer), _PROTO, b"", ident, subsystem] + list(args)


def new_id() -> bytes:
    """Return an id for a request, which nobody else can guess and so answer.

    A router of VOLTTRON 11 turns what looks like a number into one, and sends it back as four raw bytes.
    """
    return b"id" + secrets.token_hex(8).encode()


def publish(topic: str, text: str) -> List[bytes]:
    """Return the arguments that publish a text."""
    return [b"publish", _encode(topic), json.dumps({"bus": "", "headers": {}, "message": text}).encode()]


def subscribe(prefix: str) -> List[bytes]:
    """Return the arguments that subscribe to topics."""
    return [b"subscribe", json.dumps({"prefix": [prefix], "bus": "", "all_platforms": False}).encode()]


def call(method: str, args: tuple, ident: bytes) -> bytes:
    """Return the argument that calls a method."""
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": list(args), "id": ident.decode()}).encode()


def key_bytes(text: str) -> bytes:
    """Return a key from VOLTTRON's text of 43 characters. Raises ValueError for other text."""
    key = base64.b64decode(text + "=", altchars=b"-_", validate=True)
    if len(key) != 32:
        raise ValueError("a key has 43 characters")
    return key


def is_welcome(frames: List[bytes]) -> bool:
    """Say whether this is the router's answer to the hello."""
    return frames[3:6] == [HELLO, HELLO, b"welcome"]


def publication(args: List[bytes]) -> Optional[Publication]:
    """Return what was published, or None if that cannot be read."""
    try:
        topic, body = args[1].decode(), _parse(args[2])
        sender, content = body["sender"], body["message"]
    except (ValueError, LookupError, TypeError):
        return None
    return Publication(clean(topic), clean(sender), content) if isinstance(sender, str) else None


def answer(subsystem: bytes, args: List[bytes]) -> Any:
    """Return what a call or a query is answered with. A query's answer is text, or None if there is no such setting.

    :raises RemoteError: the peer refused, the method raised, or the answer cannot be read.
    """
    if subsystem == b"query":
        return _text(args[1]) or None if len(args) > 1 else None
    if subsystem != b"RPC" or not args:
        raise RemoteError(error_text(args))
    try:
        body = _parse(args[0])
        error, result = body.get("error"), body.get("result")
    except (ValueError, AttributeError):
        raise RemoteError("the answer could not be read") from None
    if error is not None:
        raise RemoteError(_rpc_error_text(error))
    return result


def error_text(args: List[bytes]) -> str:
    """Return the text of a VIP error: number, text, peer, subsystem. Numbers come as text or as four raw bytes."""
    return _text(args[1]) if len(args) > 1 else "no reason given"


def _rpc_error_text(error: Any) -> str:
    if not isinstance(error, dict):
        return clean(error)
    data = error.get("data")
    detail = data.get("detail", "") if isinstance(data, dict) else ""
    return clean("{} {}".format(clean(error.get("message", "")), clean(detail)).strip())


def _parse(data: bytes) -> Any:
    """Read JSON. Raises ValueError for whatever cannot be read."""
    try:
        return json.loads(data.decode(), parse_int=_number)
    except (RecursionError, MemoryError):
        raise ValueError("too deep or too large") from None


def _number(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError("a number of {} digits".format(len(digits)))
    return int(digits)


def _text(data: bytes) -> str:
    return clean(data[:4096].decode(errors="replace"))


def _encode(text: str) -> bytes:
    return text.encode(errors="replace")
