"""Modular VOLTTRON 11."""

import json
import logging
import os
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

from volttron.client.known_identities import AUTH, CONTROL, CONTROL_CONNECTION, PLATFORM
from volttron.client.logs import setup_logging as _setup_logging
from volttron.client.messaging.health import STATUS_BAD, STATUS_GOOD, Status
from volttron.client.vip.agent import RPC, Agent, Core
from volttron.types.agent_context import AgentOptions
from volttron.utils import ClientContext, load_config
from volttron.utils.commands import vip_main
from volttron.utils.jsonrpc import RemoteError

from failover import files
from failover.config import Known
from failover.vip.endpoint import Endpoint

__all__ = [
    "AGENT_OPTIONS", "AUTH", "Agent", "CONTROL", "Core", "RPC", "RemoteError", "STATUS_BAD", "STATUS_GOOD", "Status",
    "authorize_caller", "authorize_command", "authorize_subscription", "data_folder", "find_agent", "installed", "instance_name",
    "is_authorized", "is_refusal", "known_platforms", "load_config", "local_endpoint", "missing_authorizations", "platform_secretkey",
    "platform_warnings", "serverkey", "setup_logging", "stop_monitor", "subscribe", "vip_main", "volttron_home"
]

# No configuration store: the agent is configured at installation. With VOLTTRON's own heartbeat, `vctl status` shows
# the health from the start on.
AGENT_OPTIONS: Dict[str, Any] = {"options": AgentOptions(enable_store=False, heartbeat_autostart=True)}

# Seconds.
_AUTHORIZATION_WITHIN = 10.0

_CAPABILITIES = [CONTROL + ".start_agent", CONTROL + ".stop_agent", CONTROL + ".clear_status"]


def setup_logging() -> None:
    """Log as VOLTTRON's agents do, at INFO. Its own modules would log each message at DEBUG, for much CPU time."""
    _setup_logging(logging.INFO)


def instance_name() -> str:
    """Return the name of the local platform."""
    return ClientContext.get_instance_name()


def volttron_home() -> str:
    """Return the folder of the local platform."""
    return ClientContext.get_volttron_home()


def data_folder(agent: Agent) -> Path:
    """Return the folder for the agent's data, which may not exist yet."""
    return Path(volttron_home(), "agents", agent.core.identity, "data")


def installed(identity: str, uuid: str) -> Optional[Tuple[str, Path]]:
    """Return name and version of an installed agent, and where its configuration is; None if that cannot be found."""
    folder = Path(volttron_home(), "agents", identity)
    try:
        return files.read(folder / "NAME", files.FEW).decode(), folder / "config"
    except (OSError, ValueError):
        return None


def serverkey(agent: Agent) -> str:
    """Return the public key of the local platform."""
    return agent.core.serverkey


def platform_secretkey() -> str:
    """Return the secret key of the local platform.

    :raises OSError, ValueError, KeyError: it cannot be read.
    """
    return json.loads(files.read(Path(volttron_home(), "credentials_store", PLATFORM + ".json"), files.FEW))["secretkey"]


def known_platforms(with_central: bool) -> Known:
    """Return what the local platform knows of others: nothing. It has no setting for VC and no store of known hosts."""
    return Known()


def platform_warnings() -> List[str]:
    """Return what is known to be wrong with the local platform's installation: nothing."""
    return []


def local_endpoint() -> Endpoint:
    """Return where and as whom a command connects to the local platform, from the files in VOLTTRON_HOME.

    Its keys are vctl's, its identity is its own: vctl's can be used by one at a time only.

    :raises OSError: the platform has never run, or its files are another user's.
    """
    store = Path(volttron_home(), "credentials_store")
    own = json.loads(files.read(store / (CONTROL_CONNECTION + ".json"), files.FEW))
    router = json.loads(files.read(store / (PLATFORM + ".json"), files.FEW))
    return Endpoint(ClientContext.get_address(), router["publickey"], "failover.status.{}".format(os.getpid()),
                    own["publickey"], own["secretkey"])


def stop_monitor(agent: Agent) -> None:
    """End VOLTTRON's monitor of the connection to the local platform, whose end can block this whole process for good.

    When the platform dies, the monitor gives up after 50 attempts to connect. If a message was half sent then, it fails,
    closes its end of ZeroMQ's monitor socket, and only then has ZeroMQ stop sending to it. If anything comes between, that
    call waits for ever with Python's lock held, and nothing here runs any more: the managed agent would go on. Stopped
    while its end is open, it ends without that. Whether the platform lives is seen by its process.
    """
    agent.core._socket.monitor(None, 0)


def subscribe(agent: Agent, prefix: str, callback: Callable[..., None]) -> bool:
    """Subscribe on the local platform and wait, without a limit, for the router's word; False if it was refused."""
    accepted = agent.vip.pubsub.subscribe("pubsub", prefix, callback).get()
    return accepted is not None and bool(accepted.get())


def find_agent(ask: Callable[[str, str], Any], identity: str, before: Optional[str]) -> Optional[str]:
    """Return the uuid of the agent with this identity on the local platform, or None.

    :param ask: calls a method of control: ``ask(method, argument)``.
    :param before: its uuid when it was last looked for.
    """
    return ask("identity_exists", identity) or None


def is_refusal(error: Exception) -> bool:
    """Whether an RPC failed because the caller lacks the authorization."""
    return isinstance(error, RemoteError) and "AuthException" in repr(error)


def missing_authorizations(call: Callable[..., Any], identity: str) -> List[str]:
    """Return which of the RPC capabilities it needs the agent with this identity lacks.

    :param call: calls an agent of the local platform: ``call(peer, method, **arguments)``.
    """
    granted = (call(AUTH, "get_agent_capabilities", identity) or {}).get("rpc_capabilities", [])
    missing = [capability for capability in _CAPABILITIES if capability not in granted]
    if not any(not isinstance(entry, str) or entry.startswith("/") for entry in granted):
        return missing
    # There are patterns, or limits on arguments, which only the platform can judge. It logs a traceback for each "no".
    return [capability for capability in missing if not _is_authorized(call, identity, capability)]


def _is_authorized(call: Callable[..., Any], identity: str, capability: str) -> bool:
    try:
        return call(AUTH, "check_rpc_authorization", identity=identity, method_name=capability, method_args={})
    except RemoteError as error:
        if not is_refusal(error):
            raise
        return False


def is_authorized(agent: Agent, identity: str, capability: str) -> bool:
    """Whether whoever has this identity has a capability, by name."""
    granted = agent.vip.rpc.call(AUTH, "get_agent_capabilities", identity).get(timeout=_AUTHORIZATION_WITHIN) or {}
    return capability in granted.get("rpc_capabilities", [])


def authorize_caller(identity: str, capability: str) -> str:
    """Return what gives whoever has this identity a capability."""
    return "`vctl authz add agent {} --rpc-capabilities {}`".format(identity, capability)


def authorize_subscription(identity: str, topic: str) -> str:
    """Return what lets whoever has this identity subscribe to a protected topic."""
    return "`vctl authz add agent {} --pubsub-capabilities {}:subscribe`".format(identity, topic)


def authorize_command(identity: str) -> str:
    """Return the command that grants the agent with this identity what it needs."""
    return "vctl authz add agent {} --rpc-capabilities {}".format(identity, " ".join(_CAPABILITIES))
