"""The one clock of this package.

It counts seconds since boot: it knows no steps, as the wall clock does, and it goes on while the machine is
suspended, as CLOCK_MONOTONIC does not. Where there is no CLOCK_BOOTTIME it is the monotonic clock.
"""

import time

__all__ = ["now"]

if hasattr(time, "CLOCK_BOOTTIME"):

    def now() -> float:
        """Return the seconds since this machine booted, time suspended included."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

else:
    now = time.monotonic
