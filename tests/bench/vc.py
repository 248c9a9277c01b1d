"""Measures how many pairs VC's platform bears, and how it comes back when all of them connect anew:
``python -m tests.bench.vc [--pairs 1,10,50] [--seconds 60] [--storm freeze|restart] [--save FILE]``.

VC's platform is a real one without agents, a witness (VOLTTRON 11). The pairs are light: of each failover agent only what
talks to VC, which is the real one (`tests.bench.light`), with default times, keys of their own, a heartbeat and a question
to VC each second. They run on the same machine and take part of its CPU: theirs is shown beside.

Without ``--storm``, for each number of pairs: the platform's CPU in percent of one core, and which shares of the heartbeats
due in these seconds VC answered in time and the peer heard in time, within half of `timeout`. It ends before the last number if
the links do not come up.

With ``--storm`` the platform's process is stopped for 15 s and goes on, or is killed and started again, with each number of
pairs connected. Counted in seconds from when it goes on, or welcomes the first: until half of the links, and all, are up and VC
has answered a question that was asked since.

Prints progress on standard error and a Markdown table on standard output. ``--save`` writes what `tests.bench.pictures` draws.
"""

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
from pathlib import Path

import gevent
import psutil

from failover import clock
from failover.vip import frames
from tests.bench.__main__ import cpu_seconds, in_threads, machine_line, say
from tests.bench.light import ANSWER_WITHIN, Crowd, identities
from tests.test_witness import Witness
from tests.testbed.pair import wait

NUMBERS = [1, 10, 25, 50, 100, 150, 200]
STORM_NUMBERS = [100]
IDENTITY = "platform.health"

# Seconds.
_FROZEN_FOR = 15
_UP_WITHIN = 180
_SETTLE = 15
_PROBE_EVERY = 0.05

# Below this share of heartbeats answered in time the platform is saturated.
_ENOUGH = 0.5


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tests.bench.vc", description="Measures VC's platform under many pairs.")
    parser.add_argument("--pairs", type=lambda text: [int(one) for one in text.split(",")], help="numbers of pairs (default {}, "
                        "in a storm {})".format(*(",".join(map(str, some)) for some in (NUMBERS, STORM_NUMBERS))))
    parser.add_argument("--seconds", type=float, default=60, help="of measuring the CPU (default 60)")
    parser.add_argument("--storm", choices=list(STORMS), help="have all connect anew after this")
    parser.add_argument("--save", type=Path, help="file for `tests.bench.pictures`")
    options = parser.parse_args(arguments)
    numbers = options.pairs or (STORM_NUMBERS if options.storm else NUMBERS)
    picture = storms(numbers, options.storm) if options.storm else loads(numbers, options.seconds)
    print("\n{}, light pairs with `timeout` {:g} s.".format(machine_line().partition("; ")[0], 2 * ANSWER_WITHIN))
    if options.save:
        options.save.write_text(json.dumps(picture, indent=1) + "\n")
    return 0


class Stage:
    """VC's platform, and pairs connected to it."""

    def __init__(self, folder):
        self.side = Witness(folder)
        self.platform = self.side.platform
        self._pairs = []

    def install(self):
        self.side.install()

    @contextlib.contextmanager
    def pairs(self, number):
        """Have so many pairs known to the platform, and running."""
        new = identities(number)[len(self._pairs):]
        self._register([key for pair in new for key in pair])
        self._pairs += new
        crowd = Crowd(self.platform, IDENTITY, self._pairs[:number])
        with contextlib.closing(crowd):
            yield crowd

    def _register(self, keys):
        """Do what `vctl auth add` does, over a connection that stands already."""
        for name, publickey, _ in keys:
            ident = frames.new_id()
            request = dict(jsonrpc="2.0", id=ident.decode(), method="create_credentials",
                           params=dict(identity=name, publickey=publickey))
            assert self.side.observer.link._open_session()._request(
                "platform.auth", frames.RPC, ident, json.dumps(request).encode(), "create_credentials", 30)

    def freeze(self):
        """Stop the platform's process for a while; return when it goes on."""
        self.platform.freeze(platform_only=True)
        gevent.sleep(_FROZEN_FOR)
        self.platform.thaw()
        return clock.now()

    def restart(self):
        """Kill the platform and start it; return when it welcomes the first."""
        link = self.side.observer.link
        in_threads(self.platform.power_off)
        wait(lambda: not link.up, _UP_WITHIN, "the end of the observer's connection")
        starting = gevent.spawn(in_threads, lambda: self.platform.start(answers=lambda: link.up))
        while not link.up:
            link.retry_now()
            gevent.sleep(_PROBE_EVERY)
        starting.get()
        return clock.now()

    def close(self):
        self.side.close()


