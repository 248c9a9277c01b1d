"""A TCP relay on loopback that can be stalled and cut: a network that fails."""

import contextlib
import socket
import threading


class Relay:
    """Passes TCP connections on to an address, until told otherwise.

    Stalled, it accepts connections and bytes but passes nothing on, not even the end of a connection: as a network
    that drops all packets. Whoever makes a Relay calls `close` in the end.
    """

    def __init__(self, target: str):
        host, port = target.split("://")[1].split(":")
        self._target = host, int(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "tcp://127.0.0.1:{}".format(self._listener.getsockname()[1])
        self._passing = threading.Event()
        self._passing.set()
        self._closed = False
        self._sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def stall(self):
        self._passing.clear()

    def resume(self):
        self._passing.set()

    def cut(self):
        """End all connections that there are."""
        self._end(*self._sockets)
        self._sockets.clear()

    def close(self):
        self._closed = True
        self._passing.set()
        self._end(self._listener)
        self._listener.close()
        self.cut()

    def _accept(self):
        while not self._closed:
            try:
                near, _ = self._listener.accept()
                self._passing.wait()
                far = socket.create_connection(self._target, timeout=5)
                far.settimeout(None)
            except OSError:
                continue
            self._sockets += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source, sink):
        try:
            while True:
                data = source.recv(65536)
                self._passing.wait()
                if not data:
                    break
                sink.sendall(data)
        except OSError:
            pass
        self._passing.wait()
        self._end(source, sink)
        source.close()

    @staticmethod
    def _end(*sockets):
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
