"""Which platforms a configuration names: their addresses, and the public keys that are given for them in any place."""

from typing import Any, Dict, List, Mapping, NamedTuple, Tuple

from failover.config.errors import show
from failover.config.keys import ADDRESSES, KEYS, is_serverkey, is_vip_or_web
from failover.vip import address as vip_address

__all__ = ["Known", "fill_in_central", "key_problems", "settle_addresses"]


class Known(NamedTuple):
    """What the local platform knows of others, which stands in for what the configuration does not say.

    :ivar serverkeys: public keys of platforms by ``host:port``, from the store of known hosts.
    :ivar central_vip: VIP or web address of VC's platform, from the platform's own settings; "" if there is none.
    :ivar central_serverkey: public key of that platform; "" if there is none.
    """

    serverkeys: Mapping[str, str] = {}
    central_vip: str = ""
    central_serverkey: str = ""


def fill_in_central(values: Dict[str, Any], known: Known, mode_is_given: bool) -> List[str]:
    """Take VC's address from the platform's settings if standard failover needs it. Return what is wrong then."""
    if values.get("simple_behavior") is not False or values.get("volttron_central_vip") != "":
        return []
    if known.central_vip and is_vip_or_web(known.central_vip):
        values["volttron_central_vip"] = known.central_vip
        return []
    setting = hint = ""
    if known.central_vip:
        setting = ", and {}, as the platform's own settings have it, is neither a VIP nor a web address".format(
            show(known.central_vip))
    if not mode_is_given:
        hint = (" (it is absent, which VOLTTRON's documentation takes for standard failover, but the original Failover "
                "Agent took for simple failover: set it)")
    return ["volttron_central_vip: missing{}; wanted: {}, which standard failover asks before the secondary starts; or "
            "simple_behavior: true{}".format(setting, KEYS["volttron_central_vip"].wanted, hint)]


def key_problems(values: Mapping[str, Any], known: Known) -> List[str]:
    """Return what is wrong with the public keys for the addresses. Values with a problem of their own are absent."""
    problems = []
    for address, key in ADDRESSES.items():
        if address in values and key in values and values[address]:
            problems += _key_problems(address, key, values, known)
    return problems


def settle_addresses(values: Dict[str, Any], known: Known) -> None:
    """Put the public keys where they belong, wherever they are given, and leave addresses without their queries."""
    for address, key in ADDRESSES.items():
        if values[address]:
            values[key] = next((found for found, _ in _keys_found(address, key, values, known)), "")
            values[address] = _parse(values[address]).base


def _key_problems(address_name: str, key_name: str, values: Mapping[str, Any], known: Known) -> List[str]:
    wanted, found = KEYS[key_name].wanted, _keys_found(address_name, key_name, values, known)
    if not found and vip_address.is_web(values[address_name]):
        return []  # It is asked for there.
    if not found:
        return ["{}: found none, neither here nor in {} nor among this platform's known hosts; wanted: {}".format(
            key_name, address_name, wanted)]
    for key, where in found:
        if not is_serverkey(key):
            return ["{}: found {} {}; wanted: {}".format(key_name, show(key), where, wanted)]
    (key, where), others = found[0], [one for one in found if one[0] != found[0][0]]
    return ["{}: found {} {}, but {} {}; wanted: one of them, or the same in both".format(
        key_name, show(key), where, show(other), elsewhere) for other, elsewhere in others[:1]]


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
    return _parse(address).host_and_port if is_vip_or_web(address) else ""


def _parse(value: str) -> vip_address.Address:
    return vip_address.parse_web(value) if vip_address.is_web(value) else vip_address.parse(value)
