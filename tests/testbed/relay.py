"""A TCP relay on loopback that can be stalled, stalled one way, cut and closed: a network that fails."""

import contextlib
import socket
import threading


class Relay:
    """Passes TCP connections on to an address, until told otherwise.

    Stalled, it accepts connections and bytes but passes nothing on, not even the end of a connection: as a network
    that drops all packets. A direction can be stalled alone: ``forth`` is towards the target, ``back`` from it.
    Refusing, it ends all connections, and a new one finds nobody who listens: as a network whose near end says so.
    Whoever makes a Relay calls `close` in the end.
    """

    def __init__(self, target: str):
        host, port = target.split("://")[1].split(":")
        self._target = host, int(port)
        self._listener = _bound_socket()
        self._listener.listen()
        self.address = "tcp://127.0.0.1:{}".format(self._listener.getsockname()[1])
        self._forth, self._back, self._listening = (threading.Event() for _ in range(3))
        for event in (self._forth, self._back, self._listening):
            event.set()
        self._closed = False
        self._lock = threading.Lock()
        self._sockets = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def stall(self, forth=True, back=True):
        """Pass nothing on in these directions, and go on in the other one."""
        for event, stalled in ((self._forth, forth), (self._back, back)):
            (event.clear if stalled else event.set)()

    def refuse(self):
        """End all connections and let no new one in, until `resume`."""
        if self._listening.is_set():
            self._listening.clear()
            # On Linux this ends the listening and keeps the port.
            self._end(self._listener)
        self.cut()

    def resume(self):
        """Be a network without faults again. What was held up goes on."""
        self._forth.set()
        self._back.set()
        if not self._listening.is_set():
            self._listener.listen()
            self._listening.set()

    def cut(self):
        """End all connections that there are."""
        with self._lock:
            self._end(*self._sockets)
            self._sockets.clear()

    def close(self):
        self._closed = True
        self.refuse()
        for event in (self._forth, self._back, self._listening):
            event.set()
        self._listener.close()
        self.cut()

    def _accept(self):
        while not self._closed:
            try:
                near, _ = self._listener.accept()
            except OSError:
                self._listening.wait()
                continue
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near):
        if not self._keep(near):
            return
        self._forth.wait()
        try:
            far = socket.create_connection(self._target, timeout=5)
        except OSError:
            self._back.wait()
            self._drop(near)
            return
        far.settimeout(None)
        if not self._keep(far):
            self._drop(near)
            return
        threading.Thread(target=self._pass_on, args=(far, near, self._back, self._forth), daemon=True).start()
        self._pass_on(near, far, self._forth, self._back)

    def _keep(self, one):
        """Remember a connection, so that it can be cut, or end one that comes too late."""
        with self._lock:
            kept = self._listening.is_set() and not self._closed
            if kept:
                self._sockets.add(one)
        if not kept:
            self._drop(one)
        return kept

    def _pass_on(self, source, sink, this_way, other_way):
        """Pass bytes on, then the end: that of the source to the sink, or that of the sink, the other way, back."""
        while True:
            try:
                data = source.recv(65536)
            except OSError:
                data = b""
            this_way.wait()
            if not data:
                self._end(sink)
                break
            try:
                sink.sendall(data)
            except OSError:
                other_way.wait()
                break
        self._drop(source)

    def _drop(self, one):
        self._end(one)
        with self._lock:
            self._sockets.discard(one)
        one.close()

    @staticmethod
    def _end(*sockets):
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def _bound_socket():
    """Return a socket that is bound to a free port, and to this port by its number: only then it stays bound when
    it listens no more. No test can then take the port, and no connection out of this machine either."""
    with socket.socket() as probe:
        listener = socket.socket()
        for one in (probe, listener):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        listener.bind(probe.getsockname())
    return listener
