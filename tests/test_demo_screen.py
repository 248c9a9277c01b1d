"""What the demo's screen shows of a scene, on a large terminal and on the smallest one."""

import io

import pytest
from rich.console import Console

from tests.demo.letters import big
from tests.demo.scene import Line, Runs, Scene, Side
from tests.demo.screen import LARGE, draw
from tests.testbed.pair import MANAGED

SIZES = (160, 50), (80, 24)

def status(standing, other, **changes):
    return dict(dict(standing=standing, health="GOOD", text="all is well", why=None, timeout=5, heartbeat_period=1,
                     link={"up": True}, vc=None, other={"standing": other}), **changes)


PRIMARY = Side("node-primary", "primary", 100, 101, 102, status=status("ACTIVE", "STANDBY"), heard_ago=0.4)
SECONDARY = Side("node-secondary", "secondary", 200, None, 202, status=status("STANDBY", "ACTIVE"), heard_ago=0.7)
OFF = Side("node-primary", "primary", is_off=True)
SCENE = Scene(clock=62.3, headline="steady state", detail="all is well", managed=MANAGED, sides=(PRIMARY, SECONDARY),
              central="", progress=None, runs=Runs(80.0, {"node-primary": [(60.0, 80.0)], "node-secondary": []}),
              overlap=0.0, events=[], keys=[("p", "power off"), ("q", "quit")], notice="")


def drawn(size, **changes):
    console = Console(width=size[0], height=size[1], file=io.StringIO(), force_terminal=False)
    console.print(draw(SCENE._replace(**changes), *size))
    return console.file.getvalue().splitlines()


def shows(lines, word, large, columns=slice(None)):
    """Whether the word is in the lines, in large letters one below the other, within these columns."""
    wanted = [row.rstrip() for row in big(word, large)]
    lines = [line[columns] for line in lines]
    return any(all(row in line for row, line in zip(wanted, lines[at:])) for at in range(len(lines) - len(wanted) + 1))


def is_large(size):
    return size[0] >= LARGE[0]


def halves(size):
    return slice(0, size[0] // 2), slice(size[0] // 2, None)


@pytest.mark.parametrize("size", SIZES)
def test_at_a_glance_where_the_agent_runs(size):
    left, right = halves(size)
    lines = drawn(size)
    assert shows(lines, "ACTIVE", is_large(size), left) and shows(lines, "STANDBY", is_large(size), right)
    lines = drawn(size, sides=(OFF, SECONDARY._replace(managed_pid=203, status=status("ACTIVE", "DOWN"))))
    assert shows(lines, "OFF", is_large(size), left) and shows(lines, "ACTIVE", is_large(size), right)
    assert "POWER CUT" in "".join(line[left] for line in lines)


@pytest.mark.parametrize("side, word", [
    (OFF, "OFF"), (PRIMARY._replace(is_frozen=True), "FROZEN"), (PRIMARY._replace(status=None), "SILENT"),
    (PRIMARY._replace(status=None, failover_pid=None), "NO AGENT"),
    (PRIMARY._replace(status=status("PAUSED", "PAUSED")), "PAUSED")])
@pytest.mark.parametrize("size", SIZES)
def test_a_side_that_cannot_say_what_it_does(size, side, word):
    assert shows(drawn(size, sides=(side, SECONDARY)), word, is_large(size), halves(size)[0])


@pytest.mark.parametrize("size", SIZES)
def test_the_outage_is_counted_while_it_lasts_and_remembered(size):
    assert "no outage yet" in "".join(drawn(size))
    runs = {"node-primary": [(60.0, 80.0)], "node-secondary": []}
    lines = drawn(size, runs=Runs(83.4, runs))
    assert "OUTAGE NOW" in "".join(lines) and shows(lines, "3.4", is_large(size))
    runs["node-secondary"] = [(85.1, 90.0)]
    lines = drawn(size, runs=Runs(90.0, runs))
    assert "last outage" in "".join(lines) and shows(lines, "5.1", is_large(size))


@pytest.mark.parametrize("size", SIZES)
def test_the_timeline_has_a_column_for_each_second(size):
    lines = drawn(size, runs=Runs(90.0, {"node-primary": [(70.0, 80.0)], "node-secondary": [(85.0, 90.0)]}))
    for name, seconds in (("node-primary", 10), ("node-secondary", 5), ("nowhere", 5)):
        [row] = [line.partition(f"││ {name}")[2] for line in lines if f"││ {name}" in line]
        assert row.count("█") == seconds, name


@pytest.mark.parametrize("size", SIZES)
def test_the_installation_is_a_bar(size):
    text = "".join(drawn(size, progress=(7, 15, "the failover agent is installed")))
    assert "7 of 15" in text and "━" in text and "the failover agent is installed" in text


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("events", [0, 3, 100])
def test_the_picture_has_the_size_of_the_terminal(size, events):
    log = [Line(float(at), "event", "node-primary", f"number {at}: " + "what happened " * 20) for at in range(events)]
    for changes in ({}, {"central": "VC runs", "notice": "press a key"}, {"progress": (1, 15, "it starts")}):
        lines = drawn(size, events=log, **changes)
        assert len(lines) == size[1] and max(map(len, lines)) <= size[0]
        assert " q  quit" in lines[-1]
        assert not events or f"number {events - 1}:" in "".join(lines)


def test_outages_are_where_no_side_ran():
    runs = Runs(100.0, {"a": [(10.0, 20.0), (50.0, 60.0)], "b": [(25.0, 55.0), (62.0, 100.0)]})
    assert runs.outages == [(20.0, 25.0), (60.0, 62.0)]
    assert runs.on == ["b"] and runs.current_outage is None
    assert Runs(101.5, runs.intervals).current_outage == 1.5
    assert Runs(5.0, {"a": [], "b": []}).current_outage is None
