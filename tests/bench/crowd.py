"""Measures many failover agents on one platform: ``python -m tests.bench.crowd [--former] [--counts 1,5,10,20] [--seconds 60]``.

Two platforms of VOLTTRON 11 with so many failover agents on each, in simple failover. Each manages a do-nothing agent of its
own, and each one of the primary forms a pair with the one of that number on the secondary: failover.1 manages do.nothing.1.
Their number grows, and for each number an idle minute is measured, first without the failover agents, while the do-nothing
agents run on the primary, then with them. With ``--former`` the former release runs on a second pair of platforms, and both
are measured in the same minutes: how much CPU the same work takes differs from hour to hour, so only that ratio says anything.

Prints progress on standard error and a Markdown table on standard output. ``--save FILE`` writes what `tests.bench.pictures`
draws. CPU is in percent of one core, by the kernel's count in nanoseconds. While the machine is busy through and through, as with
many failover agents on few cores, the figures say little: how busy it was stands below the table.
"""

import argparse
import contextlib
import json
import os
import signal
import statistics
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import psutil

from failover.vip.link import LinkError, RemoteError
from tests.bench.__main__ import FORMER, HEARTBEAT_PERIOD, TIMEOUT, both, in_threads, machine_line, name_of, new_pair, observe, say
from tests.testbed.pair import CAPABILITIES, MANAGED_AGENT, REPOSITORY, wait
from tests.testbed.platforms import MONOLITHIC_ROOT, PlatformError

COUNTS = (1, 5, 10, 20)

# Seconds. Much of the machine is busy when many agents start at once.
SETTLE = 10
NORMAL_WITHIN = 300
COMMAND_WITHIN = 300


class Usage(NamedTuple):
    """What a process used: percent of one core, the same by the names of its threads, and MiB of memory, all and unshared."""

    cpu: float
    threads: dict
    rss: float
    uss: float


class Minute(NamedTuple):
    """What was used on one side in an idle minute: by the platform, by each failover agent, and percent of the whole machine."""

    platform: Usage
    agents: list
    busy: float


class Measured(NamedTuple):
    """The idle minutes of one release with one number of failover agents, {role: Minute} each."""

    without: dict
    with_them: dict


