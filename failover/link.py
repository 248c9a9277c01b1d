"""A further VIP connection: to the router of another platform, beside the one every agent has to its own.

It speaks VIP (the VOLTTRON Interconnect Protocol, version 1) over a CURVE-encrypted ZeroMQ socket and proves itself
by answered round trips: when they stop, the connection is thrown away, socket and all, and built anew after a
pause. Nothing a caller does here waits for the network, except :meth:`Link.call`, which has a time limit.

An agent of VOLTTRON 9 ends for good when its answer finds that who asked is gone. A connection with open questions is
therefore left open for a minute, in case it still brings the answers, also when another one has taken its place. Only
two of one link are open at a time, and who closes the link waits for answers no longer than 2 seconds.

VOLTTRON's own agent connection is not used for this. It stays "connected" when the remote is gone, its publish may
never return, and it cannot be closed without leaks. Nor is its ZeroMQ context shared: a context resolves host names in
its one I/O thread, so that a name server that does not answer would silence the agent's own platform too.
"""

import base64
import contextlib
import itertools
import json
import logging
import random
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import gevent
import zmq.green as zmq
from gevent.event import AsyncResult, Event
from gevent.queue import Empty, Queue
from zmq.utils.monitor import recv_monitor_message

from failover import clock

__all__ = ["Endpoint", "Link", "LinkError", "RemoteError", "connected", "pauses"]

_log = logging.getLogger(__name__)

_PROTO = b"VIP1"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0
_QUEUED_EVENTS = 1000
_CLOSE_WITHIN = 2.0
_LOOK_EVERY = 0.01
_LAST_ANSWERS_WITHIN = 2.0
_NO_ANSWER_AFTER = 60.0
_LINGER = 100  # Milliseconds.
_SECOND_NAME = "_2"
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


