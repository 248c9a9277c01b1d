"""Measures the failover agent on two real platforms of this machine:
``python -m tests.bench [--original FOLDER | --former]``.

The platforms are those of `tests.testbed.platforms.Platform`. With ``--original``, on VOLTTRON 9, the original Failover
Agent is measured on the same platforms, and the two are compared. With ``--former``, on VOLTTRON 11, the former release
runs on a second pair beside, and what both cost in the same idle minutes and RPC counts is compared, without takeovers.
How much CPU the same work takes differs from machine to machine and from hour to hour, so only that ratio says anything.

Prints progress on standard error and, in the end, a Markdown table on standard output. It judges nothing by
its exit status: that is 0 unless the measurement itself breaks. All times are in seconds.

Takeover
    The primary loses power at a random moment. Counted from the last heartbeat that came in on the bus of the
    secondary, where an observer of our own sees it: when the failover agent there commands the start (by its
    log, which the original does not have), when the managed agent's process begins (the kernel's word, to 0.01 s),
    and when that agent is at work (its log, in its onstart). Then the primary comes back: for how long do both
    processes live?
Idle minute
    CPU time and memory of the failover agents, of their platforms and of a do-nothing agent, as the kernel
    counts them, while nothing happens and nobody is connected; then the same without failover agents. The
    "1 other agent" is the managed agent, a do-nothing one, which runs on the primary and, where there are no
    failover agents, on the secondary too; "20 others" are that one and 19 more of its kind, installed and not
    running.
Control RPCs
    Requests from the failover agent to the platform's control as the router logs them. That log costs CPU, so
    it is switched on for this alone.
"""

import argparse
import contextlib
import functools
import math
import os
import platform as machine
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple, Optional

import gevent
import gevent.socket
import psutil

from failover import clock
from failover.heartbeat import pair_topic, topic
from tests.testbed.pair import FAILOVER, MANAGED, MANAGED_AGENT, REPOSITORY, Observer, Pair, wait
from tests.testbed.platforms import MONOLITHIC_PYTHON, MONOLITHIC_ROOT, PlatformError

[FORMER] = REPOSITORY.joinpath("tests", "testbed", "former").glob("*.whl")
ROLES = ("primary", "secondary")
HEARTBEAT_PERIOD = 1
TIMEOUT = 10
MANY = 20
LIMIT = 200  # "flapping" is said for a minute after the last of several takeovers.
SETTLE = 5
NEVER = 30

# Wanted.
REACTION = 0.5
CPU_PERCENT = 0.35
CPU_GROWTH_PERCENT = 0.1
MEMORY_MIB = 5
RPCS_PER_SECOND = 1

# Times are good to this: the kernel rounds the begin of a process, and the observer hears a heartbeat a bit
# earlier or later than the failover agent.
RESOLUTION = 0.01

# From SIGUSR1 to SIGUSR2 the router prints the messages that come in. Its own log of them is broken in VOLTTRON 9.
_ROUTER_PRINTS = """import logging
import signal

class Printer(logging.Handler):
    def emit(self, record):
        if record.args and record.args[0] == "incoming":
            print("incoming:", list(record.args[1].frames), flush=True)
        elif not record.args and record.msg.startswith("incoming"):
            print(record.msg, flush=True)

def prints(level):
    for name in ("volttron.messagebus.zmq.router.router", "vip.router"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [Printer()], False
        logger.setLevel(level)

signal.signal(signal.SIGUSR1, lambda *_: prints(logging.DEBUG))
signal.signal(signal.SIGUSR2, lambda *_: prints(logging.WARNING))
"""
_CONTROL_RPC = re.compile(
    r"incoming: \['{}', '(?:platform\.)?control', 'VIP1', .*? 'RPC', .*?['\"]method['\"]: ['\"](\w+)".format(FAILOVER))

_began = time.monotonic()


