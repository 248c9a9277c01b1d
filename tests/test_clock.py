"""The one clock."""

import ast
import time

import pytest

from failover import clock
from tests.testbed.pair import REPOSITORY

SOURCES = sorted((REPOSITORY / "failover").rglob("*.py"))


def test_it_counts_the_seconds_since_boot():
    assert abs(clock.now() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 1
    assert clock.now() <= clock.now()


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_no_clock_that_can_be_stepped_is_read(source):
    """The wall clock serves for the date of a decision in the status, and for times of day in a recording, alone."""
    read = {ast.unparse(node) for node in ast.walk(ast.parse(source.read_text()))
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[0] in ("time", "datetime")}
    allowed = {"clock": {"time.clock_gettime(time.CLOCK_BOOTTIME)"}, "console": {"datetime.now(timezone.utc)"},
               "recordist": {"time.time()"}, "words": {"datetime(1970, 1, 1)"}}
    assert read <= allowed.get(source.stem, set())
    schedulers = [node for node in ast.walk(ast.parse(source.read_text()))
                  if isinstance(node, ast.Attribute) and node.attr in ("schedule", "periodic")]
    assert not schedulers, "VOLTTRON's scheduler follows the wall clock"
