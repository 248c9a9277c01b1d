"""From a message on a bus to the event that it is."""

from typing import Any, Optional, Tuple

from failover.decision.events import HeartbeatReceived
from failover.decision.vocabulary import Path
from failover.heartbeat import MalformedHeartbeat, decode, subject
from failover.text import clean

__all__ = ["received"]


def received(path: Path, sender: str, message: Any, parsed: Tuple[Optional[str], Optional[str]] = (None, None),
             is_local: bool = False, widely: bool = False, is_signed: bool = False) -> HeartbeatReceived:
    """Return the event of a message, whatever it contains.

    :param parsed: role and mode for which its topic stands.
    :param widely: whether that is another one on VC's bus than the pair's own.
    """
    about, fault, heartbeat = subject(message), None, None
    try:
        heartbeat = decode(message)
    except MalformedHeartbeat as error:
        fault = str(error)
    return HeartbeatReceived(path, heartbeat, clean(sender), parsed[0], parsed[1],
                             None if about is None else clean(about), is_local, fault, widely, is_signed)
