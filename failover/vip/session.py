"""One connection to a router: hello, requests, signs of life, and its end."""

import contextlib
from typing import Any, Callable, List, Optional, Tuple

import zmq.green as zmq

from failover import clock
from failover.loops import surviving
from failover.text import clean
from failover.vip import errors, frames
from failover.vip.attempts import Patience
from failover.vip.endpoint import Endpoint
from failover.vip.errors import Ended, LinkError, Unreadable
from failover.vip.proof import Proof, Times
from failover.vip.questions import NO_ANSWER_AFTER, Questions
from failover.vip.transport import Transport

__all__ = ["Session"]

# Seconds that the router may refuse what is published under another name before the right one is tried again.
_REFUSED_FOR = 60.0

# So many times as long as an answer may take, one that is overdue is waited for.
_OVERDUE_FOR = 3.0


class Session:
    """One connection to a router, from connect to close; it is used once and thrown away.

    :param name: by which to present oneself.
    :param hear: called with (topic, sender, message) of what is published there.
    :param on_free: called when the router has answered what was asked of it, so that it can take a publish.
    :ivar refusal: the router's words if it refused the last publish that it answered, else None.
    :ivar welcome: whether the router has answered the hello.
    """

    def __init__(self, endpoint: Endpoint, name: str, times: Times, hear: Callable[[str, str, Any], None],
                 on_free: Callable[[], None]):
        self.refusal: Optional[str] = None
        self.welcome = False
        self._endpoint = endpoint
        self._shown = clean(endpoint.address)
        self._name = name
        self._times = times
        self._hear = hear
        self._on_free = on_free
        self._shaken = False
        self._opened_at = clock.now()
        self._proof = Proof(times)
        self._questions = Questions()
        self._transport = Transport(self._shown)

    @property
    def unanswered(self) -> bool:
        """Whether there are questions to agents whose answers may still come."""
        return bool(self._questions)

    def open(self, context: "zmq.Context[Any]", prefers_ipv6: bool, patience: Patience) -> None:
        """Connect and exchange hellos.

        :raises LinkError: that does not succeed in time.
        """
        within = self._times.answer_within
        self._transport.connect(context, self._endpoint, self._name, prefers_ipv6, within)
        reached = False
        self._proof.wait(within)
        while True:
            received = self._transport.receive(self._proof.waits_until)
            if received.frames and _is_welcome(received.frames):
                self._proof.heard()
                self.welcome = True
                return
            if received.is_connected:
                reached = True
                self._proof.wait(patience.handshake)
            elif received.is_shaken:
                self._shaken = True
                self._proof.wait(patience.welcome)
                self._send("", frames.HELLO, frames.HELLO, frames.HELLO)
            elif received.is_end:
                raise errors.broken_handshake(self._shown, reached, self._shaken)
            elif received.is_nothing:
                raise self._silence() if reached else errors.no_connection(self._shown, within)

    def serve_one(self) -> None:
        """Wait for one event and handle it.

        :raises LinkError: the connection has ended or answers no more.
        """
        received = self._transport.receive(clock.now() + self._proof.until_overdue())
        if received.frames is not None:
            self._handle(received.frames)
        elif received.is_end:
            # The router may have been busy, and so not have noticed yet.
            raise self._ended(name_held=True if self._proof.is_nearly_overdue else None)
        elif self._proof.until_overdue() == 0.0 and (self._proof.pending or not self._ask(frames.PING, b"ping")):
            raise self._silence()
        if self.refusal is not None and self._name != self._endpoint.identity and clock.now() - self._opened_at > _REFUSED_FOR:
            raise Ended("{} does not let {} publish: {}".format(self._shown, self._name, self.refusal), name_held=False)

    def await_overdue(self) -> None:
        """Wait for the answer that is overdue, but not much longer. Publications that come meanwhile are old news.

        A router that was frozen, or has too much to do, gives it late. To build a new connection would cost it more, and
        what it has done for this one would be lost. A machine that is gone acknowledges nothing, which ends the connection.

        :raises LinkError: it does not come, or the connection has ended.
        """
        self._proof.wait(_OVERDUE_FOR * self._times.answer_within)
        while self._proof.pending is not None:
            received = self._transport.receive(self._proof.waits_until)
            if received.frames is not None:
                self._handle(received.frames, hears=False)
            elif received.is_end:
                raise self._ended(name_held=True)
            elif received.is_nothing:
                raise self._silence()

    def wait_no_longer(self) -> None:
        """Have the wait for a slow router end when an answer may take no longer."""
        self._proof.wait_no_longer()
        self._transport.wake()

    def break_off(self, why: str) -> None:
        """Have whoever serves this session told that it has ended. The first reason counts."""
        self._transport.break_off(why)

    def publish(self, topic: str, text: str, *others: str) -> bool:
        """Publish, or say False: it cannot be sent now, or the last publish or probe has not been answered yet.

        On the other topics it goes out too, if that can be sent; no answer to that is awaited.
        """
        if self._proof.pending is not None or not self._ask(frames.PUBSUB, *frames.publish(topic, text)):
            return False
        for other in others:
            self._send("", frames.PUBSUB, frames.new_id(), *frames.publish(other, text))
        return True

    def subscribe(self, prefix: str) -> None:
        """Subscribe to topics. If that cannot be sent, the session is broken off."""
        if not self._send("", frames.PUBSUB, frames.new_id(), *frames.subscribe(prefix)):
            self.break_off("{} takes no subscription".format(self._shown))

    def call(self, peer: str, method: str, args: Tuple[Any, ...], timeout: float) -> Any:
        """Call a method of an agent.

        :param timeout: seconds.
        :raises LinkError: the session has ended or ends, or no answer came in time.
        :raises RemoteError: the peer refused, or the method raised.
        """
        ident = frames.new_id()
        return self._request(peer, frames.RPC, ident, frames.call(method, args, ident), method, timeout)

    def query(self, name: str, timeout: float) -> Optional[str]:
        """Ask the router for one of its platform's settings; None if it is not made.

        :param timeout: seconds.
        :raises LinkError, RemoteError: as for :meth:`call`.
        """
        answer: Optional[str] = self._request("", frames.QUERY, frames.new_id(), name.encode(), name, timeout)
        return answer

    def give_up_calls(self) -> None:
        """Have the callers told that no answer will come to them."""
        self._questions.give_up(self._over())

    def take_leave(self) -> None:
        """Tell the router that this peer goes, as VOLTTRON's agents do: it would keep the name among its peers."""
        self._transport.linger()
        self._send("", frames.AGENTSTOP, frames.new_id(), self._name.encode())

    def fade(self) -> None:
        """From now on only wait for the answers to open questions, or the end of the connection, and then close."""
        self._transport.broken_off = None  # Who broke it off wants another one, and this one still brings the answers.
        self._transport.spawn(self._fade)

    def close(self) -> None:
        """Close the socket and whatever belongs to it."""
        self._transport.close()

    def _fade(self) -> None:
        try:
            with surviving("the wait for the last answers from " + self._shown), contextlib.suppress(LinkError):
                deadline = clock.now() + NO_ANSWER_AFTER
                while self._questions and clock.now() < deadline:
                    received = self._transport.receive(deadline)
                    if received.is_end:
                        break
                    if received.frames is not None:
                        with contextlib.suppress(Unreadable):
                            self._questions.close(frames.decode(received.frames).ident)
        finally:
            self.close()

    def _request(self, peer: str, subsystem: bytes, ident: bytes, body: bytes, name: str, timeout: float) -> Any:
        if not self._send(peer, subsystem, ident, body):
            raise self._silence() if self._transport.is_open else LinkError(self._over())
        return self._questions.wait(ident, timeout, "{} did not answer {} within {:g} s".format(
            clean(peer) or self._shown, name, timeout))

    def _handle(self, received: List[bytes], hears: bool = True) -> None:
        """Handle what came. It may be anything."""
        try:
            message = frames.decode(received)
            publication = frames.publication(message) if frames.is_publication(message) else None
        except Unreadable:
            return
        if publication is not None:
            if hears:
                self._hear(*publication)
            return
        self._proof.heard()
        if message.ident != self._proof.pending:
            self._questions.answered(message)
            return
        self._proof.pending = None
        if message.subsystem == frames.PUBSUB:
            self.refusal = None
        elif message.subsystem == frames.ERROR:
            self.refusal = frames.error_text(message)
        self._on_free()

    def _ask(self, subsystem: bytes, *args: bytes) -> bool:
        """Send the router a request whose answer proves the connection."""
        ident = frames.new_id()
        if not self._send("", subsystem, ident, *args):
            return False
        self._proof.asked(ident)
        return True

    def _send(self, peer: str, subsystem: bytes, ident: bytes, *args: bytes) -> bool:
        return self._transport.send(frames.encode(peer, subsystem, ident, *args, user=self._endpoint.identity))

    def _silence(self) -> LinkError:
        return errors.silence(self._shown, self._times.answer_within, self._shaken, bool(self._proof.pending))

    def _ended(self, name_held: Optional[bool]) -> LinkError:
        self._questions.forget()
        return Ended("{} closed the connection".format(self._shown), name_held)

    def _over(self) -> str:
        return "the connection to {} ended".format(self._shown)


def _is_welcome(received: List[bytes]) -> bool:
    try:
        return frames.is_welcome(frames.decode(received))
    except Unreadable:
        return False
