"""Loops that nothing ends but the one who started them."""

import gevent
import pytest

from failover.loops import spawn_loop
from tests.testbed.pair import wait


class Odd(BaseException):
    """Of no kind that anybody expects."""


@pytest.mark.parametrize("error", [gevent.Timeout(5), Odd("a\nb"), SystemExit(3), ValueError("a\nWARNING b")],
                         ids=["Timeout", "BaseException", "SystemExit", "Exception"])
def test_a_loop_begins_anew_whatever_breaks_it_off(error, caplog):
    calls = []

    def task():
        calls.append(1)
        if len(calls) == 1:
            raise error
        gevent.sleep(60)

    loop = spawn_loop(task)
    wait(lambda: len(calls) == 2, 10, "the second attempt")
    loop.kill()
    assert loop.dead and len(calls) == 2
    [line] = [record.getMessage() for record in caplog.records]
    assert "failed in test_loops.py" in line and "\n" not in line


def test_a_loop_that_is_broken_off_in_its_rest_begins_anew():
    calls = []

    def task():
        calls.append(1)
        raise ValueError

    loop = spawn_loop(task)
    wait(lambda: calls, 10, "the first attempt")
    loop.kill(gevent.Timeout(5), block=False)
    wait(lambda: len(calls) == 2, 10, "the second attempt")
    loop.kill()
    assert loop.dead
