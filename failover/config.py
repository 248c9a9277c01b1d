"""The agent's configuration: reading it, and saying everything that is wrong with it at once.

The keys and their meaning are those of VOLTTRON's documentation of the Failover Agent. This module does no I/O.
"""

import base64
import binascii
import difflib
import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Tuple
from urllib.parse import parse_qs, urlsplit

__all__ = ["Config", "ConfigError", "Known", "is_serverkey", "is_vip_address", "is_web_address"]


class ConfigError(ValueError):
    """The configuration cannot be used. ``problems`` holds one line for each thing that is wrong with it."""

    def __init__(self, problems: List[str]):
        super().__init__("\n".join(problems))
        self.problems = problems


class Known(NamedTuple):
    """What the own platform knows of others. It stands in for what the configuration does not say.

    :ivar serverkeys: public keys of platforms by ``host:port``, from the store of known hosts.
    :ivar central_vip: VIP or web address of VC's platform, from the platform's own settings; "" if there is none.
    :ivar central_serverkey: public key of that platform; "" if there is none.
    """

    serverkeys: Mapping[str, str] = {}
    central_vip: str = ""
    central_serverkey: str = ""


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
    :ivar volttron_central_vip: VIP address of the platform of VOLTTRON Central (VC), without a query, or its web
        address, at which its VIP address is to be asked for; "" if not given.
    :ivar volttron_central_serverkey: public key of that platform; "" if only its web address and no key is given.
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

    @staticmethod
    def is_simple(raw: Any) -> bool:
        """Whether what was read from the configuration file asks for simple failover, be it right otherwise or not."""
        return isinstance(raw, Mapping) and raw.get("simple_behavior") is True

    @classmethod
    def load(cls, raw: Any, known: Known = Known()) -> "Config":
        """Check what was read from the configuration file and return it as a Config.

        :param known: for the keys of platforms, and in standard failover for where VC is, if not in the file.
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
        problems += _fill_in_vc(values, known)
        problems += _across_keys(values, known)
        if problems:
            raise ConfigError(problems)
        for address, key in _ADDRESSES:
            values[key] = next((found for found, _ in _keys_found(address, key, values, known)), "")
            values[address] = urlsplit(values[address])._replace(query="", fragment="").geturl()
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


def is_web_address(value: Any) -> bool:
    """Whether it is the web address of a platform: ``http`` or ``https``, a host, perhaps a port, and nothing more."""
    if not isinstance(value, str) or len(value) > 255 or _WEB_ADDRESS.match(value) is None:
        return False
    try:
        url = urlsplit(value)
        return bool(url.hostname) and url.port != 0
    except ValueError:
        return False


_WEB_ADDRESS = re.compile(r"(?i:https?)://[A-Za-z0-9_.\-:\[\]]+/?\Z")


def _key_or_none(value: Any) -> bool:
    return value == "" or isinstance(value, str) and _curve_key(value)


def _identity(value: Any) -> bool:
    return isinstance(value, str) and re.match(r"[A-Za-z0-9_.\-]+\Z", value) is not None


def _seconds(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= _LONGEST


_LONGEST = 86400
_LONGEST_GRACE = 45
_KEY_COMMAND = ("the 43 characters that `vctl auth servercred` prints there (on VOLTTRON 9 `vctl auth serverkey`)")
_WANTED_SECONDS = "a number of seconds above 0, at most {}".format(_LONGEST)

# Control of the own platform is asked once a second, and counts as silent after half of timeout.
_SHORTEST_TIMEOUT = 4

_KEYS: Dict[str, Tuple[Callable[[Any], bool], str, Any]] = {
    "agent_id": (_role, '"primary" or "secondary"', _REQUIRED),
    "simple_behavior": (_boolean, "true (simple failover) or false (standard failover)", False),
    "remote_vip": (_address, 'VIP address of the other platform, such as "tcp://192.0.2.10:22916"', _REQUIRED),
    "remote_serverkey": (
        _key_or_none, "public key of the other platform, " + _KEY_COMMAND, ""),
    "agent_vip_identity": (_identity, 'VIP identity of the agent to manage, such as "platform.driver"', _REQUIRED),
    "heartbeat_period": (_seconds, _WANTED_SECONDS, 1),
    "timeout": (_seconds, _WANTED_SECONDS, 10),
    "stop_grace": (
        lambda value: _seconds(value) and 1 <= value <= _LONGEST_GRACE,
        "a number of seconds from 1 to {}".format(_LONGEST_GRACE), 10),
    "volttron_central_vip": (
        lambda value: value == "" or _address(value) or is_web_address(value),
        'VIP address of VOLTTRON Central\'s platform, such as "tcp://192.0.2.30:22916", or its web address', ""),
    "volttron_central_serverkey": (
        _key_or_none, "public key of VOLTTRON Central's platform, " + _KEY_COMMAND, ""),
    "volttron_central_identity": (_identity, 'VIP identity of VOLTTRON Central, such as "volttron.central"',
                                  "volttron.central"),
    "remote_instance_name": (
        lambda value: value == "" or _identity(value),
        'instance name of the other platform, such as "node-b", or "" to learn it from heartbeats', ""),
}

# Addresses and the keys that belong to them.
_ADDRESSES = (("remote_vip", "remote_serverkey"), ("volttron_central_vip", "volttron_central_serverkey"))


def _fill_in_vc(values: Dict[str, Any], known: Known) -> List[str]:
    """Take VC's address from the platform's settings if standard failover needs it. Return what is wrong then."""
    if values.get("simple_behavior") is not False or values.get("volttron_central_vip") != "":
        return []
    if known.central_vip and (_address(known.central_vip) or is_web_address(known.central_vip)):
        values["volttron_central_vip"] = known.central_vip
        return []
    return ["volttron_central_vip: missing{}; wanted: {}, which standard failover asks before the secondary starts; or "
            "simple_behavior: true".format(
                ", and {}, as the platform's own settings have it, is neither a VIP nor a web address".format(
                    _show(known.central_vip))
                if known.central_vip else "", _KEYS["volttron_central_vip"][1])]


def _across_keys(values: Mapping[str, Any], known: Known) -> List[str]:
    """Return the problems that only two keys together show. Keys with a problem of their own are absent."""
    problems = []
    for address, key in _ADDRESSES:
        if address in values and key in values and values[address]:
            problems += _key_problems(address, key, values, known)
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


def _key_problems(address_name: str, key_name: str, values: Mapping[str, Any], known: Known) -> List[str]:
    wanted, found = _KEYS[key_name][1], _keys_found(address_name, key_name, values, known)
    if not found and is_web_address(values[address_name]):
        return []  # It is asked for there.
    if not found:
        return ["{}: found none, neither here nor in {} nor among this platform's known hosts; wanted: {}".format(
            key_name, address_name, wanted)]
    for key, where in found:
        if not _curve_key(key):
            return ["{}: found {} {}; wanted: {}".format(key_name, _show(key), where, wanted)]
    (key, where), others = found[0], [one for one in found if one[0] != found[0][0]]
    return ["{}: found {} {}, but {} {}; wanted: one of them, or the same in both".format(
        key_name, _show(key), where, _show(other), elsewhere) for other, elsewhere in others[:1]]


def _keys_found(address_name: str, key_name: str, values: Mapping[str, Any], known: Known) -> List[Tuple[str, str]]:
    """Return each key that is given for the platform at this address, and where."""
    address = urlsplit(values[address_name])
    in_address = parse_qs(address.query, keep_blank_values=True).get("serverkey", [None])[0]
    found = [(values[key_name] or None, "here"), (in_address, "in " + address_name)]
    if address.netloc:
        found.append((known.serverkeys.get(address.netloc), "among this platform's known hosts"))
        if address_name == "volttron_central_vip" and address.netloc == urlsplit(known.central_vip).netloc:
            found.append((known.central_serverkey or None, "in this platform's own settings"))
    return [(key, where) for key, where in found if key is not None]


def _curve_key(text: str) -> bool:
    """VOLTTRON writes a CURVE key of 32 bytes in URL-safe base64 without padding."""
    try:
        return len(text) == 43 and len(base64.b64decode(text + "=", altchars=b"-_", validate=True)) == 32
    except (ValueError, binascii.Error):
        return False


# What is not configured but found out elsewhere must pass the same checks.
is_vip_address = _address


def is_serverkey(value: Any) -> bool:
    """Whether it is a public key of a platform."""
    return isinstance(value, str) and _curve_key(value)


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _nearest(key: Any) -> str:
    near = difflib.get_close_matches(str(key), _KEYS, n=1, cutoff=0.5)
    return "; did you mean {}?".format(near[0]) if near else "; known are {}".format(", ".join(_KEYS))
