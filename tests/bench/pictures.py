"""Draws what a bench has measured: ``python -m tests.bench.pictures FILE.json [...] [--to FOLDER]`` makes FILE.svg of each.

What the benches save (``--save``) has one form, {"title": ..., "x": ..., "y": ..., "series": {name: [[x, y], ...]}}: the title
of the picture, what the axes are (with the unit), and a line for each series. With "steps": true a value holds until the next
one; else the points are joined.

The same data give the same file, byte for byte, and it can be read on a light background and on a dark one: it has none of
its own, and its colours are in between. Needs matplotlib (the extra ``bench``).
"""

import argparse
import json
import sys
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

__all__ = ["draw"]

_INCHES = (7.2, 3.6)
_INK = "#7d8590"
_LINES = ("#3b82d6", "#d9772b", "#2ea36a", "#c2569b", "#9a7fd1", "#b08a1e")
_MARKS = ("o", "s", "^", "D", "v", "P")
# Text stays text, in whatever font there is; what is named by chance is named by a fixed salt.
_STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "volttron-failover", "font.family": "sans-serif", "font.size": 11,
    "text.color": _INK, "axes.labelcolor": _INK, "axes.edgecolor": _INK, "xtick.color": _INK, "ytick.color": _INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": _INK, "grid.alpha": 0.25,
}


def draw(picture, file):
    """Write the picture, in the form above, as an SVG file."""
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **_STYLE}):
        figure = Figure(figsize=_INCHES, layout="constrained")
        axes = figure.subplots()
        for number, (name, points) in enumerate(picture["series"].items()):
            steps = picture.get("steps", False)
            axes.plot(*zip(*points), label=name, color=_LINES[number % len(_LINES)], linewidth=2,
                      drawstyle="steps-post" if steps else "default",
                      **({} if steps else dict(marker=_MARKS[number % len(_MARKS)], markersize=5)))
        axes.set(title=picture["title"], xlabel=picture["x"], ylabel=picture["y"])
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        if len(picture["series"]) > 1:
            axes.legend(frameon=False)
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pictures", description="Draws what a bench has measured.")
    parser.add_argument("files", type=Path, nargs="+", help="what a bench has saved")
    parser.add_argument("--to", type=Path, help="folder for the pictures (default: beside each file)")
    options = parser.parse_args(arguments)
    for file in options.files:
        target = (options.to or file.parent) / (file.stem + ".svg")
        draw(json.loads(file.read_text()), target)
        print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
