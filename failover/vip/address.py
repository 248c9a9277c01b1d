"""VIP and web addresses of platforms: the forms there are, and what is wrong with a text that has none of them."""

import ipaddress
import re
from typing import Any, NamedTuple, Optional

__all__ = ["Address", "AddressError", "is_web", "parse", "parse_web", "shown"]

# Linux has room for so many bytes of a local socket's name.
_LONGEST_SOCKET = 107
_LONGEST_HOST = 253

_WEB = re.compile(r"(https?)://([A-Za-z0-9_.\-:\[\]]+)/?\Z", re.IGNORECASE)
_WEB_PORTS = {"http": 80, "https": 443}


class AddressError(ValueError):
    """The text is no address that an agent can connect to. It goes on after "found ...": what is wrong with it."""


class Address(NamedTuple):
    """An address in its parts.

    :ivar base: the address as it was given, without a query.
    :ivar host_and_port: as in the address; "" for a local socket.
    :ivar serverkey: public key of the platform there, as its query gives it; None without one.
    """

    base: str
    host_and_port: str
    serverkey: Optional[str]


def parse(text: Any) -> Address:
    """Take an address apart.

    :raises AddressError: no agent can connect to this.
    """
    if not isinstance(text, str):
        raise AddressError("which is no text")
    if not text.isprintable() or any(one.isspace() for one in text):
        raise AddressError("with a space or a control character")
    if "*" in text:
        raise AddressError("with a wildcard (*)")
    if "#" in text:
        raise AddressError("with a fragment (#)")
    base, _, query = text.partition("?")
    scheme, _, rest = base.partition("://")
    if scheme == "tcp":
        _check_tcp(rest)
    elif scheme == "ipc":
        _check_ipc(rest)
    else:
        raise AddressError("which does not begin with tcp:// or ipc:// in lower case")
    return Address(base, rest if scheme == "tcp" else "", _serverkey(query))


def is_web(text: Any) -> bool:
    """Whether it is the web address of a platform: ``http`` or ``https``, a host, perhaps a port, and nothing more."""
    if not isinstance(text, str):
        return False
    try:
        _check_tcp(_web_host_and_port(text))
    except AddressError:
        return False
    return True


def parse_web(text: str) -> Address:
    """Take a web address apart. Its port, if it has none, is the usual one."""
    return Address(text, _web_host_and_port(text), None)


def _web_host_and_port(text: str) -> str:
    match = _WEB.match(text)
    if match is None:
        raise AddressError("which is no web address")
    scheme, host_and_port = match.groups()
    if re.search(r":[0-9]*\Z", host_and_port):
        return host_and_port
    return "{}:{}".format(host_and_port, _WEB_PORTS[scheme.lower()])


def shown(text: str) -> str:
    """Return an address as it may be shown: without a password or a secret key."""
    text = re.sub(r"://[^@]+@", "://...@", text)
    return re.sub(r"(?i)(secretkey|password)=[^&#]*", r"\1=...", text)


def _check_tcp(rest: str) -> None:
    if "@" in rest:
        raise AddressError("with the name of a user")
    if "/" in rest:
        raise AddressError("with a path")
    host, _, port = rest.rpartition(":")
    if not re.match(r"[1-9][0-9]{0,4}\Z", port) or int(port) > 65535:
        raise AddressError("without a port from 1 to 65535")
    if host in ("0.0.0.0", "[::]"):
        raise AddressError("which is a wildcard, not the address of a platform")
    if host.startswith("["):
        good = host.endswith("]") and _is_ipv6(host[1:-1])
    else:
        good = _is_ipv4(host) if _ends_in_number(host) else _is_name(host)
    if not good:
        raise AddressError("whose host is no name and no address (one of IPv6 stands in brackets)")


def _ends_in_number(host: str) -> bool:
    """Whether it is taken for an IPv4 address, in whatever form, instead of a name."""
    return re.search(r"(^|\.)[0-9]+\.?\Z", host) is not None


def _is_ipv4(host: str) -> bool:
    return re.match(r"(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}\Z", host) is not None and all(
        int(part) <= 255 for part in host.split("."))


def _is_ipv6(host: str) -> bool:
    """The zone may follow, which is the name of a network interface, and is not encoded."""
    number, percent, zone = host.partition("%")
    if percent and (zone.startswith("25") or not re.match(r"[A-Za-z0-9_.\-]{1,15}\Z", zone)):
        return False
    try:
        return not ipaddress.IPv6Address(number).is_unspecified
    except ValueError:
        return False


def _is_name(host: str) -> bool:
    labels = (host[:-1] if host.endswith(".") else host).split(".")
    return (len(host) <= _LONGEST_HOST and re.match(r"[A-Za-z0-9]", host) is not None
            and all(re.match(r"[A-Za-z0-9_\-]{1,63}\Z", label) for label in labels))


def _check_ipc(rest: str) -> None:
    abstract = rest.startswith("@")
    if rest == "@" or not abstract and (not rest.startswith("/") or rest.endswith("/")):
        raise AddressError("which is neither the absolute path of a socket nor @ and a name")
    if "%" in rest:
        raise AddressError("with a %, which nobody decodes")
    if len(rest.encode()) > _LONGEST_SOCKET:
        raise AddressError("whose path is longer than {} bytes".format(_LONGEST_SOCKET))


def _serverkey(query: str) -> Optional[str]:
    found = None
    for key, equals, value in (one.partition("=") for one in query.split("&") if one):
        name = key.lower()
        if name == "secretkey":
            raise AddressError("with a secretkey, which nobody else should know: take it out, and make new keys for "
                               "whoever it belongs to")
        if name != "serverkey":
            raise AddressError("with {} in its query, where only serverkey is read".format(name))
        if not equals or found is not None:
            raise AddressError("with a serverkey that has no value, or more than one")
        if "%" in value:
            raise AddressError("with a % in serverkey, where no key has one")
        found = value
    return found