@contextlib.contextmanager
def connected(endpoint: "Endpoint", within: float) -> "Iterator[Link]":
    """Provide a link for a few questions, and close it afterwards. It may not be up yet.

    :param within: seconds in which it should come up, and that each round trip may take.
    """
    changed = Event()
    link = Link(endpoint, within, within, on_change=changed.set)
    link.start()
    try:
        deadline = clock.now() + within
        while not link.up and clock.now() < deadline:
            changed.wait(max(0.0, deadline - clock.now()))
            changed.clear()
        yield link
    finally:
        link.close()


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
        self.last_error: Optional[str] = None
        self.answer_within = answer_within
        self.probe_every = probe_every
        self.on_change = on_change
        self._subscriptions: Dict[str, Callable[[str, str, Any], None]] = {}
        self._retry = Event()
        self._context = zmq.Context()
        self._session: Optional[_Session] = None
        self._fading: Optional[_Session] = None
        self._greenlet: Optional[gevent.Greenlet] = None

    def start(self) -> None:
        """Begin to connect. Returns at once."""
        self.changed_at = clock.now()
        self._greenlet = gevent.spawn(self._run)

    def close(self) -> None:
        """Close the connection and give back what it held. Open questions have a moment to be answered."""
        if self._greenlet is not None:
            deadline = clock.now() + _LAST_ANSWERS_WITHIN
            while self.up and self._session.unanswered and clock.now() < deadline:
                gevent.sleep(_LOOK_EVERY)
            if self.up:
                self._session.take_leave()
            self._greenlet.kill(timeout=_CLOSE_WITHIN)
            self._replace_fading(None)

    def retry_now(self) -> None:
        """Do not wait for the next attempt: there is a sign that the other platform is back."""
        self._retry.set()

    def renew(self, why: str) -> None:
        """Throw the connection away and build a new one: it answers, but does not do what it should."""
        if self.up:
            self._session.break_off(why)

    def subscribe(self, prefix: str, callback: Callable[[str, str, Any], None]) -> None:
        """Have ``callback(topic, sender, message)`` called for what is published there, again after each rebuild."""
        self._subscriptions[prefix] = callback
        if self.up:
            self._session.subscribe(prefix)

    @property
    def refusal(self) -> Optional[str]:
        """The other platform's words if it refused the last publish that it answered, else None."""
        return self._session.refusal if self._session is not None else None

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
        return self._open_session().call(peer, method, args, timeout)

    def query(self, name: str, timeout: float) -> Optional[str]:
        """Ask the router of a platform of VOLTTRON 9 for one of its settings. One of VOLTTRON 11 might end at this.

        :param timeout: seconds.
        :return: None if the setting is not made.
        :raises LinkError: as for :meth:`call`.
        """
        return self._open_session().query(name, timeout)

    def _open_session(self) -> "_Session":
        if not self.up:
            raise LinkError(self.last_error or "not connected yet")
        return self._session

    def _run(self) -> None:
        delays = pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
        second_name = False
        while True:
            opened_at = clock.now()
            session = _Session(self, second_name, self.refusal)
            self._session = session
            try:
                session.open(self._context)
                for prefix in self._subscriptions:
                    session.subscribe(prefix)
                self._set(True)
                while True:
                    session.serve_one()
            except _Silence as error:
                if error.name_may_be_held:
                    second_name = not second_name
                self._set(False, error)
            except Exception as error:  # Whatever it is, it must not end the attempts.
                if not isinstance(error, LinkError):
                    _log.warning("connection to %s: %r", self.endpoint.address, error)
                self._set(False, error)
            finally:
                self.up = False
                session.give_up_calls()
                if session.unanswered:
                    self._replace_fading(session)
                else:
                    session.close()
            if clock.now() - opened_at > _LONGEST_PAUSE:
                delays = pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
            self._retry.wait(next(delays))
            self._retry.clear()

    def _replace_fading(self, session: "Optional[_Session]") -> None:
        """Let this session wait for the answers to its open questions, and the one before it no longer."""
        if self._fading is not None:
            self._fading.close()
        self._fading = session
        if session is not None:
            session.fade()

    def _set(self, up: bool, error: Optional[Exception] = None) -> None:
        if up != self.up:
            self.changed_at = clock.now()
        self.up = up
        if error is not None:
            self.last_error = str(error) or repr(error)
        self.on_change()

    def deliver(self, topic: str, sender: str, message: Any) -> None:
        """Hand a publication to the callbacks that subscribed to its topic."""
        for prefix, callback in list(self._subscriptions.items()):
            if topic.startswith(prefix):
                callback(topic, sender, message)


class _Silence(LinkError):
    """No answer in time.

    A router ignores a second connection under a name as long as it has not noticed the end of the first, which takes
    minutes when a cut link swallowed that end. ``name_may_be_held`` says that this may be so; another name gets in.
    """

    def __init__(self, text: str, name_may_be_held: bool):
        super().__init__(text)
        self.name_may_be_held = name_may_be_held


