"""A further VIP connection: to the router of another platform, beside the one every agent has to its own.

It speaks VIP (the VOLTTRON Interconnect Protocol, version 1) over a CURVE-encrypted ZeroMQ socket and proves itself
by answered round trips: when they stop, the connection is thrown away, socket and all, and built anew after a
pause. Nothing a caller does here waits for the network, except :meth:`Link.call`, which has a time limit.

VOLTTRON's own agent connection is not used for this. It stays "connected" when the remote is gone, its publish may
never return, and it cannot be closed without leaks.
"""

import base64
import itertools
import json
import random
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import gevent
import zmq.green as zmq
from gevent.event import AsyncResult, Event
from gevent.queue import Empty, Queue
from zmq.utils.monitor import recv_monitor_message

from failover import clock

__all__ = ["Endpoint", "Link", "LinkError", "RemoteError", "pauses"]

_PROTO = b"VIP1"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0
_QUEUED_EVENTS = 1000
_CONNECTED = zmq.EVENT_CONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED
_ENDED = (zmq.EVENT_CLOSED | zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
          | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH)


class LinkError(Exception):
    """The connection cannot be used now. The text tells the operator what to look at."""


class RemoteError(Exception):
    """The peer answered a call with an error. The text is the peer's."""


class Endpoint(NamedTuple):
    """A router and how to present oneself there.

    Keys are VOLTTRON's texts of 43 characters. ``serverkey`` is the router's, the other two are one's own.
    """

    address: str
    serverkey: str
    identity: str
    publickey: str
    secretkey: str


def pauses(first: float, longest: float) -> Iterator[float]:
    """Yield the seconds to wait before each next attempt: doubling, capped, and spread so that none go in step."""
    pause = first
    while True:
        yield random.uniform(pause / 2, pause)
        pause = min(2 * pause, longest)


class Link:
    """A connection to the router of another platform that keeps itself alive.

    :param answer_within: seconds that a round trip may take before the connection counts as dead.
    :param probe_every: seconds of quiet after which the link asks for a sign of life itself.
    :param on_change: called without arguments when the link comes up, goes down, or becomes free to publish.
    """

    def __init__(self, endpoint: Endpoint, answer_within: float, probe_every: float,
                 on_change: Callable[[], None] = lambda: None):
        self.endpoint = endpoint
        self.up = False
        self.changed_at = clock.now()
        self.last_error = None  # type: Optional[str]
        self._answer_within = answer_within
        self._probe_every = probe_every
        self._on_change = on_change
        self._subscriptions = {}  # type: Dict[str, Callable[[str, str, Any], None]]
        self._retry = Event()
        self._session = None  # type: Optional[_Session]
        self._greenlet = None  # type: Optional[gevent.Greenlet]

    def start(self) -> None:
        """Begin to connect. Returns at once."""
        self._greenlet = gevent.spawn(self._run)

    def close(self) -> None:
        """Close the connection and give back what it held."""
        if self._greenlet is not None:
            self._greenlet.kill()

    def retry_now(self) -> None:
        """Do not wait for the next attempt: there is a sign that the other platform is back."""
        self._retry.set()

    def subscribe(self, prefix: str, callback: Callable[[str, str, Any], None]) -> None:
        """Have ``callback(topic, sender, message)`` called for what is published there, again after each rebuild."""
        self._subscriptions[prefix] = callback
        if self.up:
            self._session.subscribe(prefix)

    @property
    def refusal(self) -> Optional[str]:
        """The other platform's words if it refused the last publish, else None."""
        return self._session.refusal if self.up else None

    def publish(self, topic: str, message: str) -> bool:
        """Publish on the bus of the other platform, or say False at once; never queue.

        False means that the link is down or that the router has not yet answered the publish before this one, so
        that at most one message is ever under way: what is sent late would arrive as a false sign of life.
        """
        return self.up and self._session.publish(topic, message)

    def call(self, peer: str, method: str, *args: Any, timeout: float) -> Any:
        """Call a method of an agent on the other platform.

        :param timeout: seconds.
        :raises LinkError: the link is down, goes down, or no answer came in time.
        :raises RemoteError: the peer refused, or the method raised.
        """
        if not self.up:
            raise LinkError(self.last_error or "not connected yet")
        result = self._session.call(peer, method, args)
        try:
            return result.get(timeout=timeout)
        except gevent.Timeout:
            raise LinkError("{} did not answer {} within {:g} s".format(peer, method, timeout)) from None

    def _run(self) -> None:
        delays = pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
        second_name = False
        while True:
            opened_at = clock.now()
            session = self._session = _Session(self.endpoint, second_name, self._answer_within, self._probe_every)
            try:
                session.open()
                for prefix in self._subscriptions:
                    session.subscribe(prefix)
                self._set(True)
                while True:
                    session.serve_one(self._deliver, self._on_change)
            except _NoHello as error:
                second_name = not second_name
                self._set(False, error)
            except (LinkError, zmq.ZMQError) as error:
                self._set(False, error)
            finally:
                self.up = False
                session.close()
            if clock.now() - opened_at > _LONGEST_PAUSE:
                delays = pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
            self._retry.wait(next(delays))
            self._retry.clear()

    def _set(self, up: bool, error: Optional[Exception] = None) -> None:
        if up != self.up:
            self.changed_at = clock.now()
        self.up = up
        if error is not None:
            self.last_error = str(error)
        self._on_change()

    def _deliver(self, topic: str, sender: str, message: Any) -> None:
        for prefix, callback in list(self._subscriptions.items()):
            if topic.startswith(prefix):
                callback(topic, sender, message)