class Takeover(NamedTuple):
    """What one round took. The first three count from the last heartbeat, less `timeout`. `command` may be unknown."""

    command: Optional[float]
    process: float
    work: float
    own_start: float
    both_ran: float


class Measured(NamedTuple):
    """What was measured of one failover agent. None stands for a takeover that did not come."""

    takeovers: list
    few: dict
    many: dict
    few_rpcs: dict
    many_rpcs: dict


class Usage(NamedTuple):
    """What a process used: percent of one core, and MiB of resident memory, all and unshared."""

    cpu: float
    rss: float
    uss: float


class Cost(NamedTuple):
    """What a failover agent cost while nothing happened: {(role, what): Usage} with it and without, and RPCs a second."""

    with_it: dict
    without: dict
    rpcs: list


class Row(NamedTuple):
    """A line of the table. `met` is None where nothing is wanted."""

    what: str
    measured: str
    wanted: str = ""
    met: Optional[bool] = None


def main(arguments=None):
    """Measure, print the table and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measures the failover agent.")
    parser.add_argument("--rounds", type=int, default=5, help="takeovers (default 5)")
    parser.add_argument("--seconds", type=float, default=60, help="length of the idle minute (default 60)")
    parser.add_argument("--rpc-seconds", type=float, default=30, help="of counting control RPCs (default 30)")
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--original", type=Path, help="folder of the original Failover Agent, to compare with")
    other.add_argument("--former", action="store_true", help="compare CPU and RPCs with the former release, beside")
    options = parser.parse_args(arguments)
    if options.original and not MONOLITHIC_ROOT:
        parser.error("the original runs on VOLTTRON 9 alone: `make bench-monolithic`")
    if options.former and MONOLITHIC_ROOT:
        parser.error("the former release is at hand for VOLTTRON 11 alone: `make bench`")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        load = os.getloadavg()[0]
        measured = beside_former(options) if options.former else bench(options)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except (PlatformError, TimeoutError) as error:
        print(f"the measurement broke: {error}", file=sys.stderr)
        return 1
    print(measured)
    print(f"\n{machine_line()}; load average {load:.2f} before, {os.getloadavg()[0]:.2f} after.")
    return 0


def bench(options):
    """Measure on one pair of platforms, each failover agent in its turn, and return the table."""
    sources = [REPOSITORY] + ([options.original.resolve()] if options.original else [])
    takeovers, few, many, few_rpcs, many_rpcs = ({} for _ in range(5))
    with new_pair() as pair:
        say("two platforms, both agents on each")
        pair.install(start=False, heartbeat_period=HEARTBEAT_PERIOD, timeout=TIMEOUT)
        for source in sources:
            put_in_charge(pair, source)
            takeovers[source] = measure_takeovers(pair, options.rounds)
            settle(pair)
            few[source] = measure_idle(pair, options.seconds, "1 other agent")
            few_rpcs[source] = count_rpcs(pair, options.rpc_seconds, "1 other agent")
        take_out_of_charge(pair)
        bare_few = measure_idle(pair, options.seconds, "1 other agent, no failover agent")
        install_many(pair)
        time.sleep(SETTLE)
        bare_many = measure_idle(pair, options.seconds, f"{MANY} other agents, no failover agent")
        for source in reversed(sources):
            put_in_charge(pair, source)
            settle(pair)
            many[source] = measure_idle(pair, options.seconds, f"{MANY} other agents")
            many_rpcs[source] = count_rpcs(pair, options.rpc_seconds, f"{MANY} other agents")
    measured = [Measured(*(found[source] for found in (takeovers, few, many, few_rpcs, many_rpcs)))
                for source in sources]
    if options.original:
        return comparison(*measured, bare_few, bare_many, options.rpc_seconds)
    [ours] = measured
    few, many = bare_few | ours.few, bare_many | ours.many
    return table([*takeover_rows(ours.takeovers), *cpu_rows(few, many), *platform_rows(few, bare_few, many, bare_many),
                  *memory_rows(few, many), *rpc_rows(ours.few_rpcs, ours.many_rpcs, options.rpc_seconds)])


def beside_former(options):
    """Measure this release and the former one at the same time, each on a pair of its own, and return the table."""
    with new_pair() as ours, new_pair() as former:
        pairs = (ours, former)
        for pair, source in zip(pairs, (REPOSITORY, FORMER)):
            say(f"two platforms, {name_of(source)} on each")
            for side in pair.sides:
                side.failover_source = source
            pair.install(heartbeat_period=HEARTBEAT_PERIOD, timeout=TIMEOUT)
        for pair in pairs:
            await_normal(pair)
            for side in pair.sides:
                side.restart_agent(FAILOVER)  # The first start compiles, which takes memory.
            settle(pair)

        def at_once(measure, seconds, situation):
            return in_threads(*(functools.partial(
                measure, pair, seconds, situation.format(name_of(pair.primary.failover_source))) for pair in pairs))

        with_it = at_once(measure_idle, options.seconds, "{}")
        rpcs = at_once(count_rpcs, options.rpc_seconds, "{}")
        for pair in pairs:
            take_out_of_charge(pair)
        without = at_once(measure_idle, options.seconds, "where {} was")
    return costs_beside(*(Cost(used, bare, rates(counts, options.rpc_seconds))
                          for used, bare, counts in zip(with_it, without, rpcs)))


# The platforms


@contextlib.contextmanager
def new_pair():
    """Two platforms of which nothing is left afterwards. If a wait fails, the end of their logs is shown."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    Path(folder, "sitecustomize.py").write_text(_ROUTER_PRINTS)
    path = os.pathsep.join(filter(None, (str(folder), MONOLITHIC_ROOT)))
    try:
        pair = Pair(folder, {"PYTHONPATH": path})
        try:
            yield pair
        except TimeoutError:
            print(pair.tails(), file=sys.stderr)
            raise
        finally:
            pair.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def put_in_charge(pair, source):
    """Have the failover agents of this folder run, installed in place of others."""
    say(name_of(source))
    for side, other in pair.each_way:
        pair.settle()
        if side.failover_source != source:
            side.replace_failover(source, other, heartbeat_period=HEARTBEAT_PERIOD, timeout=TIMEOUT)
        elif not side.runs(FAILOVER):
            side.start_agent(FAILOVER)


