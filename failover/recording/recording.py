"""A recording: how it began, and what happened then. As lines of text, one for each event, and back.

The first line tells where it comes from. One that does not begin with the start of its failover agent begins from a whole
state, which is in the second line. The others are ``[at, event, effects]``.
"""

import gzip
import zlib
from os import PathLike
from typing import Any, Iterator, List, NamedTuple, Tuple, Union

from failover.decision.effects import Effect
from failover.decision.events import Event
from failover.decision.machine import initial
from failover.decision.setup import Record, Setup
from failover.decision.state import State
from failover.decision.vocabulary import Moment
from failover.recording.codec import RecordingError, decoder, encoder, from_text, to_text

__all__ = ["Entry", "Head", "Recording", "parse", "read"]

FORMAT = 1

# Bytes of text that a recording may hold to be read.
_LARGEST = 256 * 1024 * 1024

# When, what happened, and what was to be done. A plain tuple, because one is made for each event.
Entry = Tuple[Moment, Event, Tuple[Effect, ...]]


class Head(NamedTuple):
    """Where a recording comes from.

    :ivar version: of this package, that made it.
    :ivar record: what the last start had left.
    :ivar started: when the failover agent did.
    :ivar wall_offset: seconds since 1970, UTC, at moment 0: by it a moment becomes a time of day.
    :ivar first: how many events of this start came before the recording.
    :ivar count: how many are in it.
    :ivar why: why it was written.
    """

    format: int
    version: str
    setup: Setup
    record: Record
    started: Moment
    wall_offset: float
    first: int
    count: int  # type: ignore[assignment]  # Hides the method of a tuple, which nobody calls.
    why: str


class Recording(NamedTuple):
    """Some of what happened in one start of a failover agent.

    :ivar states: some states on the way, and after how many events of this start each was. The first is the one that the
        recording begins from; the others are there to shorten it, and are not written.
    """

    head: Head
    states: Tuple[Tuple[int, State], ...]
    entries: Tuple[Entry, ...]

    @property
    def beginning(self) -> State:
        """The state before the first event."""
        return self.states[0][1]

    @property
    def end(self) -> Moment:
        """When the last event came."""
        return max(self.beginning.now, self.entries[-1][0]) if self.entries else self.beginning.now

    def shortened(self) -> "Recording":
        """Return about the later half; all of it if it has no state to begin that from."""
        head, later = self.head, self.states[1:]
        if not later:
            return self
        middle = next((place for place, (number, _) in enumerate(later) if number - head.first >= head.count / 2),
                      len(later) - 1)
        dropped = later[middle][0] - head.first
        return Recording(head._replace(first=head.first + dropped, count=head.count - dropped), later[middle:],
                         self.entries[dropped:])

    def lines(self) -> Iterator[str]:
        """Make the text, line by line, without their ends."""
        yield to_text(_ENCODE_HEAD(self.head))
        if self.head.first:
            yield to_text(_ENCODE_STATE(self.beginning))
        for at, event, effects in self.entries:
            yield to_text((at, _ENCODE_EVENT(event), _ENCODE_EFFECTS(effects)))


_ENCODE_HEAD, _DECODE_HEAD = encoder(Head), decoder(Head)
_ENCODE_STATE, _DECODE_STATE = encoder(State), decoder(State)
_ENCODE_EVENT, _DECODE_EVENT = encoder(Event), decoder(Event)
_ENCODE_EFFECTS, _DECODE_EFFECTS = encoder(Tuple[Effect, ...]), decoder(Tuple[Effect, ...])
_DECODE_MOMENT = decoder(Moment)


def parse(text: str) -> Recording:
    """Return the recording that is written so.

    :raises RecordingError: there is none; it names the line.
    """
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines:
        raise RecordingError("it is empty")
    head = _in_line(1, _head, lines[0])
    if head.first:
        if len(lines) < 2:
            raise RecordingError("line 2: the state is missing from which the recording begins")
        state = _in_line(2, lambda found: _DECODE_STATE(from_text(found)), lines[1])
    else:
        state = initial(head.setup, head.record, head.started)
    begin = 2 if head.first else 1
    entries = tuple(_in_line(number, _entry, line) for number, line in enumerate(lines[begin:], begin + 1))
    if len(entries) != head.count:
        raise RecordingError("line {}: it ends after {} of {} events".format(len(lines), len(entries), head.count))
    return Recording(head, ((head.first, state),), entries)


def read(path: "Union[str, PathLike[str]]") -> Recording:
    """Return the recording in a file, compressed or not.

    :raises OSError: the file cannot be read.
    :raises RecordingError: it holds no recording.
    """
    with open(path, "rb") as file:
        is_compressed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        try:
            content = (gzip.GzipFile(fileobj=file) if is_compressed else file).read(_LARGEST + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise RecordingError("its compression is damaged: {}".format(error)) from None
    if len(content) > _LARGEST:
        raise RecordingError("it is larger than {} MiB".format(_LARGEST // 1024 ** 2))
    try:
        return parse(content.decode())
    except UnicodeDecodeError:
        raise RecordingError("it is not text") from None


def _in_line(number: int, decode: Any, line: str) -> Any:
    try:
        return decode(line)
    except RecordingError as error:
        raise RecordingError("line {}: {}".format(number, error)) from None


def _head(line: str) -> Head:
    found = from_text(line)
    if not isinstance(found, dict) or "format" not in found:
        raise RecordingError("it is no recording of a failover agent")
    if found["format"] != FORMAT:
        raise RecordingError("it is of format {!r}, and this release reads format {}".format(found["format"], FORMAT))
    head: Head = _DECODE_HEAD(found)
    return head


def _entry(line: str) -> Entry:
    found: List[Any] = from_text(line)
    if not isinstance(found, list) or len(found) != 3:
        raise RecordingError("expected a time, an event and its effects")
    return _DECODE_MOMENT(found[0]), _DECODE_EVENT(found[1]), _DECODE_EFFECTS(found[2])
