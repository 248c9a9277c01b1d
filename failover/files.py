"""Small files, read whatever is in their place, and written for nobody else to read."""

import errno
import os
import stat
from pathlib import Path
from typing import IO, Optional, Tuple, Union

__all__ = ["FEW", "create", "make_folder", "read", "stamp", "sync_folder"]

# Bytes that a file of a few words, numbers or keys may hold.
FEW = 64 * 1024


def make_folder(path: Path) -> None:
    """Make a folder that only this user can look into. One that is there already stays as it is: it is the platform's."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def create(path: Path) -> IO[str]:
    """Open a file, made or emptied, that only this user can read."""
    return open(os.open(str(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w")


def sync_folder(path: Path) -> None:
    """Have a power loss leave what has been renamed in a folder as it is now, if its file system can do that.

    :raises OSError: the disk does not take it.
    """
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def stamp(path: Union[str, "os.PathLike[str]"]) -> Optional[Tuple[int, int, int]]:
    """Return what changes with each change of a file; None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def read(path: Union[str, "os.PathLike[str]"], most: int) -> bytes:
    """Return what is in a file. A FIFO in its place is not waited for.

    :param most: bytes that it may hold.
    :raises OSError: it cannot be read, is no regular file, or holds more.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError("it is no regular file")
        with os.fdopen(handle, "rb", closefd=False) as file:
            content = file.read(most + 1)
    finally:
        os.close(handle)
    if len(content) > most:
        raise OSError("it is larger than {} KiB".format(most // 1024))
    return content
