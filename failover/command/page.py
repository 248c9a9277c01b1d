"""The page of text that an operator reads: the status of a failover agent, line by line.

Nothing here does I/O. A status comes from another process, perhaps of another release: it may hold anything.
"""

import math
from typing import Any, Dict, List, Optional, Tuple

from failover.text import clean

__all__ = ["render", "without_answer"]

# Characters of one text on the page. A problem is told with the commands that mend it.
_LONGEST_TEXT = 1000
_STANDING = "{:24} {}"


def without_answer(why: str, page: Optional[str], age: float) -> str:
    """Return what a terminal shows while there is no answer.

    :param page: the last page, if there is one.
    :param age: seconds since the answer that it shows.
    """
    if page is None:
        return why
    return "no answer for {}; this is what it said then\n{}\n\n{}".format(_duration(age), why, page)


def render(status: Dict[str, Any]) -> str:
    """Return the status as lines for a person. What an older or newer agent does not say is left out or shown as ?."""
    rows = [
        ("this side", "{} {}, {} failover".format(*_texts(status, "agent_id", "instance_name", "mode"))),
    ]
    if "standing" in status:
        peer = _part(status, "other")
        rows += [("", _STANDING.format(*_texts(status, "instance_name", "standing"))),
                 ("", _STANDING.format(_text(peer.get("instance_name") or "the other side"), _text(peer.get("standing"))))]
    rows += _rows_of_orders(_part(status, "orders"))
    rows += [
        ("health", "{}: {}".format(*_texts(status, "health", "text"))),
    ]
    rows += _rows("problems", status.get("problems")) + _rows("warnings", status.get("warnings"))
    if "decision" in status:
        rows.append(("decision", "{}, for {} (since {})".format(
            _text(status["decision"]), _duration(status.get("decided_for")), _text(status.get("decided_on")))))
    several = status.get("managed_agents")
    if isinstance(several, list) and len(several) > 1:
        for one in several:
            rows += _rows_of_managed_agent(one if isinstance(one, dict) else {})
    else:
        rows += _rows_of_managed_agent(dict(_part(status, "managed_agent"), **_part(status, "runs")))
    rows += _rows_of_peer(_part(status, "other"))
    rows += _rows_of_link(_part(status, "link"))
    rows += _rows_of_vc(_part(status, "vc"))
    if status.get("why") is not None:
        rows.append(("why", _text(status["why"])))
    if status.get("platform_answers") is False:
        rows.append(("local platform", "its control does not answer"))
    return "\n".join("{:14} {}".format(name, text) for name, text in rows)


def _rows_of_orders(orders: Dict[str, Any]) -> List[Tuple[str, str]]:
    if not _number(orders.get("number")):
        return []
    text = "order {} of {}: {} is preferred".format(
        *_texts(orders, "number", "given_on"), "this side" if orders.get("preferred_here") is True else "the other side")
    if _number(orders.get("paused_for")) is not None:
        text += "; the pair is paused for {} more".format(_duration(orders["paused_for"]))
    if orders.get("known_there") is False:
        text += "; the other side does not know it yet"
    return [("orders", text)]


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


def _rows_of_peer(peer: Dict[str, Any]) -> List[Tuple[str, str]]:
    if not peer:
        return []
    may_run = peer.get("may_run")
    if peer.get("managed_agent") is not None:
        text = "its managed agent is {}".format(_text(peer["managed_agent"]))
    elif may_run is True:
        text = "its managed agent runs or may run"
    elif may_run is False:
        text = "its managed agent does not run"
    else:
        text = "its managed agent is not known"
    if peer.get("left") is True:
        text = "its failover agent has been stopped in order; " + text
    return [("other side", "{}, {}; last heartbeat {}".format(
        _text(peer.get("instance_name") or "name not heard yet"), _text(peer.get("liveness")),
        _ago(peer.get("heartbeat_age")))), ("", text)]


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
    up = {True: "up", False: "down", None: "?"}[_truth(link.get("up"))]
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
