"""The keys of a configuration: what each must be on its own, in words and as a check, and what it is by default."""

import base64
import binascii
import re
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional

from failover.config.errors import LONGEST_SHOWN, show
from failover.decision.vocabulary import together
from failover.heartbeat import LONGEST_TEXT
from failover.text import clean
from failover.vip import address as vip_address

__all__ = ["ADDRESSES", "BY_PERIOD", "KEYS", "LIVE", "LONGEST_GRACE", "NOT_NEEDED", "OF_SECONDS", "REQUIRED", "Key",
           "is_serverkey", "is_vip_or_web", "problem", "unknown_keys"]

# Seconds.
_SHORTEST_PERIOD = 0.1
_LONGEST = 86400
_SHORTEST_UNHEALTHY = 1
LONGEST_GRACE = 45

_MOST_FAILURES = 100
_MOST_AGENTS = 8

# So many unknown keys are named.
_UNKNOWN_SHOWN = 20

_KEY_COMMAND = ("the 43 characters that `vctl auth servercred` prints there (on VOLTTRON 9 `vctl auth serverkey`)")
OF_SECONDS = "a number of seconds from {:g} to {:g}"
_OF_LETTERS = ", of at most 255 letters, digits, dots, hyphens and underscores"

# Instead of a default: the key must be there, or its default depends on the heartbeat period.
REQUIRED, BY_PERIOD = object(), object()


class Key(NamedTuple):
    """What a key must be.

    :ivar check: says whether a value is right.
    :ivar wanted: the same for the operator; it goes on after "wanted: ".
    :ivar default: the value when the key is absent, or REQUIRED, or BY_PERIOD.
    """

    check: Callable[[Any], bool]
    wanted: str
    default: Any


def is_serverkey(text: Any) -> bool:
    """Whether it is a key: VOLTTRON writes a CURVE key of 32 bytes in URL-safe base64 without padding."""
    try:
        return (isinstance(text, str) and len(text) == 43
                and len(base64.b64decode(text + "=", altchars=b"-_", validate=True)) == 32)
    except (ValueError, binascii.Error):
        return False


def is_vip_or_web(value: Any) -> bool:
    """Whether it is a VIP address, or the web address of a platform."""
    return _is_address(value) or vip_address.is_web(value)


def _is_role(value: Any) -> bool:
    return value in ("primary", "secondary")


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _is_address(value: Any) -> bool:
    return _no_address(value) is None


def _no_address(value: Any) -> Optional[str]:
    """Return what is wrong with an address, None if nothing is."""
    try:
        vip_address.parse(value)
    except vip_address.AddressError as error:
        return str(error)
    return None


def _is_identity(value: Any) -> bool:
    return isinstance(value, str) and re.match(r"[A-Za-z0-9_.\-]{1,255}\Z", value) is not None


def _is_identity_or_several(value: Any) -> bool:
    if not isinstance(value, list):
        return _is_identity(value)
    return (0 < len(value) <= _MOST_AGENTS and all(map(_is_identity, value)) and len(set(value)) == len(value)
            and len(together(value)) <= LONGEST_TEXT)


def _is_seconds(shortest: float) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and shortest <= value <= _LONGEST
    return check


def _is_fail_back(value: Any) -> bool:
    return value in ("auto", "manual") if isinstance(value, str) else _is_seconds(0)(value)


