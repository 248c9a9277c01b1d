"""What vctl has installed once, on platforms of VOLTTRON 11, for other platforms: they get copies of the files.

An installation on a pair costs some 12 s of a core, a copy of it half a second.
"""

import compileall
import contextlib
import fcntl
import os
import shutil
from pathlib import Path

from tests.testbed.platforms import wait_for

# Of a platform's folder. What is left out, the platform makes itself when it starts.
_PARTS = ("env", "home", "project")
_LEFT_OUT = ("VOLTTRON_PID", "run")
_ORIGIN = "origin"

# Seconds in which another process has installed what this one waits for.
_INSTALLED_WITHIN = 400


class Kept:
    """Installations, kept in a folder for all processes that know it."""

    def __init__(self, folder: Path):
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def install(self, name, platforms, install):
        """Call `install`, which installs on these new platforms, or give them copies of what it did under this name before.

        What is kept is as `install` leaves it. If it fails, the next one calls it anew. Copies are not started.
        """
        kept = self._folder / name
        with self._lock(name):
            if not kept.exists():
                install()
                _keep(platforms, kept)
                return
        for platform in platforms:
            _copy(kept / platform.name, platform.root)

    @contextlib.contextmanager
    def _lock(self, name):
        with (self._folder / (name + ".lock")).open("w") as lock:
            def locked():
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return True

            wait_for(locked, _INSTALLED_WITHIN, "what another process installs")
            yield


def _keep(platforms, kept):
    begun = kept.with_suffix(".begun")
    shutil.rmtree(begun, ignore_errors=True)  # Of one who failed.
    for platform in platforms:
        compileall.compile_dir(platform.root / "env", quiet=2)  # Not at the first start of each copy.
        for part in _PARTS:
            _copy_tree(platform.root / part, begun / platform.name / part)
        (begun / platform.name / "home" / "config").unlink()  # It names the address.
        (begun / platform.name / _ORIGIN).write_text(str(platform.root))
    begun.rename(kept)


def _copy(kept, root):
    origin = (kept / _ORIGIN).read_bytes()
    for part in _PARTS:
        _copy_tree(kept / part, root / part)
        for folder, _, names in os.walk(root / part):
            for file in (Path(folder, name) for name in names):
                text = file.read_bytes() if not file.is_symlink() else b""
                if origin in text and b"\0" not in text:  # A compiled module tells where its source was, and no more.
                    file.write_bytes(text.replace(origin, bytes(root)))


def _copy_tree(source, target):
    """Copy files. The links there are those of the environment, which each platform has made for itself."""
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=lambda folder, names: [
        name for name in names if name in _LEFT_OUT or name.endswith(".socket") or Path(folder, name).is_symlink()])
