"""Where a link connects to, and by which name."""

import shlex
import shutil
import subprocess
import sys

import gevent.subprocess as cooperative
import pytest
import zmq.green as zmq

from failover.vip import attempts, frames, session
from failover.vip.attempts import wants_ipv6
from tests.testbed.pair import REPOSITORY, wait
from tests.testbed.router import Router, started

LIMIT = 60
NAME = "node.test"


@pytest.fixture
def listen():
    """Return a function that makes a Router at an address."""
    routers = []

    def listen(address="tcp://127.0.0.1"):
        routers.append(Router(address))
        return routers[-1]

    yield listen
    for router in routers:
        router.close()


def await_up(link):
    wait(lambda: link.up, LIMIT, "link up, last error: {}".format(link.last_error))


# Addresses

def test_ipv4(listen):
    with started(listen().endpoint()) as link:
        await_up(link)


def test_ipv6(listen):
    try:
        router = listen("tcp://[::1]")
    except zmq.ZMQError:
        pytest.skip("no IPv6 here")
    with started(router.endpoint()) as link:
        await_up(link)


def test_a_name(listen):
    router = listen()
    with started(router.endpoint(address=router.address.replace("127.0.0.1", "localhost"))) as link:
        await_up(link)


def test_a_socket_file(listen, folder):
    with started(listen("ipc://{}/vip.socket".format(folder)).endpoint()) as link:
        await_up(link)


def test_an_abstract_socket(listen, folder):
    """As VOLTTRON's own is on Linux."""
    with started(listen("ipc://@{}/run/vip.socket".format(folder)).endpoint()) as link:
        await_up(link)


@pytest.mark.parametrize("host, wants", [
    ("192.0.2.1", (False, False)), ("[2001:db8::1]", (True, True)), ("node-a.example", (True, False)),
    ("10.example", (True, False))])
def test_a_name_is_tried_both_ways(host, wants):
    assert tuple(wants_ipv6("tcp://{}:22916".format(host), preferred) for preferred in (True, False)) == wants


HOSTS = """127.0.0.1 localhost only4 both
::1 localhost only6 both
"""
CONNECT = """
import sys
from failover.vip.link import Endpoint
from tests.testbed.pair import wait
from tests.testbed.router import key_pair, started
for address in sys.argv[3:]:
    for _ in range(2):
        with started(Endpoint(address, sys.argv[1], sys.argv[2], *key_pair()), 2) as link:
            wait(lambda: link.up, 20, "{} up: {}".format(address, link.last_error))
            first = link._session
            link.renew("as a test wants")
            wait(lambda: link.up and link._session is not first, 20, "{} up: {}".format(address, link.last_error))
"""


def test_names_with_one_kind_of_address_or_both(listen, tmp_path):
    """Also where a name has both, and the router listens at only one of them."""
    (tmp_path / "hosts").write_text(HOSTS)
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    mount = "mount --bind {} /etc/hosts && ".format(shlex.quote(str(tmp_path / "hosts")))
    if not shutil.which("unshare") or subprocess.run(unshare + [mount + "true"], capture_output=True).returncode:
        pytest.skip("no mounts of one's own here")
    try:
        six = listen("tcp://[::1]")
    except zmq.ZMQError:
        pytest.skip("no IPv6 here")
    four = listen()
    for router, names in ((four, ("only4", "both", "localhost")), (six, ("only6", "both"))):
        addresses = ["tcp://{}:{}".format(name, router.address.rpartition(":")[2]) for name in names]
        command = shlex.join([sys.executable, "-c", CONNECT, router.serverkey, "other.test"] + addresses)
        assert _run(unshare + [mount + "exec " + command]) == ""


def _run(command):
    """Run a command, while this process serves what it asks, and return its complaints."""
    done = cooperative.run(command, cwd=REPOSITORY, stdout=cooperative.PIPE, stderr=cooperative.STDOUT)
    return done.stdout.decode() if done.returncode else ""


@pytest.mark.parametrize("address", [
    "", "nowhere", "tcp://", "tcp://:", "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://127.0.0.1:port",
    "tcp://127.0.0.1:65537", "tcp://127.0.0.1:-1", "tcp://[::1:5", "tcp://a b:5", "tcp://ä:5", "tcp://\udc80:5",
    "http://127.0.0.1:5", "udp://127.0.0.1:5", "pgm://127.0.0.1:5", "ws://127.0.0.1:5", "tipc://x", "inproc://x",
    "ipc://", "ipc:///nowhere/at/all", "ipc://" + "x" * 200, "ipc://@" + "x" * 200, "tcp://127.0.0.1:1\n",
    "tcp://127.0.0.1:1\0"], ids=lambda address: ascii(address[:20]))
