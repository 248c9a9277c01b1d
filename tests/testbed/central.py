"""VOLTTRON Central for the tests: a third platform with VOLTTRON Central (VC), and the VC agents (VCP) of the others.

On monolithic VOLTTRON these are the real ones, VolttronCentral and VolttronCentralPlatform, out of its checkout. On
modular VOLTTRON they do not exist, and stand-ins take their place. What the failover agent asks VC,
`health.get_status`, any agent answers; so a do-nothing agent under VC's identity stands for it. VCP, an agent of each
managed platform, connects to VC's platform as ``<instance-name>.platform.agent`` and answers `status_agents` there.

Run as ``python -m tests.testbed.central NAME CONTROL ADDRESS SERVERKEY PUBLICKEY SECRETKEY CENTRAL_ADDRESS
CENTRAL_SERVERKEY``, this file is that stand-in for VCP, of the platform whose VOLTTRON_HOME is in its environment and
whose control has the identity CONTROL. It connects to both platforms with the keys PUBLICKEY and SECRETKEY.
"""

import base64
import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import gevent
import zmq.green as zmq

from failover.vip.link import Endpoint, Link, LinkError, RemoteError
from tests.testbed.pair import LIMIT, MANAGED_AGENT, REPOSITORY, VCP, Side, wait
from tests.testbed.platforms import MONOLITHIC_ROOT, MonolithicPlatform

CENTRAL = "volttron.central"

# Seconds after the start of an agent.
_ANSWERS_WITHIN = 15
_VC_HAS_LOOKED = 13

# As long as the agents of VOLTTRON 9 go on without their platform.
_ORPHANED_FOR = 10.0


class StandInCentral(Side):
    """The platform of VOLTTRON Central, and an agent that answers for it."""

    def __init__(self, folder: Path, **options):
        super().__init__(folder, "central", **options)

    def install(self, kept=None):
        def install():
            self.power_on()
            self.platform.install(MANAGED_AGENT, identity=CENTRAL, start=False)

        if kept:
            kept.install("central", [self.platform], install)
        else:
            install()
        self.bring_back()

    def bring_back(self, identity=CENTRAL):
        super().bring_back(identity)

    def prepare(self, side):
        """Do what must be done before the platform of `side`, which VC is to know, starts."""

    def admit(self, side):
        """Have VCP of the platform of `side` known here."""
        self.platform.register(side.vcp_identity, side.platform.command_keys()[0])

    def await_vcp(self, side):
        """Wait until VCP of the platform of `side`, if it has one for good, is at work and VC knows it."""


class RealCentral(Side):
    """The platform of VOLTTRON Central, and VOLTTRON Central on it, with its page at `page`.

    A platform of VOLTTRON 11 has no VCP.
    """

    def __init__(self, folder: Path, **options):
        super().__init__(folder, "central", **options)
        self.page = self.platform.claim_web_address() + "/vc/index.html"

    def install(self, kept=None):
        self.power_on()
        self.platform.install(_SERVICES / "VolttronCentral", identity=CENTRAL, config={})

    def bring_back(self, identity=CENTRAL):
        super().bring_back(identity)
        if not self._comes_to_answer(lambda: self.observer.call(CENTRAL, "health.get_status")):
            self.restart_agent(CENTRAL)

    @staticmethod
    def _comes_to_answer(ask):
        """Whether an agent answers within some seconds: one that lost its connection may go on, and never will."""
        def answers():
            with contextlib.suppress(LinkError, RemoteError):
                return ask()

        with contextlib.suppress(TimeoutError):
            return wait(answers, _ANSWERS_WITHIN, "an answer")

    def prepare(self, side):
        if isinstance(side.platform, MonolithicPlatform):
            side.platform.set(volttron_central_address=side.to_central.address,
                              volttron_central_serverkey=self.platform.serverkey)

    def admit(self, side):
        if not isinstance(side.platform, MonolithicPlatform):
            return
        uuid = side.platform.install(_SERVICES / "VolttronCentralPlatform", identity=VCP, config={}, start=False)
        side.platform.vctl("enable", uuid)
        self.platform.register(side.vcp_identity, side.platform.publickey(VCP))
        side.start_agent(VCP)

    def await_vcp(self, side):
        """VC looks every 10 s who has gone and who is new, and asks the new ones who they are: it would not survive one
        that is gone by then."""
        if not isinstance(side.platform, MonolithicPlatform):
            return
        side.bring_back(VCP)
        if not self._comes_to_answer(Vcp(side, self).answers):
            side.restart_agent(VCP)
        wait(Vcp(side, self).answers, LIMIT, "VCP's answer")
        [process] = side.platform.processes(VCP)
        ident = base64.b64encode(side.vcp_identity.encode()).decode()
        wait(lambda: time.time() - process.create_time() > _VC_HAS_LOOKED
             and self.observer.call(CENTRAL, "is_registered", ident), LIMIT, "VC's knowledge of it", interval=0.5)


