"""``python -m tests.simulator``: searches for faults that break a promise, and measures takeovers."""

import argparse
import sys
import time
from typing import List

from tests.simulator import search

__all__ = ["main"]


def quantiles(values: List[float]) -> str:
    values = sorted(values)
    return "   ".join("{} %: {:.2f}".format(part, values[min(len(values) - 1, part * len(values) // 100)])
                      for part in (5, 50, 95, 100))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__.split(": ")[1])
    parser.add_argument("what", choices=("check", "takeover", "mutants"))
    parser.add_argument("--schedules", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="run the schedule of this number alone, and print its story")
    options = parser.parse_args()
    if options.what == "takeover":
        for mode in ("simple", "standard"):
            print("{:8} failover, takeover in s:  {}".format(
                mode, quantiles(search.takeover_times(1000, mode == "simple"))))
        return 0
    if options.what == "mutants":
        from tests.simulator import mutants

        return mutants.main(options.schedules, options.seed)
    try:
        if options.only is not None:
            print(search.verdict(search.nth(options.seed, options.only)).story())
            return 0
        settled = search.check(options.schedules, options.seed)
    except search.BrokenPromise as broken:
        print(broken)
        return 1
    took = time.process_time()
    print("{} schedules keep all promises, in {:.0f} s of CPU time, {:.1f} ms each".format(
        len(settled), took, 1000 * took / len(settled)))
    print("settled after so many lease periods:  {}".format(quantiles([value for value in settled if value > 0])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
