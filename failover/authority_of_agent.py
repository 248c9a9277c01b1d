"""Who may give orders to an agent of the local platform."""

from typing import Any

from failover import compat
from failover.authority import CAPABILITY, Authority

__all__ = ["authority_of"]


def authority_of(agent: Any) -> Authority:
    """Return what refuses the orders of those who may not give any to this agent."""
    capability = CAPABILITY.format(agent.core.identity)
    try:
        secretkey = compat.platform_secretkey()
    except (OSError, ValueError, KeyError, TypeError):  # That heartbeats cannot be signed then is said elsewhere.
        secretkey = None
    return Authority(secretkey, agent.core.identity, lambda: compat.caller(agent),
                     lambda caller: compat.is_authorized(agent, caller, capability),
                     lambda caller: compat.authorize_caller(caller, capability))
