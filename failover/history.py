"""The history of a failover agent: what changed, when and why, in a small file in its data folder."""

import json
import logging
import os
from collections import deque
from pathlib import Path
from typing import Any, Deque, Dict, List

import gevent

from failover import files
from failover.loops import surviving

__all__ = ["History"]

_log = logging.getLogger(__name__)

# So many entries are kept. Bytes of the file.
_MOST, _LARGEST = 500, 1024 * 1024


class History:
    """Keeps the last entries, the newest at the end, across restarts. A disk that takes none costs the file alone."""

    def __init__(self, folder: Path):
        self._path = folder / "history.jsonl"
        self._entries: Deque[Dict[str, Any]] = deque(self._read(), maxlen=_MOST)
        self._is_writing = self._is_new = False

    def last(self, count: int) -> List[Dict[str, Any]]:
        """Return the last entries, the newest at the end."""
        return list(self._entries)[-count:] if count > 0 else []

    def add(self, entry: Dict[str, Any]) -> None:
        """Add an entry, and have all written in the background."""
        self._entries.append(entry)
        self._is_new = True
        if not self._is_writing:
            self._is_writing = True
            gevent.spawn(self._write_all)

    def _write_all(self) -> None:
        try:
            while self._is_new:
                self._is_new = False
                text = "".join(json.dumps(one) + "\n" for one in self._entries)
                with surviving("writing the history"):
                    gevent.get_hub().threadpool.apply(self._write, (text,))
        finally:
            self._is_writing = False

    def _write(self, text: str) -> None:
        new = self._path.with_suffix(".new")
        try:
            files.make_folder(self._path.parent)
            with files.create(new) as file:
                file.write(text)
            os.replace(str(new), str(self._path))
        except OSError as error:
            _log.warning("%s cannot be written: %s; see `df` and `ls -l` there", self._path, error)

    def _read(self) -> List[Dict[str, Any]]:
        """Return what is on file. A line that is no entry is passed over."""
        try:
            lines = files.read(str(self._path), _LARGEST).decode(errors="replace").splitlines()
        except OSError:
            return []
        found = []
        for line in lines[-_MOST:]:
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(entry, dict) and isinstance(entry.get("event"), str):
                found.append(entry)
        return found
