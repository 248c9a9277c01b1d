"""Recordings on disk: a few files in one folder, of limited size.

Their names hold a number that counts up, from which start of the failover agent they are, and which of its events they
hold. The wall clock has no part in it, because it may be wrong. A file goes when others hold all that it holds, or when
there are too many.
"""

import errno
import gzip
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, List, NamedTuple

from failover import files
from failover.recording.recording import Recording

__all__ = ["Stored", "stored", "write"]

MOST_FILES = 5
MOST_BYTES = 8 * 1024 * 1024

_NAME = re.compile(r"recording-(\d+)-([0-9a-z]+)-(\d+)-(\d+)\.jsonl\.gz")
_BEGUN = "recording-", ".new"
# Lines that are compressed at once.
_LINES = 200


class Stored(NamedTuple):
    """A recording on disk.

    :ivar number: a later one has a larger number.
    :ivar start: from which start of the failover agent it is.
    :ivar first: the number of its first event within that start.
    :ivar last: the number of its last one, plus one.
    """

    number: int
    start: str
    first: int
    last: int
    path: Path


def stored(folder: Path) -> List[Stored]:
    """Return the recordings in a folder, the latest at the end. None if there is no such folder.

    :raises OSError: it cannot be read.
    """
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    found = [(match, name) for match, name in ((_NAME.fullmatch(name), name) for name in names) if match]
    return sorted(Stored(int(match[1]), match[2], int(match[3]), int(match[4]), folder / name) for match, name in found)


def write(recording: Recording, folder: Path, most_files: int = MOST_FILES, most_bytes: int = MOST_BYTES) -> Path:
    """Write a recording, all or nothing, and remove what is too much then. This may take a second and wait for the disk.

    One call at a time. It takes no locks, so that it can be called from any thread.

    :param most_bytes: of all recordings together. One may take up half of it, and loses its beginning if it is larger.
    :return: its path.
    :raises OSError: it could not be written.
    """
    files.make_folder(folder)
    for name in os.listdir(folder):  # Left by a process that was killed.
        if name.startswith(_BEGUN[0]) and name.endswith(_BEGUN[1]):
            (folder / name).unlink()
    new = str(folder / "{}{}{}".format(_BEGUN[0], os.getpid(), _BEGUN[1]))
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            recording = _fill(file, recording, most_bytes // 2)
            file.flush()
            os.fsync(file.fileno())
        before = stored(folder)
        head = recording.head
        start = re.sub("[^0-9a-z]", "", head.setup.boot_id.lower())[:8] or "0"
        mine = Stored(before[-1].number + 1 if before else 1, start, head.first, head.first + head.count, folder)
        path = folder / "recording-{:05d}-{}-{}-{}.jsonl.gz".format(*mine[:4])
        os.replace(new, str(path))
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(new)
        raise
    _prune(before + [mine._replace(path=path)], most_files, most_bytes)
    return path


def _fill(file: BinaryIO, recording: Recording, most: int) -> Recording:
    """Write it, or as much of its end as is allowed, and return that."""
    while not _fits(file, recording, most):
        shorter = recording.shortened()
        if shorter is recording:
            raise OSError(errno.EFBIG, "the recording is larger than {} bytes".format(most))
        recording = shorter
    return recording


def _fits(file: BinaryIO, recording: Recording, most: int) -> bool:
    file.seek(0)
    file.truncate()
    lines: List[str] = []
    with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=4, mtime=0) as packed:
        for line in recording.lines():
            lines.append(line)
            if len(lines) == _LINES:
                packed.write(("\n".join(lines) + "\n").encode())
                lines.clear()
                if file.tell() > most:
                    return False
        packed.write("".join(line + "\n" for line in lines).encode())
    return file.tell() <= most


def _prune(files: List[Stored], most_files: int, most_bytes: int) -> None:
    """Remove what others hold, and the oldest while there is too much. The latest stays."""
    kept: List[Stored] = []
    for place, one in enumerate(files):
        # The one that was kept before it and all that follow are there in any case.
        if place < len(files) - 1 and _is_covered(one, kept[-1:] + files[-1:]):
            one.path.unlink()
        else:
            kept.append(one)
    sizes = [one.path.stat().st_size for one in kept]
    while len(kept) > most_files or sum(sizes) > most_bytes and len(kept) > 1:
        kept.pop(0).path.unlink()
        sizes.pop(0)


def _is_covered(one: Stored, others: List[Stored]) -> bool:
    """Whether the others, in the order of their numbers, hold all events of this one."""
    reached = one.first
    for other in others:
        if other.start == one.start and other.first <= reached:
            reached = max(reached, other.last)
    return reached >= one.last
