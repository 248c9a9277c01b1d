"""Monolithic VOLTTRON 9."""

import json
import logging
import os
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple
from urllib.parse import parse_qs, urlsplit

import zmq
from volttron.platform import get_address
from volttron.platform import get_home as volttron_home
from volttron.platform.agent.known_identities import AUTH, CONTROL, CONTROL_CONNECTION
from volttron.platform.agent.utils import get_platform_instance_name as instance_name
from volttron.platform.agent.utils import load_config, vip_main
from volttron.platform.agent.utils import setup_logging as _setup_logging
from volttron.platform.auth.auth_protocols.auth_zmq import ZMQClientAuthentication, ZMQClientParameters
from volttron.platform.jsonrpc import RemoteError
from volttron.platform.keystore import KeyStore, KnownHostsStore
from volttron.platform.messaging.health import STATUS_BAD, STATUS_GOOD, Status
from volttron.platform.vip.agent import RPC, Core
from volttron.platform.vip.agent import Agent as _Agent

from failover import files
from failover.config import Known
from failover.vip.briefly import connected
from failover.vip.link import Endpoint, LinkError
from failover.vip.link import RemoteError as LinkRemoteError

__all__ = [
    "AGENT_OPTIONS", "AUTH", "Agent", "CONTROL", "Core", "RPC", "RemoteError", "STATUS_BAD", "STATUS_GOOD", "Status",
    "authorize_caller", "authorize_command", "authorize_subscription", "data_folder", "find_agent", "installed", "instance_name",
    "is_authorized", "is_refusal", "known_platforms", "load_config", "local_endpoint", "missing_authorizations", "platform_secretkey",
    "platform_warnings", "serverkey", "setup_logging", "stop_monitor", "subscribe", "vip_main", "volttron_home"
]

_log = logging.getLogger(__name__)

# As on VOLTTRON 11.
AGENT_OPTIONS: Dict[str, Any] = {"enable_store": False, "heartbeat_autostart": True}

# Seconds.
_SETTINGS_WITHIN = 10.0
_AUTHORIZATION_WITHIN = 10.0

_FIRST_BAD_PYZMQ = 23
_GOOD_PYZMQ = "22.3.0"


class Agent(_Agent):
    """VOLTTRON's agent, but one that outlives what its router cannot deliver.

    When somebody calls a method of an agent and is gone before the answer, the router tells the agent so. VOLTTRON
    fails to read this message (with pyzmq 26 the number in it is a name), and that ends the agent's connection and with
    it the agent, with the exit status 0, so that the platform does not start it again.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        handle = self.core.subsystems["error"]

        def survive(message: Any) -> None:
            try:
                handle(message)
            except ValueError as error:
                _log.debug("an error message of the router cannot be read: %s", error)

        self.core.subsystems["error"] = survive


def setup_logging() -> None:
    """Log as VOLTTRON's agents do, at INFO. Its own modules would log each message at DEBUG, for much CPU time.

    One of them also logs the agent's secret key.
    """
    _setup_logging(logging.INFO)
    logging.getLogger("volttron.platform.vip.agent.core").setLevel(logging.WARNING)


def data_folder(agent: Agent) -> Path:
    """Return the folder for the agent's data, which the platform has made and keeps when the agent is upgraded.

    An agent that was started by hand has none, and makes its own.
    """
    made = sorted(Path(volttron_home(), "agents").glob("{}/*/*.agent-data".format(agent.core.agent_uuid)))
    return made[0] if made else Path(volttron_home(), agent.core.identity + ".agent-data")


def installed(identity: str, uuid: str) -> Optional[Tuple[str, Path]]:
    """Return name and version of an installed agent, and where its configuration is; None if that cannot be found."""
    found = sorted(Path(volttron_home(), "agents", uuid).glob("*/*.dist-info"))
    return (found[0].parent.name, found[0] / "config") if found else None


def serverkey(agent: Agent) -> str:
    """Return the public key of the local platform."""
    return parse_qs(urlsplit(agent.core.address).query)["serverkey"][0]


def platform_secretkey() -> str:
    """Return the secret key of the local platform.

    :raises OSError, ValueError, KeyError: it cannot be read.
    """
    # Not by KeyStore, which makes a file that is missing.
    return json.loads(files.read(KeyStore.get_default_path(), files.FEW))["secret"]


def known_platforms(with_central: bool) -> Known:
    """Return what the local platform knows of others: keys in its store of known hosts, and its own settings for VC.

    Only the router knows the settings. Without its answer they count as not made.

    :param with_central: whether the settings for VC are of interest.
    """
    serverkeys = KnownHostsStore().load()
    if not with_central:
        return Known(serverkeys)
    try:
        with connected(_settings_endpoint(), _SETTINGS_WITHIN) as link:
            address, key = (link.query("volttron-central-" + name, _SETTINGS_WITHIN) for name in (
                "address", "serverkey"))
    except (LinkError, LinkRemoteError) as error:
        _log.warning("the platform's settings for VC are not known: %s", error)
        return Known(serverkeys)
    return Known(serverkeys, address or "", key or "")


def platform_warnings() -> List[str]:
    """Return what is known to be wrong with the local platform's installation, a line for each thing.

    An agent runs in the environment of its platform.
    """
    if zmq.pyzmq_version_info()[0] < _FIRST_BAD_PYZMQ:
        return []
    return ["with pyzmq {} the authorization service of VOLTTRON 9 may die when another platform loses its power, and "
            "nobody gets in any more; run `pip install pyzmq=={}` in the environment of this platform and restart "
            "it".format(zmq.pyzmq_version(), _GOOD_PYZMQ)]


def _settings_endpoint() -> Endpoint:
    """The agent's own keys, under another identity: the router may hold a name for a moment after its end."""
    identity = os.environ.get("AGENT_VIP_IDENTITY", "failover")
    keys = ZMQClientAuthentication(ZMQClientParameters(
        address=get_address(), identity=identity, agent_uuid=os.environ.get("AGENT_UUID"),
        volttron_home=volttron_home(), publickey=os.environ.get("AGENT_PUBLICKEY"),
        secretkey=os.environ.get("AGENT_SECRETKEY"),
        serverkey=os.environ.get("VOLTTRON_SERVERKEY")))
    keys.create_authentication_parameters()
    return Endpoint(get_address(), keys.serverkey, "{}.settings.{}".format(identity, os.getpid()), keys.publickey,
                    keys.secretkey)


