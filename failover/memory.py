"""What a failover agent in standard failover remembers across its starts: a small file in the agent's data.

It holds the end of its lease, which counts under the same boot of the kernel only, because its clock starts anew with
each; and what was last heard of the other side. Without the file, or with one that cannot be read, nothing is known.
"""

import json
import os
from pathlib import Path
from typing import Any, Optional

from failover.core import Terms
from failover.lease import Remembered

__all__ = ["Memory"]

_KERNEL_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Memory:
    """The file in this folder."""

    def __init__(self, folder: Path):
        self.path = folder / "lease.json"

    def load(self) -> Remembered:
        """Return what was saved; nothing if it cannot be read."""
        try:
            saved = json.loads(self.path.read_text())
            until, instance = saved["lease_until"], saved["peer_instance"]
            same_boot = saved["kernel_boot"] is not None and saved["kernel_boot"] == _kernel_boot_id()
            return Remembered(
                lease_until=float(until) if until is not None and same_boot else None,
                own_terms=_terms(saved["own_terms"]),
                peer_terms=_terms(saved["peer_terms"]),
                peer_instance=str(instance) if instance is not None else None)
        except (OSError, ValueError, LookupError, TypeError, OverflowError):
            return Remembered()

    def save(self, remembered: Remembered) -> None:
        """Write it down, all or nothing. This may wait for the disk.

        :raises OSError: it could not be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(dict(remembered._asdict(), kernel_boot=_kernel_boot_id())))
        os.replace(str(new), str(self.path))


def _terms(saved: Any) -> Optional[Terms]:
    return None if saved is None else Terms(*map(float, saved))


def _kernel_boot_id() -> Optional[str]:
    try:
        return _KERNEL_BOOT_ID.read_text().strip()
    except OSError:
        return None
