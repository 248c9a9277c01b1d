"""Processes on this machine: which ones belong to an agent, whether they live, and their end.

Each is known by pid and start time together.
"""

from psutil import Process

from failover.process.ending import TIME_TO_ASK, Ended, end, end_all, ignores_interrupt, may_signal
from failover.process.finding import leftovers, members, started_agents, started_by
from failover.process.living import find, is_older, launcher, lives, started_at_tick
from failover.process.watching import EndWatch

__all__ = ["TIME_TO_ASK", "EndWatch", "Ended", "Process", "end", "end_all", "find", "ignores_interrupt", "is_older",
           "launcher", "leftovers", "lives", "may_signal", "members", "started_agents", "started_at_tick", "started_by"]
