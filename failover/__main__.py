"""``python -m failover status``: shows what a failover agent of the own platform knows and does."""

import argparse
import json
import math
import os
import signal
import sys
from typing import Any, Callable, Dict, List, Optional, Tuple

from failover import clock
from failover.text import clean

try:
    import gevent
    from gevent.event import Event

    from failover.vip.link import Endpoint, Link, LinkError, RemoteError
    _missing: Optional[str] = None
except ImportError as error:  # This Python is not the platform's. --help works all the same.
    _missing = str(error)

# Exit statuses.
GOOD, BAD, NO_AGENT, NO_PLATFORM, USAGE, INTERRUPTED = 0, 1, 2, 3, 64, 130

_EXIT_STATUSES = """exit status, with --watch that of the last look:
  0    its health is GOOD
  1    its health is BAD, or not known yet
  2    the platform answers, but no failover agent of that identity does
  3    no platform answers: it does not run, or its files are not in VOLTTRON_HOME, or it refuses the keys
  64   wrong usage
  130  interrupted before it had looked"""

# Seconds. While watching, the next look comes soon.
_ANSWER_WITHIN = 10.0
_ANSWER_WITHIN_WHILE_WATCHING = 3.0
_SHORTEST_INTERVAL, _LONGEST_INTERVAL = 0.1, 86400.0

# Attempts to connect that fail before the platform counts as not answering.
_ATTEMPTS = 3

# What a router says of a peer that it does not know.
_NO_SUCH_PEER = "No route to host"

# Characters of one text in the picture. A problem is told with the commands that mend it.
_LONGEST_TEXT = 1000

_CLEAR = "\033[H\033[2J"


class NoStatus(Exception):
    """There is no status to show. The text says why, and what to look at."""

    def __init__(self, exit_status: int, text: str):
        super().__init__(text)
        self.exit_status = exit_status


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command and return its exit status. Raises SystemExit after wrong usage and after --help."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    asker = Asker(options.vip_identity, _ANSWER_WITHIN_WHILE_WATCHING if options.watch else _ANSWER_WITHIN)
    looks = Looks(asker.ask, options.vip_identity, options.json,
                  on_terminal=options.watch and sys.stdout is not None and sys.stdout.isatty())
    if _missing is None:
        # Ctrl-C is for this greenlet, whichever one runs when it comes.
        gevent.signal_handler(signal.SIGINT, gevent.kill, gevent.getcurrent(), KeyboardInterrupt)
    try:
        looks.look()
        while options.watch and _missing is None:
            gevent.sleep(options.interval)
            looks.look()
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        _discard_output()
    try:
        asker.close()
    except KeyboardInterrupt:
        pass
    return looks.exit_status


class Looks:
    """Asks for the status and shows the answer, or why there is none.

    :param ask: returns the status, or raises NoStatus.
    :param as_json: print one line of JSON for each look.
    :param on_terminal: show one look in the place of the one before, and the last answer while there is none.
    :ivar exit_status: that of the last look.
    """

    def __init__(self, ask: Callable[[], Dict[str, Any]], vip_identity: str, as_json: bool, on_terminal: bool):
        self.exit_status = INTERRUPTED
        self._ask = ask
        self._vip_identity = vip_identity
        self._as_json = as_json
        self._on_terminal = on_terminal
        self._picture: Optional[str] = None
        self._answered_at = clock.now()

    def look(self) -> None:
        """Ask once and show what came of it."""
        try:
            status = self._ask()
        except NoStatus as failure:
            self.exit_status = failure.exit_status
            self._show_failure(failure)
        else:
            self.exit_status = GOOD if status.get("health") == "GOOD" else BAD
            self._show(status)

    def _show(self, status: Dict[str, Any]) -> None:
        if self._as_json:
            _print(json.dumps(status))
            return
        self._picture, self._answered_at = render(status), clock.now()
        _print((_CLEAR if self._on_terminal else "") + self._picture)

    def _show_failure(self, failure: NoStatus) -> None:
        if self._as_json:
            _print(json.dumps({"error": str(failure), "exit_status": failure.exit_status,
                               "vip_identity": self._vip_identity}))
        elif self._on_terminal:
            _print(_CLEAR + without_answer(str(failure), self._picture, clock.now() - self._answered_at))
        else:
            print(failure, file=sys.stderr, flush=True)


class Asker:
    """Asks a failover agent of the own platform for its status, over a connection that it keeps.

    :param answer_within: seconds, for the connection and for the answer.
    """

    def __init__(self, vip_identity: str, answer_within: float):
        self._vip_identity = vip_identity
        self._answer_within = answer_within
        self._link: Optional["Link"] = None

    def ask(self) -> Dict[str, Any]:
        """Return the status.

        :raises NoStatus: there is none.
        """
        link = self._connect()
        try:
            status = link.call(self._vip_identity, "status", timeout=self._answer_within)
        except LinkError as error:
            if not link.up:
                raise no_platform(str(error), link.endpoint.address) from None
            raise NoStatus(NO_AGENT, "{}. It runs, but is overloaded or frozen, or is no failover agent. See `vctl "
                                     "status`.".format(clean(error))) from None
        except RemoteError as error:
            raise no_agent(self._vip_identity, str(error)) from None
        if not isinstance(status, dict):
            raise no_agent(self._vip_identity, "its answer is no status")
        return status

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
            self._link = Link(endpoint, _ANSWER_WITHIN, _ANSWER_WITHIN, on_change=self._changed.set)
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


