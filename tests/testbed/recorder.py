"""Samples the managed agents' processes of both platforms: did two ever run at once?"""

import contextlib
import os
import threading
import time

from tests.testbed.pair import MANAGED
from tests.testbed.platforms import wait_for

# A process whose age is below this may still be about to become another program (fork, then exec), and then shows
# another environment than the one by which it is known afterwards.
_SETTLED_AFTER = 3.0


class Recorder:
    """Looks at the managed agent's processes of several platforms every ``period`` seconds, from `start` to `close`.

    It runs in a thread, so that it goes on while a test waits for a command. A process counts as running as long as it
    exists and is not a zombie: also before it has connected, and while it stops. One that is frozen (SIGSTOP, state T)
    drives no equipment and does not count; it counts again from its thaw.
    Linux only: processes are read from /proc. The environment of each process is read only while it is young; later,
    a look costs one listing of /proc, and one read for each managed agent.
    """

    def __init__(self, platforms, identity=MANAGED, period=0.05):
        self._wanted = [{f"VOLTTRON_HOME={platform.home}".encode(), f"AGENT_VIP_IDENTITY={identity}".encode()}
                        for platform in platforms]
        self._names = [platform.name for platform in platforms]
        self._period = period
        self._known = {}
        self._lock = threading.Lock()
        self._looking = threading.RLock()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.clear()

    def start(self):
        self._thread.start()
        return self

    def clear(self):
        """Forget all that was seen so far."""
        with self._looking, self._lock:
            self._overlap = 0.0
            self._last_look = time.monotonic()
            self._longest_gap = 0.0
            self._intervals = [[] for _ in self._wanted]

    def forget_intervals(self):
        """Forget when which agent ran so far, but not whether two ran at once."""
        with self._looking, self._lock:
            self._intervals = [[] for _ in self._wanted]

    def overlap(self):
        """Return for how many seconds more than one platform's managed agent ran: the looks that found this, each
        with the time since the one before it. 0.0 means that no look found it."""
        with self._lock:
            return self._overlap

    @property
    def longest_gap(self):
        """The longest time between two looks. On an idle machine it is hardly more than the period."""
        with self._lock:
            return max(self._longest_gap, time.monotonic() - self._last_look)

    def intervals(self, platform):
        """Return [(from, to), ...] of the managed agent on this platform, in seconds of time.monotonic()."""
        with self._lock:
            return list(self._intervals[self._names.index(platform.name)])

    def snapshot(self):
        """Return the moment of the last look, and the intervals of each platform by its name. One that ends at that
        moment goes on."""
        with self._lock:
            return self._last_look, {name: list(own) for name, own in zip(self._names, self._intervals)}

    def first_run(self, platform):
        """Return when the managed agent first ran on this platform, in seconds of time.monotonic(). It is known to
        have run, if only since the last look: so this may wait for the next one."""
        found = wait_for(lambda: self.intervals(platform), 30, "a look at the running agent", 0.01)
        return found[0][0]

    def story(self):
        """Return the intervals as lines in order of time, in seconds before now."""
        now = time.monotonic()
        with self._lock:
            found = [(begin, end, name) for name, own in zip(self._names, self._intervals) for begin, end in own]
        return "\n".join("{} ran from {:.2f} s to {:.2f} s ago".format(name, now - begin, now - end)
                         for begin, end, name in sorted(found))

    def close(self):
        self._ends.set()
        self._thread.join()

    def _run(self):
        due = time.monotonic()
        while not self._ends.is_set():
            with self._looking:
                self._look()
            due = max(due + self._period, time.monotonic())
            self._ends.wait(max(0.0, due - time.monotonic()))

    def _look(self):
        found = self._find()
        running = [self._any_runs(pids) for pids in found]
        # While this look went on, the first may have ended before the second began: look once more at each.
        both = sum(running) > 1 and sum(self._any_runs(pids) for pids in found) > 1
        now = time.monotonic()
        with self._lock:
            gap = now - self._last_look
            for intervals, runs in zip(self._intervals, running):
                if not runs:
                    continue
                if intervals and intervals[-1][1] == self._last_look:
                    intervals[-1] = intervals[-1][0], now
                else:
                    intervals.append((now, now))
            if both:
                self._overlap += gap
            self._longest_gap = max(self._longest_gap, gap)
            self._last_look = now

    def _find(self):
        """Return the pids of the managed agent, one list for each platform."""
        now = time.monotonic()
        found = [[] for _ in self._wanted]
        known = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            seen_first, place = self._known.get(pid, (now, None))
            if place is None and now - seen_first < _SETTLED_AFTER:
                place = self._place(pid)
            known[pid] = seen_first, place
            if place is not None:
                found[place].append(pid)
        self._known = known
        return found

    def _place(self, pid):
        """Return the number of the platform whose managed agent this process is, or None."""
        with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
            environment = set(file.read().split(b"\0"))
            return next((place for place, wanted in enumerate(self._wanted) if wanted <= environment), None)

    @staticmethod
    def _any_runs(pids):
        for pid in pids:
            with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
                # The state follows the name, which is in parentheses and may hold any character.
                if file.read().rpartition(b") ")[2][:1] not in (b"Z", b"X", b"T", b"t"):
                    return True
        return False
