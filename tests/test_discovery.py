"""Where VOLTTRON Central's platform is, asked of its web address: what is believed, and what an answer can do to us."""

import contextlib
import json
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
import time

import gevent
import pytest

from failover import discovery
from failover.discovery import DiscoveryError, Found
from failover.seal import Seal
from failover.vc_client import Topics, VcClient
from failover.vip import address as vip_address
from failover.vip.endpoint import Endpoint
from tests.testbed.pair import wait

VIP, KEY, OTHER_KEY = "tcp://192.0.2.3:22916", "v" * 42 + "A", "w" * 42 + "A"
GOOD = {"vip-address": VIP, "serverkey": KEY, "instance-name": "central"}
WEB = "http://192.0.2.3:8080"
OWN = Endpoint(WEB, "", "node-a.failover", "p" * 42 + "A", "s" * 42 + "A")


def http(body, status="200 OK", *headers):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = ["HTTP/1.1 " + status, "Content-Type: application/json", "Content-Length: {}".format(len(body)), *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@contextlib.contextmanager
def serving(answer, context=None):
    """Serve, in threads, with `answer`: bytes, or a function that is called with the connection. Yields the address.

    What was asked is in `requests` of the server.
    """
    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            with contextlib.suppress(OSError):
                connection = self.request
                if context is not None:
                    connection = context.wrap_socket(connection, server_side=True)
                server.requests.append(connection.recv(10000).decode())
                connection.sendall(answer) if isinstance(answer, bytes) else answer(connection)
                connection.close()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, block_on_close, allow_reuse_address = True, False, True

    with Server(("127.0.0.1", 0), Handler) as server:
        server.requests = []
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        server.url = "{}://127.0.0.1:{}".format("https" if context else "http", server.server_address[1])
        yield server
        server.shutdown()


def refused(answer, within=5.0, **kwargs):
    """Return what is said about this answer, which must be refused."""
    with serving(answer, **kwargs) as server, pytest.raises(DiscoveryError) as error:
        discovery.ask(server.url, within)
    text = str(error.value)
    assert server.url + "/discovery/" in text and text.isprintable() and len(text) < 700, text
    return text


# Addresses

@pytest.mark.parametrize("address", ["http://vc", "https://vc.example.org", "https://192.0.2.3:8443", "http://vc:80/",
                                     "HTTP://vc:8080", "http://[2001:db8::1]:8080"])
def test_a_web_address(address):
    assert vip_address.is_web(address)


@pytest.mark.parametrize("address", [
    "", None, 1, VIP, "ftp://vc", "http://", "http:///x", "http://vc/page", "http://vc?x", "http://vc#x",
    "http://me@vc", "http://me:word@vc", "http://vc:0", "http://vc:70000", "http://vc:x", "http://vc\r\nHost: x", "http://vc\n",
    "http://v c", " http://vc", "http://vc\x00", "http://v\u00e9", "http://[::1", "http://" + "a" * 300, ["http://vc"]])
def test_no_web_address(address):
    assert not vip_address.is_web(address)


# What is answered

def test_the_answer_is_asked_for_below_the_web_address():
    with serving(http(GOOD)) as server:
        assert discovery.ask(server.url) == discovery.ask(server.url + "/") == Found(VIP, KEY)
    for request in server.requests:
        assert request.startswith("GET /discovery/ HTTP/1.0\r\n")
        assert "\r\nHost: " + server.url.split("//")[1] + "\r\n" in request


def test_an_answer_in_chunks():
    body = json.dumps(GOOD).encode()
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    with serving(chunked) as server:
        assert discovery.ask(server.url) == Found(VIP, KEY)


@pytest.mark.parametrize("answer, said", [
    (b"no json", "not JSON"),
    (b"", "not JSON"),
    (b"\xff\xfe\xfa", "not JSON"),
    (b"[" * 30000, "not JSON"),
    (b"1" * 5000, "not"),
    ([GOOD], "not an object"),
    (None, "not an object"),
    ({"serverkey": KEY}, "no VIP address"),
    (dict(GOOD, **{"vip-address": None}), "no VIP address"),
    (dict(GOOD, **{"vip-address": "tcp://0.0.0.0:22916"}), "VIP address 'tcp://0.0.0.0:22916'"),
    (dict(GOOD, **{"vip-address": "tcp://[::]:22916"}), "VIP address 'tcp://[::]:22916'"),
    (dict(GOOD, **{"vip-address": 5}), "VIP address 5"),
    (dict(GOOD, **{"vip-address": "ipc:///tmp/x"}), "VIP address 'ipc:///tmp/x'"),
    (dict(GOOD, **{"vip-address": "tcp://vc"}), "VIP address"),
    (dict(GOOD, **{"vip-address": VIP + "?serverkey=" + KEY}), "VIP address"),
    (dict(GOOD, **{"vip-address": VIP + "#x"}), "VIP address"),
    (dict(GOOD, **{"vip-address": "tcp://me@vc:1"}), "VIP address"),
    (dict(GOOD, **{"vip-address": "tcp://vc\n:1"}), "VIP address"),
    (dict(GOOD, **{"vip-address": "tcp://v\x1b[31mc:1"}), "VIP address"),
    (dict(GOOD, **{"vip-address": "tcp://" + "a" * 3000 + ":1"}), "VIP address"),
    ({"vip-address": VIP}, "names no server key"),
    (dict(GOOD, serverkey=""), "names no server key"),
    (dict(GOOD, serverkey=[KEY]), "server key ["),
    (dict(GOOD, serverkey="short"), "server key 'short'"),
    (dict(GOOD, serverkey=KEY + "\n"), "server key"),
    (dict(GOOD, serverkey="\u2028" * 43), "server key"),
])
def test_an_answer_that_cannot_be_used(answer, said):
    assert said in refused(http(answer))


@pytest.mark.parametrize("vip", ["tcp://127.0.0.1:22916", "tcp://127.1.2.3:1", "tcp://localhost:22916",
                                 "tcp://[::1]:22916"])
def test_an_address_that_no_other_machine_reaches(vip):
    """It would lead us to our own platform. Where the web address is this machine's, so may VC's platform be."""
    body = json.dumps(dict(GOOD, **{"vip-address": vip})).encode()
    with pytest.raises(DiscoveryError) as error:
        discovery.read_answer(body, WEB)
    assert vip in str(error.value) and "vip-address" in str(error.value)
    for here in ("http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"):
        assert discovery.read_answer(body, here) == Found(vip, KEY)


@pytest.mark.parametrize("status, headers, said", [
    ("404 Not Found", (), "404 Not Found"),
    ("500 \x1b[31mforged", (), "500"),
    ("302 Found", ("Location: http://127.0.0.1:1/discovery/",), "302 Found"),
    ("301 Moved", ("Location: /elsewhere/",), "301 Moved"),
    ("204 No Content", (), "204"),
])
def test_another_status_is_no_answer_and_a_redirection_is_not_followed(status, headers, said):
    assert said in refused(http(GOOD, status, *headers))


@pytest.mark.parametrize("answer", [b"", b"\r\n", b"\x00" * 100, b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 xxx\r\n\r\n",
                                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                                    b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 400 + b"\r\n\r\n{}"], ids=range(7))
def test_what_is_not_http(answer):
    refused(answer)


def test_an_answer_that_is_cut_off():
    refused(http(GOOD)[:-10])


# An answer without bounds

def flood(what):
    def answer(connection):
        while True:
            connection.sendall(what)
    return answer


@pytest.mark.parametrize("first, more", [
    (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536),
    (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65536),
    (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    (b"", b"\r\n" * 1000),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 1000),
])
def test_an_answer_without_an_end_is_cut_off_early(first, more):
    def answer(connection):
        connection.sendall(first)
        flood(more)(connection)

    begin = time.monotonic()
    assert "65536 bytes" in refused(answer, within=30)
    assert time.monotonic() - begin < 20


@pytest.mark.parametrize("what", [b"", b"x"])
def test_a_slow_answer_has_a_time_limit_and_blocks_nothing(what):
    def drip(connection):
        for _ in range(100):
            connection.sendall(what)
            time.sleep(0.05)

    beats = []

    def beat():
        while True:
            beats.append(time.monotonic())
            gevent.sleep(0.01)

    beating = gevent.spawn(beat)
    begin = time.monotonic()
    assert "within 2 s" in refused(drip, within=2)
    assert 1.9 < time.monotonic() - begin < 4.5  # All of the answer takes 5 s.
    beating.kill()
    assert len(beats) > 20, "of some 200, but for a busy machine"


def test_nothing_listens():
    with socket.socket() as held:  # While it is bound, nobody else gets this port, nor is a client there connected to itself.
        held.bind(("127.0.0.1", 0))
        url = "http://127.0.0.1:{}".format(held.getsockname()[1])
        with pytest.raises(DiscoveryError) as error:
            discovery.ask(url)
    assert "refused" in str(error.value) and url in str(error.value)


def test_a_name_that_cannot_be_one():
    with pytest.raises(DiscoveryError, match="a{70}/discovery/"):
        discovery.ask("http://" + "a" * 70)


def test_another_time_limit_passes_through():
    with serving(lambda connection: time.sleep(3)) as server, pytest.raises(gevent.Timeout) as caught, \
            gevent.Timeout(0.2) as own:
        discovery.ask(server.url)
    assert caught.value is own


# https

@pytest.fixture
def certificate(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"],
                   cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    context.path = tmp_path / "cert.pem"
    return context


def test_a_certificate_that_cannot_be_verified_is_refused(certificate):
    text = refused(http(GOOD), context=certificate)
    assert "certificate" in text and "volttron_central_vip" in text


def test_a_certificate_that_this_machine_trusts(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    with serving(http(GOOD), certificate) as server:
        assert discovery.ask(server.url) == Found(VIP, KEY)
        elsewhere = server.url.replace("127.0.0.1", "localhost")
        with pytest.raises(DiscoveryError, match="certificate"):
            discovery.ask(elsewhere)


# Keys that are known otherwise

def test_a_key_that_is_known_otherwise_must_be_the_same():
    with serving(http(GOOD)) as server:
        def find(serverkey="", known=()):
            return discovery.find(OWN._replace(address=server.url, serverkey=serverkey), lambda: dict(known))

        wanted = OWN._replace(address=VIP, serverkey=KEY)
        assert find() == find(KEY) == find(known={"192.0.2.3:22916": KEY}) == find(
            known={"192.0.2.9:22916": OTHER_KEY}) == wanted
        for given in (dict(serverkey=OTHER_KEY), dict(known={"192.0.2.3:22916": OTHER_KEY}),
                      dict(serverkey=KEY, known={"192.0.2.3:22916": OTHER_KEY}),
                      dict(known={"192.0.2.3:22916": ["\x1b"]})):
            with pytest.raises(DiscoveryError) as error:
                find(**given)
            assert KEY in str(error.value) and str(error.value).isprintable()
            assert OTHER_KEY in str(error.value) or "known" in given


# The connection that depends on it

def test_the_connection_to_vc_waits_for_its_address_and_asks_until_it_has_it(monkeypatch):
    monkeypatch.setattr("failover.vc_client._FIRST_PAUSE", 0.1)
    answers = iter([DiscoveryError("\x1b not yet"), DiscoveryError("\x1b not yet"), RuntimeError("unforeseen"),
                    OWN._replace(address="tcp://127.0.0.1:1", serverkey=KEY)])

    def find():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    central = VcClient(OWN, "volttron.central", Topics("failover/x", ()), Seal(), 1, 1, lambda event: None, find)
    central.start()
    try:
        wait(lambda: central.link.last_error, 5, "the first error")
        assert not central.link.up and central.link.endpoint == OWN and "not yet" in central.link.last_error
        wait(lambda: central.link.endpoint.address == "tcp://127.0.0.1:1", 10, "the address")
        wait(lambda: "nothing listens at tcp://127.0.0.1:1" in (central.link.last_error or ""), 5, "an attempt")
    finally:
        central.close()


def test_the_search_ends_when_the_agent_does():
    central = VcClient(OWN, "volttron.central", Topics("failover/x", ()), Seal(), 1, 1, lambda event: None,
                       lambda: gevent.sleep(60))
    central.start()
    gevent.sleep(0.05)
    begin = time.monotonic()
    central.close()
    assert time.monotonic() - begin < 20
