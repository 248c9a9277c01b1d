"""A link to a router that is slow, or was frozen: what the router has done for it is not thrown away."""

import gevent
import pytest

from failover import clock
from failover.vip import session
from tests.testbed.pair import wait
from tests.testbed.router import Router, started

LIMIT = 60


@pytest.fixture
def router():
    router = Router()
    yield router
    router.close()


def await_up(link):
    wait(lambda: link.up, LIMIT, "link up, last error: {}".format(link.last_error))


def await_down(link):
    wait(lambda: not link.up, LIMIT, "link down")


def test_after_a_freeze_it_goes_on_with_the_old_connection(router):
    heard, changes = [], []
    with started(router.endpoint(), answer_within=0.5, on_change=lambda: changes.append(link.up)) as link:
        link.subscribe("test/", lambda topic, sender, message: heard.append(message))
        await_up(link)
        before = link._session
        for _ in range(2):
            router.frozen = True
            began = clock.now()
            await_down(link)
            assert clock.now() - began < 0.5 + 0.2 + 2  # As ever: the probe's pause, and the time for its answer.
            assert "did not answer within 0.5 s" in link.last_error
            assert not link.publish("test/a", "stale")
            router.publish("node.test", b"test/a", b'{"bus": "", "headers": {}, "message": "stale"}')
            gevent.sleep(0.3)
            router.frozen = False
            await_up(link)
        assert link._session is before and router.hellos == ["node.test"]
        wait(lambda: link.publish("test/a", "text"), LIMIT, "publish")
    assert heard == [] and changes[0] and False in changes


def test_a_connection_that_answers_no_more_is_given_up(router):
    with started(router.endpoint(), answer_within=0.3) as link:
        await_up(link)
        router.silent = True
        await_down(link)
        router.silent = False  # What was asked is lost.
        await_up(link)
        first, second, *_ = router.hellos
        assert first == "node.test" and second.startswith("node.test_")


def test_a_sign_that_the_other_platform_is_back_ends_the_wait(router, monkeypatch):
    monkeypatch.setattr(session, "_OVERDUE_FOR", 600)
    with started(router.endpoint(), answer_within=0.5) as link:
        await_up(link)
        router.silent = True
        await_down(link)
        router.silent = False
        link.retry_now()
        await_up(link)
        assert len(router.hellos) == 2


def test_a_slow_welcome_is_waited_for(router):
    with started(router.endpoint(), answer_within=0.5) as link:
        await_up(link)
        link.renew("for the test")
        router.frozen = True
        wait(lambda: not link.up and link._session._shaken and not link._session.welcome, LIMIT, "the next handshake")
        router.frozen = False
        await_up(link)
        router.frozen = True
        wait(lambda: link._session._name != "node.test" and link._session._shaken, LIMIT, "an attempt by another name")
        before = link._session
        gevent.sleep(1)  # Longer than an answer may take.
        router.frozen = False
        await_up(link)
        assert link._session is before
