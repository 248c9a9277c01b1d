"""Has another configuration that is stored used at once where that can be done, and tells if it cannot."""

import dataclasses
import logging
import math
from typing import Any, Callable, Dict

import gevent

from failover import clock
from failover.config import Config, ConfigError
from failover.config.keys import LIVE
from failover.config.source import Raw, Source
from failover.loops import surviving

__all__ = ["ConfigWatch"]

_log = logging.getLogger(__name__)

# Seconds between two looks. On a disk that hangs, one waits, and costs no more than its thread.
_LOOK_EVERY = 5.0
# Seconds until what is wrong is compared again, because it may depend on the keys that the platform knows of others.
_COMPARE_AGAIN_AFTER = 60.0

_RESTART = "run `vctl restart` with the uuid of this failover agent"


class ConfigWatch:
    """Looks at the configuration store. A stored configuration is used whole or, until the next start, not at all.

    :param raw: what was read at the start.
    :param running: the configuration with which the agent runs.
    :param faults: what is the matter, a text for each kind; "config" is kept up to date in it.
    :param use: takes a configuration that can be used at once.
    """

    def __init__(self, agent: Any, source: Source, raw: Raw, running: Config, faults: Dict[str, str],
                 use: Callable[[Config], None]):
        self._source = source
        self._running = running
        self._faults = faults
        self._use = use
        self._seen = self._compared = raw.stamp
        self._compare_again_at = math.inf
        # The store tells its agents, and complains in the log of an agent that does not listen. It is read from the file.
        for name in ("config.update", "config.initial_update"):
            agent.vip.rpc.export(self._told, name)

    def _told(self, *args: Any, **kwargs: Any) -> None:
        """The store has changed."""

    def run(self) -> None:
        """Look, for ever."""
        while True:
            gevent.sleep(_LOOK_EVERY)
            with surviving("the look at the configuration store"):
                self.look()

    def look(self) -> None:
        """Look, in a thread, because a disk may hang. What has just changed may not be complete: it counts next time."""
        seen, self._seen = self._seen, gevent.get_hub().threadpool.apply(self._source.stamp)
        if self._seen == seen and (seen != self._compared or clock.now() >= self._compare_again_at):
            self._compared, self._compare_again_at = seen, clock.now() + _COMPARE_AGAIN_AFTER
            if self._compare():
                self._compare_again_at = math.inf

    def _compare(self) -> bool:
        """Return whether what is stored could be compared. If not, what it depends on may be known the next time."""
        try:
            raw = gevent.get_hub().threadpool.apply(self._source.read)
            config = self._source.check(raw)
        except ConfigError as error:
            self._faults["config"] = (
                "the configuration in the configuration store is wrong: {}: {} before the next start" if error.is_stored else
                "nothing is stored, and the installed configuration is wrong: {}: {} before the next start"
            ).format("; ".join(error.problems), self._source.remedy(error))
            return False
        changed = [one.name for one in dataclasses.fields(Config) if one.compare
                   and getattr(config, one.name) != getattr(self._running, one.name)]
        needs_restart = [name for name in changed if name not in LIVE]
        if needs_restart:
            self._faults["config"] = (
                "the stored configuration is not in use, because it differs in {}: {}" if raw.is_stored else
                "nothing is stored, and the installed configuration is not in use, because it differs in {}: {}"
            ).format(", ".join(needs_restart), _RESTART)
            return True
        self._faults.pop("config", None)
        if changed:
            _log.info("configuration: another one is used from now on, with %s", ", ".join(
                "{} {!r}".format(name, getattr(config, name)) for name in changed))
            self._use(config)
            self._running = config
        return True
