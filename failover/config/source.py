"""Where the configuration comes from: VOLTTRON's configuration store, if one is there under the name ``config``, else the
file that the agent was installed with.
"""

import json
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional, Tuple

from failover import files
from failover.config import file
from failover.config.configuration import Config
from failover.config.errors import ConfigError
from failover.config.platforms import Known

__all__ = ["Raw", "Source"]

_NAME = "config"
# Bytes of all that is stored for one agent.
_LARGEST = 1024 * 1024


class Raw(NamedTuple):
    """What was read, not checked yet.

    :ivar is_stored: whether it comes from the configuration store.
    :ivar stamp: changes with each change of the store; None if nothing was stored. It was taken before the reading.
    """

    value: Any
    is_stored: bool
    stamp: Optional[Tuple[int, int, int]]


class Source(NamedTuple):
    """Both places.

    :ivar installed: path of the installed file.
    :ivar store: path of the file in which VOLTTRON keeps what is stored for this agent.
    :ivar known: returns what the local platform knows of others: ``known(with_central)``.
    :ivar identity: of this failover agent.
    """

    installed: Optional[str]
    store: Path
    known: Callable[[bool], Known]
    identity: Optional[str]

    def stamp(self) -> Optional[Tuple[int, int, int]]:
        """Return what changes with each change of the store; None if nothing is stored."""
        return files.stamp(self.store)

    def read(self) -> Raw:
        """Return what holds: what is stored, be it right or wrong, takes precedence over the installed file.

        :raises ConfigError: it cannot be read.
        """
        stamp = self.stamp()
        try:
            text = self._stored()
            if text is not None:
                return Raw(file.parse(text, "`config` in the configuration store"), True, stamp)
        except ConfigError as error:
            error.is_stored = True
            raise
        return Raw(file.read(self.installed), False, stamp)

    def check(self, raw: Raw) -> Config:
        """Return the configuration that was read.

        :raises ConfigError: it is wrong.
        """
        try:
            config = Config.load(raw.value, self.known(not Config.is_simple(raw.value)))
            if self.identity in config.agents:
                raise ConfigError(["agent_vip_identity: found {!r}, which is this agent itself; wanted: the agent to manage".format(
                    self.identity)])
        except ConfigError as error:
            error.is_stored = raw.is_stored
            raise
        return config

    def remedy(self, error: ConfigError) -> str:
        """Return the commands that help, for the operator."""
        if not error.is_stored:
            return "run `vctl config store {} config FILE` with a right one".format(self.identity)
        return "run `vctl config store {0} config FILE` with a corrected one, or `vctl config delete {0} config`".format(
            self.identity)

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
                    raise ConfigError(["`config` in the configuration store is CSV; wanted: JSON or YAML"])
                return str(entry["data"])
        return None
