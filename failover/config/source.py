"""Where the configuration comes from: VOLTTRON's configuration store, if one is there under the name ``config``, else the
file that the agent was installed with.
"""

import json
import os
from typing import Any, Callable, List, NamedTuple, Optional, Tuple

from failover import files
from failover.config import file
from failover.config.configuration import Config
from failover.config.errors import ConfigError
from failover.config.platforms import Known

__all__ = ["LIVE", "Loaded", "Source"]

# The keys that can change while the agent runs.
LIVE = ("heartbeat_period", "timeout", "stop_grace", "fail_back", "max_failures", "failure_window", "unhealthy_after")

_NAME = "config"
# Bytes of all that is stored for one agent.
_LARGEST = 1024 * 1024


class Loaded(NamedTuple):
    """The configuration that holds.

    :ivar is_stored: whether it comes from the configuration store.
    :ivar problems: why what is stored is not used, a line each.
    """

    config: Config
    is_stored: bool
    problems: Tuple[str, ...] = ()


class Source(NamedTuple):
    """Both places.

    :ivar installed: path of the installed file.
    :ivar store: path of the file in which VOLTTRON keeps what is stored for this agent.
    :ivar known: returns what the local platform knows of others: ``known(with_central)``.
    """

    installed: Optional[str]
    store: str
    known: Callable[[bool], Known]

    def stamp(self) -> Optional[Tuple[int, int]]:
        """Return what changes with each change of the store; None if nothing is stored."""
        try:
            found = os.stat(self.store)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size

    def load(self) -> Loaded:
        """Return the configuration that holds. What is stored wrongly is told, and the installed file is used instead.

        :raises ConfigError: the installed file is needed, and is wrong too.
        """
        problems: List[str] = []
        try:
            text = self._stored()
            if text is not None:
                return Loaded(self._checked(file.parse(text, _NAME)), True)
        except ConfigError as error:
            problems = error.problems
        return Loaded(self._checked(file.read(self.installed)), False, tuple(problems))

    def _checked(self, raw: Any) -> Config:
        return Config.load(raw, self.known(not Config.is_simple(raw)))

    def _stored(self) -> Optional[str]:
        try:
            store = json.loads(files.read(self.store, _LARGEST).decode())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigError(["{} cannot be read: {}".format(self.store, error)]) from None
        for name, entry in store.items() if isinstance(store, dict) else ():
            if name.lower() == _NAME and isinstance(entry, dict) and isinstance(entry.get("data"), str):
                if entry.get("type") == "csv":
                    raise ConfigError(["it is stored as CSV; wanted: JSON or YAML"])
                return entry["data"]
        return None
