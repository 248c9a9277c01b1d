"""Whether the times of a configuration fit together."""

from typing import Any, List, Mapping

from failover.config.errors import show
from failover.config.keys import LONGEST_GRACE, OF_SECONDS

__all__ = ["time_problems", "time_warnings", "usual_grace"]

# Seconds.
_USUAL_GRACE = 10
_SHORT_TIMEOUT, _GOOD_TIMEOUT = 4, 6


def usual_grace(values: Mapping[str, Any]) -> float:
    """Return the seconds of ``stop_grace`` when it is not given."""
    period: float = values.get("heartbeat_period", 0)
    return max(_USUAL_GRACE, period)


def time_problems(values: Mapping[str, Any]) -> List[str]:
    """Return what is wrong with two times together. Values with a problem of their own are absent."""
    if "heartbeat_period" not in values:
        return []
    problems = []
    period = values["heartbeat_period"]
    if "timeout" in values and values["timeout"] < 2 * period:
        problems.append("timeout: found {}; wanted: at least two heartbeat periods, {:g} s".format(
            show(values["timeout"]), 2 * period))
    if "stop_grace" in values:
        longest = max(LONGEST_GRACE, period)
        if values["stop_grace"] > longest:
            problems.append("stop_grace: found {}; wanted: {}".format(
                show(values["stop_grace"]), OF_SECONDS.format(1, longest)))
        several = values.get("agent_vip_identity", "")
        if isinstance(several, tuple) and values["stop_grace"] < len(several):
            problems.append("stop_grace: found {}; wanted: at least a second for each managed agent, {} s".format(
                show(values["stop_grace"]), len(several)))
        if values["stop_grace"] < period and values.get("simple_behavior") is False:
            problems.append("stop_grace: found {}; wanted: at least one heartbeat period, {:g} s, in standard "
                            "failover".format(show(values["stop_grace"]), period))
    return problems


def time_warnings(values: Mapping[str, Any]) -> List[str]:
    """Return what works but is better set otherwise, a line for each thing."""
    warnings = []
    timeout, period = values["timeout"], values["heartbeat_period"]
    good = max(_GOOD_TIMEOUT, 3 * period)
    if timeout < _SHORT_TIMEOUT:
        warnings.append(
            "timeout {:g} s is short: a platform answers nothing for 2 to 3 seconds while `vctl install` runs on it, "
            "which then looks like its death; set timeout to {:g} or more".format(timeout, good))
    if timeout < 3 * period and not values["simple_behavior"]:
        warnings.append(
            "timeout {:g} s is less than three heartbeat periods of {:g} s: heartbeats are sent every {:.3g} s "
            "instead, so that the primary's lease does not end between two of them; set timeout to {:g} or more".format(
                timeout, period, timeout / 3, good))
    return warnings