def _find_platform() -> "Endpoint":
    """Return where the own platform is and as whom to ask it, from the files in VOLTTRON_HOME."""
    if _missing is not None:
        raise no_platform("this Python has no VOLTTRON: {}".format(_missing), None)
    if not os.path.isdir(_volttron_home()):  # VOLTTRON would make it.
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


def _volttron_home() -> str:
    """As VOLTTRON finds it."""
    return os.path.abspath(os.path.expanduser(os.path.expandvars(os.environ.get("VOLTTRON_HOME", "~/.volttron"))))


def no_platform(why: str, address: Optional[str]) -> NoStatus:
    """Return what to raise when no platform answers. ``address`` is None if it is not known."""
    return NoStatus(NO_PLATFORM, "no platform answers: {}\nTried with VOLTTRON_HOME {}, address {}.\nDoes the platform "
                                 "run (`vctl status`)? This command needs its VOLTTRON_HOME, its user and its "
                                 "environment; this Python is {}.".format(
                                     clean(why), clean(_volttron_home()), clean(address or "not known"),
                                     clean(sys.executable)))


def no_agent(vip_identity: str, why: str) -> NoStatus:
    """Return what to raise when the platform answers, but no failover agent of that identity."""
    if why == _NO_SUCH_PEER:
        text = "no agent with the VIP identity {} runs on this platform. ".format(clean(vip_identity))
    else:
        text = "the agent with the VIP identity {} gives no status: {}. ".format(clean(vip_identity), clean(why))
    return NoStatus(NO_AGENT, text + "See `vctl status`, and say --vip-identity if the failover agent has another one.")


# The picture

def without_answer(why: str, picture: Optional[str], age: float) -> str:
    """Return what a terminal shows while there is no answer: the last picture, and how old it is in seconds."""
    if picture is None:
        return why
    return "no answer for {}; this is what it said then\n{}\n\n{}".format(_duration(age), why, picture)


def render(status: Dict[str, Any]) -> str:
    """Return the status as lines for a person. What an older or newer agent does not say is left out or shown as ?."""
    rows = [
        ("this side", "{} {}, {} failover".format(*_texts(status, "agent_id", "instance_name", "mode"))),
        ("health", "{}: {}".format(*_texts(status, "health", "text"))),
    ]
    rows += _rows("problems", status.get("problems")) + _rows("warnings", status.get("warnings"))
    if "decision" in status:
        rows.append(("decision", "{}, for {} (since {})".format(
            _text(status["decision"]), _duration(status.get("decided_for")), _text(status.get("decided_on")))))
    rows += _rows_of_managed_agent(dict(_part(status, "managed_agent"), **_part(status, "runs")))
    rows += _rows_of_other_side(_part(status, "other"))
    rows += _rows_of_link(_part(status, "link"))
    rows += _rows_of_vc(_part(status, "vc"))
    if status.get("why") is not None:
        rows.append(("why", _text(status["why"])))
    if status.get("platform_answers") is False:
        rows.append(("own platform", "its control does not answer"))
    return "\n".join("{:14} {}".format(name, text) for name, text in rows)


def _rows_of_managed_agent(agent: Dict[str, Any]) -> List[Tuple[str, str]]:
    if not agent:
        return []
    identity, state = _texts(agent, "identity", "state")
    text = "{} is {}".format(identity, state)
    if agent.get("pid") is not None:
        text += ", pid {}".format(_text(agent["pid"]))
    elif _number(agent.get("last_ran")) is not None:
        text += ", {}ran last {} ago".format(
            "" if state == "stopped" else "not running now, ", _duration(agent["last_ran"]))
    if agent.get("health") is not None:
        text += "; its own health {}".format(_text(agent["health"]))
        if agent.get("health_text"):
            text += ": {}".format(_text(agent["health_text"]))
    restarts = _number(agent.get("restarts_last_hour"))
    if restarts:
        text += "; started again {} within the last hour".format(
            "once" if restarts == 1 else "{:g} times".format(restarts))
    return [("managed agent", text), ("", "uuid {}".format(_text(agent.get("uuid") or "unknown")))]


def _rows_of_other_side(other: Dict[str, Any]) -> List[Tuple[str, str]]:
    if not other:
        return []
    may_run = other.get("may_run")
    if other.get("managed_agent") is not None:
        text = "its managed agent is {}".format(_text(other["managed_agent"]))
    elif may_run is True:
        text = "its managed agent runs or may run"
    elif may_run is False:
        text = "its managed agent does not run"
    else:
        text = "its managed agent is not known"
    if other.get("left") is True:
        text = "its failover agent has been stopped in order; " + text
    return [("other side", "{}, {}; last heartbeat {}".format(
        _text(other.get("instance_name") or "name not heard yet"), _text(other.get("liveness")),
        _ago(other.get("heartbeat_age")))), ("", text)]


