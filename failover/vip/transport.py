"""An encrypted socket to a router; what it receives waits in a bounded queue."""

import contextlib
import sys
from typing import Any, Callable, List, NamedTuple, Optional

import gevent
import zmq.green as zmq
from gevent.queue import Empty, Full, Queue

from failover import clock
from failover.loops import survived, surviving
from failover.text import clean
from failover.vip import frames
from failover.vip.attempts import wants_ipv6
from failover.vip.endpoint import Endpoint
from failover.vip.errors import LinkError

__all__ = ["CLOSE_WITHIN", "Received", "Transport"]

# Seconds in which the greenlets of a socket are ended.
CLOSE_WITHIN = 2.0

# Both together bound what a peer that floods us can make us keep. A connection that brings a longer message ends.
_QUEUED_EVENTS = 100
_LONGEST_MESSAGE = 16 * 2 ** 20
_LINGER = 100  # Milliseconds.
_CONNECTED = zmq.EVENT_CONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED
_ENDED = (zmq.EVENT_CLOSED | zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
          | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH)


class Received(NamedTuple):
    """What a transport has read: the frames of a message, or what ZeroMQ says of the connection, or neither."""

    event: Optional[int] = None
    frames: Optional[List[bytes]] = None

    @property
    def is_nothing(self) -> bool:
        """Whether nothing came in time."""
        return self.event is None and self.frames is None

    @property
    def is_connected(self) -> bool:
        """Whether something has accepted the connection."""
        return self.event == zmq.EVENT_CONNECTED

    @property
    def is_shaken(self) -> bool:
        """Whether both sides have proved their keys."""
        return self.event == zmq.EVENT_HANDSHAKE_SUCCEEDED

    @property
    def is_end(self) -> bool:
        """Whether the connection has ended, or did not come about."""
        return self.event is not None and bool(self.event & _ENDED)


class Transport:
    """One CURVE-encrypted ZeroMQ socket, from connect to close.

    :param shown: the address, cleaned, for texts.
    :ivar broken_off: why it has ended, by this side's will; None while it has not.
    """

    def __init__(self, shown: str):
        self.broken_off: Optional[str] = None
        self._shown = shown
        self._inbox: Queue[Received] = Queue(maxsize=_QUEUED_EVENTS)
        self._socket = None
        self._linger = 0
        self._monitor = None
        self._greenlets: List[gevent.Greenlet[..., None]] = []

    @property
    def is_open(self) -> bool:
        """Whether it has a socket, connected or not."""
        return self._socket is not None

    def connect(self, context: "zmq.Context[Any]", endpoint: Endpoint, name: str, prefers_ipv6: bool, dead_after: float
                ) -> None:
        """Begin to connect; what comes of it is received.

        :param name: by which to present oneself.
        :param dead_after: seconds after which the connection ends if the other machine acknowledges nothing.
        :raises LinkError: the address or a key cannot be one.
        """
        try:
            self._connect(context, endpoint, name, prefers_ipv6, dead_after)
        except (zmq.ZMQError, ValueError, TypeError) as error:
            raise LinkError("cannot connect to {} as {}: {}; are the address and the keys right?".format(
                self._shown, clean(name), clean(error))) from None

    def _connect(self, context: "zmq.Context[Any]", endpoint: Endpoint, name: str, prefers_ipv6: bool, dead_after: float
                 ) -> None:
        sock = self._socket = context.socket(zmq.DEALER)
        sock.linger = 0
        sock.immediate = True
        sock.reconnect_ivl = -1
        sock.rcvhwm = _QUEUED_EVENTS
        sock.maxmsgsize = _LONGEST_MESSAGE
        sock.tcp_keepalive = 1
        sock.tcp_keepalive_idle = sock.tcp_keepalive_intvl = max(1, round(dead_after / 3))
        sock.tcp_maxrt = max(1, round(dead_after * 1000))
        sock.ipv6 = wants_ipv6(endpoint.address, prefers_ipv6)
        sock.identity = name.encode()
        sock.curve_serverkey = frames.key_bytes(endpoint.serverkey)
        sock.curve_publickey = frames.key_bytes(endpoint.publickey)
        sock.curve_secretkey = frames.key_bytes(endpoint.secretkey)
        monitor = self._monitor = sock.get_monitor_socket(_CONNECTED | _ENDED)
        self._read(lambda: Received(event=_event(monitor.recv_multipart())))
        self._read(lambda: Received(frames=sock.recv_multipart()))
        sock.connect(endpoint.address)

    def send(self, message: List[bytes]) -> bool:
        """Send the frames of a message, or say False: it cannot be sent now, or the socket is closed."""
        if self._socket is None:
            return False
        try:
            self._socket.send_multipart(message, zmq.NOBLOCK)
            return True
        except zmq.Again:
            pass
        except zmq.ZMQError as error:
            self.break_off("sending to {} failed: {}".format(self._shown, clean(error)))
        return False

    def receive(self, deadline: float) -> Received:
        """Wait for a message or an event, or return nothing at the deadline.

        :param deadline: seconds on :mod:`failover.clock`.
        :raises LinkError: the transport was broken off.
        """
        received = Received()
        with contextlib.suppress(Empty):
            if self.broken_off is None:
                received = self._inbox.get(timeout=max(0.0, deadline - clock.now()))
        if self.broken_off is not None:
            raise LinkError(self.broken_off)
        return received

    def break_off(self, why: str) -> None:
        """Have whoever receives told that this is the end. The first reason counts."""
        if self.broken_off is None:
            self.broken_off = why
        self.wake()

    def wake(self) -> None:
        """Have whoever receives get something that is neither a message nor an event."""
        with contextlib.suppress(Full):  # Then there is something that wakes who receives.
            self._inbox.put_nowait(Received(event=0))

    def spawn(self, task: Callable[..., None], *args: object) -> "gevent.Greenlet[..., None]":
        """Run a task that ends at the latest when the socket is closed."""
        greenlet = gevent.spawn(task, *args)
        self._greenlets.append(greenlet)
        return greenlet

    def linger(self) -> None:
        """When the socket is closed, leave what has been sent a moment to go out."""
        self._linger = _LINGER

    def close(self) -> None:
        """End the greenlets, within `CLOSE_WITHIN`, and close the socket in any case."""
        if self._socket is None:
            return
        sock, self._socket = self._socket, None
        try:
            with surviving("the end of the connection to " + self._shown):
                ending = [one for one in self._greenlets if one is not gevent.getcurrent()]
                gevent.killall(ending, block=False)
                gevent.joinall(ending, timeout=CLOSE_WITHIN)
        finally:
            if self._monitor is not None:
                with surviving("the end of the connection to " + self._shown):
                    sock.disable_monitor()
                self._monitor.close(0)
            sock.close(self._linger)

    def _read(self, receive: Callable[[], Received]) -> None:
        """From now on put what ``receive`` returns into the inbox. However that ends, it ends the transport."""
        reader = self.spawn(self._fill, receive)
        reader.link(lambda ended: self.break_off("nothing reads from {} any more".format(self._shown)))

    def _fill(self, receive: Callable[[], Received]) -> None:
        try:
            while True:
                self._inbox.put(receive())
        except gevent.GreenletExit:
            raise
        except BaseException as error:
            if self._socket is not None:
                survived("reading from " + self._shown, error)
            self.break_off("reading from {} failed: {}".format(self._shown, clean(repr(error))))


def _event(message: List[bytes]) -> int:
    """Return the event of which ZeroMQ tells: the first 16 bits. pyzmq's own function for it imports asyncio: 2 MiB."""
    return int.from_bytes(message[0][:2], sys.byteorder)
