"""What VOLTTRON exports on every agent by itself, and any client may call, kept from doing harm here."""

from typing import Any, Callable

from failover.text import clean

__all__ = ["guard"]

# They change how often VOLTTRON's own heartbeat goes out, which could be never or all the time. The options of this agent say that.
_REFUSED = tuple("heartbeat." + name for name in ("start", "start_with_period", "stop", "restart", "set_period"))
_PROTECT = "rpc.add_protected_rpcs"


def guard(rpc: Any, caller: Callable[[], str], auth: str) -> None:
    """Refuse what nobody needs, and take from platform.auth alone which methods are protected. Only VOLTTRON 11 protects any.

    :param rpc: VOLTTRON's part that answers, with its own methods exported already.
    :param caller: returns who is asking, by VIP identity.
    :param auth: the VIP identity of platform.auth.
    """
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise ValueError("refused to {}: a failover agent's heartbeat goes by its own options".format(clean(caller())))

    for name in _REFUSED:
        rpc.export(refuse, name)
    protect = getattr(rpc, "_add_protected_rpcs", None)
    if protect is None:
        return

    def only_by_auth(updated_list: Any) -> Any:
        if caller() != auth:
            raise ValueError("refused to {}: only {} says which methods are protected".format(clean(caller()), auth))
        return protect(updated_list)

    rpc.export(only_by_auth, _PROTECT)