STORMS = {"freeze": Stage.freeze, "restart": Stage.restart}


@contextlib.contextmanager
def new_stage():
    """VC's platform, of which nothing is left afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        with contextlib.closing(Stage(folder / "w")) as stage:
            say("VC's platform")
            stage.install()
            yield stage
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def loads(numbers, seconds):
    """Measure the CPU with each number of pairs, print a table, and return a picture."""
    print("| pairs | platform's CPU | per pair | answered in time | heard in time | the pairs' own CPU | machine busy |\n"
          "|---|---|---|---|---|---|---|", flush=True)
    points = []
    with new_stage() as stage:
        for number in numbers:
            with stage.pairs(number) as crowd:
                share = settle(crowd)
                process = psutil.Process(stage.platform.pid)
                psutil.cpu_percent()
                began, before, theirs = clock.now(), cpu_seconds(process), crowd.sum("cpu")
                gevent.sleep(seconds)
                ended, after, busy = clock.now(), cpu_seconds(process), psutil.cpu_percent()
                own = 100 * (crowd.sum("cpu") - theirs) / (ended - began)
                gevent.sleep(ANSWER_WITHIN + 3)  # Then what became of the last heartbeats is known.
                answered, heard = crowd.shares(began, ended)
                cpu = 100 * (after - before) / (ended - began)
                points.append([number, round(cpu, 2)])
                print("| {} | {:.1f} % | {:.2f} % | {:.1%} | {:.1%} | {:.0f} % | {:.0f} % |".format(
                    number, cpu, cpu / number, answered, heard, own, busy), flush=True)
                say("{} pairs: {:.0%} of the links up at the beginning; down: {}".format(number, share, crowd.errors()[:3]))
                if answered < _ENOUGH:
                    say("the platform is saturated")
                    break
    return dict(title="CPU of VC's platform", x="pairs", y="percent of one core", series={"platform": points})


def settle(crowd):
    """Wait until all links are up and have been for a while; return which share is."""
    with contextlib.suppress(TimeoutError):
        crowd.await_well(1, _UP_WITHIN)
    gevent.sleep(_SETTLE)
    return crowd.sum("well") / crowd.links


def storms(numbers, kind):
    """Have a storm with each number of pairs, print a table, and return a picture."""
    print("| pairs | half of the links | all | fell again meanwhile | platform's CPU meanwhile |\n|---|---|---|---|---|", flush=True)
    series = {}
    with new_stage() as stage:
        for number in numbers:
            with stage.pairs(number) as crowd:
                say("{} pairs: {:.0%} of the links up".format(number, settle(crowd)))
                again = STORMS[kind](stage)
                process, falls = psutil.Process(stage.platform.pid), crowd.sum("falls")
                before = cpu_seconds(process)
                with contextlib.suppress(TimeoutError):
                    wait(lambda: reached(crowd, again, 1) is not None, _UP_WITHIN, "all links")
                passed = clock.now() - again
                cpu = 100 * (cpu_seconds(process) - before) / passed
                print("| {} | {} | {} | {} | {:.0f} % |".format(
                    number, *map(shown, (reached(crowd, again, 0.5), reached(crowd, again, 1))), crowd.sum("falls") - falls, cpu),
                    flush=True)
                say("down: {}".format(crowd.errors()[:4]))
                gevent.sleep(1)
                series["{} pairs".format(number)] = thinned(crowd.since(again))
    return dict(title="Links to VC's platform after a {}".format(kind), steps=True, series=series,
                x="seconds since it runs again", y="links up and answered")


def reached(crowd, since, share):
    """Return after how many seconds this share of the links was up and answered, or None if it never was."""
    return next((at for at, _, well in crowd.since(since) if well >= share * crowd.links), None)


def shown(seconds):
    return "never" if seconds is None else "{:.1f} s".format(seconds)


def thinned(samples):
    """Return [[seconds, links up and answered], ...] where that changed."""
    points = []
    for at, _, well in samples:
        if not points or points[-1][1] != well:
            points.append([round(at, 2), well])
    return points


if __name__ == "__main__":
    sys.exit(main())
