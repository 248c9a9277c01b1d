"""A recording: how it began, and what happened then. As lines of text, one for each event, and back.

The first line tells where it comes from. One that does not begin with the start of its failover agent begins from a whole
state, which is in the second line. The others are ``[at, event, effects]``.
"""

import gzip
import zlib
from itertools import chain
from os import PathLike
from typing import Any, Iterator, List, NamedTuple, Tuple, Union

from failover.decision.effects import Effect
from failover.decision.events import Event
from failover.decision.machine import initial
from failover.decision.setup import Record, Setup
from failover.decision.state import State
from failover.decision.vocabulary import Moment
from failover.recording.codec import RecordingError, decoder, encoder, from_text, to_text
from failover.recording.parts import Entry, Packed, Part, opened

__all__ = ["Entry", "Head", "Recording", "parse", "read"]

FORMAT = 1

# Bytes of text that a recording may hold to be read.
_LARGEST = 256 * 1024 * 1024


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

    :ivar parts: one after the other. Where there are several, it can be shortened; how it is divided is not written.
    """

    head: Head
    parts: Tuple[Union[Packed, Part], ...]

    @property
    def beginning(self) -> State:
        """The state before the first event."""
        return opened(self.parts[0]).beginning

    @property
    def entries(self) -> Tuple[Entry, ...]:
        """All events. They take much memory: :meth:`lines` does without having all at once."""
        return tuple(chain.from_iterable(opened(part).entries for part in self.parts))

    @property
    def end(self) -> Moment:
        """When the last event came."""
        beginning, entries = opened(self.parts[-1])
        return max(beginning.now, entries[-1][0]) if entries else beginning.now

    def shortened(self) -> "Recording":
        """Return about the later half; all of it if it has one part only."""
        half = len(self.parts) // 2
        dropped = sum(len(opened(part).entries) for part in self.parts[:half])
        head = self.head._replace(first=self.head.first + dropped, count=self.head.count - dropped)
        return Recording(head, self.parts[half:]) if half else self

    def lines(self) -> Iterator[str]:
        """Make the text, line by line, without their ends."""
        yield to_text(_ENCODE_HEAD(self.head))
        if self.head.first:
            yield to_text(_ENCODE_STATE(self.beginning))
        for part in self.parts:
            for at, event, effects in opened(part).entries:
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
    return Recording(head, (Part(state, entries),))


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
