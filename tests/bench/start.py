"""Measures how long the start of a failover agent takes, beside the former release: ``python -m tests.bench.start [--rounds 5]``.

Two pairs of platforms of VOLTTRON 11 in simple failover, this release on one and the former one on the other. In turn, the
failover agent of each secondary, whose peer is up and well, is stopped and started again. Nothing is taken over. Counted from
the beginning of its process (the kernel's word, rounded down to 0.01 s): when its onstart is logged, when its first heartbeat
comes in on the bus of the other platform, and when its first decision is logged. That is the first step after which it does not
wait any more: it has connected, subscribed, and heard the peer, so that it would take over.

What the imports take of that is measured in the environment of each platform, in processes of their own: the CPU time of the
interpreter, of VOLTTRON with what it needs, and of the failover agent's other modules, and with ``-X importtime`` the time of
each package's own modules, which is a bit longer then.

Prints progress on standard error and a Markdown table on standard output: the median, and the least and the most in brackets.
How long there is no managed agent in a switchover and in an orderly shutdown is measured by `tests.bench.data`.
"""

import argparse
import contextlib
import functools
import re
import signal
import statistics
import subprocess
import sys
from collections import Counter

import gevent

from failover import clock
from failover.heartbeat import pair_topic, topic
from tests.bench.__main__ import (
    FORMER,
    HEARTBEAT_PERIOD,
    TIMEOUT,
    await_normal,
    began_at,
    in_threads,
    logged_at,
    machine_line,
    name_of,
    new_pair,
    say,
)
from tests.bench.crowd import cpu_of
from tests.testbed.pair import FAILOVER, LIMIT, MANAGED, REPOSITORY, wait
from tests.testbed.platforms import MONOLITHIC_ROOT, PlatformError

SOURCES = (REPOSITORY, FORMER)

# Seconds.
LOOK_EVERY = 0.02

# Seconds. A package whose modules take less in both releases is not listed.
LEAST = 0.02

_IMPORTS = """import time
began = time.process_time()
import failover.compat
volttron = time.process_time()
import failover.agent
print(began, volttron - began, time.process_time() - volttron)
"""
_IMPORTED = re.compile(r"import time: +(\d+) \| +\d+ \| +(\w+)")


def main(arguments=None):
    """Measure, print the table and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.start", description="Measures the start of a failover agent.")
    parser.add_argument("--rounds", type=int, default=5, help="starts of each release (default 5)")
    options = parser.parse_args(arguments)
    if MONOLITHIC_ROOT:
        parser.error("the former release is at hand for VOLTTRON 11 alone")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        measured = measure(options.rounds)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except (PlatformError, TimeoutError) as error:
        print(f"the measurement broke: {error}", file=sys.stderr)
        return 1
    print(table(*measured))
    print(f"\n{machine_line()}; {options.rounds} starts of each.")
    return 0


def measure(rounds):
    """Return for each release what each round has measured, {what: seconds}."""
    measured = [[] for _ in SOURCES]
    with contextlib.ExitStack() as stack:
        starts = []
        for source in SOURCES:
            pair = stack.enter_context(new_pair())
            say(f"two platforms, {name_of(source)} on each")
            for side in pair.sides:
                side.failover_source = source
            pair.install(heartbeat_period=HEARTBEAT_PERIOD, timeout=TIMEOUT)
            starts.append(Start(pair))
        for number in range(rounds):
            for which in (0, 1) if number % 2 == 0 else (1, 0):
                found = starts[which].measure()
                found.update(in_threads(functools.partial(imports, starts[which].platform))[0])
                measured[which].append(found)
                say(f"{name_of(SOURCES[which])}: " + ", ".join(
                    f"{what} {seconds:.2f} s" for what, seconds in found.items() if seconds >= LEAST))
    return measured


class Start:
    """Starts the failover agent of a pair's secondary again and again."""

    def __init__(self, pair):
        self._pair = pair
        self._heard = []
        self.platform = pair.secondary.platform
        await_normal(pair)
        for name in topic("secondary", "simple"), pair_topic("secondary", "simple", MANAGED):
            pair.primary.observer.link.subscribe(name, lambda *_: self._heard.append(clock.now()))

    def measure(self):
        """Return what one start takes, in seconds."""
        side, platform = self._pair.secondary, self.platform
        await_normal(self._pair)
        in_threads(lambda: side.stop_agent(FAILOVER))
        wait(lambda: not side.runs(FAILOVER), LIMIT, "the end of the failover agent")
        log_end = platform.log.stat().st_size
        self._heard.clear()
        command = gevent.get_hub().threadpool.spawn(side.start_agent, FAILOVER)
        [process] = wait(lambda: platform.processes(FAILOVER), LIMIT, "its process", LOOK_EVERY)
        decided = wait(lambda: logged_at(platform.log, log_end, "decision: stop (was wait)"), LIMIT, "its decision", LOOK_EVERY)
        spent = sum(cpu_of(process).values()) / 1e9
        wait(lambda: self._heard, LIMIT, "its heartbeat")
        command.get()
        began = began_at(process.pid)
        onstart = logged_at(platform.log, log_end, "the other platform is " + self._pair.primary.platform.address)
        return {"its onstart": onstart - began, "its first heartbeat on the other platform": self._heard[0] - began,
                "its first decision": decided - began, "CPU time until that": spent}


def imports(platform):
    """Return what the imports take in the environment of a platform, in seconds."""
    python = [str(platform.root / "env" / "bin" / "python")]
    run = functools.partial(subprocess.run, cwd=platform.code_folder(FAILOVER), env=platform.env, capture_output=True, text=True,
                            check=True, timeout=LIMIT)
    spent = map(float, run(python + ["-c", _IMPORTS]).stdout.split())
    found = dict(zip((f"CPU time of {what}" for what in ("the interpreter", "importing VOLTTRON", "importing the rest")), spent))
    packages = Counter()
    for microseconds, package in _IMPORTED.findall(run(python + ["-X", "importtime", "-c", "import failover.agent"]).stderr):
        packages[package] += int(microseconds) / 1e6
    found["importing all modules, with `-X importtime`"] = packages.total()
    return found | {f"of these, `{package}`": seconds for package, seconds in packages.most_common()}


def table(*measured):
    """Return a Markdown table of the medians."""
    lines = ["| seconds | this release | the former one | ratio |", "|---|---|---|---|"]
    for what in dict.fromkeys(what for rounds in measured for one in rounds for what in one):
        values = [[one.get(what, 0.0) for one in rounds] for rounds in measured]
        ours, former = map(statistics.median, values)
        if max(ours, former) >= LEAST:
            ratio = "{:.2f}".format(ours / former) if former else ""
            lines.append("| {} | {} | {} | {} |".format(what, *map(spread, values), ratio))
    return "\n".join(lines)


def spread(values):
    return "{:.2f} ({:.2f} to {:.2f})".format(statistics.median(values), min(values), max(values))


if __name__ == "__main__":
    sys.exit(main())
