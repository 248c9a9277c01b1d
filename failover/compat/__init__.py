"""All that differs between the VOLTTRONs this package runs on. Nothing else asks which one it is.

:mod:`failover.compat.modular` is for modular VOLTTRON 11, :mod:`failover.compat.monolithic` for monolithic VOLTTRON 9.
Both have the same names, which are handed on here.
"""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import List, Optional

from failover import files
from failover.vip.endpoint import Endpoint

if find_spec("volttron.client") is not None:
    from failover.compat.modular import *  # noqa: F401, F403
else:
    from failover.compat.monolithic import *  # noqa: F401, F403


def platform_pid() -> int:
    """Return the process id of the local platform, as it wrote it down.

    This waits for the disk.

    :raises OSError, ValueError: there is no such file or no number in it.
    """
    return int(files.read(Path(volttron_home(), "VOLTTRON_PID"), files.FEW))  # noqa: F405


def config_store(identity: Optional[str]) -> Path:
    """Return the file in which the local platform keeps what is in its configuration store for this agent."""
    return Path(volttron_home(), "configuration_store", "{}.store".format(identity))  # noqa: F405


def remote_endpoint(agent: Agent, address: str, serverkey: str) -> Endpoint:  # noqa: F405
    """Return where and as whom the agent connects to another platform: with its own keys, its name fully qualified."""
    return Endpoint(address, serverkey, "{}.{}".format(instance_name(), agent.core.identity),  # noqa: F405
                    agent.core.publickey, agent.core.secretkey)


def request_stop(agent: Agent) -> None:  # noqa: F405
    """Have the agent end in order, as a SIGINT does where it is not ignored: its onstop runs with a living connection.

    VOLTTRON's own ``core.stop`` signs off from the bus first.
    """
    if agent.core._stop_event is None:  # It has not begun to run.
        os._exit(0)
    agent.core._stop_event.set()


def is_subscribed(agent: Agent, prefix: str) -> bool:  # noqa: F405
    """Ask the local router whether it still knows this subscription. Waits for its word, without a limit.

    Anyone can make a router drop the subscriptions of another agent. It tells nobody.
    """
    return any(topic == prefix and subscribed
               for _, topic, subscribed in agent.vip.pubsub.list("pubsub", prefix, subscribed=True).get())


def peers(agent: Agent) -> List[str]:  # noqa: F405
    """Return the VIP identities that the local router takes for connected. Waits for its word, without a limit."""
    return agent.vip.peerlist().get()


def caller(agent: Agent) -> str:  # noqa: F405
    """Return the VIP identity from which the RPC comes that is being answered."""
    return agent.vip.rpc.context.vip_message.peer
