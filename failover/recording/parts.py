"""What happened, in parts that each begin from a whole state. In memory, all but the last are packed.

An event takes some 700 bytes of memory, and packed some 15, because one heartbeat says almost what the one before it did.
"""

import pickle
import zlib
from typing import NamedTuple, Tuple, Union

from failover.decision.effects import Effect
from failover.decision.events import Event
from failover.decision.state import State
from failover.decision.vocabulary import Moment

__all__ = ["Entry", "Packed", "Part", "opened", "packed"]

# When, what happened, and what was to be done. A plain tuple, because one is made for each event.
Entry = Tuple[Moment, Event, Tuple[Effect, ...]]

# Never read from a file: nobody but this process makes them.
Packed = bytes


class Part(NamedTuple):
    """Some events, one after the other, and the state before the first."""

    beginning: State
    entries: Tuple[Entry, ...]


def packed(part: Part) -> Packed:
    """Return the same in little memory."""
    return zlib.compress(pickle.dumps(tuple(part), protocol=4), 1)


def opened(part: Union[Packed, Part]) -> Part:
    """Return a part whose events can be read."""
    return part if isinstance(part, Part) else Part(*pickle.loads(zlib.decompress(part)))
