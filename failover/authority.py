"""Who may give orders: whoever has the files of this platform, as the commands of an operator on this machine do.

Both VOLTTRONs tell the called agent under which VIP identity the caller is connected, and not with which key. A client may take
any identity that is free. So an order comes with a proof, which only the platform's secret key makes. It holds for this order
to this failover agent alone, once, and for some seconds. A caller without one needs an authorization for its identity.
"""

import hashlib
import hmac
import json
from typing import Any, Callable, Dict, Optional, Sequence

import gevent

from failover import clock
from failover.text import clean

__all__ = ["Authority", "CAPABILITY", "prove"]

# What is authorized. It is no method's name: on VOLTTRON 11, naming one would shut everybody else out of it, operators too.
CAPABILITY = "{}.give_orders"

_PURPOSE = b"volttron-failover order 2"

# What the command of a method is called, if not the same.
_COMMANDS = {"record": "trace"}

# Seconds.
_HOLDS = 30.0


def prove(secretkey: str, identity: str, method: str, args: Sequence[Any], at: Optional[float] = None) -> str:
    """Return the proof for an order.

    :param secretkey: of the platform.
    :param identity: VIP identity of the failover agent that is to take the order: there may be others on the platform.
    :param at: when it is given, on this machine's clock; None is now.
    """
    moment = "{:.6f}".format(clock.now() if at is None else at)
    content = json.dumps([identity, method, list(args), moment])
    key = hmac.new(secretkey.encode(), _PURPOSE, hashlib.sha256).digest()
    return "{} {}".format(moment, hmac.new(key, content.encode(), hashlib.sha256).hexdigest())


class Authority:
    """Refuses orders of those who may not give any.

    :param secretkey: of this platform; None if it cannot be read, and then everybody may.
    :param identity: this agent's VIP identity.
    :param caller: returns who is asking, by VIP identity.
    :param is_authorized: whether the caller with this identity has been authorized.
    :param authorize_with: returns what authorizes it.
    """

    def __init__(self, secretkey: Optional[str], identity: str, caller: Callable[[], str],
                 is_authorized: Callable[[str], bool], authorize_with: Callable[[str], str]):
        self.caller = caller
        self._secretkey = secretkey
        self._identity = identity
        self._is_authorized = is_authorized
        self._authorize_with = authorize_with
        self._used: Dict[str, float] = {}

    def refusal(self, method: str, args: Sequence[Any], proof: Any) -> Optional[str]:
        """Return why an order is refused; None if it is not."""
        caller = self.caller()
        secretkey = self._secretkey
        if secretkey is None or self._holds(secretkey, method, args, proof):
            return None
        try:
            if self._is_authorized(caller):
                return None
            otherwise = "or authorize it: {}".format(self._authorize_with(clean(caller)))
        except (Exception, gevent.Timeout) as error:  # A Timeout is no Exception: VOLTTRON would give the caller no answer.
            otherwise = "because platform.auth does not say whether it is authorized ({}): see `vctl status`".format(
                clean(error) or type(error).__name__)
        return ("refused: {} has not shown that it belongs to this platform; run `python -m failover {}` here, as the "
                "platform's user, {}".format(clean(caller), _COMMANDS.get(method, method), otherwise))

    def _holds(self, secretkey: str, method: str, args: Sequence[Any], proof: Any) -> bool:
        now = clock.now()
        self._used = {one: at for one, at in self._used.items() if now - at < _HOLDS}
        try:
            at = float(proof.split(" ")[0])
            wanted = prove(secretkey, self._identity, method, args, at)
        except (AttributeError, TypeError, ValueError, OverflowError):
            return False
        if not 0 <= now - at < _HOLDS or proof in self._used or not hmac.compare_digest(
                wanted.encode(), proof.encode("utf-8", "surrogatepass")):
            return False
        self._used[proof] = at
        return True
