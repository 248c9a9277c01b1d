"""A configuration that has been checked."""

from dataclasses import dataclass, field
from math import inf
from typing import Any, Dict, Mapping, Tuple, Union

from failover.config.errors import ConfigError, show
from failover.config.keys import BY_PERIOD, KEYS, LONGEST_GRACE, NOT_NEEDED, problem, unknown_keys
from failover.config.platforms import Known, fill_in_central, key_problems, settle_addresses
from failover.config.times import time_problems, time_warnings, usual_grace
from failover.decision.vocabulary import together

__all__ = ["Config"]


@dataclass(frozen=True)
class Config:
    """A checked configuration.

    :ivar agent_id: role of this instance, ``primary`` or ``secondary``.
    :ivar simple_behavior: True for simple failover, False for standard failover.
    :ivar remote_vip: VIP address of the other platform, as it was given but without a query.
    :ivar remote_serverkey: public key of the other platform.
    :ivar agent_vip_identity: VIP identity of the managed agent, the same on both platforms; or several, in the order in
        which they are started.
    :ivar heartbeat_period: seconds from one heartbeat to the next.
    :ivar timeout: seconds without a heartbeat after which the peer counts as down.
    :ivar stop_grace: seconds from the decision to stop the managed agent until it is gone.
    :ivar volttron_central_vip: VIP address of the platform of VOLTTRON Central (VC), likewise, or its web address, at
        which its VIP address is to be asked for; "" if not given.
    :ivar volttron_central_serverkey: public key of that platform; "" if only its web address and no key is given.
    :ivar volttron_central_identity: VIP identity of VC there.
    :ivar fail_back: when the managed agent goes back to the home primary after a takeover: ``auto`` (at once), ``manual``
        (by a switchover), or the seconds for which that must have been well.
    :ivar max_failures: after so many ends of the managed agent that nobody ordered, within ``failure_window`` seconds, the
        active side hands over to the other one; 0 is off.
    :ivar unhealthy_after: seconds for which the managed agent hangs or reports BAD before that; 0 is off.
    :ivar compare_managed_agents: whether the managed agent should be installed alike on both sides: version, configuration
        and configuration store.
    :ivar require_signatures: ``auto``: once the peer has proved itself by a signature, its unsigned heartbeats do not count;
        False: they do.
    :ivar remote_instance_name: instance name of the other platform; "" means as learnt from its heartbeats.
    :ivar warnings: what works but is better set otherwise, a line for each thing.
    """

    agent_id: str
    simple_behavior: bool
    remote_vip: str
    remote_serverkey: str
    agent_vip_identity: Union[str, Tuple[str, ...]]
    heartbeat_period: float
    timeout: float
    stop_grace: float = 10
    volttron_central_vip: str = ""
    volttron_central_serverkey: str = ""
    volttron_central_identity: str = "volttron.central"
    fail_back: Union[str, float] = "auto"
    max_failures: int = 0
    failure_window: float = 600
    unhealthy_after: float = 0
    compare_managed_agents: bool = True
    require_signatures: Union[str, bool] = "auto"
    remote_instance_name: str = ""
    warnings: Tuple[str, ...] = field(default=(), compare=False)

    @property
    def mode(self) -> str:
        """``simple`` or ``standard``."""
        return "simple" if self.simple_behavior else "standard"

    @property
    def agents(self) -> Tuple[str, ...]:
        """The managed agents."""
        one_or_more = self.agent_vip_identity
        return (one_or_more,) if isinstance(one_or_more, str) else one_or_more

    @property
    def managed(self) -> str:
        """All managed agents in one word."""
        return together(self.agents)

    @property
    def beat_every(self) -> float:
        """Seconds from one heartbeat that is sent to the next: ``heartbeat_period``, or less in standard failover.

        There a primary's renewal is an acknowledgement of its heartbeat, which may take until two heartbeats later. So
        three must fit into ``timeout``.
        """
        return self.heartbeat_period if self.simple_behavior else min(self.heartbeat_period, self.timeout / 3)

    @property
    def fail_back_after(self) -> float:
        """Seconds that ``fail_back`` stands for; infinity if it is ``manual``."""
        return {"auto": 0.0, "manual": inf}[self.fail_back] if isinstance(self.fail_back, str) else self.fail_back

    @property
    def stop_within(self) -> float:
        """Seconds that stopping the managed agent may take while this agent itself is being stopped.

        VOLTTRON gives an agent 60 s for its stop; this one must have ended before.
        """
        return min(self.stop_grace, LONGEST_GRACE)

    @staticmethod
    def is_simple(raw: Any) -> bool:
        """Whether what was read from the configuration file asks for simple failover, be it right otherwise or not."""
        return isinstance(raw, Mapping) and raw.get("simple_behavior") is True

    @classmethod
    def load(cls, raw: Any, known: Known = Known()) -> "Config":
        """Check what was read from the configuration file and return it as a Config.

        :param known: for the keys of platforms, and in standard failover for where VC is, if not in the file.
        :raises ConfigError: with one line for each problem: key, value found, what is wanted.
        """
        if not isinstance(raw, Mapping):
            raise ConfigError(["the configuration is {}; wanted: a JSON or YAML mapping with the keys {}".format(
                show(raw), ", ".join(KEYS))])
        problems = unknown_keys(raw)
        values: Dict[str, Any] = {}
        for key in KEYS:
            value = raw.get(key, KEYS[key].default)
            wrong = problem(key, value)
            if wrong is not None:
                problems.append(wrong)
            elif value is not BY_PERIOD:
                values[key] = tuple(value) if isinstance(value, list) else value
        if "stop_grace" not in raw:
            values["stop_grace"] = usual_grace(values)
        problems += fill_in_central(values, known, "simple_behavior" in raw)
        problems += key_problems(values, known) + time_problems(values)
        if problems:
            raise ConfigError(problems)
        settle_addresses(values, known)
        warnings = [text for key, text in NOT_NEEDED.items() if key in raw] + time_warnings(values)
        return cls(warnings=tuple(warnings), **values)
