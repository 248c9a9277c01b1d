"""Has a configuration take effect that is stored, changed or deleted in VOLTTRON's configuration store."""

import dataclasses
from typing import Any, Callable, Dict, Optional, Sequence

import gevent

from failover.config import Config, ConfigError
from failover.config.source import LIVE, Loaded, Source
from failover.loops import surviving

__all__ = ["ConfigWatch"]

# Seconds between two looks, and after how many looks what was wrong is looked at again.
_LOOK_EVERY, _AGAIN_AFTER = 1.0, 60

_AGAIN = "run `vctl config store {} config FILE` with a corrected one, or `vctl config delete {} config`"
_RESTART = "; they take effect when this failover agent is stopped and started again: run `vctl restart` with its uuid"


class ConfigWatch:
    """Looks at the configuration store.

    What is wrong is told, and what runs goes on. What may change while the agent runs is applied.

    :param loaded: with what the agent runs.
    :param faults: what is the matter, a text for each kind; "config" is kept up to date in it.
    :param apply: has what is configured now take effect, once; gets what changes, in words.
    """

    def __init__(self, agent: Any, source: Source, loaded: Loaded, faults: Dict[str, str], apply: Callable[[str], None]):
        self._identity = agent.core.identity
        self._source = source
        self._running = loaded.config
        self._faults = faults
        self._apply = apply
        self._seen = source.stamp()
        self._due_in: Optional[int] = None
        if loaded.problems:
            self._say(loaded.problems)
        # The store tells its agents, and complains in the log of an agent that does not listen. It is read from the file.
        for name in ("config.update", "config.initial_update"):
            agent.vip.rpc.export(self._told, name)

    def _told(self, *args: Any, **kwargs: Any) -> None:
        """The store has changed."""

    def run(self) -> None:
        """Look, for ever."""
        while True:
            with surviving("the look at the configuration store"):
                self.look()
            gevent.sleep(_LOOK_EVERY)

    def look(self) -> None:
        """Look. What has just changed may still be being written: it counts when it is the same at the next look."""
        seen = self._source.stamp()
        if seen != self._seen:
            self._seen, self._due_in = seen, 1
        elif self._due_in is not None:
            self._due_in -= 1
            if self._due_in == 0:
                self._due_in = None
                self._compare()

    def _compare(self) -> None:
        try:
            loaded = self._source.load()
        except ConfigError as error:
            self._say(error.problems)
            return
        changed = [one.name for one in dataclasses.fields(Config) if one.compare
                   and getattr(loaded.config, one.name) != getattr(self._running, one.name)]
        fixed = [name for name in changed if name not in LIVE]
        if loaded.problems:
            self._say(loaded.problems)
        elif fixed:
            self._faults["config"] = "in the configuration are new: {}{}".format(", ".join(fixed), _RESTART)
        else:
            self._faults.pop("config", None)
            if changed:
                self._apply(", ".join("{} {} instead of {}".format(
                    name, getattr(loaded.config, name), getattr(self._running, name)) for name in changed))

    def _say(self, problems: Sequence[str]) -> None:
        """Say what is wrong. It is looked at again: what this platform knows of others counts too, and may change."""
        self._faults["config"] = "the configuration in the configuration store is not used: {}: {}".format(
            "; ".join(problems), _AGAIN.format(self._identity, self._identity))
        self._due_in = _AGAIN_AFTER
