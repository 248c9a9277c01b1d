"""What each side does, large and in colour, for a terminal. It needs `rich`, which need not be there."""

import io
from typing import Any, Dict, List, Optional

from failover.text import clean

__all__ = ["COLOURS", "panels"]

# Of each standing.
COLOURS = {"ACTIVE": "green", "STANDBY": "cyan", "PAUSED": "yellow", "DOWN": "red"}
_OTHERWISE = "bright_black"
# Columns of a panel at most, those of a terminal at least, and characters of a name.
_WIDEST, _NARROWEST, _LONGEST_NAME = 40, 50, 30


def panels(status: Dict[str, Any], columns: int) -> Optional[str]:
    """Return a panel for each side, beside each other; None without `rich`, without room, or if the status lacks what they
    say.

    :param columns: of the terminal.
    """
    other = status.get("other")
    if not isinstance(other, dict) or "standing" not in status or columns < _NARROWEST:
        return None
    try:
        return _draw(status, other, columns)
    except (ImportError, TypeError):  # There is no `rich`, or an old one.
        return None


def _draw(status: Dict[str, Any], other: Dict[str, Any], columns: int) -> str:
    from rich import box
    from rich.console import Console
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    sides: List[Panel] = []
    for side, role in ((status, "this side"), (other, "the other side")):
        standing = clean(side.get("standing") or "UNKNOWN", _LONGEST_NAME)
        colour = COLOURS.get(standing, _OTHERWISE)
        sides.append(Panel(
            Text(standing, style="bold {}".format(colour), justify="center"), box=box.HEAVY, border_style=colour,
            padding=(1, 2),
            title=Text(clean(side.get("instance_name") or "?", _LONGEST_NAME)), subtitle=role,
            width=min(_WIDEST, columns // 2 - 2)))
    table.add_row(*sides)
    to = io.StringIO()
    Console(file=to, force_terminal=True, color_system="standard", width=columns, highlight=False).print(table)
    return to.getvalue()
