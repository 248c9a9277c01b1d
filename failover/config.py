"""The agent's configuration: reading it, and saying everything that is wrong with it at once.

The keys and their meaning are those of VOLTTRON's documentation of the Failover Agent. This module does no I/O:
:mod:`failover.config_file` reads the file.
"""

import base64
import binascii
import difflib
import re
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple

from failover.text import clean
from failover.vip import address as vip_address

__all__ = ["Config", "ConfigError", "Known", "is_serverkey"]


class ConfigError(ValueError):
    """The configuration cannot be used. ``problems`` holds one line for each thing that is wrong with it."""

    def __init__(self, problems: List[str]):
        self.problems = [clean(problem, _LONGEST_LINE) for problem in problems]
        super().__init__("\n".join(self.problems))


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
    :ivar remote_vip: VIP address of the other platform, as it was given but without a query.
    :ivar remote_serverkey: public key of the other platform.
    :ivar agent_vip_identity: VIP identity of the managed agent, the same on both platforms.
    :ivar heartbeat_period: seconds from one heartbeat to the next.
    :ivar timeout: seconds without a heartbeat after which the other side counts as down.
    :ivar stop_grace: seconds from the decision to stop the managed agent until it is gone.
    :ivar volttron_central_vip: VIP address of the platform of VOLTTRON Central (VC), likewise, or its web address, at
        which its VIP address is to be asked for; "" if not given.
    :ivar volttron_central_serverkey: public key of that platform; "" if only its web address and no key is given.
    :ivar volttron_central_identity: VIP identity of VC there.
    :ivar remote_instance_name: instance name of the other platform; "" means as learnt from its heartbeats.
    :ivar warnings: what works but is better set otherwise, a line for each thing.
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
    warnings: Tuple[str, ...] = field(default=(), compare=False)

    @property
    def mode(self) -> str:
        """``simple`` or ``standard``."""
        return "simple" if self.simple_behavior else "standard"

    @property
    def beat_every(self) -> float:
        """Seconds from one heartbeat that is sent to the next: ``heartbeat_period``, or less in standard failover.

        There a primary's proof is an acknowledgement of its heartbeat, which may take until two heartbeats later. So
        three must fit into ``timeout``.
        """
        return self.heartbeat_period if self.simple_behavior else min(self.heartbeat_period, self.timeout / 3)

    @property
    def stop_within(self) -> float:
        """Seconds that stopping the managed agent may take while this agent itself is being stopped.

        VOLTTRON gives an agent 60 s for its stop; this one must have ended before.
        """
        return min(self.stop_grace, _LONGEST_GRACE)

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
        problems = _unknown_keys(raw)
        values: Dict[str, Any] = {}
        for key, (check, wanted, default) in _KEYS.items():
            value = raw.get(key, default)
            if value is _REQUIRED:
                problems.append("{}: missing; wanted: {}".format(key, wanted))
            elif value is not _BY_PERIOD and not check(value):
                problems.append("{}: found {}{}; wanted: {}".format(key, _show(value), _why(key, value), wanted))
            elif value is not _BY_PERIOD:
                values[key] = value
        if "stop_grace" not in raw:
            values["stop_grace"] = max(_USUAL_GRACE, values.get("heartbeat_period", 0))
        problems += _fill_in_vc(values, known, "simple_behavior" in raw)
        problems += _across_keys(values, known)
        if problems:
            raise ConfigError(problems)
        for address, key in _ADDRESSES:
            if values[address]:
                values[key] = next((found for found, _ in _keys_found(address, key, values, known)), "")
                values[address] = _parse(values[address]).base
        return cls(warnings=tuple(_warnings(values, raw)), **values)


_REQUIRED, _BY_PERIOD = object(), object()


def _role(value: Any) -> bool:
    return value in ("primary", "secondary")


def _boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _address(value: Any) -> bool:
    return _no_address(value) is None


def _no_address(value: Any) -> Optional[str]:
    """Return what is wrong with an address, None if nothing is."""
    try:
        vip_address.parse(value)
    except vip_address.AddressError as error:
        return str(error)
    return None


def _vip_or_web(value: Any) -> bool:
    return _address(value) or vip_address.is_web(value)


def _parse(value: str) -> vip_address.Address:
    return vip_address.parse_web(value) if vip_address.is_web(value) else vip_address.parse(value)


def _key_or_none(value: Any) -> bool:
    return value == "" or is_serverkey(value)


def _identity(value: Any) -> bool:
    return isinstance(value, str) and re.match(r"[A-Za-z0-9_.\-]{1,255}\Z", value) is not None


def _seconds(shortest: float) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and shortest <= value <= _LONGEST
    return check