def main(arguments=None):
    """Measure, print the table and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.crowd", description="Measures many failover agents on one platform.")
    parser.add_argument("--former", action="store_true", help="compare with the former release, beside")
    parser.add_argument("--counts", type=counts_of, default=COUNTS, help="of failover agents on each platform (default 1,5,10,20)")
    parser.add_argument("--seconds", type=float, default=60, help="length of the idle minute (default 60)")
    parser.add_argument("--save", type=Path, help="file for `tests.bench.pictures`")
    options = parser.parse_args(arguments)
    if MONOLITHIC_ROOT:
        parser.error("this is for VOLTTRON 11 alone")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sources = [REPOSITORY] + ([FORMER] if options.former else [])
    load = os.getloadavg()[0]
    try:
        measured = measure(sources, options.counts, options.seconds)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except (PlatformError, TimeoutError) as error:
        print(f"the measurement broke: {error}", file=sys.stderr)
        return 1
    if options.save:
        options.save.write_text(json.dumps(picture(measured), indent=1) + "\n")
    print(table(measured, sources))
    busy = max(minute.busy for one in measured.values() for minutes in one for minute in minutes.values())
    print(f"\n{machine_line()}; load average {load:.2f} before; the machine was {busy:.0f} % busy at most.")
    return 0


def counts_of(text):
    return tuple(sorted({int(word) for word in text.split(",")}))


def measure(sources, counts, seconds):
    """Return {(number, source): Measured}."""
    measured = {}
    with contextlib.ExitStack() as stack:
        crowds = [Crowd(stack.enter_context(new_pair()), source) for source in sources]
        for count in counts:
            say(f"installing until there are {count} on each platform")
            in_threads(*(call for crowd in crowds for call in crowd.installations(count)))
            in_threads(*(crowd.start_managed for crowd in crowds))
            time.sleep(SETTLE)
            without = in_threads(*(lambda crowd=crowd: crowd.use(seconds, "not running") for crowd in crowds))
            in_threads(*(crowd.start for crowd in crowds))
            for crowd in crowds:
                crowd.await_normal()
            time.sleep(SETTLE)
            with_them = in_threads(*(lambda crowd=crowd: crowd.use(seconds, f"{count} on each platform") for crowd in crowds))
            for source, *minutes in zip(sources, without, with_them):
                measured[count, source] = Measured(*minutes)
            if count != counts[-1]:
                in_threads(*(crowd.stop for crowd in crowds))
    return measured


class Crowd:
    """Failover agents of one release on a pair of platforms. None runs at first.

    All but the constructor and `await_normal` may be called in a thread.
    """

    def __init__(self, pair, source):
        say(f"two platforms for {name_of(source)}")
        self._pair = pair
        self._count = 0
        for side in pair.sides:
            side.failover_source = source
            side.power_on()
        self._disconnect()

    @property
    def _numbers(self):
        return range(1, self._count + 1)

    def installations(self, count):
        """Return a call for each side that installs what is not there yet."""
        new = range(self._count + 1, count + 1)
        self._count = count
        return [lambda side=side, other=other: install(side, other, new) for side, other in self._pair.each_way]

    def start_managed(self):
        """Have the managed agents run on the primary and nowhere else, as they do in the end."""
        primary, secondary = self._pair.sides
        command(secondary, "stop", [managed(number) for number in self._numbers if secondary.runs(managed(number))])
        command(primary, "start", [managed(number) for number in self._numbers if not primary.runs(managed(number))])

    def start(self):
        for side in self._pair.sides:
            command(side, "start", map(failover, self._numbers))

    def stop(self):
        """Stop the failover agents, the secondary's first, so that nothing is taken over."""
        for side in reversed(self._pair.sides):
            command(side, "stop", map(failover, self._numbers))

    def await_normal(self):
        """Wait until each pair says that all is well, and leave nobody connected but the agents."""
        observe(self._pair)
        for number in self._numbers:
            wait(lambda: self._is_normal(number), NORMAL_WITHIN, "the normal state of " + failover(number))
        self._disconnect()

    def _disconnect(self):
        for side in self._pair.sides:
            side.observer.close()
            side.observer = None

    def _is_normal(self, number):
        states = []
        for side in self._pair.sides:
            try:
                status = side.observer.link.call(failover(number), "status", timeout=5)
            except (LinkError, RemoteError):
                return False
            states.append((status["health"], status["other"]["liveness"], status["managed_agent"]["state"]))
        return states == [("GOOD", "up", "running"), ("GOOD", "up", "stopped")]

    def use(self, seconds, situation):
        """Return {role: Minute} of so many seconds."""
        processes = {}
        for side in self._pair.sides:
            processes[side.role] = [psutil.Process(side.platform.pid)] + [
                process for number in self._numbers for process in side.platform.processes(failover(number))]
        psutil.cpu_percent()
        began = time.monotonic()
        before = {process: cpu_of(process) for own in processes.values() for process in own}
        time.sleep(seconds)
        elapsed = time.monotonic() - began
        busy = psutil.cpu_percent()
        used = {process: usage(process, spent, elapsed) for process, spent in before.items()}
        minutes = {}
        for role, (platform, *agents) in processes.items():
            minutes[role] = Minute(used[platform], [used[agent] for agent in agents], busy)
        say(f"idle, {name_of(self._pair.primary.failover_source)}, {situation} (the machine was {busy:.0f} % busy): " + ", ".join(
            f"{role} {sum(agent.cpu for agent in minute.agents):.2f} % and platform {minute.platform.cpu:.2f} %"
            for role, minute in minutes.items()))
        return minutes


def failover(number):
    return f"failover.{number}"


def managed(number):
    return f"do.nothing.{number}"


