"""From the start of the process to that of the agent: the configuration, and other processes of the same agent."""

import logging
import os
import sys
from typing import Callable, List, Optional, Tuple

from failover import compat, process
from failover.config import Config, ConfigError
from failover.config.source import Raw, Source
from failover.ending import end_at_once_when_told, ignores_interrupt
from failover.platform_guard import duplicates

__all__ = ["launch"]

_log = logging.getLogger(__name__)

# Seconds.
_DUPLICATE_GONE_WITHIN = 10.0

_NO_INTERRUPT = ("this platform was started with SIGINT ignored, as by `volttron ... &` in a script or by nohup: it cannot "
                 "stop its agents in order, only kill them; start it with `env --default-signal=INT volttron ...`")

# Exit status. Not 0, so that the platform reports an agent that ended this way as failed.
_EXIT_CONFIG = 78


def launch(agent_class: Callable[..., compat.Agent]) -> None:
    """Read the configuration and run the agent. A wrong configuration ends with one line for each problem."""
    warnings = [_NO_INTERRUPT] if ignores_interrupt() else []
    end_at_once_when_told()
    compat.setup_logging()
    identity = os.environ.get("AGENT_VIP_IDENTITY")
    _end_duplicates(identity)
    source = Source(os.environ.get("AGENT_CONFIG"), compat.config_store(identity), compat.known_platforms, identity)
    raw, config = _configuration(source)
    warnings += ["configuration: " + warning for warning in config.warnings]
    warnings += ["platform: " + warning for warning in compat.platform_warnings()]
    for warning in warnings:
        _log.warning("%s", warning)
    compat.vip_main(agent_class, config=config, raw=raw, source=source, warnings=warnings)


def _end_duplicates(identity: Optional[str]) -> None:
    """End what the platform has started of this agent before this process.

    If it knows that one instead of this, its monitor starts a third, which ends this one.
    """
    for one in filter(process.is_older, duplicates(identity)):
        process.end(one, _DUPLICATE_GONE_WITHIN)
        _log.warning("process %d of this agent, which the platform started too, %s", one.pid,
                     "does not end" if process.lives(one) else "was ended")


def _configuration(source: Source) -> Tuple[Raw, Config]:
    try:
        raw = source.read()
        if raw.is_stored:
            _log.info("configuration: the one in the configuration store is used, not the installed file")
        return raw, source.check(raw)
    except ConfigError as error:
        _give_up(error.problems + ([source.remedy(error)] if error.is_stored else []))
        raise


def _give_up(problems: List[str]) -> None:
    for problem in problems:
        _log.error("configuration: %s", problem)
    sys.exit(_EXIT_CONFIG)