# Seconds.
_SHORTEST_PERIOD = 0.1
_LONGEST = 86400
_USUAL_GRACE, _LONGEST_GRACE = 10, 45
_SHORT_TIMEOUT, _GOOD_TIMEOUT = 4, 6

# Characters of a line, and of a value or a key that it shows. So many unknown keys are named.
_LONGEST_LINE, _LONGEST_SHOWN = 1000, 80
_UNKNOWN_SHOWN = 20

_KEY_COMMAND = ("the 43 characters that `vctl auth servercred` prints there (on VOLTTRON 9 `vctl auth serverkey`)")
_OF_SECONDS = "a number of seconds from {:g} to {:g}"
_OF_LETTERS = ", of at most 255 letters, digits, dots, hyphens and underscores"

_KEYS: Dict[str, Tuple[Callable[[Any], bool], str, Any]] = {
    "agent_id": (_role, '"primary" or "secondary"', _REQUIRED),
    "simple_behavior": (_boolean, "true (simple failover) or false (standard failover)", False),
    "remote_vip": (_address, 'VIP address of the other platform, such as "tcp://192.0.2.10:22916"', _REQUIRED),
    "remote_serverkey": (
        _key_or_none, "public key of the other platform, " + _KEY_COMMAND, ""),
    "agent_vip_identity": (
        _identity, 'VIP identity of the agent to manage, such as "platform.driver"' + _OF_LETTERS, _REQUIRED),
    "heartbeat_period": (_seconds(_SHORTEST_PERIOD), _OF_SECONDS.format(_SHORTEST_PERIOD, _LONGEST), 1),
    "timeout": (_seconds(2 * _SHORTEST_PERIOD), _OF_SECONDS.format(2 * _SHORTEST_PERIOD, _LONGEST), 10),
    "stop_grace": (_seconds(1), _OF_SECONDS.format(1, _LONGEST_GRACE), _BY_PERIOD),
    "volttron_central_vip": (
        lambda value: value == "" or _vip_or_web(value),
        'VIP address of VOLTTRON Central\'s platform, such as "tcp://192.0.2.30:22916", or its web address', ""),
    "volttron_central_serverkey": (
        _key_or_none, "public key of VOLTTRON Central's platform, " + _KEY_COMMAND, ""),
    "volttron_central_identity": (
        _identity, 'VIP identity of VOLTTRON Central, such as "volttron.central"' + _OF_LETTERS, "volttron.central"),
    "remote_instance_name": (
        lambda value: value == "" or _identity(value),
        'instance name of the other platform, such as "node-b", or "" to learn it from heartbeats' + _OF_LETTERS, ""),
}

# Keys of the original Failover Agent that this one does without, each with what is said of it.
_NOT_NEEDED = {"remote_id": "remote_id is not needed and not read: take it out"}

# Addresses and the keys that belong to them.
_ADDRESSES = (("remote_vip", "remote_serverkey"), ("volttron_central_vip", "volttron_central_serverkey"))


def _unknown_keys(raw: Mapping[Any, Any]) -> List[str]:
    unknown = [key for key in raw if key not in _KEYS and key not in _NOT_NEEDED]
    lines = ["{}: unknown key{}".format(clean(key, _LONGEST_SHOWN), _nearest(key)) for key in unknown[:_UNKNOWN_SHOWN]]
    if len(unknown) > _UNKNOWN_SHOWN:
        lines.append("{} more unknown keys".format(len(unknown) - _UNKNOWN_SHOWN))
    return lines


def _why(key: str, value: Any) -> str:
    """Return what is wrong with this value, as far as there is more to say than what is wanted."""
    return ", " + (_no_address(value) or "") if key in dict(_ADDRESSES) else ""


def _fill_in_vc(values: Dict[str, Any], known: Known, mode_is_given: bool) -> List[str]:
    """Take VC's address from the platform's settings if standard failover needs it. Return what is wrong then."""
    if values.get("simple_behavior") is not False or values.get("volttron_central_vip") != "":
        return []
    if known.central_vip and _vip_or_web(known.central_vip):
        values["volttron_central_vip"] = known.central_vip
        return []
    setting = hint = ""
    if known.central_vip:
        setting = ", and {}, as the platform's own settings have it, is neither a VIP nor a web address".format(
            _show(known.central_vip))
    if not mode_is_given:
        hint = (" (it is absent, which VOLTTRON's documentation takes for standard failover, but the original Failover "
                "Agent took for simple failover: set it)")
    return ["volttron_central_vip: missing{}; wanted: {}, which standard failover asks before the secondary starts; or "
            "simple_behavior: true{}".format(setting, _KEYS["volttron_central_vip"][1], hint)]


