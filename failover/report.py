"""What an operator is told: the health line, and the problems that are worth an alert. Words only, no I/O."""

from typing import Dict, List, NamedTuple, Optional, Tuple

from failover.config import Config
from failover.core import Action, AgentState, Decision, Liveness
from failover.heartbeat import Heartbeat

__all__ = ["Change", "Problems", "alert_context", "alert_key", "differences", "headline", "other_role"]


class Change(NamedTuple):
    """A problem that appeared (``bad``) or went away."""

    bad: bool
    text: str


class Problems:
    """The problems that exist now, each said once when it appears and once when it has gone."""

    _GONE = {
        "missing": "{agent} is installed again",
        "unauthorized": "the missing authorization has been granted",
        "start": "the start of {agent} succeeded",
        "deaf": "heartbeats can be heard again",
        "stop": "the stop of {agent} succeeded",
        "link": "remote link found: {address} answers again",
        "refused": "{address} accepts heartbeats again",
        "control": "control of this platform answers again",
        "peer": "the {other_role} is heard again",
        "differ": "both sides are configured alike again",
        "rival": "only one {role} is heard again",
        "names": "the two platforms have different names again",
    }

    def __init__(self, config: Config):
        self._words = dict(agent=config.agent_vip_identity, address=config.remote_vip, role=config.agent_id,
                           other_role=other_role(config))
        self.texts: Dict[str, str] = {}

    def update(self, found: Dict[str, str]) -> List[Change]:
        """Take what is the matter now, a text for each kind of problem, and return which kinds came and went."""
        gone = [key for key in self.texts if key not in found]
        new = [key for key in found if key not in self.texts]
        self.texts = dict(found)
        return ([Change(False, self._GONE[key].format(**self._words)) for key in gone]
                + [Change(True, found[key]) for key in new])


def differences(config: Config, mode: str, peer: Optional[Heartbeat]) -> Optional[str]:
    """Return in what the two sides' configurations differ though they must agree, with both values, or None.

    :param mode: the other side's mode, by the topic on which it was last heard.
    :param peer: its last heartbeat; None if that had no content, as those of the original agent.
    """
    pairs: List[Tuple] = [("mode", config.mode, mode)]
    if peer is not None:
        pairs += [("timeout", config.timeout, peer.timeout),
                  ("heartbeat_period", config.heartbeat_period, peer.heartbeat_period)]
    texts = ["{} is {} here and {} on {}".format(name, own, other, peer.instance_name if peer else "the other side")
             for name, own, other in pairs if own != other]
    return "; ".join(texts) + ": configure both sides alike" if texts else None


def other_role(config: Config) -> str:
    """Return the role of the other side."""
    return "secondary" if config.agent_id == "primary" else "primary"


def alert_key(config: Config) -> str:
    """Return the key under which alert filters know this agent, e.g. ``failover simple_primary``."""
    return "failover " + ("simple_" if config.simple_behavior else "") + config.agent_id


def alert_context(config: Config, action: Action) -> str:
    """Return the context, known to alert filters, of a start or a stop of the managed agent."""
    if config.agent_id == "primary":
        words = "Starting agent {}" if action is Action.START else "Stopping agent {}"
    elif action is Action.START:
        words = "Primary is inactive starting agent {}"
    else:
        words = "Primary is active stopping agent {}"
    return words.format(config.agent_vip_identity)


def headline(config: Config, instance: str, decision: Decision, state: AgentState, peer: Optional[Heartbeat]) -> str:
    """Return one line that says who is active and why."""
    agent = config.agent_vip_identity
    other = "{} {}".format(other_role(config), peer.instance_name) if peer else "the " + other_role(config)
    if config.agent_id == "primary":
        active = "is active" if state is AgentState.RUNNING else "is not active yet"
        seen = {Liveness.UP: "heard", Liveness.UNKNOWN: "not heard yet", Liveness.DOWN: "not heard"}[decision.peer]
        return "primary {} {}: the primary always runs {}, which is {}; {} {}".format(
            instance, active, agent, state.value, other, seen)
    if decision.peer is Liveness.UP:
        return "{} is active: heard within the last {:g} s; {} is {} on this secondary {}".format(
            other, config.timeout, agent, "being stopped" if state is AgentState.RUNNING else state.value, instance)
    if decision.peer is Liveness.UNKNOWN:
        return "waiting up to {:g} s to hear {}; {} ({}) is left as it is on this secondary {}".format(
            config.timeout, other, agent, state.value, instance)
    active = "is active" if state is AgentState.RUNNING else "is not active yet"
    return "secondary {} {}: {} not heard for {:g} s; {} is {}".format(
        instance, active, other, config.timeout, agent, state.value)
