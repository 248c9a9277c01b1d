"""From a message on a bus to the event that it is."""

from typing import Any, Optional, Tuple, Union

from failover.decision.events import HeartbeatReceived, WrongSignature
from failover.decision.vocabulary import Path
from failover.heartbeat import MalformedHeartbeat, decode, subject
from failover.text import clean

__all__ = ["received"]


def received(path: Path, sender: str, message: Any, parsed: Tuple[Optional[str], Optional[str]] = (None, None),
             is_local: bool = False, widely: bool = False, is_signed: Optional[bool] = False
             ) -> Union[HeartbeatReceived, WrongSignature]:
    """Return the event of a message, whatever it contains.

    :param parsed: role and mode for which its topic stands.
    :param is_signed: None if its signature is wrong.
    :param widely: whether that is another one on VC's bus than the pair's own.
    """
    found, fault, heartbeat = subject(message), None, None
    about = None if found is None else clean(found)
    if is_signed is None:
        return WrongSignature(clean(sender), about)
    try:
        heartbeat = decode(message)
    except MalformedHeartbeat as error:
        fault = str(error)
    return HeartbeatReceived(path, heartbeat, clean(sender), parsed[0], parsed[1],
                             about, is_local, fault, widely, is_signed)
