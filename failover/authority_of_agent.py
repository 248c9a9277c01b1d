"""Who may give orders to an agent of the local platform."""

from typing import Any

from failover import compat
from failover.authority import CAPABILITY, Authority
from failover.own_rpcs import guard

__all__ = ["authority_of"]


def authority_of(agent: Any) -> Authority:
    """Return what refuses the orders of those who may not give any to this agent, and guard what VOLTTRON exports on it."""
    def caller() -> str:
        return compat.caller(agent)

    # When it is set up, VOLTTRON has exported its own, and nobody has called them yet.
    agent.core.onsetup.connect(lambda sender, **kwargs: guard(agent.vip.rpc, caller, compat.AUTH), agent)
    capability = CAPABILITY.format(agent.core.identity)
    try:
        secretkey = compat.platform_secretkey()
    except (OSError, ValueError, KeyError, TypeError):  # That heartbeats cannot be signed then is said elsewhere.
        secretkey = None
    return Authority(secretkey, agent.core.identity, caller,
                     lambda caller: compat.is_authorized(agent, caller, capability),
                     lambda caller: compat.authorize_caller(caller, capability))
