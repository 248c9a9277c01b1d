"""``python -m failover status``: shows what a failover agent of the own platform knows and does."""

import argparse
import json
import sys
from typing import Any, Dict, List, Optional, Tuple

import gevent

from failover import compat
from failover.link import LinkError, RemoteError, connected

_ANSWER_WITHIN = 10.0


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command and return its exit status: 0, or 1 if no failover agent answered."""
    parser = argparse.ArgumentParser(prog="python -m failover", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    status = commands.add_parser("status", help="show the status of a failover agent of this platform")
    status.add_argument("--json", action="store_true", help="print the status as JSON, one line for each look")
    status.add_argument("--watch", action="store_true", help="look again and again until interrupted")
    status.add_argument("--interval", type=float, default=2.0, metavar="SECONDS", help="between two looks (default 2)")
    status.add_argument("--vip-identity", default="failover", help="of the failover agent (default failover)")
    options = parser.parse_args(arguments)
    try:
        return _watch(options) if options.watch else _look(options)
    except KeyboardInterrupt:
        return 0


def _watch(options: argparse.Namespace) -> int:
    while True:
        if sys.stdout.isatty() and not options.json:
            sys.stdout.write("\033[2J\033[H")
        _look(options)
        sys.stdout.flush()
        gevent.sleep(options.interval)


def _look(options: argparse.Namespace) -> int:
    """Connect, ask, print and disconnect."""
    try:
        status = _ask(options.vip_identity)
    except (LinkError, RemoteError, OSError) as error:
        print("no status of {}: {}\nDoes it run? See `vctl status`, and run this command with the VOLTTRON_HOME and "
              "in the environment of its platform.".format(options.vip_identity, error), file=sys.stderr)
        return 1
    print(json.dumps(status) if options.json else render(status))
    return 0


def _ask(vip_identity: str) -> Dict[str, Any]:
    with connected(compat.local_endpoint(), _ANSWER_WITHIN) as link:
        return link.call(vip_identity, "status", timeout=_ANSWER_WITHIN)


def render(status: Dict[str, Any]) -> str:
    """Return the status as lines for a person."""
    other, link, agent = status["other"], status["link"], status["managed_agent"]
    rows = [
        ("this side", "{} {}, {} failover".format(status["agent_id"], status["instance_name"], status["mode"])),
        ("health", "{}: {}".format(status["health"], status["text"])),
    ]
    rows += [("" if number else "problems", problem) for number, problem in enumerate(status.get("problems", []))]
    rows += [
        ("decision", "{}, for {} (since {})".format(
            status["decision"], _duration(status["decided_for"]), status["decided_on"])),
        ("managed agent", "{} is {}{}".format(
            agent["identity"], agent["state"], ", pid {}".format(agent["pid"]) if agent["pid"] else "")),
        ("", "uuid {}".format(agent["uuid"] or "unknown")),
        ("other side", "{}, {}; last heartbeat {}".format(
            other["instance_name"] or "name not heard yet", other["liveness"],
            "never" if other["heartbeat_age"] is None else _duration(other["heartbeat_age"]) + " ago")),
        ("", "its managed agent {}".format(
            {True: "runs or may run", False: "does not run", None: "is not known"}[other["may_run"]])),
        ("remote link", "{} {}, for {}".format(
            link["address"], "up" if link["up"] else "down", _duration(link["since"]))),
    ]
    if link["last_error"]:
        rows.append(("", "last error: {}".format(link["last_error"])))
    if status["vc"]:
        rows += _rows_of_vc(status)
    if not status["platform_answers"]:
        rows.append(("own platform", "its control does not answer"))
    return "\n".join("{:14} {}".format(name, text) for name, text in rows)


def _rows_of_vc(status: Dict[str, Any]) -> List[Tuple[str, str]]:
    vc = status["vc"]
    rows = [
        ("VC", "{} {}; last answer {}".format(
            vc["identity"], vc["liveness"],
            "never" if vc["answer_age"] is None else _duration(vc["answer_age"]) + " ago")),
        ("", "{} {}, for {}".format(vc["address"], "up" if vc["up"] else "down", _duration(vc["since"]))),
    ]
    if vc["last_error"]:
        rows.append(("", "last error: {}".format(vc["last_error"])))
    return rows + [("why", status["why"])]


def _duration(seconds: float) -> str:
    if seconds < 60:
        return "{:.1f} s".format(seconds)
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return "{}:{:02}:{:02} h".format(hours, minutes, rest) if hours else "{}:{:02} min".format(minutes, rest)


if __name__ == "__main__":
    sys.exit(main())