def _is_number_of(most: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _is_off_or_seconds(shortest: float) -> Callable[[Any], bool]:
    return lambda value: _is_seconds(0)(value) and (value == 0 or value >= shortest)


def _or_none(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value == "" or check(value)


KEYS: Dict[str, Key] = {
    "agent_id": Key(_is_role, '"primary" or "secondary"', REQUIRED),
    "simple_behavior": Key(_is_boolean, "true (simple failover) or false (standard failover)", False),
    "remote_vip": Key(_is_address, 'VIP address of the other platform, such as "tcp://192.0.2.10:22916"', REQUIRED),
    "remote_serverkey": Key(_or_none(is_serverkey), "public key of the other platform, " + _KEY_COMMAND, ""),
    "agent_vip_identity": Key(
        _is_identity_or_several, 'VIP identity of the agent to manage, such as "platform.driver"' + _OF_LETTERS
        + "; or a list of up to {}, each once, in the order of their start, of {} characters at most with a "
        "plus sign between each two".format(_MOST_AGENTS, LONGEST_TEXT), REQUIRED),
    "heartbeat_period": Key(_is_seconds(_SHORTEST_PERIOD), OF_SECONDS.format(_SHORTEST_PERIOD, _LONGEST), 1),
    "timeout": Key(_is_seconds(2 * _SHORTEST_PERIOD), OF_SECONDS.format(2 * _SHORTEST_PERIOD, _LONGEST), 10),
    "stop_grace": Key(_is_seconds(1), OF_SECONDS.format(1, LONGEST_GRACE), BY_PERIOD),
    "volttron_central_vip": Key(
        _or_none(is_vip_or_web),
        'VIP address of VOLTTRON Central\'s platform, such as "tcp://192.0.2.30:22916", or its web address', ""),
    "volttron_central_serverkey": Key(
        _or_none(is_serverkey), "public key of VOLTTRON Central's platform, " + _KEY_COMMAND, ""),
    "volttron_central_identity": Key(
        _is_identity, 'VIP identity of VOLTTRON Central, such as "volttron.central"' + _OF_LETTERS, "volttron.central"),
    "fail_back": Key(_is_fail_back, '"auto" (at once), "manual", or the seconds for which the primary must have been well, '
                     'up to {:g}'.format(_LONGEST), "auto"),
    "max_failures": Key(_is_number_of(_MOST_FAILURES), "a whole number from 0 (off) to {}".format(_MOST_FAILURES), 0),
    "failure_window": Key(_is_seconds(1), OF_SECONDS.format(1, _LONGEST), 600),
    "unhealthy_after": Key(_is_off_or_seconds(_SHORTEST_UNHEALTHY), "0 (off) or " + OF_SECONDS.format(
        _SHORTEST_UNHEALTHY, _LONGEST), 0),
    "compare_managed_agents": Key(_is_boolean, "true or false", True),
    "require_signatures": Key(lambda value: value == "auto" or value is False, '"auto" or false', "auto"),
    "remote_instance_name": Key(
        _or_none(_is_identity),
        'instance name of the other platform, such as "node-b", or "" to learn it from heartbeats' + _OF_LETTERS, ""),
}

# What may change while the failover agent runs. All else needs a restart of it.
LIVE = frozenset(("heartbeat_period", "timeout", "stop_grace", "fail_back", "max_failures", "failure_window",
                  "unhealthy_after",
                  "compare_managed_agents"))

# Keys of the original Failover Agent that this one does without, each with what is said of it.
NOT_NEEDED = {"remote_id": "remote_id is not needed and not read: take it out"}

# Addresses, each with the name of the public key that belongs to it.
ADDRESSES = {"remote_vip": "remote_serverkey", "volttron_central_vip": "volttron_central_serverkey"}


def problem(key: str, value: Any) -> Optional[str]:
    """Return what is wrong with the value of a key, or the REQUIRED in its place, as a line; None if nothing is."""
    if value is REQUIRED:
        return "{}: missing; wanted: {}".format(key, KEYS[key].wanted)
    if value is BY_PERIOD or KEYS[key].check(value):
        return None
    why = ", " + (_no_address(value) or "") if key in ADDRESSES else ""
    return "{}: found {}{}; wanted: {}".format(key, show(value), why, KEYS[key].wanted)


def unknown_keys(raw: Mapping[Any, Any]) -> List[str]:
    """Return a line for each key that is none, up to a bound."""
    unknown = [key for key in raw if key not in KEYS and key not in NOT_NEEDED]
    lines = ["{}: unknown key{}".format(clean(key, LONGEST_SHOWN), _nearest(key)) for key in unknown[:_UNKNOWN_SHOWN]]
    if len(unknown) > _UNKNOWN_SHOWN:
        lines.append("{} more unknown keys".format(len(unknown) - _UNKNOWN_SHOWN))
    return lines


def _nearest(key: Any) -> str:
    import difflib  # Much memory for what a right configuration does not need.

    near = difflib.get_close_matches(clean(key, LONGEST_SHOWN), KEYS, n=1, cutoff=0.5)
    return "; did you mean {}?".format(near[0]) if near else "; known are {}".format(", ".join(KEYS))
