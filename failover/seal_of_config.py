"""The seal of an agent, made of its platform's secret key and of its configuration."""

import logging
from typing import Any, Dict, List, Sequence, Tuple

from failover import compat
from failover.config import Config
from failover.seal import Seal, key_of
from failover.text import clean

__all__ = ["seal_of"]

_log = logging.getLogger(__name__)


def seal_of(agent: Any, config: Config, peer_signs: bool, warnings: Sequence[str],
            faults: Dict[str, str]) -> Tuple[Seal, List[str]]:
    """Return the seal of an agent, and the warnings with one more if it cannot sign.

    :param peer_signs: whether the peer has proved itself, so that its unsigned heartbeats do not count.
    :param faults: what is the matter, a text for each kind; "keys" if the peer therefore cannot be heard.
    """
    checks = config.require_signatures == "auto"
    try:
        return Seal(key_of(compat.platform_secretkey(), compat.serverkey(agent), config.remote_serverkey), checks), list(warnings)
    except Exception as error:  # Whatever is wrong with the file, its content or the keys.
        why = "the secret key of this platform cannot be used: {}".format(clean(repr(error)))
    if checks and peer_signs:
        faults["keys"] = ("the other side cannot be heard, because its signatures cannot be checked: {}; give this agent's user "
                          "access to it, or set require_signatures to false on both sides".format(why))
    warning = "signatures: heartbeats go out unsigned, and whoever reaches the port can forge them: " + why
    _log.warning("%s", warning)
    return Seal(), list(warnings) + [warning]
