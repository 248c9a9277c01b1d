"""Finds the local platform, and asks a failover agent on it."""

import contextlib
import os
import sys
from typing import Any, Dict, List, Optional, Sequence

from failover import clock
from failover.command.exit_status import NO_AGENT, NO_PLATFORM
from failover.text import clean

try:
    from gevent.event import Event

    from failover.vip.link import Endpoint, Link, LinkError, RemoteError
    MISSING: Optional[str] = None
except ImportError as error:  # This Python is not the platform's. --help works all the same.
    MISSING = str(error)

__all__ = ["ANSWER_WITHIN", "MISSING", "Asker", "NoAnswer", "ask_once", "list_once", "no_agent", "no_platform",
           "order_once", "volttron_home"]

# Seconds, for the connection and for the answer.
ANSWER_WITHIN = 10.0

# Attempts to connect that fail before the platform counts as not answering.
_ATTEMPTS = 3

# What a router says of a peer that it does not know.
_NO_SUCH_PEER = "No route to host"


class NoAnswer(Exception):
    """The agent did not answer. The text says why, and what to look at.

    :ivar exit_status: of a command that has nothing else to say.
    """

    def __init__(self, exit_status: int, text: str):
        super().__init__(text)
        self.exit_status = exit_status


class Asker:
    """Asks a failover agent of the local platform, over a connection that it keeps.

    :param answer_within: seconds, for the connection and for the answer.
    """

    def __init__(self, vip_identity: str, answer_within: float = ANSWER_WITHIN):
        self._vip_identity = vip_identity
        self._answer_within = answer_within
        self._link: Optional[Link] = None

    def ask_status(self) -> Dict[str, Any]:
        """Return the agent's status.

        :raises NoAnswer: there is none.
        """
        status = self.ask("status")
        if not isinstance(status, dict):
            raise no_agent(self._vip_identity, "its answer is no status")
        return status

    def ask(self, method: str, *args: Any) -> Any:
        """Return what a method of the agent returns.

        :raises NoAnswer: it returns nothing, because no such agent answers, or it refuses.
        """
        link = self._connect()
        try:
            return link.call(self._vip_identity, method, *args, timeout=self._answer_within)
        except LinkError as error:
            if not link.up:
                raise no_platform(str(error), link.endpoint.address) from None
            raise NoAnswer(NO_AGENT, "{}. It runs, but is overloaded or frozen, or is no failover agent. See `vctl "
                                     "status`.".format(clean(error))) from None
        except RemoteError as error:
            raise no_agent(self._vip_identity, str(error)) from None

    def order(self, method: str, *args: Any) -> Any:
        """Return what a method of the agent returns that changes something, with the proof that this platform's user asks for it.

        :raises NoAnswer: as for `ask`.
        """
        self._connect()
        return self.ask(method, *args, _proof(self._vip_identity, method, args))

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def _connect(self) -> "Link":
        """Return a link that is up, the same one as long as the platform has the same address and keys."""
        endpoint = _find_platform()
        if self._link is None or self._link.endpoint != endpoint:
            self.close()
            self._changed = Event()
            self._link = Link(endpoint, ANSWER_WITHIN, ANSWER_WITHIN, on_change=self._changed.set)
            self._link.start()
        link, failed = self._link, 0
        deadline = clock.now() + self._answer_within
        while not link.up:
            self._changed.clear()
            if self._changed.wait(max(0.0, deadline - clock.now())) and not link.up:
                failed += 1
            if not link.up and (failed == _ATTEMPTS or clock.now() >= deadline):
                raise no_platform(link.last_error or "no answer within {:g} s".format(self._answer_within),
                                  endpoint.address)
        return link


def ask_once(vip_identity: str, method: str, *args: Any) -> Any:
    """Return what a method of a failover agent returns, over a connection for this question alone.

    :raises NoAnswer: it returns nothing.
    """
    with contextlib.closing(Asker(vip_identity)) as asker:
        return asker.ask(method, *args)


def list_once(vip_identity: str, method: str, *args: Any) -> List[Dict[str, Any]]:
    """The same for a method that returns a list of entries."""
    answer = ask_once(vip_identity, method, *args)
    if not isinstance(answer, list) or not all(isinstance(one, dict) for one in answer):
        raise no_agent(vip_identity, "its answer to `{}` is no list of entries".format(method))
    return answer


def order_once(vip_identity: str, method: str, *args: Any) -> Any:
    """The same for a method that changes something."""
    with contextlib.closing(Asker(vip_identity)) as asker:
        return asker.order(method, *args)


def _find_platform() -> "Endpoint":
    """Return where the local platform is and as whom to ask it, from the files in VOLTTRON_HOME.

    :raises NoAnswer: the files do not say so.
    """
    if MISSING is not None:
        raise no_platform("this Python has no VOLTTRON: {}".format(MISSING), None)
    if not os.path.isdir(volttron_home()):  # VOLTTRON would make it.
        raise no_platform("there is no such folder as VOLTTRON_HOME", None)
    try:
        from failover import compat  # Here, because it replaces much of Python by gevent's.

        endpoint = compat.local_endpoint()
    except ImportError as error:
        raise no_platform("this Python has no VOLTTRON: {}".format(error), None) from None
    except Exception as error:  # Of many kinds: files may be missing, another user's, or damaged.
        raise no_platform(str(error) or repr(error), None) from None
    if not endpoint.serverkey:
        raise no_platform("the platform's public key is not known in VOLTTRON_HOME", endpoint.address)
    return endpoint


def _proof(identity: str, method: str, args: Sequence[Any]) -> Optional[str]:
    """Return the proof for an order; None without the platform's secret key: then the agent says what is missing."""
    from failover import compat
    from failover.authority import prove

    try:
        return prove(compat.platform_secretkey(), identity, method, args)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def volttron_home() -> str:
    """Return VOLTTRON_HOME, as VOLTTRON finds it."""
    return os.path.abspath(os.path.expanduser(os.path.expandvars(os.environ.get("VOLTTRON_HOME", "~/.volttron"))))


def no_platform(why: str, address: Optional[str]) -> NoAnswer:
    """Return what to raise when no platform answers. ``address`` is None if it is not known."""
    return NoAnswer(NO_PLATFORM, "no platform answers: {}\nTried with VOLTTRON_HOME {}, address {}.\nDoes the platform "
                                 "run (`vctl status`)? This command needs its VOLTTRON_HOME, its user and its "
                                 "environment; this Python is {}.".format(
                                     clean(why), clean(volttron_home()), clean(address or "not known"),
                                     clean(sys.executable)))


def no_agent(vip_identity: str, why: str) -> NoAnswer:
    """Return what to raise when the platform answers, but no failover agent of that identity."""
    if why == _NO_SUCH_PEER:
        text = "no agent with the VIP identity {} runs on this platform. ".format(clean(vip_identity))
    else:
        text = "the agent with the VIP identity {} gives no status: {}. ".format(clean(vip_identity), clean(why))
    return NoAnswer(NO_AGENT, text + "See `vctl status`, and say --vip-identity if the failover agent has another one.")
