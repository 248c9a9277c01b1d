"""The pictures of the state machines in docs/decisions.md, drawn from the tables that decide.

`python -m tests.pictures` draws them anew in the page, and a test says when they are out of date. Each cell is an arrow,
labelled with its condition and, after a slash, its action. Arrows that differ only in the condition are drawn as one.
"""

import re

from failover.decision.table import SIMPLE, STANDARD, Action
from failover.decision.vocabulary import Lease
from tests.testbed.pair import REPOSITORY

__all__ = ["PAGE", "PICTURES", "drawn", "simple", "standard"]

PAGE = REPOSITORY / "docs" / "decisions.md"

_OTHER = {"primary": "secondary", "secondary": "primary"}
_STATES = {"Stopped": "managed agent stopped", "Running": "managed agent running"}
_STATES_OF_LEASE = {"Stopped": "no lease, managed agent stopped", "Verifying": "no lease, verifying with VC",
                    "Running": "lease held, managed agent running"}


def simple(role, table=None):
    """Return the picture of a side of simple failover, as a Mermaid state diagram."""
    arrows = {}
    for peer, action in (table or SIMPLE)[role].items():
        ends = {Action.START: [("Stopped", "Running")], Action.STOP: [("Running", "Stopped")]}
        for source, target in ends.get(action, [("Stopped", "Stopped"), ("Running", "Running")]):
            arrows.setdefault((source, target, "", action), []).append(peer.value)
    return _diagram(_STATES, {arrow: ["{} {}".format(_OTHER[role], _one_of(peers))] for arrow, peers in arrows.items()})


def standard(role, table=None):
    """Return the same of standard failover."""
    rows = (table or STANDARD)[role]
    all_vc, arrows = {}, {}
    for (peer, vc), cells in rows.items():
        all_vc.setdefault(peer, []).append(vc)
        for arrow in _arrows(cells):
            arrows.setdefault(arrow, {}).setdefault(peer, []).append(vc)
    labels = {arrow: ["{} {}{}".format(_OTHER[role], peer.value, "" if vcs == all_vc[peer] else ", VC " + _one_of(
        [vc.value for vc in vcs])) for peer, vcs in conditions.items()] for arrow, conditions in arrows.items()}
    return _diagram(_STATES_OF_LEASE, labels)


def _arrows(cells):
    """Yield the arrows of a row: from where, to where, on which condition beside that of the row, and the action.

    Where there is no cell for a lease that is held, it has ended before.
    """
    none = cells[Lease.NONE]
    stopped = "Verifying" if none is Action.VERIFY else "Stopped"
    yield "Stopped", stopped, "", none
    if none is not Action.VERIFY:
        yield "Verifying", "Stopped", "", none
    if Lease.VERIFIED in cells:
        action = cells[Lease.VERIFIED]
        yield stopped, "Running" if action is Action.START else stopped, "verified", action
    if Lease.HELD in cells:
        action = cells[Lease.HELD]
        yield "Running", "Running" if action is Action.START else "Stopped", "", action
    else:
        yield "Running", "Stopped", "lease ended", none


def _one_of(words):
    *first, last = words
    return "{} or {}".format(", ".join(first), last) if first else last


def _diagram(states, labels):
    targets = {target for _, target, _, _ in labels}
    if "Verifying" in states and "Verifying" not in targets:
        labels = {arrow: conditions for arrow, conditions in labels.items() if arrow[0] != "Verifying"}
        states = {state: text for state, text in states.items() if state != "Verifying"}
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += ['    state "{}" as {}'.format(text, state) for state, text in states.items()]
    for (source, target, beside, action), conditions in labels.items():
        lines.append("    {} --> {} : {}{} / {}".format(
            source, target, beside and beside + ", and<br/>", " or<br/>".join(conditions), action.value))
    return "\n".join(lines + ["```"])


PICTURES = {"{} {}".format(mode, role): (draw, role)
            for mode, draw in (("simple", simple), ("standard", standard)) for role in _OTHER}


def drawn(text):
    """Return the text of the page with each picture drawn anew between its two comments."""
    for name, (draw, role) in PICTURES.items():
        begin, end = "<!-- picture: {} -->".format(name), "<!-- end of picture -->"
        text, count = re.subn("({}\n).*?({})".format(re.escape(begin), re.escape(end)),
                              lambda match: match.group(1) + draw(role) + "\n" + match.group(2), text, flags=re.S)
        assert count == 1, "{} has {} places for the picture '{}'".format(PAGE.name, count, name)
    return text


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text()))
