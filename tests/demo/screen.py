"""The live screen: what it shows of a scene, and nothing else."""

import math

from rich import box
from rich.console import Console, Group
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from failover.command.panels import COLOURS as STANDINGS
from tests.demo.letters import big
from tests.demo.views import links_text

SMALLEST = 80, 24
# From this size on, letters are five lines high and a panel says more.
LARGE = 152, 40
COLOURS = {"node-primary": "cyan", "node-secondary": "magenta", "node-central": "blue"}
LONGEST_NAME = max(map(len, COLOURS))
WORDS = {**STANDINGS, "OFF": "red", "FROZEN": "bright_blue", "SILENT": "yellow"}
QUIET = "bright_black"
# Of a line of the log: its time and its name.
INDENT = 7 + LONGEST_NAME + 1


def draw(scene, width, height):
    """Return what a terminal of this size shows, as something that rich renders, exactly that high."""
    large = width >= LARGE[0] and height >= LARGE[1]
    console = Console(width=width, height=height)
    sides = Table.grid(expand=True)
    for _ in scene.sides:
        sides.add_column(ratio=1)
    sides.add_row(*(_side(side, scene, large, width // 2 - 4) for side in scene.sides))
    above = [_header(scene, width), sides]
    if scene.central:
        above.append(Text(scene.central, "blue", no_wrap=True, overflow="ellipsis"))
    above.append(_installation(scene, large) if scene.progress else _runs(scene, large, width))
    below = [Text(scene.notice, "bold yellow", no_wrap=True, overflow="ellipsis")] if scene.notice else []
    below.append(_keys(scene))
    room = height - sum(len(console.render_lines(part, pad=False)) for part in above + below)
    return Group(*above, _log(scene.events, room, width, console), *below)


def _header(scene, width):
    clock = f"{scene.clock:.1f} s "
    title = Text(f" {scene.headline}", "bold white on blue")
    if scene.detail:
        title.append(f"  {scene.detail}", "not bold")
    title.truncate(width - len(clock) - 1, overflow="ellipsis")
    title.append(clock.rjust(width - title.cell_len), "bold")
    return title


def _side(side, scene, large, width):
    word = side.word
    colour = QUIET if word == "OFF" and not side.is_off else WORDS.get(word, QUIET)
    rows = Table.grid(padding=(0, 1), expand=True)
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(ratio=1, no_wrap=not large, overflow="ellipsis")
    rows.add_row("agents", _processes(side, scene.managed, large))
    rows.add_row("heard", _heartbeat(side))
    if large:
        rows.add_row("links", _links(side))
        other = next((one for one in scene.sides if one is not side), None)
        rows.add_row("seen there", f"{other.name} sees {other.status['other']['standing']} here"
                     if other and other.status else Text("nobody there says how it is here", "dim"))
        rows.add_row("health", _lines(_health(side), width - 12, 3))
    else:
        rows.add_row("health", Text.assemble(_health(side, brief=True), "; ", _links(side)) if side.status else "-")
    name = Text.assemble((side.name, f"bold {COLOURS[side.name]}"), f" ({side.role})")
    troubles = [text for text, holds in (("POWER CUT", side.is_off), ("FROZEN", side.is_frozen),
                                         ("LINKS CUT", side.is_cut_off)) if holds]
    return Panel(
        Group(*_centred(word, large, width, f"bold {colour}"), *[""] * large, rows),
        box=box.HEAVY if word == "ACTIVE" else box.ROUNDED, border_style=colour, title=name,
        subtitle=Text(", ".join(troubles), "bold white on red") if troubles else None)


def _processes(side, managed, large):
    """Which processes there are, the managed agent's first."""
    if side.managed_pid:
        text = Text(managed + " runs" * (large and not side.is_frozen), WORDS["FROZEN"] if side.is_frozen else "bold green")
        text.append(f", pid {side.managed_pid}", "not bold")
    else:
        text = Text(f"{managed} does not run", "dim")
    if not side.failover_pid and large:
        text.append("; failover does not run", "red" if side.platform_pid else "dim")
    return text


def _heartbeat(side):
    """The age of the other's last heartbeat, with a bar that is full at the timeout."""
    if not side.status:
        return Text("-", "dim")
    if side.heard_ago is None:
        return Text("no heartbeat of the other side yet", "yellow")
    age, timeout = side.heard_ago, side.status["timeout"]
    style = "green" if age < 2 * side.status["heartbeat_period"] else "yellow" if age < timeout else "bold red"
    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(no_wrap=True)
    bar.add_column(ratio=1)
    bar.add_column(no_wrap=True)
    bar.add_row(Text(f"{age:4.1f} s ago", style),
                ProgressBar(timeout, min(age, timeout), complete_style=style, finished_style=style),
                Text(f"timeout {timeout:g} s", "dim"))
    return bar


def _links(side):
    if not side.status:
        return Text("-", "dim")
    text = links_text(side.status, side.role)
    return Text(text, "bold red" if "down" in text else "green")


def _health(side, brief=False):
    """The failover agent's health, and unless `brief` why, in its own words."""
    if not side.status:
        return Text("its failover agent does not answer" if side.failover_pid else "-", "dim")
    health = side.status["health"]
    text = Text(health, "bold green" if health == "GOOD" else "bold red")
    if not brief:
        text.append(f" {side.status['text']}", "not bold default")
        if side.status["why"]:
            text.append(f" ({side.status['why']})", "not bold default")
    return text


def _lines(text, width, number):
    """Return the text as so many lines, for a calm picture."""
    lines = text.wrap(Console(width=width), width)
    if len(lines) > number:
        lines[number - 1].truncate(width - 1)
        lines[number - 1].append("…")
    return Text("\n").join(list(lines[:number]) + [Text()] * (number - len(lines)))


def _centred(text, large, width, style):
    """Return the text in large letters."""
    return [Text(row.center(width), style, no_wrap=True) for row in big(text, large)]


def _installation(scene, large):
    done, total, what = scene.progress
    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(no_wrap=True)
    bar.add_column(ratio=1)
    bar.add_row(f"{done} of {total}", ProgressBar(total, done, complete_style="green"))
    rows = [Text(what, "bold", no_wrap=True, overflow="ellipsis"), bar,
            Text("The commands are kept in a file that the end names.", "dim")]
    return Panel(Group(*[""] * large, *rows, *[""] * large), title="Installation", box=box.ROUNDED, border_style="yellow")


def _runs(scene, large, width):
    """The counter of the outage, beside when the managed agent ran on which side."""
    runs, counter_width = scene.runs, 48 if large else 24
    table = Table.grid(expand=True)
    table.add_column(width=counter_width)
    table.add_column(ratio=1)
    table.add_row(_counter(runs, large, counter_width - 4), _timeline(scene, large, width - counter_width))
    return table


def _counter(runs, large, width):
    last = [f"{end - begin:.1f}" for begin, end in runs.outages[-1:]]
    if runs.current_outage is not None:
        title, style, border = "OUTAGE NOW", "bold red", "red"
    else:
        title, style, border = "last outage" if last else "no outage yet", "bold" if last else "dim", QUIET
    return Panel(Group(*_centred(last[0] if last else "-", large, width, style)), box=box.ROUNDED, title=title,
                 subtitle="seconds", border_style=border)


def _timeline(scene, large, width):
    """A row for each side and one for nowhere."""
    names = [side.name for side in scene.sides]
    rows = [Text.assemble((name.ljust(LONGEST_NAME + 1), COLOURS.get(name, "red")), strip) for name, strip in
            zip([*names, "nowhere"], _strips(scene.runs, names, width - LONGEST_NAME - 5))]
    if large:
        on = scene.runs.on
        rows += [Text(), Text(f"{scene.managed} runs " + (f"on {' and '.join(on)}" if on else "nowhere"),
                              "bold" if len(on) == 1 else "bold red")]
    both = f"ran on both for {scene.overlap:.1f} s in all" if scene.overlap else "never ran on both"
    return Panel(Group(*rows), box=box.ROUNDED, border_style=QUIET, title=f"where {scene.managed} ran: a column is a second",
                 subtitle=Text(both, "bold yellow" if scene.overlap else "dim"))


def _strips(runs, names, width):
    """Return a row of cells for each name and one for nowhere, a cell for each of the last `width` seconds."""
    end = math.ceil(runs.at)
    cells = [(at, min(at + 1, runs.at)) for at in range(end - width, end)]
    ran = [[_touches(runs.intervals.get(name, []), cell, 0.5) for cell in cells] for name in names]
    nowhere = [_touches(runs.outages, cell, 0.1) for cell in cells]
    rows = []
    for row in ran:
        rows.append(Text().join(
            Text("█", "yellow" if all(one[at] for one in ran) else "green") if here else Text("·", "dim")
            for at, here in enumerate(row)))
    return rows + [Text().join(Text("█", "red") if gone else Text("·", "dim") for gone in nowhere)]


def _touches(intervals, cell, least):
    """Whether the intervals fill at least this much of the cell."""
    begin, end = cell
    covered = sum(max(0.0, min(end, until) - max(begin, since)) for since, until in intervals)
    return covered > 0 and covered >= least * (end - begin)


def _log(events, room, width, console):
    """The last events that there is room for, below a rule, the oldest first."""
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", width=5, style="dim")
    table.add_column(width=LONGEST_NAME)
    table.add_column()
    shown, left = [], room - 1
    for line in reversed(events):
        text = Text(line.text, line.style)
        height = len(text.wrap(console, width - INDENT))
        if height > left:
            break
        left -= height
        shown.insert(0, (f"{line.at:.1f}", Text(line.who, COLOURS.get(line.who, "bold")), text))
    for row in shown:
        table.add_row(*row)
    return Group(Rule("what happened, in seconds", align="left", style="dim"), table, *[""] * left)


def _keys(scene):
    text = Text(no_wrap=True, overflow="ellipsis")
    for key, what in scene.keys:
        text.append(f" {key} ", "bold reverse").append(f" {what}  ")
    return text
