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
    :ivar stop_grace: seconds from the decision to stop the managed agent until it is gone.
    :ivar volttron_central_vip: VIP address of the platform of VOLTTRON Central (VC), without a query; "" if not given.
    :ivar volttron_central_serverkey: public key of that platform.
    :ivar volttron_central_identity: VIP identity of VC there.
    :ivar remote_instance_name: instance name of the other platform; "" means as learnt from its heartbeats.
    """

    agent_id: str
    simple_behavior: bool
    remote_vip: str
    remote_serverkey: str
    agent_vip_identity: str
    heartbeat_period: float
    timeout: float
    stop_grace: float = 10
    volttron_central_vip: str = ""
    volttron_central_serverkey: str = ""
    volttron_central_identity: str = "volttron.central"
    remote_instance_name: str = ""

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
        for address, key in _ADDRESSES:
            values[address], values[key] = _split_address(values[address], values[key])
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
_LONGEST_GRACE = 45
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
    "stop_grace": (
        lambda value: _seconds(value) and 1 <= value <= _LONGEST_GRACE,
        "a number of seconds from 1 to {}".format(_LONGEST_GRACE), 10),
    "volttron_central_vip": (
        lambda value: value == "" or _address(value),
        'VIP address of VOLTTRON Central\'s platform, such as "tcp://192.0.2.30:22916"', ""),
    "volttron_central_serverkey": (
        _key_or_none, "public key of VOLTTRON Central's platform, the 43 characters that `vctl auth servercred` prints "
        "there", ""),
    "volttron_central_identity": (_identity, 'VIP identity of VOLTTRON Central, such as "volttron.central"',
                                  "volttron.central"),
    "remote_instance_name": (
        lambda value: value == "" or _identity(value),
        'instance name of the other platform, such as "node-b", or "" to learn it from heartbeats', ""),
}

# Addresses and the keys that belong to them.
_ADDRESSES = (("remote_vip", "remote_serverkey"), ("volttron_central_vip", "volttron_central_serverkey"))


def _across_keys(values: Mapping[str, Any]) -> List[str]:
    """Return the problems that only two keys together show. Keys with a problem of their own are absent."""
    problems = []
    for address, key in _ADDRESSES:
        if address in values and key in values and values[address]:
            problems += _key_problems(address, values[address], key, values[key])
    if values.get("simple_behavior") is False and values.get("volttron_central_vip") == "":
        problems.append("volttron_central_vip: missing; wanted: {}, which standard failover asks before the secondary "
                        "starts; or simple_behavior: true".format(_KEYS["volttron_central_vip"][1]))
    if "timeout" in values and "heartbeat_period" in values and "simple_behavior" in values:
        simple, period = values["simple_behavior"], values["heartbeat_period"]
        fewest = 2 if simple else 3
        if values["timeout"] < fewest * period:
            problems.append("timeout: found {}; wanted: at least {} heartbeat periods, {:g} s".format(
                _show(values["timeout"]), "two" if simple else "three", fewest * period))
        elif values["timeout"] < _SHORTEST_TIMEOUT:
            problems.append("timeout: found {}; wanted: at least {} s, because a platform is asked for a sign of life "
                            "once a second".format(_show(values["timeout"]), _SHORTEST_TIMEOUT))
        if not simple and "stop_grace" in values and values["stop_grace"] < period:
            problems.append("stop_grace: found {}; wanted: at least one heartbeat period, {:g} s, in standard "
                            "failover".format(_show(values["stop_grace"]), period))
    return problems


def _key_problems(address_name: str, address: str, key_name: str, key: str) -> List[str]:
    wanted, key_in_address = _KEYS[key_name][1], _key_in_address(address)
    problems = []
    if not key and key_in_address is None:
        problems.append("{}: found none, neither here nor in {}; wanted: {}".format(key_name, address_name, wanted))
    if key_in_address is not None and not _curve_key(key_in_address):
        problems.append("{}: found serverkey={}; wanted: {}".format(address_name, _show(key_in_address), wanted))
    elif key and key_in_address is not None and key != key_in_address:
        problems.append("{}: found {}, but {} carries serverkey={}; wanted: one of them, or the same in both".format(
            key_name, _show(key), address_name, key_in_address))
    return problems


def _split_address(address: str, key: str) -> Tuple[str, str]:
    """Return the address without its query, and the server key from wherever it was given."""
    return urlsplit(address)._replace(query="", fragment="").geturl(), key or _key_in_address(address) or ""


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