class _Session:
    """One socket of a link, from connect to close. It is used once and thrown away."""

    def __init__(self, link: Link, second_name: bool, refusal: Optional[str]):
        self._link = link
        self._address = link.endpoint.address
        self._identity = link.endpoint.identity + (_SECOND_NAME if second_name else "")
        self.refusal = refusal
        self._shaken = False
        self._last_answer = clock.now()
        self._pending: Optional[bytes] = None
        self._pending_since = 0.0
        self._publish_missed = False
        self._broken_off: Optional[str] = None
        self._calls: Dict[bytes, AsyncResult] = {}
        self.unanswered: Dict[bytes, float] = {}
        self._ids = itertools.count(1)
        self._inbox = Queue(maxsize=_QUEUED_EVENTS)
        self._socket = None
        self._linger = 0
        self._monitor = None
        self._greenlets = []

    def open(self, context: zmq.Context) -> None:
        """Connect and exchange hellos. Raises LinkError when that does not succeed in time."""
        endpoint = self._link.endpoint
        self._socket = context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.immediate = True
        self._socket.reconnect_ivl = -1
        self._socket.ipv6 = "[" in self._address
        self._socket.identity = self._identity.encode()
        self._socket.curve_serverkey = _key_bytes(endpoint.serverkey)
        self._socket.curve_publickey = _key_bytes(endpoint.publickey)
        self._socket.curve_secretkey = _key_bytes(endpoint.secretkey)
        self._monitor = self._socket.get_monitor_socket(_CONNECTED | _ENDED)
        self._greenlets = [gevent.spawn(self._read_monitor), gevent.spawn(self._read_socket)]
        self._socket.connect(self._address)
        reached = False
        deadline = clock.now() + self._link.answer_within
        while True:
            event, frames = self._next_event(deadline)
            if frames and frames[3:6] == [b"hello", b"hello", b"welcome"]:
                self._last_answer = clock.now()
                return
            if event == zmq.EVENT_CONNECTED:
                reached = True
            elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._shaken = True
                self._send(b"", b"hello", b"hello", b"hello")
            elif event is not None and event & _ENDED:
                raise LinkError(self._why_ended(reached))
            elif event is None and frames is None:
                if reached:
                    raise self._silence()
                raise LinkError("no connection to {} within {:g} s: is the name known, does that platform run, does a "
                                "firewall drop packets?".format(self._address, self._link.answer_within))

    def serve_one(self) -> None:
        """Wait for one event and handle it. Raises LinkError when the connection has ended or answers no more."""
        event, frames = self._next_event(clock.now() + self._until_overdue())
        if frames is not None:
            self._handle(frames)
        elif self._broken_off is not None:
            raise LinkError(self._broken_off)
        elif event is not None and event & _ENDED:
            self.unanswered.clear()
            raise LinkError("{} closed the connection".format(self._address))
        elif self._until_overdue() == 0.0:
            if self._pending is not None or not self._ask(b"ping", b"ping"):
                raise self._silence()

    def break_off(self, why: str) -> None:
        self._broken_off = why
        self._inbox.put((0, None))

    def publish(self, topic: str, message: str) -> bool:
        if self._pending is not None:
            self._publish_missed = True
            return False
        body = json.dumps({"bus": "", "headers": {}, "message": message})
        return self._ask(b"pubsub", b"publish", topic.encode(), body.encode())

    def subscribe(self, prefix: str) -> None:
        body = json.dumps({"prefix": [prefix], "bus": "", "all_platforms": False})
        self._send(b"", b"pubsub", self._new_id(), b"subscribe", body.encode())

    def call(self, peer: str, method: str, args: tuple, timeout: float) -> Any:
        ident = self._new_id()
        request = {"jsonrpc": "2.0", "method": method, "params": list(args), "id": ident.decode()}
        return self._request(peer, b"RPC", ident, json.dumps(request).encode(), method, timeout)

    def query(self, name: str, timeout: float) -> Optional[str]:
        return self._request("", b"query", self._new_id(), name.encode(), name, timeout)

    def _request(self, peer: str, subsystem: bytes, ident: bytes, body: bytes, name: str, timeout: float) -> Any:
        result = self._calls[ident] = AsyncResult()
        limit = gevent.Timeout(timeout)
        try:
            if not self._send(peer.encode(), subsystem, ident, body):
                raise self._silence()
            now = clock.now()
            self.unanswered = {one: at for one, at in self.unanswered.items() if now - at < _NO_ANSWER_AFTER}
            self.unanswered[ident] = now
            with limit:
                return result.get()
        except gevent.Timeout as caught:
            if caught is not limit:
                raise
            raise LinkError("{} did not answer {} within {:g} s".format(
                peer or self._address, name, timeout)) from None
        finally:
            self._calls.pop(ident, None)

    def close(self) -> None:
        if self._socket is None:
            return
        sock, self._socket = self._socket, None
        gevent.killall(self._greenlets, timeout=_CLOSE_WITHIN)
        if self._monitor is not None:
            sock.disable_monitor()
            self._monitor.close(0)
        sock.close(self._linger)

    def take_leave(self) -> None:
        """Tell the router that this peer goes, as VOLTTRON's agents do: it would keep the name among its peers."""
        self._linger = _LINGER
        self._send(b"", b"agentstop", self._new_id(), self._identity.encode())

    def fade(self) -> None:
        """From now on only wait for the answers to open questions, or the end of the connection."""
        self._greenlets.append(gevent.spawn(self._fade))

    def _fade(self) -> None:
        deadline = clock.now() + _NO_ANSWER_AFTER
        while self.unanswered and clock.now() < deadline:
            event, frames = self._next_event(deadline)
            if event is not None and event & _ENDED:
                break
            if frames is not None and len(frames) > 3:
                self.unanswered.pop(frames[3], None)
        self._greenlets.remove(gevent.getcurrent())
        self.close()

    def give_up_calls(self) -> None:
        """Have the callers told that no answer will come to them."""
        for result in self._calls.values():
            result.set_exception(LinkError("the connection to {} ended".format(self._address)))

    def _until_overdue(self) -> float:
        """Return the seconds until an answer is overdue, or, while none is awaited, until one should be asked for."""
        if self._pending is None:
            due = self._last_answer + self._link.probe_every
        else:
            due = self._pending_since + self._link.answer_within
        return max(0.0, due - clock.now())

    def _handle(self, frames: List[bytes]) -> None:
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
            self._link.deliver(topic, sender, message)
            return
        self._last_answer = clock.now()
        self.unanswered.pop(ident, None)
        if ident == self._pending:
            self._pending = None
            if subsystem == b"pubsub":
                self.refusal = None
            elif subsystem == b"error":
                self.refusal = _error_text(args)
            if self._publish_missed:
                self._publish_missed = False
                self._link.on_change()
        elif ident in self._calls:
            _settle(self._calls[ident], subsystem, args)

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

    def _silence(self) -> _Silence:
        # VOLTTRON 9 leaves who has an unknown key without any answer.
        stranger = "" if self._shaken else ", or does it not know our public key (`vctl auth add` there)"
        return _Silence("{} did not answer within {:g} s: is that platform overloaded or frozen, or the network cut{}? "
                        "See `vctl status` there".format(self._address, self._link.answer_within, stranger),
                        self._shaken)

    def _why_ended(self, reached: bool) -> str:
        if not reached:
            return ("nothing listens at {}: does that platform run, and is this its address? "
                    "See `vctl status` there".format(self._address))
        if not self._shaken:
            return ("{} broke off the handshake: the server key configured here is not its key, as `vctl auth "
                    "servercred` (on VOLTTRON 9 `vctl auth serverkey`) prints it there, or something else listens "
                    "there".format(self._address))
        return "{} closed the connection before it said hello".format(self._address)


def _key_bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=")


def _error_text(args: List[bytes]) -> str:
    """VIP error: number, text, peer, subsystem. Numbers come as text or as four raw bytes."""
    return args[1].decode(errors="replace") if len(args) > 1 else "no reason given"


def _settle(result: AsyncResult, subsystem: bytes, args: List[bytes]) -> None:
    if subsystem == b"query":
        result.set(args[1].decode(errors="replace") or None if len(args) > 1 else None)
        return
    if subsystem != b"RPC" or not args:
        result.set_exception(RemoteError(_error_text(args)))
        return
    try:
        answer = json.loads(args[0].decode())
        if "error" in answer:
            error = answer["error"]
            detail = (error.get("data") or {}).get("detail", "")
            result.set_exception(RemoteError("{} {}".format(error.get("message", ""), detail).strip()))
        else:
            result.set(answer.get("result"))
    except (ValueError, AttributeError, TypeError):
        result.set_exception(RemoteError("the answer could not be read"))
