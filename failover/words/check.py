"""The checklist of a pair: each thing that a takeover needs, and whether it is in order."""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from failover.decision.view import View
from failover.decision.vocabulary import AgentState, Liveness
from failover.words.installed import compared
from failover.words.lines import other_role
from failover.words.surroundings import Surroundings

__all__ = ["checklist"]

# Each item, with the kinds of problems that concern it.
_ITEMS: Tuple[Tuple[str, Tuple[str, ...]], ...] = (
    ("control of this platform", ("control", "quiet", "deaf")),
    ("authorization on this platform", ("unauthorized",)),
    ("link to the other platform", ("link",)),
    ("authorization on the other platform", ("refused",)),
    ("signatures of heartbeats", ("keys", "unsigned", "wrong")),
    ("roles", ("rival", "names")),
    ("configuration of both sides", ("differ", "times")),
    ("managed agent", ("missing", "start", "stop", "stray", "signals", "absent", "silent", "unwell", "second", "loop",
                       "copy", "handed")),
    ("configuration store", ("config",)),
    ("memory on disk", ("memory",)),
)
_ITEMS_OF_STANDARD: Tuple[Tuple[str, Tuple[str, ...]], ...] = (
    ("VOLTTRON Central", ("vc", "vcs", "isolated", "unsupervised")),
)


class _Item(NamedTuple):
    name: str
    text: str
    is_ok: bool
    level: str = ""


def checklist(view: View, around: Surroundings, problems: Mapping[str, str],
              warnings: Sequence[str]) -> List[Dict[str, Any]]:
    """Return an item for each thing: its name, whether it is in order, a text that says what to do if it is not, and a
    level.

    :param problems: the text of each problem that there is, by its kind.
    :param warnings: what was found at the start.
    """
    items = [_warned(text) for text in warnings] or [_Item("configuration", "in order", True)]
    if around.paused_until is not None:
        items.append(_Item("pause", "the pair is paused until {}, and there is no takeover: run `python -m failover "
                                    "resume`".format(around.paused_until), False))
    for name, kinds in _ITEMS + (() if view.is_simple else _ITEMS_OF_STANDARD):
        found = [problems[kind] for kind in kinds if kind in problems]
        items += [_Item(name, text, False) for text in found] or [_fine(name, view, around)]
    items.append(_heard(view))
    items.append(_hears(view))
    items.append(_there(view))
    items += _compared(view, around)
    return [one._replace(level=one.level or ("OK" if one.is_ok else "BAD"))._asdict() for one in items]


def _warned(text: str) -> _Item:
    """Return the item of what works but is better set otherwise. It begins with what it concerns."""
    name, _, rest = text.partition(": ")
    return _Item(name if rest else "configuration", rest or text, True, "WARN")


def _fine(name: str, view: View, around: Surroundings) -> _Item:
    if name.startswith("link") and not around.link_up:
        return _Item(name, "not connected yet: {}".format(around.link_error or "connecting"), False)
    if name == "managed agent" and view.state is AgentState.UNKNOWN:
        return _Item(name, "it is not known yet whether {} runs".format(view.managed), False)
    if name == "signatures of heartbeats" and not view.peer_signs:
        return _Item(name, "the other side's are not required yet, or not at all: whoever reaches the port can forge them",
                     True, "WARN")
    if name == "VOLTTRON Central" and view.decision.vc is not Liveness.UP:
        return _Item(name, "it has not answered yet", False)
    return _Item(name, "in order", True)


def _heard(view: View) -> _Item:
    name, who = "heartbeats of the other side", other_role(view.setup.role)
    if view.heard_ago is None:
        return _Item(name, "the {} was never heard: is its failover agent started?".format(who), False)
    is_fresh = view.heard_ago < view.timing.timeout
    return _Item(name, "last heard {:.1f} s ago{}".format(
        view.heard_ago, "" if is_fresh else ": see `vctl status` there"), is_fresh)


def _hears(view: View) -> _Item:
    is_heard = view.peer is not None and view.peer.heard_boot_id is not None and (
        view.heard_ago is not None and view.heard_ago < view.timing.timeout)
    return _Item("own heartbeats", "the other side hears them" if is_heard else
                 "the other side has not acknowledged them: see `python -m failover status` there", is_heard)


def _compared(view: View, around: Surroundings) -> List[_Item]:
    """Return what is installed otherwise on the other side. It may be meant so; then it is only a warning."""
    level, is_ok = ("BAD", False) if around.compares else ("WARN", True)
    return [_Item("managed agent's " + what, text or "the same on both sides", text is None or is_ok,
                  "OK" if text is None else level) for what, text in compared(view)]


def _there(view: View) -> _Item:
    name, peer = "managed agent on the other side", view.peer
    if peer is None or view.decision.peer is not Liveness.UP:
        return _Item(name, "not known: the other side is not heard", False)
    trouble: Optional[str] = peer.trouble
    if trouble is None and peer.state in (AgentState.MISSING.value, AgentState.UNKNOWN.value):
        trouble = "it is {}".format(peer.state)
    if trouble is not None:
        return _Item(name, "{}; see `python -m failover check` on {}".format(trouble, peer.instance_name), False)
    return _Item(name, "{} there".format(peer.state or "in order"), True)
