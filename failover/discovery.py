"""Where VOLTTRON Central's platform is, asked of its web address.

A platform of VOLTTRON 9 that serves web pages answers ``GET /discovery/`` there with a JSON object: its VIP address and
its public key. VCP finds VC that way. Who answers may be anybody, so nothing of an answer is used before it has passed
the checks of a configuration; and it can hold up, fill or steer nothing here: one bounded answer within one time limit,
no redirection, no proxy. With ``https`` the certificate must be one that this machine trusts.
"""

import http.client
import io
import json
from ssl import PROTOCOL_TLS_CLIENT, SSLCertVerificationError
from typing import Any, Callable, Mapping, NamedTuple, Optional
from urllib.parse import urljoin, urlsplit

import gevent
import gevent.socket
import gevent.ssl

from failover.config import is_serverkey
from failover.text import clean, integer
from failover.vip import address as vip_address
from failover.vip.endpoint import Endpoint

__all__ = ["DiscoveryError", "Found", "ask", "find", "read_answer", "read_response"]

# Of an answer, with its headers.
_MOST_BYTES = 65536
_WITHIN = 10.0
_AT_ONCE = 8192


class DiscoveryError(Exception):
    """VC's platform was not found. The text tells the operator what was asked and what to look at."""


class Found(NamedTuple):
    """What a platform says of itself: its VIP address, and its public key."""

    address: str
    serverkey: str


def find(endpoint: Endpoint, known_hosts: Callable[[], Mapping[str, str]]) -> Endpoint:
    """Return where VC's platform is and how to present oneself there. Waits for the network, at most 10 s.

    :param endpoint: the same with a web address, and with the server key that is configured, or "".
    :param known_hosts: returns the public keys of platforms by ``host:port``.
    :raises DiscoveryError: it gave no answer, none that can be used, or another key than is known otherwise.
    """
    found = ask(endpoint.address)
    known = ((endpoint.serverkey or None, "configured here or in this platform's own settings"),
             (known_hosts().get(urlsplit(found.address).netloc), "among this platform's known hosts"))
    for key, where in known:
        if key is not None and key != found.serverkey:
            raise DiscoveryError("{} gives the server key {}, but {} is {}: nothing is connected; correct whichever is "
                                 "wrong".format(_url(endpoint.address), found.serverkey, clean(key, 80), where))
    return endpoint._replace(address=found.address, serverkey=found.serverkey)


def ask(web_address: str, within: float = _WITHIN) -> Found:
    """Ask a platform, at its web address, for its VIP address and public key. Only the calling greenlet waits.

    :param within: seconds for all of it.
    :raises DiscoveryError: there is no answer, or none that can be used.
    """
    limit = gevent.Timeout(within)
    try:
        with limit:
            raw = _fetch(web_address)
        return read_answer(read_response(raw), web_address)
    except gevent.Timeout as caught:
        if caught is not limit:
            raise
        error = "no complete answer within {:g} s".format(within)
    except SSLCertVerificationError as caught:
        error = ("its certificate cannot be verified ({}): have this machine trust it, or configure "
                 "volttron_central_vip as a VIP address, and volttron_central_serverkey".format(
                     clean(caught.verify_message)))
    except DiscoveryError as caught:
        error = str(caught)
    except (OSError, ValueError) as caught:  # The latter for a name that cannot be one.
        error = clean(getattr(caught, "strerror", None) or caught)
    raise DiscoveryError("asked {} for VC's VIP address: {}".format(_url(web_address), error))


def _url(web_address: str) -> str:
    return urljoin(web_address, "/discovery/")


def _fetch(web_address: str) -> bytes:
    """Return all that the server sends, at most a little more than the bound."""
    address, url = urlsplit(web_address), urlsplit(_url(web_address))
    secure = address.scheme == "https"
    connection = gevent.socket.create_connection((address.hostname, address.port or (443 if secure else 80)))
    try:
        if secure:
            context = gevent.ssl.SSLContext(PROTOCOL_TLS_CLIENT)  # It verifies certificates and names.
            context.load_default_certs()
            connection = context.wrap_socket(connection, server_hostname=address.hostname)
        # By HTTP 1.0, so that the end of the connection is that of the answer.
        connection.sendall("GET {} HTTP/1.0\r\nHost: {}\r\nAccept: application/json\r\n\r\n".format(
            url.path, url.netloc).encode("ascii"))
        received = b""
        while len(received) <= _MOST_BYTES:
            chunk = connection.recv(_AT_ONCE)
            if not chunk:
                break
            received += chunk
        return received
    finally:
        connection.close()


class _Received:
    """What :class:`http.client.HTTPResponse` wants to read from."""

    def __init__(self, raw: bytes):
        self._raw = raw

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._raw)


def read_response(raw: bytes) -> bytes:
    """Return the body of an HTTP response.

    :raises DiscoveryError: it is none, is too long, or has another status than 200.
    """
    if len(raw) > _MOST_BYTES:
        raise DiscoveryError("the answer is longer than {} bytes".format(_MOST_BYTES))
    response = http.client.HTTPResponse(_Received(raw))  # type: ignore[arg-type]  # It only reads from its socket.
    try:
        response.begin()
        status, reason, body = response.status, response.reason, response.read()
    except (http.client.HTTPException, ValueError, OverflowError, OSError) as error:  # OverflowError for a huge length.
        raise DiscoveryError("the answer is no HTTP, or not all of it: {}".format(clean(error))) from None
    if status != 200:
        raise DiscoveryError("the answer is {} {}".format(status, clean(reason)))
    return body


def read_answer(body: bytes, web_address: str) -> Found:
    """Return what an answer says, checked as the configuration is.

    :raises DiscoveryError: something is missing, wrong, or of no use to another machine.
    """
    try:
        answer = json.loads(body, parse_int=integer)
    except (ValueError, RecursionError):
        raise DiscoveryError("the answer is not JSON") from None
    if not isinstance(answer, Mapping):
        raise DiscoveryError("the answer is not an object of JSON")
    address: Any
    serverkey: Any
    address, serverkey = answer.get("vip-address"), answer.get("serverkey")
    wrong = _what_is_wrong(address, web_address)
    if wrong is not None:
        raise DiscoveryError("the answer has {}; wanted: a VIP address that other machines reach, such as "
                             "'tcp://192.0.2.30:22916'; see `vip-address` in the file `config` in VOLTTRON_HOME "
                             "there".format(wrong))
    if not serverkey:
        raise DiscoveryError("the answer names no server key")
    if not is_serverkey(serverkey):
        raise DiscoveryError("the answer has the server key {}; wanted: 43 characters".format(
            clean(repr(serverkey), 80)))
    return Found(address, serverkey)


def _what_is_wrong(address: Any, web_address: str) -> Optional[str]:
    """Return what is wrong with the VIP address in an answer, None if nothing is."""
    if address is None:
        return "no VIP address"
    try:
        parsed = vip_address.parse(address)
        if not parsed.host_and_port:
            why = "which is a local socket"
        elif address != parsed.base:
            why = "with a query"
        elif _is_of_one_machine(address) and not _is_of_one_machine(web_address):
            why = "which leads every machine to itself"
        else:
            return None
    except vip_address.AddressError as error:
        why = str(error)
    return "the VIP address {}, {}".format(clean(repr(address)), why)


def _is_of_one_machine(address: str) -> bool:
    """Whether the address leads every machine to itself."""
    host = urlsplit(address).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
