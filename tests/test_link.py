"""The connection to another platform, through a network that fails."""

import gevent
import psutil
import pytest

from failover import clock
from failover.vip.link import Link, LinkError, RemoteError
from tests.testbed.pair import FAILOVER, LIMIT, MANAGED, wait
from tests.testbed.platforms import Platform
from tests.testbed.relay import Relay

CONTROL = Platform.control_identity


@pytest.fixture
def platform(pair):
    return pair.primary


@pytest.fixture
def relay(platform):
    relay = Relay(platform.platform.address)
    yield relay
    relay.close()


@pytest.fixture
def connect(platform):
    """Return connect(address, **changes of the endpoint): a started link whose round trips may take a second."""
    links = []

    def connect(address, identity="test.link", answer_within=1, **changes):
        endpoint = platform.observer.link.endpoint._replace(address=address, identity=identity, **changes)
        link = Link(endpoint, answer_within=answer_within, probe_every=0.5)
        link.start()
        links.append(link)
        return link

    yield connect
    for link in links:
        link.close()


def await_up(link):
    wait(lambda: link.up, LIMIT, "link up, last error: {}".format(link.last_error))


def await_down(link):
    wait(lambda: not link.up, LIMIT, "link down")


def test_calls_are_answered_refused_or_given_up(connect, platform):
    link = connect(platform.platform.address, answer_within=LIMIT)
    await_up(link)
    assert link.call(CONTROL, "identity_exists", MANAGED, timeout=5) == platform.platform.uuid(MANAGED)
    with pytest.raises(RemoteError, match="nothing_of_this_name"):
        link.call(CONTROL, "nothing_of_this_name", timeout=5)
    with pytest.raises(RemoteError, match="No route to host"):
        link.call("nobody", "anything", timeout=5)
    await_up(connect(platform.platform.address, identity="test.silent", answer_within=LIMIT))  # It does not answer such calls.
    with pytest.raises(LinkError, match="test.silent did not answer"):
        link.call("test.silent", "anything", timeout=0.5)
    assert link.up


def test_a_call_without_a_connection_fails_at_once(connect):
    with pytest.raises(LinkError):
        connect("tcp://127.0.0.1:1").call(CONTROL, "list_agents", timeout=5)


def test_what_is_wrong_is_said(connect, platform, relay):
    nobody = connect("tcp://127.0.0.1:1")
    stranger = connect(platform.platform.address, serverkey="A" * 43)
    relay.stall()
    silent = connect(relay.address)
    for link, words in ((nobody, "nothing listens at tcp://127.0.0.1:1"), (stranger, "vctl auth servercred"),
                        (silent, "did not answer within 1 s")):
        wait(lambda: link.last_error and words in link.last_error, LIMIT, words)
        assert not link.up


def test_it_comes_back_after_a_cut(connect, relay):
    link = connect(relay.address)
    for _ in range(3):
        await_up(link)
        relay.cut()
        await_down(link)
    await_up(link)


def test_it_comes_back_though_the_router_still_holds_the_old_connection(connect, relay):
    """The network swallowed the end of the old connection, so that its name is taken."""
    link = connect(relay.address)
    await_up(link)
    relay.stall()
    await_down(link)
    assert "did not answer within 1 s" in link.last_error
    second = Relay("tcp://{}:{}".format(*relay._target))
    link.endpoint = link.endpoint._replace(address=second.address)
    try:
        await_up(link)
        assert link.call(CONTROL, "identity_exists", MANAGED, timeout=5)
    finally:
        link.close()
        second.close()


def test_what_cannot_be_sent_is_dropped(connect, platform, relay):
    heard = []
    platform.observer.link.subscribe("test/", lambda topic, sender, message: heard.append(message))
    link = connect(relay.address)
    await_up(link)
    wait(lambda: link.publish("test/a", "before"), LIMIT, "publish")
    wait(lambda: heard == ["before"], LIMIT, "what was published")
    relay.stall()
    end = clock.now() + 4
    sent = 0
    while clock.now() < end:
        sent += link.publish("test/a", "stale")
        gevent.sleep(0.05)
    assert sent <= 1
    relay.resume()
    await_up(link)
    wait(lambda: link.publish("test/a", "after"), LIMIT, "publish")
    wait(lambda: "after" in heard, LIMIT, "what was published")
    assert heard.count("stale") <= 1


def pids(platform, identity):
    return [process.pid for process in platform.platform.processes(identity)]


def test_who_calls_a_failover_agent_and_is_gone_does_it_no_harm(connect, platform, relay):
    """An agent of VOLTTRON 9 ends when it answers somebody who is gone."""
    before = pids(platform, FAILOVER)
    link = connect(relay.address)
    for pause in (0, 0, 0.001, 0.002, 0.005):
        await_up(link)
        caller = gevent.spawn(link.call, FAILOVER, "status", timeout=5)
        gevent.sleep(pause)
        relay.cut()
        caller.join()
        await_down(link)
    gevent.sleep(1)
    wait(platform.status, LIMIT, "a status")
    assert pids(platform, FAILOVER) == before != []


def test_who_is_called_and_answers_late_finds_the_old_connection(connect, platform):
    """So that the link, built anew meanwhile, is no such caller."""
    before = pids(platform, MANAGED)
    link = connect(platform.platform.address)
    for _ in range(2):
        await_up(link)
        platform.platform.freeze()
        callers = [gevent.spawn(link.call, MANAGED, "health.get_status", timeout=5) for _ in range(3)]
        gevent.sleep(0)  # So that they ask.
        await_down(link)
        platform.platform.thaw()
        gevent.joinall(callers)
    await_up(link)
    assert link.call(MANAGED, "health.get_status", timeout=5)["status"] == "GOOD"
    assert pids(platform, MANAGED) == before != []


def test_rebuilds_leak_nothing(connect, relay):
    link = connect(relay.address)
    await_up(link)

    def rebuild():
        relay.cut()
        await_down(link)
        await_up(link)

    rebuild()
    process = psutil.Process()
    before = process.num_fds()
    for _ in range(8):
        rebuild()
    wait(lambda: process.num_fds() <= before, LIMIT, "no more open files than before ({})".format(before))