def _across_keys(values: Mapping[str, Any], known: Known) -> List[str]:
    """Return the problems that only two keys together show. Keys with a problem of their own are absent."""
    problems = []
    for address, key in _ADDRESSES:
        if address in values and key in values and values[address]:
            problems += _key_problems(address, key, values, known)
    if "heartbeat_period" not in values:
        return problems
    period = values["heartbeat_period"]
    if "timeout" in values and values["timeout"] < 2 * period:
        problems.append("timeout: found {}; wanted: at least two heartbeat periods, {:g} s".format(
            _show(values["timeout"]), 2 * period))
    if "stop_grace" in values:
        longest = max(_LONGEST_GRACE, period)
        if values["stop_grace"] > longest:
            problems.append("stop_grace: found {}; wanted: {}".format(
                _show(values["stop_grace"]), _OF_SECONDS.format(1, longest)))
        if values["stop_grace"] < period and values.get("simple_behavior") is False:
            problems.append("stop_grace: found {}; wanted: at least one heartbeat period, {:g} s, in standard "
                            "failover".format(_show(values["stop_grace"]), period))
    return problems


def _warnings(values: Mapping[str, Any], raw: Mapping[str, Any]) -> List[str]:
    warnings = [text for key, text in _NOT_NEEDED.items() if key in raw]
    timeout, period = values["timeout"], values["heartbeat_period"]
    good = max(_GOOD_TIMEOUT, 3 * period)
    if timeout < _SHORT_TIMEOUT:
        warnings.append(
            "timeout {:g} s is short: a platform answers nothing for 2 to 3 seconds while `vctl install` runs on it, "
            "which then looks like its death; set timeout to {:g} or more".format(timeout, good))
    if timeout < 3 * period and not values["simple_behavior"]:
        warnings.append(
            "timeout {:g} s is less than three heartbeat periods of {:g} s: heartbeats are sent every {:.3g} s "
            "instead, so that the primary's lease does not end between two of them; set timeout to {:g} or more".format(
                timeout, period, timeout / 3, good))
    return warnings


def _key_problems(address_name: str, key_name: str, values: Mapping[str, Any], known: Known) -> List[str]:
    wanted, found = _KEYS[key_name][1], _keys_found(address_name, key_name, values, known)
    if not found and vip_address.is_web(values[address_name]):
        return []  # It is asked for there.
    if not found:
        return ["{}: found none, neither here nor in {} nor among this platform's known hosts; wanted: {}".format(
            key_name, address_name, wanted)]
    for key, where in found:
        if not is_serverkey(key):
            return ["{}: found {} {}; wanted: {}".format(key_name, _show(key), where, wanted)]
    (key, where), others = found[0], [one for one in found if one[0] != found[0][0]]
    return ["{}: found {} {}, but {} {}; wanted: one of them, or the same in both".format(
        key_name, _show(key), where, _show(other), elsewhere) for other, elsewhere in others[:1]]


def _keys_found(address_name: str, key_name: str, values: Mapping[str, Any], known: Known) -> List[Tuple[str, str]]:
    """Return each key that is given for the platform at this address, and where."""
    address = _parse(values[address_name])
    found = [(values[key_name] or None, "here"), (address.serverkey, "in " + address_name)]
    if address.host_and_port:
        found.append((known.serverkeys.get(address.host_and_port), "among this platform's known hosts"))
        if address_name == "volttron_central_vip" and address.host_and_port == _host_and_port(known.central_vip):
            found.append((known.central_serverkey or None, "in this platform's own settings"))
    return [(key, where) for key, where in found if key is not None]


def _host_and_port(address: Any) -> str:
    return _parse(address).host_and_port if _vip_or_web(address) else ""


def is_serverkey(text: Any) -> bool:
    """Whether it is a key: VOLTTRON writes a CURVE key of 32 bytes in URL-safe base64 without padding."""
    try:
        return (isinstance(text, str) and len(text) == 43
                and len(base64.b64decode(text + "=", altchars=b"-_", validate=True)) == 32)
    except (ValueError, binascii.Error):
        return False


def _show(value: Any) -> str:
    if isinstance(value, str):
        return clean(repr(vip_address.shown(value)), _LONGEST_SHOWN)
    try:
        return clean(repr(value), _LONGEST_SHOWN)
    except Exception:  # A number of too many digits, or what is nested too deeply, has no text.
        return "a {} that cannot be shown".format(type(value).__name__)


def _nearest(key: Any) -> str:
    near = difflib.get_close_matches(clean(key, _LONGEST_SHOWN), _KEYS, n=1, cutoff=0.5)
    return "; did you mean {}?".format(near[0]) if near else "; known are {}".format(", ".join(_KEYS))
