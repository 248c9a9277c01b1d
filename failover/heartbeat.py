"""What one failover agent tells the other, on the wire: topics, and a message as text.

The message is a JSON object of this shape (version 1)::

    {"version": 1, "instance_name": "node-a", "vip_identity": "failover", "agent_vip_identity": "platform.driver",
     "agent_id": "primary", "mode": "simple", "timeout": 10.0, "heartbeat_period": 1.0,
     "stop_grace": 10.0, "boot_id": "...", "sequence": 7, "heard_boot_id": "..." or null,
     "heard_sequence": 3 or null, "may_run": true}

and, where they have something to say, ``"leaving": true, "state": "running", "trouble": "...", "clock": 17.5, "yields":
true, "vc": "...", "vc_sequence": 16, "order": 2, "ordered_by": "node-a", "preferred": "secondary", "pause_left": 600.0,
"handed_over": true, "installation": "listener-3.3 5d41402abc4b -", "hears": ["..."]``, and at the end ``"signature"``
(:mod:`failover.seal`). These came later: a release that does not know them passes over them.

The common topics are those of the original agent, whose messages are empty, so that either side can be upgraded first. Beside
each of them is one of the pair's own (:mod:`failover.narrowing`).
"""

import json
from typing import Any, Callable, Dict, Optional

from failover.decision.heartbeat import Heartbeat
from failover.text import clean, integer

__all__ = ["LONGEST_TEXT", "MalformedHeartbeat", "TOPICS", "VERSION", "decode", "encode", "pair_prefix", "pair_topic", "subject",
           "topic"]

VERSION = 1

_ROLES = ("primary", "secondary")
_MODES = ("simple", "standard")
_DEFAULTS = Heartbeat._field_defaults
# Seconds, as in a configuration.
_LONGEST = 86400
# What JSON readers of any kind can count to. A heartbeat a millisecond gets there in 285,000 years.
_HIGHEST = 2 ** 53
# Characters. Earlier releases take no longer ones.
LONGEST_TEXT = 255
# What is for people alone, or for comparison. If one of them is wrong, the heartbeat is one all the same.
_BY_THE_WAY = ("state", "trouble", "installation")
# Starts that one heartbeat names.
_MOST_HEARD = 32


class MalformedHeartbeat(ValueError):
    """A message that says it is one of ours and is not: the text says which field is wrong."""


def encode(heartbeat: Heartbeat) -> str:
    """Return the JSON text that goes on the wire."""
    said = {name: value for name, value in heartbeat._asdict().items()
            if name not in _DEFAULTS or value != _DEFAULTS[name]}
    return json.dumps(dict(version=VERSION, **said))


def decode(message: Any) -> Optional[Heartbeat]:
    """Read what came from the bus.

    :return: None for a message that is not of this kind: an empty one, some text, a later version. Those come from the
        original agent or from a newer release, and still are heartbeats.
    :raises MalformedHeartbeat: it claims this version but lacks a field, or a field has a wrong type or value.
    """
    message = _parse(message)
    if message is None or message.get("version") != VERSION:
        return None
    values: Dict[str, Any] = {}
    for name, is_valid in _VALID.items():
        if name not in message:
            if name in _DEFAULTS:
                continue
            raise MalformedHeartbeat("heartbeat lacks {}".format(name))
        value = message[name]
        if not is_valid(value):
            if name in _BY_THE_WAY:
                continue
            raise MalformedHeartbeat("heartbeat has {}={}".format(name, clean(repr(value), 80)))
        values[name] = tuple(value) if isinstance(value, list) else value
    if (values["heard_boot_id"] is None) != (values["heard_sequence"] is None):
        raise MalformedHeartbeat("heartbeat has only one of heard_boot_id and heard_sequence")
    return Heartbeat(**values)


def subject(message: Any) -> Optional[str]:
    """Return which managed agent a message says it is about, in whatever version; None if it does not say.

    The text is as it came: it is for comparison, not for display.
    """
    found = (_parse(message) or {}).get("agent_vip_identity")
    return found if isinstance(found, str) else None


def _parse(message: Any) -> Optional[Dict[str, Any]]:
    if isinstance(message, str):
        try:
            message = json.loads(message, parse_int=integer)
        except (ValueError, RecursionError):
            return None
    return message if isinstance(message, dict) else None


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != "" and len(value) <= LONGEST_TEXT and value.isprintable()


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _HIGHEST


def _seconds(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= _LONGEST


def _moment(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= _HIGHEST


_VALID: Dict[str, Callable[[Any], bool]] = {
    "instance_name": _text,
    "vip_identity": _text,
    "agent_vip_identity": _text,
    "agent_id": _ROLES.__contains__,
    "mode": _MODES.__contains__,
    "timeout": _seconds,
    "heartbeat_period": _seconds,
    "stop_grace": _seconds,
    "boot_id": _text,
    "sequence": _count,
    "heard_boot_id": lambda value: value is None or _text(value),
    "heard_sequence": lambda value: value is None or _count(value),
    "may_run": lambda value: isinstance(value, bool),
    "leaving": lambda value: isinstance(value, bool),
    "state": lambda value: value is None or _text(value) and len(value) <= 40,
    "trouble": lambda value: value is None or _text(value),
    "clock": lambda value: value is None or _moment(value),
    "yields": lambda value: isinstance(value, bool),
    "vc": lambda value: value is None or _text(value),
    "vc_sequence": lambda value: value is None or _count(value),
    "order": lambda value: value is None or value == 0 and not isinstance(value, (bool, float)) or _count(value),
    "ordered_by": lambda value: value is None or _text(value),
    "preferred": lambda value: value is None or value in _ROLES,
    "pause_left": lambda value: value is None or _seconds(value),
    "handed_over": lambda value: isinstance(value, bool),
    "installation": lambda value: value is None or _text(value),
    "hears": lambda value: isinstance(value, list) and len(value) <= _MOST_HEARD and all(map(_text, value)),
}


def topic(agent_id: str, mode: str) -> str:
    """Return the common topic of instances with this role and mode, e.g. ``heartbeat/simple_primary``."""
    return "heartbeat/" + ("simple_" if mode == "simple" else "") + agent_id


def pair_prefix(managed: str) -> str:
    """Return what the topics begin with on which one pair alone publishes, e.g. ``failover/platform.driver/``.

    :param managed: the managed agents in one word.
    """
    return "failover/{}/".format(managed)


def pair_topic(agent_id: str, mode: str, managed: str) -> str:
    """Return the topic of the instance of one pair, e.g. ``failover/platform.driver/simple_primary``."""
    return topic(agent_id, mode).replace("heartbeat/", pair_prefix(managed))


# Each common heartbeat topic there is, with the (role, mode) of who publishes on it.
TOPICS = {topic(agent_id, mode): (agent_id, mode) for agent_id in _ROLES for mode in _MODES}
