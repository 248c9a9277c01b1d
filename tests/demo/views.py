"""How the demo sees a platform: which processes there are, and what its failover agent says."""

import time

import gevent
import psutil

from tests.demo.scene import Side
from tests.testbed.pair import FAILOVER, MANAGED, Observer

# All times are in seconds.
ASK_EVERY, WHY_EVERY = 0.2, 1


class View:
    """What the demo sees of one platform: whether it runs, and the process of one of its agents."""

    def __init__(self, side, tell, identity=MANAGED):
        self.side = side
        self.platform = side.platform
        self.name = side.platform.name
        self.identity = identity
        self.pid = None
        self.is_off = self.is_frozen = self.is_cut_off = False
        self._tell = tell

    @property
    def runs(self):
        """Whether the agent's process exists and is not frozen."""
        return self.pid is not None and not self.is_frozen

    def observe(self):
        """Connect to the platform's bus. Its server key must be known, for asking it would block."""
        self.side.observer = Observer(self.platform)

    def look(self):
        """Tell whether the agent's process has come or gone."""
        self.is_frozen = is_stopped(self.platform.pid)
        pid = self._first_pid(self.identity)
        if pid != self.pid:
            self.pid = pid
            self._tell(self, f"{self.identity} runs, pid {pid}" if pid else f"{self.identity} runs no more",
                       "bold green" if pid else "bold red")

    def _first_pid(self, identity):
        return next((process.pid for process in self.platform.processes(identity)), None)


class FailoverView(View):
    """What the demo sees of a platform with a failover agent: also what that one says of itself.

    While `tells_why` is set, it is also told now and then why the side runs the managed agent, or not.
    """

    def __init__(self, side, tell):
        super().__init__(side, tell)
        self.failover_pid = None
        self.status = None
        self.heard_at = None
        self.tells_why = False
        self._asked_at = None
        self._told_why_at = 0.0
        self._said = {}
        self._alerts_seen = 0

    @property
    def is_active(self):
        """Whether it says so and its managed agent runs."""
        return self.runs and self.status is not None and self.status["standing"] == "ACTIVE"

    @property
    def has_link(self):
        """Whether its link to the other platform is up, as far as is known."""
        return self.status is not None and self.status["link"]["up"]

    @property
    def is_settled(self):
        """Whether its health is GOOD, its links are up, and it hears the other failover agent and VC."""
        return (self.has_link and self.status["health"] == "GOOD" and self.status["other"]["liveness"] == "up"
                and (self.status["vc"] is None or self.status["vc"]["up"] and self.status["vc"]["liveness"] == "up"))

    def observe(self):
        super().observe()
        self._alerts_seen = 0
        self._said = {}

    def lose(self):
        """Close the connection: the platform is gone."""
        if self.side.observer:
            self.side.observer.close()
        self.side.observer = self.status = None

    def look(self):
        """Tell the new alerts, and whether the managed agent's process has come or gone."""
        if self.side.observer:
            for status, context in self.side.observer.alerts[self._alerts_seen:]:
                self._alerts_seen += 1
                self._tell(self, f"alert {status}: {context}", "red" if status == "BAD" else "green")
        super().look()

    def keep_asking(self):
        """Ask the failover agent for its status, again and again; tell what is new."""
        while True:
            observer = self.side.observer
            status = observer.status() if observer else None
            self.failover_pid = self._first_pid(FAILOVER)
            if observer is self.side.observer:
                self.status, self._asked_at = status, time.monotonic()
                if status:
                    self._tell_changes(status)
            gevent.sleep(ASK_EVERY)

    def seen(self):
        """Return what is seen now, as it is drawn."""
        status = None if self.is_frozen else self.status  # What it said last is no longer so.
        heard = status is not None and status["other"]["heartbeat_age"] is not None
        return Side(
            name=self.name, role=self.side.role, platform_pid=self.platform.pid, managed_pid=self.pid,
            failover_pid=self.failover_pid, is_off=self.is_off, is_frozen=self.is_frozen, is_cut_off=self.is_cut_off,
            status=status, heard_ago=time.monotonic() - self.heard_at if heard else None)

    def _tell_changes(self, status):
        other = status["other"]
        if other["heartbeat_age"] is not None:
            self.heard_at = self._asked_at - other["heartbeat_age"]
        seen = f"{other_role(self.side.role)} {other['liveness']}"
        if status["vc"]:
            seen += f", VC {status['vc']['liveness']}"
            self._tell_once("links", f"links: {links_text(status, self.side.role)}", "event")
        self._tell_once("decision", f"{seen}, decision: {status['decision']}", "event")
        self._tell_once("health", f"health {status['health']}: {status['text']}", "health")
        if self.tells_why and self._asked_at - self._told_why_at >= WHY_EVERY:
            self._told_why_at = self._asked_at
            self._tell_once("why", f"why: {status['why']}", "why")

    def _tell_once(self, subject, text, kind):
        if self._said.get(subject) != text:
            self._said[subject] = text
            self._tell(self, text, kind=kind)


def is_stopped(pid):
    """Whether this process is stopped (SIGSTOP)."""
    try:
        return pid is not None and psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:
        return False


def links_text(status, role):
    """Return which of its links a failover agent of this role says are up."""
    links = [(other_role(role), status["link"])] + ([("VC", status["vc"])] if status["vc"] else [])
    return ", ".join(f"{name} {'up' if link['up'] else 'down'}" for name, link in links)


def other_role(role):
    return "secondary" if role == "primary" else "primary"
