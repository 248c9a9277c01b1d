"""Measures for how long there are no data when the platform driver moves: ``python -m tests.bench.data [--rounds 3]``.

VOLTTRON's own platform driver, out of the package index, polls a fake device each second on a pair of VOLTTRON 11, in simple
failover and in standard failover with a witness. It is moved by a power loss, by an orderly shutdown of the platform, by
switchovers, and by failbacks. Printed, in seconds, for each: from the last data on one platform's bus to the first ones on
the other's, and from the end of the driver's process to the beginning of the other one. In the first time is what the driver
needs to stop, to start and to poll.
"""

import argparse
import contextlib
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from failover import clock
from tests.bench.__main__ import in_threads, machine_line, say
from tests.test_real_agents import DRIVER, STORED, install_agents, store
from tests.test_witness import Witness
from tests.testbed.pair import LIMIT, Pair, wait
from tests.testbed.recorder import Recorder

TIMING = dict(heartbeat_period=0.5, timeout=4, stop_grace=4)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tests.bench.data", description="Measures how long there are no data.")
    parser.add_argument("--rounds", type=int, default=3, help="of each kind (default 3)")
    options = parser.parse_args(arguments)
    print("| how the driver moves | seconds without data | seconds without a driver |\n|---|---|---|")
    for mode in "simple", "standard":
        for way, measured in measure(mode, options.rounds).items():
            print("| {}, {} | {} | {} |".format(mode, way, *map(spread, zip(*measured))), flush=True)
    print("\n{}, `timeout` {timeout} s, `heartbeat_period` {heartbeat_period} s, `stop_grace` {stop_grace} s.".format(
        machine_line().partition("; ")[0], **TIMING))
    return 0


def measure(mode, rounds):
    """Return, for each way in which the driver moves, what each round has measured."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        witness, changes = None, dict(TIMING, agent_vip_identity=DRIVER)
        if mode == "standard":
            witness = stack.enter_context(contextlib.closing(Witness(folder / "w")))
            witness.install()
            changes.update(volttron_central_identity="platform.health")
        pair = stack.enter_context(contextlib.closing(Pair(folder, None, witness)))
        say("{} failover: two platforms, driver and failover agent on each".format(mode))
        pair.install(install_managed=install_agents, **changes)
        for side in pair.sides:
            side.data = []
            side.observer.link.subscribe("devices/", lambda *_, data=side.data: data.append(clock.now()))
            for name, text in STORED.items():
                store(side, name, text)
        recorder = stack.enter_context(contextlib.closing(Recorder([side.platform for side in pair.sides], DRIVER)))
        recorder.start()
        moves = Moves(pair, recorder)
        for _ in range(rounds):
            moves.go("power loss", pair.primary.platform.power_off)
            moves.go("failback after it", pair.primary.bring_back)
            moves.go("orderly shutdown", lambda: in_threads(pair.primary.platform.stop))
            moves.go("failback after that", pair.primary.bring_back)
            for _ in range(2):
                moves.go("switchover", lambda: pair.primary.observer.order("switchover", None))
        return moves.measured


class Moves:
    """Has the driver moved to the other side, and measures what that takes."""

    def __init__(self, pair, recorder):
        self.measured = {}
        self._from, self._to = pair.sides
        self._recorder = recorder

    def go(self, way, act):
        """Wait until all is well, move the driver in this way, and keep what was measured."""
        here, there = self._from, self._to
        wait(lambda: self._is_well(here, there), LIMIT, "the normal state before: " + way)
        self._recorder.clear()
        before = clock.now()
        wait(lambda: here.data and here.data[-1] > before, LIMIT, "data before: " + way)
        act()
        wait(lambda: there.runs(DRIVER) and not here.runs(DRIVER), LIMIT, way)
        wait(lambda: there.data and there.data[-1] > before, LIMIT, "data after: " + way)
        ended = self._recorder.intervals(here.platform)[-1][1]
        times = (min(at for at in there.data if at > before) - max(here.data),
                 self._recorder.first_run(there.platform) - ended)
        self.measured.setdefault(way, []).append(times)
        say("{}: {:.1f} s without data, {:.1f} s without a driver".format(way, *times))
        self._from, self._to = there, here

    @staticmethod
    def _is_well(here, there):
        up = [side.status() for side in (here, there) if side.platform.pid]
        return here.runs(DRIVER) and not there.runs(DRIVER) and all(up) and (len(up) == 1 or all(
            status["other"]["liveness"] == "up" and status["link"]["up"] for status in up))


def spread(values):
    return "{:.1f} ({:.1f} to {:.1f})".format(statistics.median(values), min(values), max(values))


if __name__ == "__main__":
    sys.exit(main())