def name_of(source):
    return {REPOSITORY: "this failover agent", FORMER: "the former release"}.get(source, "the original failover agent")


def take_out_of_charge(pair):
    """Stop the failover agents, the secondary's first, and have the managed agent run on both platforms."""
    pair.settle()
    for side in reversed(pair.sides):
        side.stop_agent(FAILOVER)
        if not side.runs(MANAGED):
            side.start_agent(MANAGED)
    time.sleep(SETTLE)


def install_many(pair):
    """Install do-nothing agents beside the managed agent until there are MANY, on both platforms at once."""
    say(f"installing {MANY - 1} agents more on each")
    in_threads(*(lambda side=side: install_some(side.platform, MANY - 1) for side in pair.sides))


def install_some(platform, number):
    # VOLTTRON 11 keeps the wheel that it made of the folder.
    source = next(platform.home.glob("wheelhouse/managed_agent-*.whl"), MANAGED_AGENT)
    for i in range(1, number + 1):
        platform.install(source, identity=f"do.nothing.{i}", start=False)


def settle(pair):
    """Wait until all is well and as it was for some seconds, with nobody connected but the agents."""
    await_normal(pair)
    for side in pair.sides:
        if side.observer:
            side.observer.close()
            side.observer = None
    time.sleep(SETTLE)


def observe(pair):
    for side in pair.sides:
        side.observer = side.observer or Observer(side.platform)