class _AnyVcp:
    """A VCP that answers. Whoever makes it calls `close` in the end."""

    def __init__(self, side, central):
        self._side = side
        self._central = central

    def answers(self):
        """Return what VCP answers to `status_agents`, asked over VC's bus, or None."""
        try:
            return self._central.observer.link.call(self._side.vcp_identity, "status_agents", timeout=5)
        except (LinkError, RemoteError):
            return None


class RealVcp(_AnyVcp):
    """VolttronCentralPlatform on the platform of `side`, which runs whenever the platform does."""

    def lives(self):
        """Whether its process does."""
        return self._side.runs(VCP)

    def restart(self):
        self._side.restart_agent(VCP)

    def close(self):
        """Leave it running: it belongs to the platform."""


class StandInVcp(_AnyVcp):
    """Stands for VolttronCentralPlatform on the platform of `side`, and reaches VC as that side does.

    It is a process that belongs to the platform: it is frozen and loses its power with it. When the platform's process
    has ended, it goes on for a while.
    """

    def __init__(self, side, central):
        super().__init__(side, central)
        self._start()

    def _start(self):
        side, central = self._side, self._central
        publickey, secretkey = side.platform.command_keys()
        command = [sys.executable, "-m", "tests.testbed.central", side.platform.name, side.platform.control_identity,
                   side.platform.address, side.platform.serverkey, publickey, secretkey,
                   side.to_central.address, central.platform.serverkey]
        log = side.platform.root / "vcp.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(command, cwd=REPOSITORY, env=side.platform.env, start_new_session=True,
                                             stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        with contextlib.ExitStack() as stack:
            stack.callback(self.close)
            wait(self.answers, 30, "VCP's first answer, see {}".format(log))
            stack.pop_all()

    def lives(self):
        """Whether its process does."""
        return self._process.poll() is None

    def restart(self):
        self.close()
        self._start()

    def close(self):
        self._process.kill()
        self._process.wait()


if MONOLITHIC_ROOT:
    Central, Vcp = RealCentral, RealVcp
    _SERVICES = Path(MONOLITHIC_ROOT, "services", "core")
else:
    Central, Vcp = StandInCentral, StandInVcp


# From here on: in the process of the stand-in

_ROUTER_EVERY = 1.0


class _Vcp:
    """Answers over VC's bus what it has asked its own platform's control.

    :param own: the endpoint on the own platform.
    :param central: the endpoint on VC's platform.
    :param control_identity: that of the own platform's control.
    :param pid: the platform's process.
    """

    def __init__(self, own: Endpoint, central: Endpoint, control_identity: str, pid: int):
        self._control = Link(own, answer_within=5, probe_every=1)
        self._control_identity = control_identity
        self._pid = pid
        self._socket = zmq.Context().socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.identity = central.identity.encode()
        for option, key in (("curve_serverkey", central.serverkey), ("curve_publickey", central.publickey),
                            ("curve_secretkey", central.secretkey)):
            setattr(self._socket, option, _key_bytes(key))
        # The connection is renewed by itself; a router that has restarted must then hear of us to know us.
        self._socket.connect(central.address)

    def run(self):
        self._control.start()
        gevent.spawn(self._call_on_router)
        gevent.spawn(self._serve)
        end = None
        while end is None or time.monotonic() < end:
            if end is None and not _lives(self._pid):
                end = time.monotonic() + _ORPHANED_FOR
            gevent.sleep(0.1)

    def _call_on_router(self):
        while True:
            self._send([b"", b"VIP1", b"", b"id0", b"ping", b"ping"])
            gevent.sleep(_ROUTER_EVERY)

    def _serve(self):
        while True:
            frames = self._socket.recv_multipart()
            if len(frames) > 5 and frames[4] == b"RPC":
                gevent.spawn(self._answer, frames[0], frames[3], frames[5])

    def _answer(self, peer, ident, text):
        request = json.loads(text)
        if "method" not in request:
            return
        answer = {"jsonrpc": "2.0", "id": request.get("id")}
        try:
            if request["method"] != "status_agents":
                raise NotImplementedError(request["method"])
            answer["result"] = self._control.call(self._control_identity, "status_agents", timeout=5)
        except Exception as error:  # Whatever it is, who asked is told.
            answer["error"] = {"code": -32000, "message": repr(error)}
        self._send([peer, b"VIP1", b"", ident, b"RPC", json.dumps(answer).encode()])

    def _send(self, frames):
        with contextlib.suppress(zmq.Again):
            self._socket.send_multipart(frames, zmq.NOBLOCK)


def _key_bytes(text):
    return base64.urlsafe_b64decode(text + "=")


def _lives(pid):
    try:
        return Path("/proc/{}/stat".format(pid)).read_text().rpartition(") ")[2][:1] not in ("Z", "X")
    except OSError:
        return False


def main(name, control, address, serverkey, publickey, secretkey, central_address, central_serverkey):
    home = Path(os.environ["VOLTTRON_HOME"])
    own = Endpoint(address, serverkey, VCP, publickey, secretkey)
    central = own._replace(address=central_address, serverkey=central_serverkey,
                           identity="{}.{}".format(name, VCP))
    _Vcp(own, central, control, int((home / "VOLTTRON_PID").read_text())).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
