"""A further VIP connection: to the router of another platform, beside the one every agent has to its own.

It speaks VIP (the VOLTTRON Interconnect Protocol, version 1) over a CURVE-encrypted ZeroMQ socket and proves itself
by answered round trips: when they stop, the connection is thrown away, socket and all, and built anew after a
pause. Nothing a caller does here waits for the network, except :meth:`Link.call`, which has a time limit, and
:meth:`Link.close`, which has one too. Nothing but its owner ends a link: no error, no message, and no callback.

An agent of VOLTTRON 9 ends for good when its answer finds that who asked is gone. A connection with open questions is
therefore left open for a minute, in case it still brings the answers, also when another one has taken its place. Only
two of one link are open at a time, and who closes the link waits for answers no longer than 2 seconds.

VOLTTRON's own agent connection is not used for this. It stays "connected" when the remote is gone, its publish may
never return, and it cannot be closed without leaks. Nor is its ZeroMQ context shared: a context resolves host names in
its one I/O thread, so that a name server that does not answer would silence the agent's own platform too.
"""

import contextlib
import logging
import os
import random
import re
import secrets
import traceback
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import gevent
import zmq.green as zmq
from gevent.event import AsyncResult, Event
from gevent.queue import Empty, Full, Queue
from zmq.utils.monitor import recv_monitor_message

from failover import clock, frames
from failover.frames import RemoteError
from failover.loops import spawn_loop
from failover.text import clean

__all__ = ["Endpoint", "Link", "LinkError", "RemoteError", "connected", "pauses", "surviving"]

_log = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0
# Both together bound what a peer that floods us can make us keep. A connection that brings a longer message ends.
_QUEUED_EVENTS = 100
_LONGEST_MESSAGE = 16 * 2 ** 20
_CLOSE_WITHIN = 2.0
_LOOK_EVERY = 0.01
_LAST_ANSWERS_WITHIN = 2.0
_NO_ANSWER_AFTER = 60.0
# How long the router may refuse what is published under another name before the right one is tried again.
_REFUSED_FOR = 60.0
_LINGER = 100  # Milliseconds.
_CONNECTED = zmq.EVENT_CONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED
_ENDED = (zmq.EVENT_CLOSED | zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
          | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH)


class LinkError(Exception):
    """The connection cannot be used now. The text tells the operator what to look at."""


class Endpoint(NamedTuple):
    """A router and how to present oneself there.

    The address is one of ZeroMQ: ``tcp://HOST:PORT``, where HOST is an IPv4 address, an IPv6 address in brackets or a
    name, ``ipc://PATH``, or ``ipc://@NAME`` for an abstract socket. Keys are VOLTTRON's texts of 43 characters.
    ``serverkey`` is the router's, the other two are one's own.
    """

    address: str
    serverkey: str
    identity: str
    publickey: str
    secretkey: str


@contextlib.contextmanager
def surviving(what: str) -> Iterator[None]:
    """Let nothing that is raised inside break off more than what is inside, and log it.

    Only :class:`gevent.GreenletExit` passes, by which a greenlet is ended on purpose. A KeyboardInterrupt goes to the
    main greenlet: a platform stops its agents by SIGINT, and Python raises it in whichever greenlet runs just then.
    """
    try:
        yield
    except gevent.GreenletExit:
        raise
    except BaseException as error:
        _survived(what, error)


def _survived(what: str, error: BaseException) -> None:
    if isinstance(error, KeyboardInterrupt):
        gevent.spawn(_raise, error)  # gevent hands on to the main greenlet what so ends another one.
        return
    place = traceback.extract_tb(error.__traceback__)[-1:]
    _log.warning("%s failed%s: %s", what, "".join(
        " in {}, line {}".format(os.path.basename(one.filename), one.lineno) for one in place), _text_of(error))


def _raise(error: BaseException) -> None:
    raise error