class _NoHello(LinkError):
    """The router's door is open, but it does not answer to this name."""


class _Session:
    """One socket, from connect to close. It is used once and thrown away."""

    def __init__(self, endpoint: Endpoint, second_name: bool, answer_within: float, probe_every: float):
        self._address = endpoint.address
        self._answer_within = answer_within
        self._probe_every = probe_every
        # A router ignores a second connection under an identity as long as it has not noticed the end of the first,
        # which takes minutes when a cut link swallowed that end. A second name gets in.
        self._identity = endpoint.identity + (".2" if second_name else "")
        self.last_answer = clock.now()
        self.refusal = None  # type: Optional[str]
        self._pending = None  # type: Optional[bytes]
        self._pending_since = 0.0
        self._publish_missed = False
        self._calls = {}  # type: Dict[bytes, AsyncResult]
        self._ids = itertools.count(1)
        self._inbox = Queue(maxsize=_QUEUED_EVENTS)
        self._socket = zmq.Context.instance().socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.immediate = True
        self._socket.reconnect_ivl = -1
        self._socket.identity = self._identity.encode()
        self._socket.curve_serverkey = _key_bytes(endpoint.serverkey)
        self._socket.curve_publickey = _key_bytes(endpoint.publickey)
        self._socket.curve_secretkey = _key_bytes(endpoint.secretkey)
        self._monitor = self._socket.get_monitor_socket(_CONNECTED | _ENDED)
        self._readers = [gevent.spawn(self._read_monitor), gevent.spawn(self._read_socket)]

    def open(self) -> None:
        """Connect and exchange hellos. Raises LinkError when that does not succeed in time."""
        self._socket.connect(self._address)
        reached = shaken = False
        deadline = clock.now() + self._answer_within
        while True:
            event, frames = self._next_event(deadline)
            if frames and frames[3:6] == [b"hello", b"hello", b"welcome"]:
                self.last_answer = clock.now()
                return
            if event == zmq.EVENT_CONNECTED:
                reached = True
            elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                shaken = True
                self._send(b"", b"hello", b"hello", b"hello")
            elif event is not None and event & _ENDED:
                raise LinkError(self._why_ended(reached, shaken))
            elif event is None and frames is None:
                raise (_NoHello if shaken else LinkError)(self._silence())

    def serve_one(self, deliver: Callable[[str, str, Any], None], on_free: Callable[[], None]) -> None:
        """Wait for one event and handle it. Raises LinkError when the connection has ended or answers no more."""
        event, frames = self._next_event(clock.now() + self._until_overdue())
        if frames is not None:
            self._handle(frames, deliver, on_free)
        elif event is not None and event & _ENDED:
            raise LinkError("{} closed the connection".format(self._address))
        elif self._until_overdue() == 0.0:
            if self._pending is not None or not self._ask(b"ping", b"ping"):
                raise LinkError(self._silence())

    def publish(self, topic: str, message: str) -> bool:
        if self._pending is not None:
            self._publish_missed = True
            return False
        body = json.dumps({"bus": "", "headers": {}, "message": message})
        return self._ask(b"pubsub", b"publish", topic.encode(), body.encode())

    def subscribe(self, prefix: str) -> None:
        body = json.dumps({"prefix": [prefix], "bus": "", "all_platforms": False})
        self._send(b"", b"pubsub", self._new_id(), b"subscribe", body.encode())

    def call(self, peer: str, method: str, args: tuple) -> AsyncResult:
        ident = self._new_id()
        request = {"jsonrpc": "2.0", "method": method, "params": list(args), "id": ident.decode()}
        result = self._calls[ident] = AsyncResult()
        if not self._send(peer.encode(), b"RPC", ident, json.dumps(request).encode()):
            self._calls.pop(ident)
            result.set_exception(LinkError(self._silence()))
        return result

    def close(self) -> None:
        gevent.killall(self._readers)
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close(0)
        for result in self._calls.values():
            result.set_exception(LinkError("the connection to {} ended".format(self._address)))

    def _until_overdue(self) -> float:
        """Return the seconds until an answer is overdue, or, while none is awaited, until one should be asked for."""
        if self._pending is None:
            due = self.last_answer + self._probe_every
        else:
            due = self._pending_since + self._answer_within
        return max(0.0, due - clock.now())

    def _handle(self, frames: List[bytes], deliver: Callable[[str, str, Any], None],
                on_free: Callable[[], None]) -> None:
        """Handle a message: peer, protocol, user, id, subsystem, arguments."""
        if len(frames) < 5:
            return
        ident, subsystem, args = frames[3], frames[4], frames[5:]
        if subsystem == b"pubsub" and args[:1] == [b"publish"]:
            try:
                topic, body = args[1].decode(), json.loads(args[2].decode())
                sender, message = body["sender"], body["message"]
            except (ValueError, LookupError, TypeError):
                return
            deliver(topic, sender, message)
            return
        self.last_answer = clock.now()
        if ident == self._pending:
            self._pending = None
            if subsystem == b"pubsub":
                self.refusal = None
            elif subsystem == b"error":
                self.refusal = _error_text(args)
            if self._publish_missed:
                self._publish_missed = False
                on_free()
        elif ident in self._calls:
            _settle(self._calls.pop(ident), subsystem, args)

    def _ask(self, subsystem: bytes, *args: bytes) -> bool:
        """Send the router a request whose answer proves the connection."""
        ident = self._new_id()
        if not self._send(b"", subsystem, ident, *args):
            return False
        self._pending, self._pending_since = ident, clock.now()
        return True

    def _send(self, peer: bytes, subsystem: bytes, ident: bytes, *args: bytes) -> bool:
        try:
            self._socket.send_multipart([peer, _PROTO, b"", ident, subsystem] + list(args), zmq.NOBLOCK)
            return True
        except zmq.Again:
            return False

    def _new_id(self) -> bytes:
        # A router of VOLTTRON 11 turns what looks like a number into one, and sends it back as four raw bytes.
        return "id{}".format(next(self._ids)).encode()

    def _next_event(self, deadline: float) -> Tuple[Optional[int], Optional[List[bytes]]]:
        """Return (monitor event, None), (None, frames of a message), or (None, None) at the deadline."""
        try:
            return self._inbox.get(timeout=max(0.0, deadline - clock.now()))
        except Empty:
            return None, None

    def _read_monitor(self) -> None:
        while True:
            self._inbox.put((recv_monitor_message(self._monitor)["event"], None))

    def _read_socket(self) -> None:
        while True:
            self._inbox.put((None, self._socket.recv_multipart()))

    def _silence(self) -> str:
        return ("{} did not answer within {:g} s: is that platform overloaded or frozen, or the network cut? "
                "See `vctl status` there".format(self._address, self._answer_within))

    def _why_ended(self, reached: bool, shaken: bool) -> str:
        if not reached:
            return ("nothing listens at {}: does that platform run, and is this its address? "
                    "See `vctl status` there".format(self._address))
        if not shaken:
            return ("{} broke off the handshake: the server key configured here is not its key, as `vctl auth "
                    "servercred` prints it there".format(self._address))
        return "{} closed the connection before it said hello".format(self._address)


def _key_bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=")


def _error_text(args: List[bytes]) -> str:
    """VIP error: number, text, peer, subsystem. Numbers come as text or as four raw bytes."""
    return args[1].decode(errors="replace") if len(args) > 1 else "no reason given"


def _settle(result: AsyncResult, subsystem: bytes, args: List[bytes]) -> None:
    if subsystem != b"RPC" or not args:
        result.set_exception(RemoteError(_error_text(args)))
        return
    answer = json.loads(args[0].decode())
    if "error" in answer:
        error = answer["error"]
        detail = error.get("data", {}).get("detail", "")
        result.set_exception(RemoteError("{} {}".format(error.get("message", ""), detail).strip()))
    else:
        result.set(answer.get("result"))
