"""The client by which an agent reaches the VC that its configuration names."""

import functools
from typing import TYPE_CHECKING, Any, Callable, Optional

from failover import compat
from failover.config import Config
from failover.seal import Seal
from failover.setup_of_config import probe_every
from failover.vip.address import is_web

if TYPE_CHECKING:
    from failover.vc_client import VcClient

__all__ = ["vc_client_of"]


def vc_client_of(agent: Any, config: Config, seal: Seal, within: float,
                 post: Callable[[Any], None]) -> "Optional[VcClient]":
    """Return the client by which an agent reaches the VC of its configuration; None in simple failover.

    :param seal: signs heartbeats, and checks signatures.
    :param within: seconds after which an answer is overdue.
    :param post: takes what comes of it.
    """
    if config.simple_behavior:
        return None
    from failover import discovery
    from failover.vc_client import Topics, VcClient  # With what they import, half a MiB that simple failover does without.

    endpoint = compat.remote_endpoint(agent, config.volttron_central_vip, config.volttron_central_serverkey)
    find = None if not is_web(endpoint.address) else functools.partial(
        discovery.find, endpoint, lambda: compat.known_platforms(with_central=False).serverkeys)
    topics = Topics.of(compat.serverkey(agent), config.remote_serverkey, config.managed)
    return VcClient(endpoint, config.volttron_central_identity, topics, seal, within, probe_every(config), post, find)
