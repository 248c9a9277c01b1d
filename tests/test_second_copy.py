"""Whether the managed agent answers on the other platform: with a router of the test's own."""

import gevent
import pytest

from failover import clock
from failover.second_copy import SecondCopy
from failover.vip.link import Link
from tests.test_link_faults import LIMIT, await_up, router  # noqa: F401
from tests.testbed.pair import wait

ANSWERS = [b"RPC", b'{"result": {"status": "GOOD"}}']


@pytest.fixture
def link(router):  # noqa: F811
    link = Link(router.endpoint(), 0.5, 0.2)
    link.start()
    await_up(link)
    yield link
    link.close()


def reply(router, answer):  # noqa: F811
    """Have the router answer each call so, and return a list to which it adds those who were called."""
    called = []

    def on_request(sender, recipient, ident, subsystem, args):
        if subsystem != b"RPC":
            return None
        called.append(recipient)
        return answer

    router.on_request = on_request
    return called


def test_it_is_asked_once_in_a_while_as_long_as_the_other_side_is_down(router, link):  # noqa: F811
    called, now = reply(router, ANSWERS), clock.now()
    second = SecondCopy(link, ["agent"])
    second.look(False, now)
    for later in (0, 1, 9):
        second.look(True, now + later)
        wait(lambda: second.answers, LIMIT, "the answer")
    assert called == [b"agent"]
    reply(router, [b"RPC", b'{"error": {"code": 1, "message": "no such agent"}}'])
    second.look(True, now + 10)
    wait(lambda: not second.answers, LIMIT, "the refusal")
    reply(router, ANSWERS)
    second.look(True, now + 20)
    wait(lambda: second.answers, LIMIT, "the answer")
    second.look(False, now + 21)
    assert not second.answers


def test_an_answer_that_comes_when_it_is_over_is_none(router, link):  # noqa: F811
    called = reply(router, ANSWERS)
    second = SecondCopy(link, ["agent"])
    second.look(True, clock.now())
    second.look(False, clock.now())
    wait(lambda: called, LIMIT, "the question")
    wait(lambda: not link._session.unanswered, LIMIT, "the answer")
    gevent.sleep(0)
    assert not second.answers


def test_nobody_is_asked_where_the_connection_is_down(router, link):  # noqa: F811
    called = reply(router, ANSWERS)
    second = SecondCopy(link, ["agent"])
    second.look(True, clock.now())
    wait(lambda: second.answers, LIMIT, "the answer")
    link.close()
    second.look(True, clock.now())
    assert not second.answers and called == [b"agent"]