def _text_of(error: BaseException) -> str:
    """Return what to show of an error: the words of a LinkError, which are clean, and of another one its kind too."""
    return str(error) if isinstance(error, LinkError) else clean(repr(error))


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
    try:
        link.start()
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
        self._name_held = False
        self._prefers_ipv6 = True

    def start(self) -> None:
        """Begin to connect. Returns at once. A link that has been started already goes on as it is."""
        if self._greenlet is None or self._greenlet.dead:
            self.changed_at = clock.now()
            self._greenlet = spawn_loop(self._run)

    def close(self) -> None:
        """Close the connection and give back what it held. Open questions have a moment to be answered.

        Takes some seconds at most and raises nothing, except that a caller who is ended meanwhile ends: the closing
        goes on without it.
        """
        closing = gevent.spawn(self._close)
        with surviving(self._what):
            closing.join(_LAST_ANSWERS_WITHIN + 3 * _CLOSE_WITHIN)

    def _close(self) -> None:
        greenlet = self._greenlet
        if greenlet is None:
            return
        with surviving(self._what):
            deadline = clock.now() + _LAST_ANSWERS_WITHIN
            while self.up and self._session.unanswered and clock.now() < deadline:
                gevent.sleep(_LOOK_EVERY)
        with surviving(self._what):
            if self.up:
                self._session.take_leave()
        with surviving(self._what):
            greenlet.kill(block=False)
            greenlet.join(_CLOSE_WITHIN)
        self._greenlet = None
        self.up = False
        for session in (self._session, self._fading):
            if session is not None:
                session.close()

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

    @property
    def _what(self) -> str:
        return "the connection to {}".format(clean(self.endpoint.address))

    def _run(self) -> None:
        delays = pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
        while True:
            opened_at = clock.now()
            with surviving(self._what):
                self._connect_once()
            if clock.now() - opened_at > _LONGEST_PAUSE:
                delays = pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
            with surviving(self._what):
                self._retry.wait(next(delays))
            self._retry.clear()

    def _connect_once(self) -> None:
        """Connect, serve until that ends, and leave nothing behind but a session that awaits its last answers."""
        session = self._session = _Session(self, self._next_name(), self._prefers_ipv6, self.refusal)
        try:
            session.open(self._context)
            for prefix in list(self._subscriptions):
                session.subscribe(prefix)
            self._set(True)
            while True:
                session.serve_one()
        except gevent.GreenletExit:
            raise
        except BaseException as error:  # Whatever it is, it must not end the attempts.
            if not isinstance(error, LinkError):
                _survived(self._what, error)
            if isinstance(error, _Ended):
                self._name_held = error.name_held
            if not session.welcome:
                self._prefers_ipv6 = not self._prefers_ipv6
            self._set(False, error)
        finally:
            self.up = False
            session.give_up_calls()
            if session.unanswered:
                self._let_fade(session)
            else:
                session.close()

    def _next_name(self) -> str:
        """Return the name to present oneself by: the right one, or while that may be held, one that nobody knows."""
        name = self.endpoint.identity
        return "{}_{}".format(name, secrets.token_hex(4)) if self._name_held else name

    def _let_fade(self, session: "_Session") -> None:
        """Let this session wait for the answers to its open questions, and the one before it no longer."""
        before, self._fading = self._fading, session
        session.fade()
        if before is not None:
            before.close()

    def _set(self, up: bool, error: Optional[BaseException] = None) -> None:
        if up != self.up:
            self.changed_at = clock.now()
        self.up = up
        if error is not None:
            self.last_error = _text_of(error)
        self.tell_change()

    def tell_change(self) -> None:
        """Call ``on_change``, whatever comes of it."""
        with surviving("what follows a change of " + self._what):
            self.on_change()

    def deliver(self, topic: str, sender: str, message: Any) -> None:
        """Hand a publication to the callbacks that subscribed to its topic, whatever comes of it."""
        for prefix, callback in list(self._subscriptions.items()):
            if topic.startswith(prefix):
                with surviving("what receives {} from {}".format(prefix, sender)):
                    callback(topic, sender, message)


class _Ended(LinkError):
    """The connection ended in a way that tells whether the router may still hold the name.

    A router ignores a second connection under a name as long as it has not noticed the end of the first, which takes
    minutes when a cut link swallowed that end, and for ever when somebody else took the name. Another name gets in.
    """

    def __init__(self, text: str, name_held: bool):
        super().__init__(text)
        self.name_held = name_held


