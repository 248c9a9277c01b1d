"""What the decision begins with, and what of it may change, made from a configuration."""

import uuid
from typing import Optional

from failover.config import Config
from failover.decision.setup import Settings, Setup
from failover.decision.vocabulary import Timing
from failover.heartbeat import LONGEST_TEXT
from failover.text import clean

__all__ = ["probe_every", "settings_of", "setup_of"]


def settings_of(config: Config) -> Settings:
    """Return what may change while the failover agent runs."""
    return Settings(Timing.of(config), config.beat_every, min(max(config.timeout / 2, 0.5), 10.0), config.fail_back_after,
                    config.max_failures, config.failure_window, config.unhealthy_after)


def setup_of(config: Config, instance_name: str, vip_identity: str, quiet_until: float,
             pair_key: Optional[str] = None) -> Setup:
    """Return what a failover agent that starts now goes by."""
    return Setup(
        mode=config.mode, role=config.agent_id, instance_name=clean(instance_name, LONGEST_TEXT), vip_identity=vip_identity,
        agents=config.agents, boot_id=uuid.uuid4().hex, remote_instance=config.remote_instance_name or None,
        quiet_until=quiet_until, wants_proof=config.require_signatures == "auto", pair_key=pair_key,
        **settings_of(config)._asdict())


def probe_every(config: Config) -> float:
    """Return the seconds of quiet after which a connection is tried."""
    return 1.5 * config.heartbeat_period
