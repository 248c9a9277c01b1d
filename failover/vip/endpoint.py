"""Where a router is, and how to present oneself there."""

from typing import NamedTuple

__all__ = ["Endpoint"]


class Endpoint(NamedTuple):
    """A router and how to present oneself there.

    :ivar address: one of ZeroMQ: ``tcp://HOST:PORT``, where HOST is an IPv4 address, an IPv6 address in brackets or a
        name, ``ipc://PATH``, or ``ipc://@NAME`` for an abstract socket.
    :ivar serverkey: the router's public key. Keys are VOLTTRON's texts of 43 characters.
    :ivar identity: one's own name there.
    :ivar publickey: one's own public key.
    :ivar secretkey: one's own secret key.
    """

    address: str
    serverkey: str
    identity: str
    publickey: str
    secretkey: str