def await_normal(pair):
    """Wait until the primary is in charge, and ours say that all is well."""
    observe(pair)
    wait(lambda: pair.primary.runs() and not pair.secondary.runs(), LIMIT, "the primary in charge")
    if pair.primary.failover_source in (REPOSITORY, FORMER):
        wait(lambda: is_normal(pair), LIMIT, "the normal state, primary in charge")
    else:
        gevent.sleep(SETTLE)
    pair.settle()


def is_normal(pair):
    primary, secondary = (side.status() for side in pair.sides)
    return (primary and secondary and primary["health"] == secondary["health"] == "GOOD"
            and primary["other"]["liveness"] == secondary["other"]["liveness"] == "up"
            and primary["managed_agent"]["state"] == "running"
            and secondary["managed_agent"]["state"] == "stopped")


def in_threads(*calls):
    """Run blocking calls, each in a thread, while the observers' connections are served; return their results."""
    pool = gevent.get_hub().threadpool
    return [result.get() for result in [pool.spawn(call) for call in calls]]


# Takeover


def measure_takeovers(pair, rounds):
    """Return the takeovers, one after the other. After one that does not come all begins anew."""
    takeovers = []
    for number in range(1, rounds + 1):
        takeovers.append(measure_takeover(pair, number))
        if takeovers[-1] is None:
            for side in pair.sides:
                side.platform.power_off()
            for side in pair.sides:
                side.platform.start()
                side.start_agent(FAILOVER)
    return takeovers


def measure_takeover(pair, number):
    """Take the primary's power away and give it back; return the times, or None if there is no takeover."""
    await_normal(pair)
    secondary, observer = pair.secondary.platform, pair.secondary.observer
    heard = []
    for name in topic("primary", "simple"), pair_topic("primary", "simple", MANAGED):  # The original goes by the former.
        observer.link.subscribe(name, lambda *_: heard.append(clock.now()))
    wait(lambda: heard, LIMIT, "a heartbeat of the primary")
    log_end = secondary.log.stat().st_size
    gevent.sleep(random.uniform(0, HEARTBEAT_PERIOD))
    in_threads(pair.primary.platform.power_off)
    try:
        [process] = wait(lambda: secondary.processes(MANAGED), NEVER, "takeover")
    except TimeoutError:
        say(f"takeover {number}: none within {NEVER} s")
        return None
    due = heard[-1] + TIMEOUT
    work = wait(lambda: logged_at(secondary.log, log_end, "managed agent started"), LIMIT, "its onstart")
    command = logged_at(secondary.log, log_end, f"start: {MANAGED}")
    process_began = began_at(process.pid)
    times = Takeover(None if command is None else command - due, process_began - due, work - due,
                     work - (process_began if command is None else command), measure_give_back(pair, process.pid))
    say(f"takeover {number}: " + ", ".join(
        f"{key} {value:.3f} s" for key, value in times._asdict().items() if value is not None))
    return times


def measure_give_back(pair, secondary_pid):
    """Bring the primary back; return for how long both managed agents' processes lived, below 0 for a gap."""
    secondary_end = gevent.spawn(end_of, secondary_pid)
    in_threads(pair.primary.platform.start)
    in_threads(lambda: pair.primary.start_agent(FAILOVER))
    [process] = wait(lambda: pair.primary.platform.processes(MANAGED), LIMIT, "start on the primary")
    with gevent.Timeout(LIMIT, TimeoutError("the secondary's managed agent did not end at fail-back")):
        return secondary_end.get() - began_at(process.pid)


