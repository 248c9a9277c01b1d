"""The agent's configuration: reading it, and saying everything that is wrong with it at once.

The keys and their meaning are those of VOLTTRON's documentation of the Failover Agent. Nothing here does I/O but
:mod:`failover.config.file`, which reads the file.
"""

from failover.config.configuration import Config
from failover.config.errors import ConfigError
from failover.config.keys import is_serverkey
from failover.config.platforms import Known

__all__ = ["Config", "ConfigError", "Known", "is_serverkey"]