def install(side, other, numbers):
    """Install these failover agents and their managed agents, not started, as the README says."""
    platform = side.platform
    for number in numbers:
        platform.install(built(platform, "managed_agent") or MANAGED_AGENT, identity=managed(number), start=False)
        config = side.config(other, agent_vip_identity=managed(number), heartbeat_period=HEARTBEAT_PERIOD, timeout=TIMEOUT)
        platform.install(built(platform, "volttron_failover") or side.failover_source, identity=failover(number), config=config,
                         start=False)
        platform.authorize(failover(number), CAPABILITIES)
        # What `vctl auth agentcred` prints.
        keys = json.loads((platform.home / "credentials_store" / f"{failover(number)}.json").read_text())
        other.platform.register(f"{platform.name}.{failover(number)}", keys["publickey"])


def built(platform, name):
    """Return the wheel that VOLTTRON keeps of what it has installed before; None if there is none."""
    return next(platform.home.glob(f"wheelhouse/{name}-*.whl"), None)


def command(side, what, identities):
    """Have one vctl command do this with all these agents."""
    uuids = [side.platform.uuid(identity) for identity in identities]
    if uuids:
        side.platform.vctl(what, *uuids, timeout=COMMAND_WITHIN)


def cpu_of(process):
    """Return the nanoseconds that each thread has had so far, by its name and number."""
    found = {}
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        with contextlib.suppress(OSError):  # It has just ended.
            found[(task / "comm").read_text().strip(), task.name] = int((task / "schedstat").read_text().split()[0])
    return found


def usage(process, before, elapsed):
    after = cpu_of(process)
    threads = Counter()
    for (name, number), spent in after.items():
        threads[name] += 100 * (spent - before.get((name, number), 0)) / elapsed / 1e9
    memory = process.memory_full_info()
    return Usage(sum(threads.values()), dict(threads), memory.rss / 2 ** 20, memory.uss / 2 ** 20)


# The table


def each(minutes, what):
    """Return the mean of the failover agents, for each side."""
    return [statistics.mean(getattr(agent, what) for agent in minute.agents) for minute in minutes.values()]


def more(measured):
    """Return for each side how much more CPU the platform took with the failover agents."""
    return [minute.platform.cpu - measured.without[role].platform.cpu for role, minute in measured.with_them.items()]


def for_each_pair(measured, count):
    """Return for each side what one more pair costs there: the CPU of one failover agent, and its part of the platform's."""
    return [own + platform / count for own, platform in zip(each(measured.with_them, "cpu"), more(measured))]


# What is shown of a `Measured` and its number of failover agents.
FIGURES = (
    ("CPU of each failover agent", "{:.2f}", " %", lambda measured, count: each(measured.with_them, "cpu")),
    ("CPU of their platform, more than without them", "{:.2f}", " %", lambda measured, count: more(measured)),
    ("CPU of both, for each pair", "{:.2f}", " %", for_each_pair),
    ("resident memory of each", "{:.1f}", " MiB", lambda measured, count: each(measured.with_them, "rss")),
    ("of which unshared", "{:.1f}", " MiB", lambda measured, count: each(measured.with_them, "uss")),
)


def table(measured, sources):
    """Return a Markdown table of what was measured, with the ratio to the former release if that was."""
    heads = ["failover agents on each platform", "what (primary / secondary)", "this release"]
    heads += ["the former one", "ratio"] if len(sources) > 1 else []
    lines = ["| {} |".format(" | ".join(heads)), "|" + "---|" * len(heads)]
    for count in sorted({count for count, _ in measured}):
        for what, form, unit, figure in FIGURES:
            values = [figure(measured[count, source], count) for source in sources]
            cells = [both(form, value) + unit for value in values]
            if len(values) > 1:
                cells.append("{:.2f}".format(sum(values[0]) / sum(values[1])))
            lines.append("| {} |".format(" | ".join([str(count), what, *cells])))
    return "\n".join(lines)


def picture(measured):
    """Return the means of both sides as `tests.bench.pictures` draws them."""
    series = {}
    for (count, source), one in measured.items():
        release = "" if source == REPOSITORY else ", " + name_of(source)
        for what, values in (("each agent", each(one.with_them, "cpu")), ("platform", more(one))):
            series.setdefault(what + release, []).append([count, round(statistics.mean(values), 3)])
    return dict(title="CPU of many failover agents on one platform", x="failover agents on each platform",
                y="percent of one core", series=series)


if __name__ == "__main__":
    sys.exit(main())
