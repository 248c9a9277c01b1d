"""The connection to the platform of the peer, and the listener to what comes from there, as a configuration has them."""

from typing import Any, Callable, Dict, Tuple

from failover import clock, compat
from failover.config import Config
from failover.decision.vocabulary import Path
from failover.heartbeat import pair_topic, topic
from failover.heartbeat_path import HeartbeatPath
from failover.listener import Listener
from failover.narrowing import Narrowing
from failover.seal import Seal
from failover.setup_of_config import probe_every
from failover.words.lines import other_role

__all__ = ["listener_of", "peer_link_of"]


def peer_link_of(agent: Any, config: Config, seal: Seal, within: float,
                 post: Callable[[Any], None]) -> Tuple[HeartbeatPath, Narrowing]:
    """Return the connection to the platform of the peer, and what says on which topics heartbeats go out there.

    :param seal: signs heartbeats.
    :param within: seconds after which an answer is overdue.
    :param post: takes what comes of it.
    """
    narrowing = Narrowing(config.timeout)
    return HeartbeatPath(
        Path.DIRECT, compat.remote_endpoint(agent, config.remote_vip, config.remote_serverkey),
        pair_topic(config.agent_id, config.mode, config.managed), seal, within, probe_every(config), post,
        (topic(config.agent_id, config.mode),), lambda: not narrowing.suffices(clock.now())), narrowing


def listener_of(agent: Any, config: Config, narrowing: Narrowing, seal: Seal, within: float, post: Callable[[Any], None],
                is_installed: Callable[[str], bool], alert: Callable[[str], None], faults: Dict[str, str]) -> Listener:
    """Return the listener to the heartbeats of the peer; the other arguments are those of a listener."""
    return Listener(agent, topic(other_role(config.agent_id), config.mode), config.managed, narrowing, seal, within, post,
                    is_installed, alert, faults)