def local_endpoint() -> Endpoint:
    """Return where and as whom a command connects to the local platform, from the files in VOLTTRON_HOME.

    Its keys are vctl's, its identity is its own: vctl's can be used by one at a time only.

    :raises OSError: the platform has never run, or its files are another user's.
    """
    address = get_address()
    file = KeyStore.get_agent_keystore_path(CONTROL_CONNECTION)
    if not os.path.exists(file):
        raise FileNotFoundError("{} is not there".format(file))
    own = KeyStore(file)
    return Endpoint(address, KnownHostsStore().serverkey(address), "failover.status.{}".format(os.getpid()),
                    own.public, own.secret)


def stop_monitor(agent: Agent) -> None:
    """Do nothing: agents connect over a Unix socket here, and of such a connection the monitor's end stays open."""


def subscribe(agent: Agent, prefix: str, callback: Callable[..., None]) -> bool:
    """Subscribe on the local platform and wait, without a limit, for the router's word; False if it was refused."""
    return bool(agent.vip.pubsub.subscribe("pubsub", prefix, callback).get().get())


def find_agent(ask: Callable[[str, str], Any], identity: str, before: Optional[str]) -> Optional[str]:
    """Return the uuid of the agent with this identity on the local platform, or None.

    To look for an identity, control reads files of every installed agent, and logs a line. So it is first asked for the
    identity of the uuid that is known.

    :param ask: calls a method of control: ``ask(method, argument)``.
    :param before: its uuid when it was last looked for.
    """
    if before is not None and ask("agent_vip_identity", before) == identity:
        return before
    return ask("identity_exists", identity) or None


def is_refusal(error: Exception) -> bool:
    """Whether an RPC failed because the caller lacks an authorization that can be given: none is needed."""
    return False


def missing_authorizations(call: Callable[..., Any], identity: str) -> List[str]:
    """Return which of the authorizations it needs the agent with this identity lacks: it needs none."""
    return []


def is_authorized(agent: Agent, identity: str, capability: str) -> bool:
    """Whether whoever has this identity has a capability, by name."""
    return capability in agent.vip.rpc.call(AUTH, "get_capabilities", identity).get(timeout=_AUTHORIZATION_WITHIN)


def authorize_caller(identity: str, capability: str) -> str:
    """Return what gives whoever has this identity a capability."""
    return "add the capability {} to the entry of {} with `vctl auth update`".format(capability, identity)


def authorize_subscription(identity: str, topic: str) -> str:
    """Return what lets whoever has this identity subscribe to a protected topic."""
    return "the capability that protected_topics.json in VOLTTRON_HOME names: `vctl auth update`"


def authorize_command(identity: str) -> str:
    """Return the command that grants the agent with this identity what it needs, which is nothing."""
    return ""
