"""The agent's configuration: reading it, and saying everything that is wrong with it at once.

The keys and their meaning are those of VOLTTRON's documentation of the Failover Agent. This module does no I/O.
"""

import base64
import binascii
import difflib
import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple
from urllib.parse import parse_qs, urlsplit

__all__ = ["Config", "ConfigError"]


class ConfigError(ValueError):
    """The configuration cannot be used. ``problems`` holds one line for each thing that is wrong with it."""

    def __init__(self, problems: List[str]):
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Config:
    """A checked configuration.

    :ivar agent_id: role of this instance, ``primary`` or ``secondary``.
    :ivar simple_behavior: True for simple failover, False for standard failover.
    :ivar remote_vip: VIP address of the other platform, without a query.
    :ivar remote_serverkey: public key of the other platform.
    :ivar agent_vip_identity: VIP identity of the managed agent, the same on both platforms.
    :ivar heartbeat_period: seconds from one heartbeat to the next.
    :ivar timeout: seconds without a heartbeat after which the other side counts as down.
    """

    agent_id: str
    simple_behavior: bool
    remote_vip: str
    remote_serverkey: str
    agent_vip_identity: str
    heartbeat_period: float
    timeout: float

    @property
    def mode(self) -> str:
        """``simple`` or ``standard``."""
        return "simple" if self.simple_behavior else "standard"

    @classmethod
    def load(cls, raw: Any) -> "Config":
        """Check what was read from the configuration file and return it as a Config.

        :raises ConfigError: with one line for each problem: key, value found, what is wanted.
        """
        if not isinstance(raw, Mapping):
            raise ConfigError(["the configuration is {}; wanted: a JSON or YAML mapping with the keys {}".format(
                _show(raw), ", ".join(_KEYS))])
        problems = ["{}: unknown key{}".format(key, _nearest(key)) for key in raw if key not in _KEYS]
        values = {}
        for key, (check, wanted, default) in _KEYS.items():
            value = raw.get(key, default)
            if value is _REQUIRED:
                problems.append("{}: missing; wanted: {}".format(key, wanted))
            elif not check(value):
                problems.append("{}: found {}; wanted: {}".format(key, _show(value), wanted))
            else:
                values[key] = value
        problems.extend(_across_keys(values))
        if problems:
            raise ConfigError(problems)
        values["remote_vip"], values["remote_serverkey"] = _split_address(values)
        return cls(**values)


_REQUIRED = object()


def _role(value: Any) -> bool:
    return value in ("primary", "secondary")


def _boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _address(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        url = urlsplit(value)
        if url.scheme == "ipc":
            return bool(url.netloc or url.path)
        return (url.scheme == "tcp" and bool(url.hostname) and bool(url.port) and url.username is None
                and url.path == "")
    except ValueError:
        return False


def _key_or_none(value: Any) -> bool:
    return value == "" or isinstance(value, str) and _curve_key(value)


def _identity(value: Any) -> bool:
    return isinstance(value, str) and re.match(r"[A-Za-z0-9_.\-]+\Z", value) is not None


def _seconds(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= _LONGEST


_LONGEST = 86400
_WANTED_SECONDS = "a number of seconds above 0, at most {}".format(_LONGEST)

# Control of the own platform is asked once a second, and counts as silent after half of timeout.
_SHORTEST_TIMEOUT = 4

_KEYS: Dict[str, Tuple[Callable[[Any], bool], str, Any]] = {
    "agent_id": (_role, '"primary" or "secondary"', _REQUIRED),
    "simple_behavior": (_boolean, "true (simple failover) or false (standard failover)", False),
    "remote_vip": (_address, 'VIP address of the other platform, such as "tcp://192.0.2.10:22916"', _REQUIRED),
    "remote_serverkey": (
        _key_or_none, "public key of the other platform, the 43 characters that `vctl auth servercred` prints there",
        ""),
    "agent_vip_identity": (_identity, 'VIP identity of the agent to manage, such as "platform.driver"', _REQUIRED),
    "heartbeat_period": (_seconds, _WANTED_SECONDS, 1),
    "timeout": (_seconds, _WANTED_SECONDS, 10),
}


def _across_keys(values: Mapping[str, Any]) -> List[str]:
    """Return the problems that only two keys together show. Keys with a problem of their own are absent."""
    problems = []
    if "remote_vip" in values and "remote_serverkey" in values:
        key, key_in_address = values["remote_serverkey"], _key_in_address(values["remote_vip"])
        wanted = _KEYS["remote_serverkey"][1]
        if not key and key_in_address is None:
            problems.append("remote_serverkey: found none, neither here nor in remote_vip; wanted: " + wanted)
        if key_in_address is not None and not _curve_key(key_in_address):
            problems.append("remote_vip: found serverkey={}; wanted: {}".format(_show(key_in_address), wanted))
        elif key and key_in_address is not None and key != key_in_address:
            problems.append("remote_serverkey: found {}, but remote_vip carries serverkey={}; wanted: one of them, or "
                            "the same in both".format(_show(key), key_in_address))
    if "timeout" in values and "heartbeat_period" in values:
        if values["timeout"] < 2 * values["heartbeat_period"]:
            problems.append("timeout: found {}; wanted: at least two heartbeat periods, {:g} s".format(
                _show(values["timeout"]), 2 * values["heartbeat_period"]))
        elif values["timeout"] < _SHORTEST_TIMEOUT:
            problems.append("timeout: found {}; wanted: at least {} s, because a platform is asked for a sign of life "
                            "once a second".format(_show(values["timeout"]), _SHORTEST_TIMEOUT))
    if values.get("simple_behavior") is False:
        problems.append("simple_behavior: found false (the default), which is standard failover; wanted: true, "
                        "because this release has simple failover only")
    return problems


def _split_address(values: Mapping[str, Any]) -> Tuple[str, str]:
    """Return the address without its query, and the server key from wherever it was given."""
    address = values["remote_vip"]
    key = values["remote_serverkey"] or _key_in_address(address)
    return urlsplit(address)._replace(query="", fragment="").geturl(), key


def _key_in_address(address: str) -> Optional[str]:
    found = parse_qs(urlsplit(address).query, keep_blank_values=True).get("serverkey")
    return found[0] if found else None


def _curve_key(text: str) -> bool:
    """VOLTTRON writes a CURVE key of 32 bytes in URL-safe base64 without padding."""
    try:
        return len(text) == 43 and len(base64.b64decode(text + "=", altchars=b"-_", validate=True)) == 32
    except (ValueError, binascii.Error):
        return False


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _nearest(key: Any) -> str:
    near = difflib.get_close_matches(str(key), _KEYS, n=1, cutoff=0.5)
    return "; did you mean {}?".format(near[0]) if near else "; known are {}".format(", ".join(_KEYS))
