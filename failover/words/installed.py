"""What is installed of the managed agents on both sides, compared: a takeover would show a difference."""

from typing import List, Optional, Tuple

from failover.decision.view import View
from failover.decision.vocabulary import apart
from failover.text import digest

__all__ = ["compared", "difference"]

_TEXTS = (
    ("version", "{agent} is {here} here and {there} on {node}: install the same on both"),
    ("configuration",
     "the configuration with which {agent} is installed differs from that on {node}: compare the two files"),
    ("configuration store",
     "what is in the configuration store for {agent} differs from that on {node}: see `vctl config list "
     "{agent}` and `vctl config get {agent} NAME` on both"),
)


def compared(view: View) -> List[Tuple[str, Optional[str]]]:
    """Return what was compared, each with what is said of a difference, or None. Nothing if that is not known."""
    ours = (view.installation or "").split(" ")
    theirs = (view.peer.installation or "").split(" ") if view.peer is not None else []
    if len(ours) != 3 or len(theirs) != 3 or view.peer is None or view.peer.agent_vip_identity != view.managed:
        return []
    return [(what, None if _is_same(here, there) else "; ".join(text.format(
        agent=agent, here=one, there=other, node=view.peer.instance_name)
        for agent, one, other in _unlike(view, here, there))) for (what, text), here, there in zip(_TEXTS, ours, theirs)]


def _is_same(here: str, there: str) -> bool:
    """Whether two words are the same. One side may have had to hash its own."""
    return here == there or digest(here) == there or here == digest(there)


def _unlike(view: View, here: str, there: str) -> List[Tuple[str, str, str]]:
    """Return the agents that differ, each with what is here and there; all in one if that cannot be told apart."""
    each = [one.identity for one in view.agents], apart(here), apart(there)
    if len(set(map(len, each))) > 1:
        return [(view.managed, here, there)]
    return [one for one in zip(*each) if one[1] != one[2]]


def difference(view: View) -> Optional[str]:
    """Return all differences in a line; None if there are none."""
    return "; ".join(text for _, text in compared(view) if text is not None) or None
