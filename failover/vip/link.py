"""A further VIP connection: to the router of another platform, beside the one every agent has to its local one.

It proves itself by answered round trips: when they stop, it is down. When the overdue answer does not come after all, the
connection is thrown away, socket and all, and built anew after a pause. Nothing a caller does here waits for the network,
except :meth:`Link.call` and :meth:`Link.query`, which have a time limit, and :meth:`Link.close`, which has one too. Nothing
but its owner ends a link: no error, no message, and no callback.

An agent of VOLTTRON 9 ends for good when its answer finds that who asked is gone. A connection with open questions is
therefore left open for a minute, in case it still brings the answers, also when another one has taken its place. Only
two of one link are open at a time, and who closes the link waits for answers no longer than 2 seconds.

The ZeroMQ context is the link's own. A context resolves host names in its one I/O thread, so that a name server that
does not answer would, in a shared one, silence the agent's connection to its local platform too.
"""

from typing import Any, Callable, Dict, Optional

import gevent
import zmq.green as zmq
from gevent.event import Event

from failover import clock
from failover.loops import spawn_loop, survived, surviving
from failover.text import clean
from failover.vip.attempts import Attempts
from failover.vip.endpoint import Endpoint
from failover.vip.errors import LinkError, Overdue, RemoteError, text_of
from failover.vip.proof import Times
from failover.vip.session import Session
from failover.vip.transport import CLOSE_WITHIN

__all__ = ["Endpoint", "Link", "LinkError", "RemoteError"]

# Seconds.
_LOOK_EVERY = 0.01
_LAST_ANSWERS_WITHIN = 2.0


class Link:
    """A connection to the router of another platform that keeps itself alive.

    :param answer_within: seconds that a round trip may take before the connection counts as dead.
    :param probe_every: seconds of quiet after which the link asks for a sign of life itself.
    :param on_change: called without arguments when the link comes up, goes down, or becomes free to publish.
    :ivar endpoint: where the next attempt connects to, and as whom.
    :ivar up: whether it can be used now.
    :ivar changed_at: seconds on :mod:`failover.clock`; when it last came up or went down.
    :ivar last_error: why it last went down or did not come up, for the operator; None if neither has happened.
    """

    def __init__(self, endpoint: Endpoint, answer_within: float, probe_every: float,
                 on_change: Callable[[], None] = lambda: None):
        self.endpoint = endpoint
        self.up = False
        self.changed_at = clock.now()
        self.last_error: Optional[str] = None
        self.on_change = on_change
        self._times = Times(answer_within, probe_every)
        self._subscriptions: Dict[str, Callable[[str, str, Any], None]] = {}
        self._retry = Event()
        self._context = zmq.Context()
        self._session: Optional[Session] = None
        self._fading: Optional[Session] = None
        self._greenlet: Optional[gevent.Greenlet[..., Any]] = None
        self._attempts = Attempts()

    def retime(self, answer_within: float, probe_every: float) -> None:
        """Go by other times from now on; they are those of the constructor."""
        self._times.answer_within, self._times.probe_every = answer_within, probe_every

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
            closing.join(_LAST_ANSWERS_WITHIN + 3 * CLOSE_WITHIN)

    def free(self) -> None:
        """After :meth:`close`, end the threads of the link, which the garbage collector would do sooner or later.

        Not for an address with a host name in it: the end would wait for a name server that does not answer.
        """
        with surviving("the end of the threads of " + self._what):
            self._context.destroy(0)

    def _close(self) -> None:
        greenlet = self._greenlet
        if greenlet is None:
            return
        with surviving(self._what):
            deadline = clock.now() + _LAST_ANSWERS_WITHIN
            while self.up and self._session is not None and self._session.unanswered and clock.now() < deadline:
                gevent.sleep(_LOOK_EVERY)
        with surviving(self._what):
            if self.up and self._session is not None:
                self._session.take_leave()
        with surviving(self._what):
            greenlet.kill(block=False)
            greenlet.join(CLOSE_WITHIN)
        self._greenlet = None
        self.up = False
        for session in (self._session, self._fading):
            if session is not None:
                session.close()

    def retry_now(self) -> None:
        """Do not wait for the next attempt: there is a sign that the other platform is back."""
        self._retry.set()
        if not self.up and self._session is not None:
            self._session.wait_no_longer()

    def renew(self, why: str) -> None:
        """Throw the connection away and build a new one: it answers, but does not do what it should."""
        if self.up and self._session is not None:
            self._session.break_off(why)

    def subscribe(self, prefix: str, callback: Callable[[str, str, Any], None]) -> None:
        """Have ``callback(topic, sender, message)`` called for what is published there, again after each rebuild."""
        self._subscriptions[prefix] = callback
        if self.up and self._session is not None:
            self._session.subscribe(prefix)

    @property
    def refusal(self) -> Optional[str]:
        """The other platform's words if it refused the last publish that it answered, else None."""
        return self._session.refusal if self._session is not None else None

    def publish(self, topic: str, message: str, *others: str) -> bool:
        """Publish on the bus of the other platform, or say False at once; never queue.

        False means that the link is down or that the router has not yet answered the publish before this one, so
        that at most one message is ever under way: what is sent late would arrive as a false sign of life.
        """
        return self.up and self._session is not None and self._session.publish(topic, message, *others)

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

    def _open_session(self) -> Session:
        if not self.up or self._session is None:
            raise LinkError(self.last_error or "not connected yet")
        return self._session

    @property
    def _what(self) -> str:
        return "the connection to {}".format(clean(self.endpoint.address))

    def _run(self) -> None:
        self._attempts.begin_anew()
        while True:
            opened_at = clock.now()
            with surviving(self._what):
                self._connect_once()
            pause = self._attempts.pause(clock.now() - opened_at)
            with surviving(self._what):
                self._retry.wait(pause)
            self._retry.clear()

    def _connect_once(self) -> None:
        """Connect, serve until that ends, and leave nothing behind but a session that awaits its last answers."""
        session = Session(self.endpoint, self._attempts.name(self.endpoint.identity), self._times, self._deliver,
                          self._tell_change)
        session.refusal = self.refusal
        self._session = session
        try:
            session.open(self._context, self._attempts.prefers_ipv6, self._attempts.patience(self._times.answer_within))
            while True:
                for prefix in list(self._subscriptions):
                    session.subscribe(prefix)
                self._set(True)
                self._serve(session)
        except gevent.GreenletExit:
            raise
        except BaseException as error:  # Whatever it is, it must not end the attempts.
            if not isinstance(error, LinkError):
                survived(self._what, error)
            self._attempts.failed(error, session.welcome)
            self._set(False, error)
        finally:
            self.up = False
            session.give_up_calls()
            if session.unanswered:
                self._let_fade(session)
            else:
                session.close()

    def _serve(self, session: Session) -> None:
        """Serve until an answer is overdue, and be down until it comes."""
        try:
            while True:
                session.serve_one()
        except Overdue as error:
            self._set(False, error)
            session.give_up_calls()
            session.await_overdue()

    def _let_fade(self, session: Session) -> None:
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
            self.last_error = text_of(error)
        self._tell_change()

    def _tell_change(self) -> None:
        """Call ``on_change``, whatever comes of it."""
        with surviving("what follows a change of " + self._what):
            self.on_change()

    def _deliver(self, topic: str, sender: str, message: Any) -> None:
        """Hand a publication to the callbacks that subscribed to its topic, whatever comes of it."""
        for prefix, callback in list(self._subscriptions.items()):
            if topic.startswith(prefix):
                with surviving("what receives {} from {}".format(prefix, sender)):
                    callback(topic, sender, message)
