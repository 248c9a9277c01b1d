"""Finds and reads recordings, for the commands that tell of them."""

from contextlib import suppress
from pathlib import Path

from failover.command.asking import NoAnswer
from failover.command.exit_status import UNREADABLE
from failover.recording.codec import RecordingError
from failover.recording.folder import stored
from failover.recording.recording import Recording, read
from failover.text import clean

__all__ = ["LONGEST_LINE", "latest", "latest_below", "open_recording"]

# Characters of one line. Texts in a recording come from outside.
LONGEST_LINE = 2000

# Where agents have their data below VOLTTRON_HOME, of both VOLTTRONs, and in it the recordings.
_FOLDERS = "agents/**/recordings"


def latest(path: Path) -> Path:
    """Return the file itself, or the latest recording in a folder.

    :raises NoAnswer: there is none.
    """
    if not path.is_dir():
        return path
    try:
        found = stored(path)
    except OSError as error:
        raise _unreadable(path, str(error.strerror or error)) from None
    if not found:
        raise _unreadable(path, "there is no recording in this folder")
    return found[-1].path


def latest_below(volttron_home: Path) -> Path:
    """Return the recording that was written last by a failover agent of this platform, without asking it.

    :raises NoAnswer: there is none.
    """
    found = []
    for folder in volttron_home.glob(_FOLDERS):
        with suppress(OSError):  # It is another user's, no folder, or just being removed.
            found += [(one.path.stat().st_mtime, one.path) for one in stored(folder)[-1:]]
    if not found:
        raise _unreadable(volttron_home, "there is no recording of a failover agent below this folder")
    return max(found)[1]


def open_recording(path: Path) -> Recording:
    """Read a recording.

    :raises NoAnswer: that is not possible.
    """
    try:
        return read(path)
    except OSError as error:
        raise _unreadable(path, str(error.strerror or error)) from None
    except RecordingError as error:
        raise _unreadable(path, str(error)) from None


def _unreadable(path: Path, why: str) -> NoAnswer:
    return NoAnswer(UNREADABLE, clean("{}: {}".format(path, why), LONGEST_LINE))