def began_at(pid):
    """Return when a process began, on the clock of `failover.clock`, rounded down to 0.01 s."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(after_name[19]) / os.sysconf("SC_CLK_TCK")


def end_of(pid):
    """Wait for the end of a process; return when that was, on the clock of `failover.clock`."""
    descriptor = os.pidfd_open(pid)
    try:
        gevent.socket.wait_read(descriptor)
        return clock.now()
    finally:
        os.close(descriptor)


def logged_at(log, offset, text):
    """Return when the first line after `offset` that ends so was logged, on the clock of `failover.clock`."""
    with log.open("rb") as file:
        file.seek(offset)
        lines = file.read().decode(errors="replace").splitlines()
    for line in lines:
        if line.endswith(text):
            wall = datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").timestamp()
            return wall - time.time() + clock.now()
    return None


# Idle minute and RPCs


def measure_idle(pair, seconds, situation):
    """Return {(role, what): Usage} of the platforms and of the agents that run, over so many seconds."""
    processes = {}
    for side in pair.sides:
        processes[side.role, "platform"] = psutil.Process(side.platform.pid)
        for identity in (FAILOVER, MANAGED):
            for process in side.platform.processes(identity):
                processes[side.role, identity] = process
    psutil.cpu_percent()
    began = time.monotonic()
    before = {key: cpu_seconds(process) for key, process in processes.items()}
    time.sleep(seconds)
    elapsed = time.monotonic() - began
    after = {key: cpu_seconds(process) for key, process in processes.items()}
    busy = psutil.cpu_percent()
    usages = {}
    for key, process in processes.items():
        memory = process.memory_full_info()
        cpu = 100 * (after[key] - before[key]) / elapsed
        usages[key] = Usage(cpu, memory.rss / 2 ** 20, memory.uss / 2 ** 20)
    say(f"idle, {situation} (the machine was {busy:.0f} % busy): " + ", ".join(
        f"{role} {what} {usage.cpu:.2f} %" for (role, what), usage in usages.items()))
    return usages


def cpu_seconds(process):
    times = process.cpu_times()
    return times.user + times.system


def count_rpcs(pair, seconds, situation):
    """Return {role: Counter of methods} of what the failover agent asks control in so many seconds."""
    logs = {side.role: side.platform.log for side in pair.sides}
    signal_routers(pair, signal.SIGUSR1)
    begins = {role: log.stat().st_size for role, log in logs.items()}
    time.sleep(seconds)
    ends = {role: log.stat().st_size for role, log in logs.items()}
    signal_routers(pair, signal.SIGUSR2)
    counts = {}
    for role, log in logs.items():
        with log.open("rb") as file:
            file.seek(begins[role])
            text = file.read(ends[role] - begins[role]).decode(errors="replace")
            counts[role] = Counter(_CONTROL_RPC.findall(text))
    say(f"control RPCs, {situation}: " + ", ".join(f"{role} {dict(count)}" for role, count in counts.items()))
    return counts


def signal_routers(pair, number):
    """Have the routers begin, or end, to print what comes in, and give them a moment for it."""
    for side in pair.sides:
        os.kill(side.platform.pid, number)
    time.sleep(1)


# The table


def takeover_rows(takeovers):
    if None in takeovers:
        raise TimeoutError(f"{takeovers.count(None)} of {len(takeovers)} takeovers did not come within {NEVER} s")
    commands, processes, works, start_times, both_ran = zip(*takeovers)
    counted = "takeover from the last heartbeat received, minus `timeout`: "
    return [
        Row(f"{counted}start commanded", spread(commands), f"0 to {REACTION} s",
            min(commands) > -RESOLUTION and max(commands) <= REACTION),
        Row(f"{counted}process begins", spread(processes), "never below 0", min(processes) > -RESOLUTION),
        Row(f"{counted}agent at work", spread(works), f"at most {REACTION} s + its own start time",
            all(work <= REACTION + start_time for work, start_time in zip(works, start_times))),
        Row("the managed agent's own start time, from the command to its onstart", spread(start_times)),
        Row("both run at fail-back", spread(both_ran), "(original, elsewhere on 9.0.4: 0.24 and 0.68 s)"),
    ]


def cpu_rows(few, many):
    few_cpu, many_cpu = cpu(few, FAILOVER), cpu(many, FAILOVER)
    growth = max(after - before for before, after in zip(few_cpu, many_cpu))
    return [
        Row("failover agent, CPU, 1 other agent installed", percent(few_cpu),
            f"below {CPU_PERCENT} %, half of the original's 0.70 % (measured elsewhere on 9.0.4)",
            max(few_cpu) < CPU_PERCENT),
        Row(f"failover agent, CPU, {MANY} others", percent(many_cpu),
            f"the same, and flat: at most {CPU_GROWTH_PERCENT} points more (original with 11: 1.3 to 1.45 %)",
            max(many_cpu) < CPU_PERCENT and growth <= CPU_GROWTH_PERCENT),
        Row("do-nothing agent, CPU, 1 other", percent(cpu(few, MANAGED))),
        Row(f"do-nothing agent, CPU, {MANY} others", percent(cpu(many, MANAGED))),
    ]


def platform_rows(few, bare_few, many, bare_many):
    rows = []
    for name, guarded, bare in (("1 other", few, bare_few), (f"{MANY} others", many, bare_many)):
        rows.append(Row(f"platform, CPU, {name}, with the failover agent", percent(cpu(guarded, "platform"))))
        rows.append(Row(f"platform, CPU, {name}, without", percent(cpu(bare, "platform"))))
    return rows


def memory_rows(few, many):
    rows = []
    for name, usages in (("1 other", few), (f"{MANY} others", many)):
        failover, nothing = ([usages[role, what] for role in ROLES] for what in (FAILOVER, MANAGED))
        more = [ours.rss - its.rss for ours, its in zip(failover, nothing)]
        rows.append(Row(
            f"failover agent, resident memory, {name}", f"{mib(failover)}: {both('{:+.1f}', more)} MiB",
            f"at most {MEMORY_MIB} MiB more than the do-nothing agent", max(more) <= MEMORY_MIB))
        rows.append(Row(f"do-nothing agent, resident memory, {name}", mib(nothing)))
    return rows


def rates(counts, seconds):
    return [sum(counts[role].values()) / seconds for role in ROLES]


def rpc_rows(few, many, seconds):
    few_rates, many_rates = rates(few, seconds), rates(many, seconds)
    same = all(abs(one - other) * seconds < 2.5 for one, other in zip(few_rates, many_rates))
    return [
        Row("control RPCs per second, 1 other", f"{both('{:.2f}', few_rates)} ({methods(few)})",
            f"at most {RPCS_PER_SECOND}", max(few_rates) <= RPCS_PER_SECOND),
        Row(f"control RPCs per second, {MANY} others", f"{both('{:.2f}', many_rates)} ({methods(many)})",
            f"at most {RPCS_PER_SECOND}, as with 1", max(many_rates) <= RPCS_PER_SECOND and same),
    ]


# What a failover agent cost: the figure, its form, its unit, and how it is made of a `Cost`.
COSTS = (
    ("CPU of the failover agent", "{:.2f}", " %", lambda cost: cpu(cost.with_it, FAILOVER)),
    ("CPU of its platform, more than without it", "{:.2f}", " %", lambda cost: [
        used - bare for used, bare in zip(cpu(cost.with_it, "platform"), cpu(cost.without, "platform"))]),
    ("resident memory", "{:.1f}", " MiB", lambda cost: [cost.with_it[role, FAILOVER].rss for role in ROLES]),
    ("control RPCs per second", "{:.2f}", "", lambda cost: cost.rpcs),
)


def comparison(ours, original, bare_few, bare_many, seconds):
    """Return a Markdown table of both failover agents, and whether ours is better. The smaller figure is."""
    rows = []

    def compare(what, form, unit, figures):
        mine, its = map(figures, (ours, original))
        better = "yes" if max(mine) < max(its) else "**no**"
        shown = (both(form, values) + unit for values in (mine, its))
        rows.append("| {} | {} | {} | {} |".format(what, *shown, better))

    def came(measured):
        return [takeover for takeover in measured.takeovers if takeover]

    compare("takeover: largest deviation from `timeout` after the last heartbeat", "{:.2f}", " s",
            lambda one: [max((abs(takeover.process) for takeover in came(one)), default=math.inf)])
    # The same for both. After one that did not come the platforms are restarted.
    rounds = len(ours.takeovers)
    compare("takeovers that did not come", "{:d}", f" of {rounds}", lambda one: [one.takeovers.count(None)])
    compare("both run at fail-back, at most", "{:.2f}", " s",
            lambda one: [max([0.0] + [takeover.both_ran for takeover in came(one)])])
    for name, few_or_many, bare in (("1 other agent", "few", bare_few), (f"{MANY} others", "many", bare_many)):
        for what, form, unit, figures in COSTS:
            compare(f"{what}, {name}", form, unit, lambda one: figures(Cost(
                getattr(one, few_or_many), bare, rates(getattr(one, few_or_many + "_rpcs"), seconds))))
    head = ["| what (primary / secondary) | this agent | the original | better? |", "|---|---|---|---|"]
    return "\n".join(head + rows)


def costs_beside(ours, former):
    """Return a Markdown table of what both releases cost."""
    lines = ["| what (primary / secondary) | this release | the former one | ratio |", "|---|---|---|---|"]
    for what, form, unit, figures in COSTS:
        mine, its = figures(ours), figures(former)
        lines.append(f"| {what} | {both(form, mine)}{unit} | {both(form, its)}{unit} | {sum(mine) / sum(its):.2f} |")
    return "\n".join(lines)


def cpu(usages, what):
    return [usages[role, what].cpu for role in ROLES]


def both(form, values):
    """Show a value of the primary and one of the secondary, or one for both."""
    return " / ".join(form.format(value) for value in values)


def percent(values):
    return both("{:.2f}", values) + " %"


def mib(usages):
    return "{} MiB (unshared {})".format(both("{:.1f}", [usage.rss for usage in usages]),
                                         both("{:.1f}", [usage.uss for usage in usages]))


def methods(counts):
    return " / ".join(", ".join(f"{n} {method}" for method, n in sorted(counts[role].items())) or "none"
                      for role in ROLES)


def spread(values):
    return f"{statistics.median(values):.2f} s ({min(values):.2f} to {max(values):.2f}, {len(values)} rounds)"


def table(rows):
    """Return the rows as a Markdown table."""
    words = {True: "yes", False: "**no**", None: ""}
    lines = ["| what (primary / secondary) | measured | wanted | met? |", "|---|---|---|---|"]
    lines += [f"| {row.what} | {row.measured} | {row.wanted} | {words[row.met]} |" for row in rows]
    return "\n".join(lines)


def machine_line():
    with open("/proc/cpuinfo") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return (f"{date.today()}: {models[0] if models else machine.machine()}, {os.cpu_count()} cores, "
            f"{psutil.virtual_memory().total / 2 ** 30:.0f} GiB, Linux {machine.release()}, {versions()}; "
            f"`heartbeat_period` {HEARTBEAT_PERIOD} s, `timeout` {TIMEOUT} s, simple failover")


def versions():
    """Return the versions of what the platforms run in."""
    names = ("gevent", "pyzmq")
    if not MONOLITHIC_ROOT:
        names = ("volttron", "volttron-core", "volttron-lib-zmq", "volttron-lib-auth", *names)
    script = ("import importlib.metadata, platform; print('Python', platform.python_version(), *("
              f"f', {{name}} {{importlib.metadata.version(name)}}' for name in {names!r}))")
    if MONOLITHIC_ROOT:
        script += "; import volttron.platform; print(', VOLTTRON', volttron.platform.__version__)"
    done = subprocess.run([MONOLITHIC_PYTHON if MONOLITHIC_ROOT else sys.executable, "-c", script], check=True,
                          capture_output=True, text=True, timeout=LIMIT, cwd=MONOLITHIC_ROOT)
    return done.stdout.replace("\n", "").replace(" ,", ",")


def say(text):
    """Show progress on standard error."""
    print(f"{time.monotonic() - _began:5.0f} s  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
