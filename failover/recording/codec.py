"""The values of the decision as JSON, and back, exactly.

How a type is written follows from its type hints, and is worked out once. A named tuple is an object without the fields
that have their defaults; one of a union is a pair of its type's name and that object. An enumeration is its value. A float
that JSON does not have is a text, as ``"inf"``.
"""

import json
from enum import Enum
from math import inf
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple, Union, get_type_hints

from failover.decision.effects import Effect
from failover.decision.events import Event
from failover.decision.setup import Record, Setup
from failover.decision.state import State
from failover.text import integer

__all__ = ["RecordingError", "decoder", "encoder", "from_text", "to_text"]


class RecordingError(Exception):
    """A recording cannot be read. The text says what is wrong, and in which line."""


class _Coder(NamedTuple):
    """How the values of one type are written and read.

    :ivar encode: None if they are written as they are.
    """

    encode: Optional[Callable[[Any], Any]]
    decode: Callable[[Any], Any]


# What stands for the default of a field that has none.
_NO_DEFAULT = object()
_NOT_IN_JSON = {"inf": inf, "-inf": -inf, "nan": float("nan")}

_coders: Dict[Any, _Coder] = {}


def encoder(kind: Any) -> Callable[[Any], Any]:
    """Return the function that makes of a value of this type what JSON can hold."""
    encode = _coder(kind).encode
    return _as_it_is if encode is None else encode


def decoder(kind: Any) -> Callable[[Any], Any]:
    """Return the function that makes of what JSON held a value of this type, or raises RecordingError."""
    return _coder(kind).decode


to_text: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False).encode


def from_text(text: str) -> Any:
    """Return what a line of JSON holds.

    :raises RecordingError: it is not JSON.
    """
    try:
        return _json.decode(text)
    except (ValueError, OverflowError, RecursionError) as error:
        raise RecordingError("it is not JSON: {}".format(error)) from None


def _no_constant(name: str) -> None:
    raise ValueError("{} is not in JSON".format(name))


def _whole(digits: str) -> int:
    number = integer(digits)
    float(number)  # Whoever computes with it needs that: too large a number raises OverflowError.
    return number


_json = json.JSONDecoder(parse_constant=_no_constant, parse_int=_whole)


def _as_it_is(value: Any) -> Any:
    return value


def _coder(kind: Any) -> _Coder:
    if kind not in _coders:
        _coders[kind] = _make(kind)
    return _coders[kind]


def _make(kind: Any) -> _Coder:
    origin: Any = getattr(kind, "__origin__", None)
    parts: Any = getattr(kind, "__args__", ())
    if origin is Union and type(None) in parts:
        return _optional(Union[tuple(part for part in parts if part is not type(None))])
    if origin is Union:
        return _union(parts)
    if origin is tuple:
        return _repeated(parts[0]) if parts[1:] == (Ellipsis,) else _fixed(parts)
    if kind is float:
        return _Coder(_encode_float, _decode_float)
    if kind in (str, int, bool):
        return _Coder(None, _exactly(kind))
    if issubclass(kind, Enum):
        return _enumeration(kind)
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _named_tuple(kind)
    raise TypeError("no way is known to write {}".format(kind))


# Plain values

def _encode_float(value: float) -> Any:
    return value if -inf < value < inf else repr(value)


def _decode_float(found: Any) -> float:
    if type(found) is float or type(found) is int:
        return found
    if isinstance(found, str) and found in _NOT_IN_JSON:
        return _NOT_IN_JSON[found]
    raise _unexpected("a number", found)


def _exactly(kind: type) -> Callable[[Any], Any]:
    wanted = {str: "a text", int: "a whole number", bool: "true or false"}[kind]

    def decode(found: Any) -> Any:
        if type(found) is not kind:
            raise _unexpected(wanted, found)
        return found

    return decode


def _enumeration(kind: Any) -> _Coder:
    members = {member.value: member for member in kind}

    def decode(found: Any) -> Any:
        if not isinstance(found, str) or found not in members:
            raise _unexpected("one of {}".format(", ".join(members)), found)
        return members[found]

    return _Coder(lambda value: value.value, decode)


# Values made of others

def _optional(kind: Any) -> _Coder:
    encode, decode = _coder(kind)
    return _Coder(None if encode is None else lambda value: None if value is None else encode(value),
                  lambda found: None if found is None else decode(found))


def _repeated(kind: Any) -> _Coder:
    encode, decode = _coder(kind)
    return _Coder(list if encode is None else lambda value: [encode(one) for one in value],
                  lambda found: tuple(decode(one) for one in _list(found)))


def _fixed(kinds: Tuple[Any, ...]) -> _Coder:
    encoders, decoders = [encoder(kind) for kind in kinds], [decoder(kind) for kind in kinds]

    def decode(found: Any) -> Any:
        if len(_list(found)) != len(decoders):
            raise _unexpected("{} values".format(len(decoders)), found)
        return tuple(decode(one) for decode, one in zip(decoders, found))

    return _Coder(lambda value: [encode(one) for encode, one in zip(encoders, value)], decode)


def _named_tuple(kind: Any) -> _Coder:
    hints, defaults = get_type_hints(kind), kind._field_defaults
    fields = tuple((name, defaults.get(name, _NO_DEFAULT), _coder(hints[name]).encode) for name in kind._fields)
    decoders = {name: _coder(hints[name]).decode for name in kind._fields}
    required = [name for name in kind._fields if name not in defaults]

    def encode(value: Any) -> Dict[str, Any]:
        written = {}
        for one, (name, default, encode_one) in zip(value, fields):
            if one is not default:
                written[name] = one if encode_one is None else encode_one(one)
        return written

    def decode(found: Any) -> Any:
        if not isinstance(found, dict):
            raise _unexpected("the fields of {}".format(kind.__name__), found)
        lacking = [name for name in required if name not in found]
        if lacking:
            raise RecordingError("{} has no {}".format(kind.__name__, ", ".join(lacking)))
        values = {}
        for name, one in found.items():
            if name not in decoders:
                raise RecordingError("{} has a field {!r}, which this release does not know".format(kind.__name__, name))
            try:
                values[name] = decoders[name](one)
            except RecordingError as error:
                raise RecordingError("{}.{}: {}".format(kind.__name__, name, error)) from None
        return kind(**values)

    return _Coder(encode, decode)


def _union(kinds: Tuple[Any, ...]) -> _Coder:
    encoders: Dict[type, Callable[[Any], Any]] = {kind: encoder(kind) for kind in kinds}
    decoders = {kind.__name__: decoder(kind) for kind in kinds}

    def encode(value: Any) -> List[Any]:
        kind = type(value)
        return [kind.__name__, encoders[kind](value)]

    def decode(found: Any) -> Any:
        if len(_list(found)) != 2 or not isinstance(found[0], str):
            raise _unexpected("a name and its fields", found)
        if found[0] not in decoders:
            raise RecordingError("{!r} is a kind that this release does not know".format(found[0]))
        return decoders[found[0]](found[1])

    return _Coder(encode, decode)


# What is wrong

def _list(found: Any) -> List[Any]:
    if not isinstance(found, list):
        raise _unexpected("a list", found)
    return found


def _unexpected(wanted: str, found: Any) -> RecordingError:
    text = repr(found)
    return RecordingError("expected {}, found {}".format(wanted, text if len(text) <= 60 else text[:57] + "..."))


# Once, at import, so that a type that cannot be written shows at once.
for _kind in (Event, Effect, Setup, Record, State):
    _coder(_kind)