class _Session:
    """One socket of a link, from connect to close. It is used once and thrown away."""

    def __init__(self, link: Link, name: str, prefers_ipv6: bool, refusal: Optional[str]):
        self._link = link
        self._address = link.endpoint.address
        self._shown = clean(self._address)
        self._name = name
        self._prefers_ipv6 = prefers_ipv6
        self.refusal = refusal
        self.welcome = False
        self._shaken = False
        self._opened_at = self._last_answer = clock.now()
        self._pending: Optional[bytes] = None
        self._pending_since = 0.0
        self._publish_missed = False
        self._broken_off: Optional[str] = None
        self._calls: Dict[bytes, AsyncResult] = {}
        self.unanswered: Dict[bytes, float] = {}
        self._inbox = Queue(maxsize=_QUEUED_EVENTS)
        self._socket = None
        self._linger = 0
        self._monitor = None
        self._greenlets = []

    def open(self, context: zmq.Context) -> None:
        """Connect and exchange hellos. Raises LinkError when that does not succeed in time."""
        try:
            self._connect(context)
        except (zmq.ZMQError, ValueError, TypeError) as error:
            raise LinkError("cannot connect to {} as {}: {}; are the address and the keys right?".format(
                self._shown, clean(self._name), clean(error))) from None
        reached = False
        deadline = clock.now() + self._link.answer_within
        while True:
            event, message = self._next_event(deadline)
            if message and frames.is_welcome(message):
                self._last_answer = clock.now()
                self.welcome = True
                return
            if event == zmq.EVENT_CONNECTED:
                reached = True
            elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._shaken = True
                self._send("", frames.HELLO, frames.HELLO, frames.HELLO)
            elif event is not None and event & _ENDED:
                raise LinkError(self._why_ended(reached))
            elif event is None and message is None:
                if reached:
                    raise self._silence()
                raise LinkError("no connection to {} within {:g} s: is the name known, does that platform run, does a "
                                "firewall drop packets?".format(self._shown, self._link.answer_within))

    def _connect(self, context: zmq.Context) -> None:
        endpoint = self._link.endpoint
        sock = self._socket = context.socket(zmq.DEALER)
        sock.linger = 0
        sock.immediate = True
        sock.reconnect_ivl = -1
        sock.rcvhwm = _QUEUED_EVENTS
        sock.maxmsgsize = _LONGEST_MESSAGE
        sock.ipv6 = _wants_ipv6(self._address, self._prefers_ipv6)
        sock.identity = self._name.encode()
        sock.curve_serverkey = frames.key_bytes(endpoint.serverkey)
        sock.curve_publickey = frames.key_bytes(endpoint.publickey)
        sock.curve_secretkey = frames.key_bytes(endpoint.secretkey)
        monitor = self._monitor = sock.get_monitor_socket(_CONNECTED | _ENDED)
        self._read(lambda: (recv_monitor_message(monitor)["event"], None))
        self._read(lambda: (None, sock.recv_multipart()))
        sock.connect(self._address)

    def serve_one(self) -> None:
        """Wait for one event and handle it. Raises LinkError when the connection has ended or answers no more."""
        event, message = self._next_event(clock.now() + self._until_overdue())
        if message is not None:
            self._handle(message)
        elif event is not None and event & _ENDED:
            self.unanswered.clear()
            raise _Ended("{} closed the connection".format(self._shown), name_held=False)
        elif self._until_overdue() == 0.0:
            if self._pending is not None or not self._ask(b"ping", b"ping"):
                raise self._silence()
        if (self.refusal is not None and self._name != self._link.endpoint.identity
                and clock.now() - self._opened_at > _REFUSED_FOR):
            raise _Ended("{} does not let {} publish: {}".format(self._shown, self._name, self.refusal),
                         name_held=False)

    def break_off(self, why: str) -> None:
        """Have whoever serves this session told that it has ended. The first reason counts."""
        if self._broken_off is None:
            self._broken_off = why
        with contextlib.suppress(Full):  # Then there is an event that wakes who serves.
            self._inbox.put_nowait((0, None))

    def publish(self, topic: str, text: str) -> bool:
        if self._pending is not None:
            self._publish_missed = True
            return False
        return self._ask(b"pubsub", *frames.publish(topic, text))

    def subscribe(self, prefix: str) -> None:
        if not self._send("", b"pubsub", frames.new_id(), *frames.subscribe(prefix)):
            self.break_off("{} takes no subscription".format(self._shown))

    def call(self, peer: str, method: str, args: tuple, timeout: float) -> Any:
        ident = frames.new_id()
        return self._request(peer, b"RPC", ident, frames.call(method, args, ident), method, timeout)

    def query(self, name: str, timeout: float) -> Optional[str]:
        return self._request("", b"query", frames.new_id(), name.encode(), name, timeout)

    def _request(self, peer: str, subsystem: bytes, ident: bytes, body: bytes, name: str, timeout: float) -> Any:
        if not self._send(peer, subsystem, ident, body):
            raise self._silence() if self._socket is not None else self._over()
        result = self._calls[ident] = AsyncResult()
        now = clock.now()
        self.unanswered = {one: at for one, at in self.unanswered.items() if now - at < _NO_ANSWER_AFTER}
        self.unanswered[ident] = now
        limit = gevent.Timeout(timeout)
        try:
            with limit:
                return result.get()
        except gevent.Timeout as caught:
            if caught is not limit:
                raise
            raise LinkError("{} did not answer {} within {:g} s".format(
                clean(peer) or self._shown, name, timeout)) from None
        finally:
            self._calls.pop(ident, None)

    def close(self) -> None:
        """End the greenlets, within `_CLOSE_WITHIN`, and close the socket in any case."""
        if self._socket is None:
            return
        sock, self._socket = self._socket, None
        try:
            with surviving("the end of the connection to " + self._shown):
                ending = [one for one in self._greenlets if one is not gevent.getcurrent()]
                gevent.killall(ending, block=False)
                gevent.joinall(ending, timeout=_CLOSE_WITHIN)
        finally:
            if self._monitor is not None:
                with surviving("the end of the connection to " + self._shown):
                    sock.disable_monitor()
                self._monitor.close(0)
            sock.close(self._linger)

    def take_leave(self) -> None:
        """Tell the router that this peer goes, as VOLTTRON's agents do: it would keep the name among its peers."""
        self._linger = _LINGER
        self._send("", b"agentstop", frames.new_id(), self._name.encode())

    def fade(self) -> None:
        """From now on only wait for the answers to open questions, or the end of the connection."""
        self._broken_off = None  # Who broke it off wants another one, and this one still brings the answers.
        self._greenlets.append(gevent.spawn(self._fade))

    def _fade(self) -> None:
        try:
            with surviving("the wait for the last answers from " + self._shown), contextlib.suppress(LinkError):
                deadline = clock.now() + _NO_ANSWER_AFTER
                while self.unanswered and clock.now() < deadline:
                    event, message = self._next_event(deadline)
                    if event is not None and event & _ENDED:
                        break
                    if message is not None and len(message) > 3:
                        self.unanswered.pop(message[3], None)
        finally:
            self.close()

    def give_up_calls(self) -> None:
        """Have the callers told that no answer will come to them."""
        for result in self._calls.values():
            result.set_exception(self._over())

    def _until_overdue(self) -> float:
        """Return the seconds until an answer is overdue, or, while none is awaited, until one should be asked for."""
        if self._pending is None:
            due = self._last_answer + self._link.probe_every
        else:
            due = self._pending_since + self._link.answer_within
        return max(0.0, due - clock.now())

    def _handle(self, message: List[bytes]) -> None:
        """Handle a message: peer, protocol, user, id, subsystem, arguments. It may be anything."""
        if len(message) < 5:
            return
        ident, subsystem, args = message[3], message[4], message[5:]
        if subsystem == b"pubsub" and args[:1] == [b"publish"]:
            publication = frames.publication(args)
            if publication is not None:
                self._link.deliver(*publication)
            return
        self._last_answer = clock.now()
        self.unanswered.pop(ident, None)
        if ident == self._pending:
            self._pending = None
            if subsystem == b"pubsub":
                self.refusal = None
            elif subsystem == b"error":
                self.refusal = frames.error_text(args)
            if self._publish_missed:
                self._publish_missed = False
                self._link.tell_change()
        elif ident in self._calls:
            try:
                self._calls[ident].set(frames.answer(subsystem, args))
            except RemoteError as error:
                self._calls[ident].set_exception(error)

    def _ask(self, subsystem: bytes, *args: bytes) -> bool:
        """Send the router a request whose answer proves the connection."""
        ident = frames.new_id()
        if not self._send("", subsystem, ident, *args):
            return False
        self._pending, self._pending_since = ident, clock.now()
        return True

    def _send(self, peer: str, subsystem: bytes, ident: bytes, *args: bytes) -> bool:
        """Send a message, or say False: it cannot be sent now, or the session has ended."""
        if self._socket is None:
            return False
        try:
            self._socket.send_multipart(frames.message(peer, subsystem, ident, *args), zmq.NOBLOCK)
            return True
        except zmq.Again:
            pass
        except zmq.ZMQError as error:
            self.break_off("sending to {} failed: {}".format(self._shown, clean(error)))
        return False

    def _next_event(self, deadline: float) -> Tuple[Optional[int], Optional[List[bytes]]]:
        """Return (monitor event, None), (None, frames of a message), or (None, None) at the deadline.

        :raises LinkError: the session was broken off.
        """
        event = None, None
        with contextlib.suppress(Empty):
            if self._broken_off is None:
                event = self._inbox.get(timeout=max(0.0, deadline - clock.now()))
        if self._broken_off is not None:
            raise LinkError(self._broken_off)
        return event

    def _read(self, receive: Callable[[], Tuple[Optional[int], Optional[List[bytes]]]]) -> None:
        """From now on put what ``receive`` returns into the inbox. However that ends, it ends the session."""
        reader = gevent.spawn(self._fill, receive)
        reader.link(lambda ended: self.break_off("nothing reads from {} any more".format(self._shown)))
        self._greenlets.append(reader)

    def _fill(self, receive: Callable[[], Tuple[Optional[int], Optional[List[bytes]]]]) -> None:
        try:
            while True:
                self._inbox.put(receive())
        except gevent.GreenletExit:
            raise
        except BaseException as error:
            if self._socket is not None:
                _survived("reading from " + self._shown, error)
            self.break_off("reading from {} failed: {}".format(self._shown, clean(repr(error))))

    def _over(self) -> LinkError:
        return LinkError("the connection to {} ended".format(self._shown))

    def _silence(self) -> LinkError:
        text = ("{} did not answer within {:g} s: is that platform overloaded or frozen, or the network cut{}? "
                "See `vctl status` there")
        if self._shaken:
            return _Ended(text.format(self._shown, self._link.answer_within, ""), name_held=True)
        # VOLTTRON 9 leaves who has an unknown key without any answer.
        return LinkError(text.format(self._shown, self._link.answer_within,
                                     ", or does it not know our public key (`vctl auth add` there)"))

    def _why_ended(self, reached: bool) -> str:
        if not reached:
            return ("nothing listens at {}: does that platform run, and is this its address? "
                    "See `vctl status` there".format(self._shown))
        if not self._shaken:
            return ("{} broke off the handshake: the server key configured here is not its key, as `vctl auth "
                    "servercred` (on VOLTTRON 9 `vctl auth serverkey`) prints it there, or something else listens "
                    "there".format(self._shown))
        return "{} closed the connection before it said hello".format(self._shown)


def _wants_ipv6(address: str, preferred: bool) -> bool:
    """Say whether ZeroMQ is to look for an IPv6 address.

    If so, it takes a name's IPv6 address if there is one, else its IPv4 address; if not, only the latter. It never
    tries both.
    """
    return "[" in address or preferred and re.match(r"tcp://[\d.]+:", address) is None
