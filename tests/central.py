"""VOLTTRON Central for the tests: a third platform that stands for its own, and a stand-in for VCP.

VOLTTRON Central (VC) and VolttronCentralPlatform (VCP) do not exist on modular VOLTTRON. What the failover agent asks
VC, `health.get_status`, any agent answers; so a do-nothing agent under VC's identity stands for it. VCP, an agent of
each managed platform, connects to VC's platform as ``<instance-name>.platform.agent`` and answers `list_agents` there.

Run as ``python -m tests.central NAME CONTROL ADDRESS SERVERKEY PUBLICKEY SECRETKEY CENTRAL_ADDRESS CENTRAL_SERVERKEY``,
this file is that stand-in for VCP, of the platform whose VOLTTRON_HOME is in its environment and whose control has the
identity CONTROL. It connects to both platforms with the keys PUBLICKEY and SECRETKEY.
"""

import base64
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import gevent
import zmq.green as zmq

from failover.link import Endpoint, Link, LinkError, RemoteError
from tests.pair import MANAGED_AGENT, REPOSITORY, Side, wait

CENTRAL = "volttron.central"


class Central(Side):
    """The platform of VOLTTRON Central, and the agent that answers for it."""

    def __init__(self, folder: Path, **options):
        super().__init__(folder, "central", **options)

    def install(self):
        self.power_on()
        self.platform.install(MANAGED_AGENT, identity=CENTRAL)

    def bring_back(self, identity=CENTRAL):
        super().bring_back(identity)


class Vcp:
    """Stands for VolttronCentralPlatform on the platform of `side`, and reaches VC as that side does.

    It is a process that belongs to the platform: it is frozen and loses its power with it. It ends when the platform's
    process has ended, a bit earlier than the real one would.
    """

    def __init__(self, side, central):
        self.identity = side.vcp_identity
        self._observer = central.observer
        publickey, secretkey = side.platform.command_keys()
        command = [sys.executable, "-m", "tests.central", side.platform.name, side.platform.control_identity,
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

    def answers(self):
        """Return what VCP answers to `list_agents`, asked over VC's bus, or None."""
        try:
            return self._observer.link.call(self.identity, "list_agents", timeout=5)
        except (LinkError, RemoteError):
            return None

    def close(self):
        self._process.kill()
        self._process.wait()


# From here on: in the process of the stand-in

_OWN_IDENTITY = "platform.agent"
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
        while _lives(self._pid):
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
            if request["method"] != "list_agents":
                raise NotImplementedError(request["method"])
            answer["result"] = self._list_agents()
        except Exception as error:  # Whatever it is, who asked is told.
            answer["error"] = {"code": -32000, "message": repr(error)}
        self._send([peer, b"VIP1", b"", ident, b"RPC", json.dumps(answer).encode()])

    def _list_agents(self):
        """What control says of each installed agent, and of each that runs also what it says of itself.

        The real one adds the version, which control of this release of VOLTTRON fails to answer.
        """
        agents = self._control.call(self._control_identity, "list_agents", timeout=5)
        processes = {row[0]: row[2]
                     for row in self._control.call(self._control_identity, "status_agents", timeout=5)}
        for agent in agents:
            pid, code = processes.get(agent["uuid"], (None, None))
            runs = pid is not None and code is None
            agent.update(
                is_running=runs, process_id=pid, error_code=code,
                permissions={"can_stop": runs, "can_start": not runs, "can_restart": True, "can_remove": True},
                health={"status": "UNKNOWN", "context": None, "last_updated": None})
            if runs:
                # As the real one: one agent after the other, with 5 s for each. A frozen one delays the whole answer.
                with contextlib.suppress(LinkError, RemoteError):
                    agent["health"] = self._control.call(agent["identity"], "health.get_status", timeout=5)
        return agents

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
    own = Endpoint(address, serverkey, _OWN_IDENTITY, publickey, secretkey)
    central = own._replace(address=central_address, serverkey=central_serverkey,
                           identity="{}.{}".format(name, _OWN_IDENTITY))
    _Vcp(own, central, control, int((home / "VOLTTRON_PID").read_text())).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
