"""A router that speaks as much VIP as a link needs, in a greenlet of this process, and does what a test tells it."""

import base64
import contextlib

import gevent
import zmq.green as zmq
from zmq.utils import z85

from failover.vip.link import Endpoint, Link


def key_pair():
    """Return a new public and secret key as VOLTTRON writes them."""
    return [base64.urlsafe_b64encode(z85.decode(key)).decode().rstrip("=") for key in zmq.curve_keypair()]


class Router:
    """Welcomes everybody, and answers pings, subscriptions and publications.

    Whoever makes a Router calls `close` in the end.

    :param address: where to listen; a TCP address without a port gets a free one.
    :ivar silent: whether to answer nothing at all.
    :ivar frozen: whether to read nothing for now: it waits.
    :ivar on_request: called with (sender, recipient, id, subsystem, arguments) of what else there is, and before the
        usual answers; returns the frames of an answer, from the subsystem on, or None.
    :ivar hellos: the names that said hello, in order.
    """

    def __init__(self, address="tcp://127.0.0.1"):
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.linger = 0
        self._socket.ipv6 = "[" in address
        self._socket.router_mandatory = True
        self.serverkey, secret = key_pair()
        self._socket.curve_server = True
        self._socket.curve_secretkey = base64.urlsafe_b64decode(secret + "=")
        if address.startswith("tcp://") and address.count(":") == (3 if address.endswith("[::1]") else 1):
            address = "{}:{}".format(address, self._socket.bind_to_random_port(address))
        else:
            self._socket.bind(address)
        self.address = address
        self.silent = self.frozen = False
        self.on_request = lambda sender, recipient, ident, subsystem, args: None
        self.hellos = []
        self._greenlet = gevent.spawn(self._run)

    def endpoint(self, identity="node.test", **changes):
        return Endpoint(self.address, self.serverkey, identity, *key_pair())._replace(**changes)

    def send(self, name, *frames):
        """Send frames to a peer: from the sending peer on, as it receives them."""
        self._socket.send_multipart([name.encode()] + list(frames))

    def publish(self, name, topic, body):
        self.send(name, b"", b"VIP1", b"", b"", b"pubsub", b"publish", topic, body)

    def close(self):
        self._greenlet.kill()
        self._socket.close(0)
        self._context.term()

    def _run(self):
        while True:
            while self.frozen or not self._socket.poll(50):
                gevent.sleep(0.01)
            sender, recipient, proto, _, ident, subsystem, *args = self._socket.recv_multipart()
            if self.silent:
                continue
            if subsystem == b"hello":
                self.hellos.append(sender.decode())
            answer = self.on_request(sender, recipient, ident, subsystem, args) or {
                b"hello": [b"hello", b"welcome", b"1.0", b"router", sender],
                b"ping": [b"ping", b"pong"],
                b"pubsub": [b"pubsub", b"request_response", b"1"],
            }.get(subsystem)
            if answer is not None:
                with contextlib.suppress(zmq.ZMQError):
                    self._socket.send_multipart([sender, recipient, proto, b"", ident] + answer, zmq.NOBLOCK)


@contextlib.contextmanager
def started(endpoint, answer_within=2, probe_every=0.2, **options):
    """Provide a link that has been started, and close it afterwards."""
    link = Link(endpoint, answer_within, probe_every, **options)
    try:
        link.start()
        yield link
    finally:
        link.close()