def test_an_address_that_leads_nowhere_is_said_and_tried_again(listen, address, caplog):
    """ZeroMQ takes port 65537 for 1, where nothing listens either."""
    router = listen()
    with started(router.endpoint(address=address), 0.2) as link:
        wait(lambda: link.last_error, LIMIT, "the error")
        assert link.last_error.isprintable() and len(link.last_error) < 900
        assert "nothing listens at" in link.last_error or "connect" in link.last_error
        assert caplog.records == []
        link.endpoint = router.endpoint()
        link.retry_now()
        await_up(link)


@pytest.mark.parametrize("change", [
    {"serverkey": ""}, {"serverkey": "A" * 42}, {"publickey": "é" * 43}, {"secretkey": "A" * 44},
    {"identity": "x" * 300}, {"serverkey": None}, {"identity": "\udc80"}])
def test_an_endpoint_that_cannot_be_used_is_said(listen, change, caplog):
    router = listen()
    with started(router.endpoint(**change)) as link:
        wait(lambda: link.last_error, LIMIT, "the error")
        assert link.last_error.startswith("cannot connect to") and len(link.last_error) < 900
        assert caplog.records == []
        link.endpoint = router.endpoint()
        link.retry_now()
        await_up(link)


# Names

@pytest.fixture
def occupy(listen):
    """Return a function that takes a name at a router, for as long as the test lasts."""
    sockets = []

    def occupy(router, name):
        endpoint = router.endpoint()
        sock = zmq.Context.instance().socket(zmq.DEALER)
        sockets.append(sock)
        sock.identity = name.encode()
        sock.curve_serverkey, sock.curve_publickey, sock.curve_secretkey = (
            frames.key_bytes(key) for key in (endpoint.serverkey, endpoint.publickey, endpoint.secretkey))
        sock.connect(router.address)
        sock.send_multipart([b"", b"VIP1", b"", b"hello", b"hello", b"hello"])
        wait(lambda: name in router.hellos, LIMIT, "the name's occupation")

    yield occupy
    for sock in sockets:
        sock.close(0)


def is_fresh(name):
    head, _, tail = name.rpartition("_")
    return head == NAME and len(tail) >= 8 and set(tail) <= set("0123456789abcdef")


def test_who_took_the_known_names_keeps_it_out_of_nothing(listen, occupy):
    router = listen()
    for taken in (NAME, NAME + "_2"):
        occupy(router, taken)
    with started(router.endpoint()) as link:
        await_up(link)
        assert is_fresh(router.hellos[-1])
        for _ in range(3):
            occupy(router, router.hellos[-1] + "_2")
            session = link._session
            router.silent = True
            wait(lambda: not link.up, LIMIT, "link down")
            router.silent = False
            wait(lambda: link.up and link._session is not session, LIMIT, "link up again")
        names = [name for name in router.hellos if is_fresh(name)]
        assert len(names) == len(set(names)) >= 4


def test_each_attempt_while_the_name_may_be_held_has_a_name_of_its_own(listen, monkeypatch):
    monkeypatch.setattr(attempts, "_LONGEST_PAUSE", 0.1)
    router = listen()
    tried = []

    def refuse(sender, recipient, ident, subsystem, args):
        tried.append(sender.decode())
        return [b"nothing"]

    router.on_request = refuse
    with started(router.endpoint(), 0.2) as link:
        wait(lambda: len(tried) >= 5, LIMIT, "attempts")
        router.on_request = lambda *_: None
        await_up(link)
    assert tried[0] == NAME and all(map(is_fresh, tried[1:5])) and len(set(tried)) == len(tried)


def test_after_an_orderly_end_it_has_its_right_name_again(listen, occupy):
    router = listen()
    occupy(router, NAME)
    endpoint = router.endpoint()
    with started(endpoint) as link:
        await_up(link)
        assert is_fresh(router.hellos[-1])
        other = listen()
        router._socket.close(0)
        wait(lambda: not link.up, LIMIT, "link down")
        link.endpoint = endpoint._replace(address=other.address, serverkey=other.serverkey)
        link.retry_now()
        await_up(link)
        assert other.hellos == [NAME]


def test_a_name_that_may_not_publish_is_given_up_for_the_right_one(listen, monkeypatch):
    """A platform may let only the known name publish."""
    monkeypatch.setattr(session, "_REFUSED_FOR", 0.5)
    router = listen()
    router.on_request = lambda sender, recipient, ident, subsystem, args: (
        [b"error", b"13", b"not you", b"", b"pubsub"] if args[:1] == [b"publish"] and sender != NAME.encode() else None)
    with started(router.endpoint()) as link:
        await_up(link)
        router.silent = True
        wait(lambda: not link.up, LIMIT, "link down")
        router.silent = False
        await_up(link)
        assert is_fresh(router.hellos[-1])
        link.publish("test/a", "text")
        wait(lambda: link.refusal == "not you", LIMIT, "the refusal")
        wait(lambda: router.hellos[-1] == NAME and link.up, LIMIT, "the right name")
        wait(lambda: link.publish("test/a", "text") and link.refusal is None, LIMIT, "publish")