def _rows_of_link(link: Dict[str, Any]) -> List[Tuple[str, str]]:
    if not link:
        return []
    rows = [("remote link", _link(link))]
    if link.get("refusal") is not None:
        rows.append(("", "it refuses our heartbeats: {}".format(_text(link["refusal"]))))
    if link.get("up") is not True and link.get("last_error") is not None:
        rows.append(("", "last error: {}".format(_text(link["last_error"]))))
    return rows


def _rows_of_vc(vc: Dict[str, Any]) -> List[Tuple[str, str]]:
    if not vc:
        return []
    rows = [("VC", "{} {}; last answer {}".format(*_texts(vc, "identity", "liveness"), _ago(vc.get("answer_age")))),
            ("", _link(vc))]
    if vc.get("refusal") is not None:
        rows.append(("", "it refuses our heartbeats: {}".format(_text(vc["refusal"]))))
    # Its platform may answer when VC does not.
    if (vc.get("up") is not True or vc.get("liveness") != "up") and vc.get("last_error") is not None:
        rows.append(("", "last error: {}".format(_text(vc["last_error"]))))
    return rows


def _link(link: Dict[str, Any]) -> str:
    up = {True: "up", False: "down"}.get(_truth(link.get("up")), "?")
    return "{} {}, for {}".format(_text(link.get("address")), up, _duration(link.get("since")))


def _rows(name: str, texts: Any) -> List[Tuple[str, str]]:
    """Return a row for each text, the first one with the name."""
    if not isinstance(texts, list):
        return []
    return [("" if number else name, _text(text)) for number, text in enumerate(texts)]


def _part(status: Dict[str, Any], name: str) -> Dict[str, Any]:
    part = status.get(name)
    return part if isinstance(part, dict) else {}


def _texts(part: Dict[str, Any], *names: str) -> List[str]:
    return [_text(part.get(name)) for name in names]


def _text(value: Any) -> str:
    """Return what another process said, fit for a terminal."""
    return "?" if value is None else clean(value, _LONGEST_TEXT)


def _truth(value: Any) -> Optional[bool]:
    return value if isinstance(value, bool) else None


def _number(value: Any) -> Optional[float]:
    """Return the value if it is a finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _ago(value: Any) -> str:
    return "never" if value is None else _duration(value) + " ago"


def _duration(value: Any) -> str:
    """Return seconds as a person says them, and ? for what is no number."""
    seconds = _number(value)
    if seconds is None:
        return "?"
    if seconds < 60:
        return "{:.1f} s".format(seconds) if seconds < 10 else "{} s".format(int(seconds))
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return "{}:{:02}:{:02} h".format(hours, minutes, rest) if hours else "{}:{:02} min".format(minutes, rest)


# The command line

class _Parser(argparse.ArgumentParser):
    """Ends with 64 after wrong usage, because 2 says something else here."""

    def error(self, message: str) -> None:
        self.print_usage(sys.stderr)
        self.exit(USAGE, "{}: error: {}\n".format(self.prog, message))

    def _print_message(self, message: str, file: Any = None) -> None:
        try:
            print(message or "", end="", file=file, flush=True)
        except BrokenPipeError:
            _discard_output()


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m failover", description=__doc__.replace("`", ""))
    commands = parser.add_subparsers(dest="command", metavar="status", required=True)
    status = commands.add_parser(
        "status", help="show the status of a failover agent of this platform", epilog=_EXIT_STATUSES,
        description="Show the status of a failover agent of this platform.",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    status.add_argument("--json", action="store_true", help="print the status as JSON, one line for each look; "
                                                            "without an answer a line with the key \"error\"")
    status.add_argument("--watch", action="store_true", help="look again and again until interrupted")
    status.add_argument("--interval", type=_interval, default=2.0, metavar="SECONDS",
                        help="between two looks, at least 0.1 (default 2)")
    status.add_argument("--vip-identity", type=_identity, default="failover",
                        help="of the failover agent (default failover)")
    return parser


def _interval(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not _SHORTEST_INTERVAL <= seconds <= _LONGEST_INTERVAL:
        raise argparse.ArgumentTypeError("found {}; wanted: a number of seconds from {:g} to {:g}".format(
            clean(text), _SHORTEST_INTERVAL, _LONGEST_INTERVAL))
    return seconds


def _identity(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError("found {!r}; wanted: the VIP identity of an agent".format(text))
    return text


# Output

def _print(text: str) -> None:
    print(text, flush=True)


def _discard_output() -> None:
    """Nobody reads any more. What is still buffered must not fail again when the interpreter ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)


if __name__ == "__main__":
    sys.exit(main())
