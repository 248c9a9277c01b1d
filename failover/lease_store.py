"""What a failover agent in standard failover remembers across its starts: a small file in the agent's data.

It holds the end of its lease, which counts under the same boot of the kernel only, because its clock starts anew with
each; and what was last heard of the peer. Without the file, or with one that cannot be read, nothing is known.
What cannot be, in a file that somebody else has written, is not known either. Fields that are missing have their
defaults, and others are ignored: either may come of another release.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, Optional

from failover import clock, files
from failover.decision.orders import LONGEST_PAUSE, Orders
from failover.decision.setup import Record
from failover.decision.vocabulary import Timing

__all__ = ["CHECKS", "LeaseStore", "kernel_boot_id"]

_KERNEL_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

# Bytes of the file, seconds of a time in the configuration, characters of a name.
_LARGEST = 64 * 1024
_LONGEST = 86400
_LONGEST_NAME = 255


class LeaseStore:
    """The file in this folder."""

    def __init__(self, folder: Path):
        self.path = folder / "lease.json"
        self._begun = 0

    def begin(self) -> int:
        """Return the number of the save that begins now. One that a slow disk has held up does not replace a later one."""
        self._begun += 1
        return self._begun

    def load(self, timeout: float = 0.0) -> Record:
        """Return what was saved; nothing if it cannot be read. This never raises, and waits for the disk alone.

        :param timeout: seconds; the own ``timeout`` as it is configured now. A lease that lasts longer from now than
            this, and than the one on file, is none.
        """
        try:
            saved = json.loads(files.read(self.path, _LARGEST))
        except (OSError, ValueError, RecursionError):
            return Record()
        if not isinstance(saved, dict):
            return Record()
        found = Record(**{name: CHECKS[name](saved[name]) for name in Record._fields if name in saved})
        same_boot = _same_boot(saved.get("kernel_boot"))
        orders = found.orders
        if orders is not None and orders.paused_until is not None and not (
                same_boot and orders.paused_until <= clock.now() + LONGEST_PAUSE):
            found = found._replace(orders=orders._replace(paused_until=None, is_pause_lost=True))
        longest = max(timeout, found.own_terms.timeout if found.own_terms is not None else 0.0)
        if found.lease_until is None or (
                same_boot and found.lease_until <= clock.now() + longest):
            return found
        return found._replace(lease_until=None)

    def save(self, record: Record, number: Optional[int] = None) -> None:
        """Write it down, all or nothing. This may wait for the disk.

        :param number: of this save; None if there is no other one.

        :raises OSError: it could not be written.
        """
        files.make_folder(self.path.parent)
        handle, new = tempfile.mkstemp(prefix="lease.", suffix=".new", dir=str(self.path.parent))  # Of mode 0600.
        try:
            with os.fdopen(handle, "w") as file:
                json.dump(dict(record._asdict(), kernel_boot=kernel_boot_id()), file)
                file.flush()
                os.fsync(file.fileno())
            if number is not None and number < self._begun:
                raise OSError("a later save has begun")
            os.replace(new, str(self.path))
        except BaseException:
            os.unlink(new)
            raise
        files.sync_folder(self.path.parent)


def _terms(saved: Any) -> Optional[Timing]:
    count = len(Timing._fields)
    if not isinstance(saved, list) or len(saved) < count or None in map(_seconds, saved[:count]):
        return None
    return Timing(*map(float, saved[:count]))


def _seconds(saved: Any) -> Optional[float]:
    return float(saved) if _is_number(saved) and 0 < saved <= _LONGEST else None


def _moment(saved: Any) -> Optional[float]:
    return float(saved) if _is_number(saved) and 0 < saved < 2 ** 53 else None


def _is_number(saved: Any) -> bool:
    return isinstance(saved, (int, float)) and not isinstance(saved, bool)


def _name(saved: Any) -> Optional[str]:
    return saved if isinstance(saved, str) and saved.isprintable() and 0 < len(saved) <= _LONGEST_NAME else None


def _mode(saved: Any) -> Optional[str]:
    return saved if saved in ("simple", "standard") else None


def _orders(saved: Any) -> Optional[Orders]:
    if not isinstance(saved, list) or len(saved) < 6:
        return None
    number, by, preferred, paused_until, is_kept, is_pause_lost = saved[:6]
    is_known = (isinstance(number, int) and 0 < number < 2 ** 52 and not isinstance(number, bool) and _name(by) is not None
                and preferred in ("primary", "secondary"))
    if not is_known:
        return None
    return Orders(number, by, preferred, _moment(paused_until), is_kept is True, is_pause_lost is True,
                  saved[6:7] == [True])  # An earlier release does not write that.


# For each field of Record, by its name: what is on file, or None if that cannot be.
CHECKS: Dict[str, Callable[[Any], Any]] = {
    "lease_until": _moment,
    "own_terms": _terms,
    "peer_terms": _terms,
    "peer_instance": _name,
    "mode": _mode,
    "claimed_terms": _terms,
    "vc_apart": lambda saved: saved is True,
    "orders": _orders,
    "signs": lambda saved: saved is True,
    "pair_key": _name,
}


def _same_boot(saved: Any) -> bool:
    return saved is not None and saved == kernel_boot_id()


def kernel_boot_id() -> Optional[str]:
    try:
        return _KERNEL_BOOT_ID.read_text().strip()
    except OSError:
        return None
