"""What an operator is told: the health line, and the problems that are worth an alert. Words only, no I/O."""

from datetime import datetime
from typing import Dict, List, NamedTuple, Optional, Set, Tuple

from failover.config import Config
from failover.core import Action, AgentState, Decision, Liveness
from failover.heartbeat import Heartbeat
from failover.lease import LeaseCore

__all__ = [
    "Change", "IN_HEADLINE", "Problems", "alert_context", "alert_key", "differences", "headline", "other_role", "reason",
    "summary"
]

_FLAPPING = "flapping"
_FLAP_NAMES = {"link": "the remote link", "vc": "VOLTTRON Central", "peer": "the other side", "control": "control",
               "refused": "the other platform's refusal", "isolated": "the isolation"}

# The problems that the headline names anyway.
IN_HEADLINE = ("isolated", "peer")


# A problem flaps that appears for so many times within so many timeouts. It is over when nothing came or went for as long.
_FLAPS, _FLAPS_WITHIN = 3, 6


class Change(NamedTuple):
    """A problem that appeared (``bad``) or went away. While it comes and goes all the time, that is not ``news``."""

    bad: bool
    text: str
    news: bool = True


class Problems:
    """The problems that exist now, each said once when it appears and once when it has gone.

    One that flaps is said to: once when that begins, and once when it is over.
    """

    _GONE = {
        "missing": "{agent} is installed again",
        "unauthorized": "the missing authorization has been granted",
        "start": "the start of {agent} succeeded",
        "loop": "{agent} keeps running, or no longer needs to run here",
        "absent": "{agent} is on the message bus, or no longer runs here",
        "silent": "{agent} answers again, or no longer runs here",
        "unwell": "{agent} no longer reports BAD",
        "there": "{agent} is well again on the {other_role}",
        "quiet": "this failover agent is active again",
        "flapping": "no problem is flapping any more",
        "deaf": "heartbeats can be heard again",
        "stray": "no copy of {agent} unknown to the platform remains",
        "stop": "the stop of {agent} succeeded",
        "link": "remote link found: {address} answers again",
        "refused": "{address} accepts heartbeats again",
        "control": "control of this platform answers again",
        "peer": "the {other_role} is heard again",
        "differ": "both sides are configured alike again",
        "rival": "only one {role} is heard again",
        "vcs": "both sides go by the same VC again",
        "names": "the two platforms have different names again",
        "signals": "{agent} no longer runs as another user",
        "vc": "VOLTTRON Central answers again",
        "isolated": "this primary is no longer isolated",
        "copy": "{agent} no longer runs here without permission",
        "unsupervised": "the {other_role}'s failover agent is heard again, or {agent} no longer runs there",
        "memory": "state is being saved to disk again",
    }

    def __init__(self, config: Config):
        self._words = dict(agent=config.agent_vip_identity, address=config.remote_vip, role=config.agent_id,
                           other_role=other_role(config))
        self.texts: Dict[str, str] = {}
        self._watched_for = _FLAPS_WITHIN * config.timeout
        self._came: Dict[str, List[float]] = {}
        self._moved: Dict[str, float] = {}
        self._flapping: Set[str] = set()

    def update(self, found: Dict[str, str], now: float) -> List[Change]:
        """Take what is the matter now, a text for each kind of problem, and return which kinds came and went.

        :param now: seconds.
        """
        found = dict(found)
        gone = [key for key in self.texts if key not in found and key != _FLAPPING]
        new = [key for key in found if key not in self.texts]
        calm = self._note_moves(gone, new, now)
        if self._flapping:
            found[_FLAPPING] = "flapping: {} came and went {} times within {:.0f} s; see the log for each time".format(
                ", ".join(sorted(_FLAP_NAMES.get(key, key) for key in self._flapping)),
                max(len(self._came[key]) for key in self._flapping), self._watched_for)
        changes = ([Change(False, self._GONE[key].format(**self._words), key not in self._flapping) for key in gone]
                   + [Change(True, found[key], key not in self._flapping) for key in new])
        if (_FLAPPING in found) is not (_FLAPPING in self.texts):
            changes.append(Change(True, found[_FLAPPING]) if _FLAPPING in found
                           else Change(False, self._GONE[_FLAPPING]))
        # One that has come to stay is said again: it was not when it came.
        changes += [Change(True, found[key]) for key in calm if key in found and key not in new]
        self.texts = found
        return changes

    def _note_moves(self, gone: List[str], new: List[str], now: float) -> Set[str]:
        """Note which problems came and went now, and return which ones no longer flap."""
        for key in gone + new:
            self._moved[key] = now
        for key in new:
            self._came[key] = [at for at in self._came.get(key, []) if now - at < self._watched_for] + [now]
            if len(self._came[key]) >= _FLAPS:
                self._flapping.add(key)
        calm = {key for key in self._flapping if now - self._moved[key] >= self._watched_for}
        self._flapping -= calm
        return calm


def summary(problem: str) -> str:
    """Return what is the matter, without what follows the first colon: why, and what to do.

    VC's page shows a health line only if it is not much longer than the page is wide.
    """
    return problem.split(": ", 1)[0]


def differences(config: Config, mode: str, peer: Optional[Heartbeat]) -> Optional[str]:
    """Return in what the two sides' configurations differ though they must agree, with both values, or None.

    :param mode: the other side's mode, by the topic on which it was last heard.
    :param peer: its last heartbeat; None if that had no content, as those of the original agent.
    """
    pairs: List[Tuple] = [("mode", config.mode, mode)]
    if peer is not None:
        pairs += [("timeout", config.timeout, peer.timeout),
                  ("heartbeat_period", config.heartbeat_period, peer.heartbeat_period)]
        if not config.simple_behavior:
            pairs.append(("stop_grace", config.stop_grace, peer.stop_grace))
    texts = ["{} is {} here and {} on {}".format(name, own, other, peer.instance_name if peer else "the other side")
             for name, own, other in pairs if own != other]
    return "; ".join(texts) + ": configure both sides alike" if texts else None


def other_role(config: Config) -> str:
    """Return the role of the other side."""
    return "secondary" if config.agent_id == "primary" else "primary"


def alert_key(config: Config) -> str:
    """Return the key under which alert filters know this agent, e.g. ``failover simple_primary``."""
    return "failover " + ("simple_" if config.simple_behavior else "") + config.agent_id


def alert_context(config: Config, action: Action, peer: Liveness) -> str:
    """Return the context, known to alert filters, of a start or a stop of the managed agent."""
    if config.agent_id == "secondary" and action is Action.START:
        words = "Primary is inactive starting agent {}"
    elif config.agent_id == "secondary" and peer is Liveness.UP:
        words = "Primary is active stopping agent {}"
    else:
        words = "Starting agent {}" if action is Action.START else "Stopping agent {}"
    return words.format(config.agent_vip_identity)


def since(at: datetime, heard: bool) -> str:
    """Return since when nothing was heard, as a time of day that stays true as time goes on.

    :param at: when the last heartbeat came, in UTC; or when this failover agent started, if none has come.
    """
    return "since {:%Y-%m-%d %H:%M:%S} UTC{}".format(at, "" if heard else ", when this failover agent started")


def headline(config: Config, instance: str, decision: Decision, state: AgentState, peer: Optional[Heartbeat],
             unheard: str) -> str:
    """Return one line that says who is active and why.

    :param unheard: since when the other side has not been heard, as :func:`since` returns it.
    """
    names = dict(
        agent=config.agent_vip_identity, state=state.value, here="{} {}".format(config.agent_id, instance),
        other="{} {}".format(other_role(config), peer.instance_name) if peer else "the " + other_role(config),
        timeout="{:g} s".format(config.timeout), unheard=unheard,
        there=_activity(config, peer),
        active="is active" if state is AgentState.RUNNING else "is not active yet",
        heard={Liveness.UP: "heard", Liveness.UNKNOWN: "not heard yet", Liveness.DOWN: "not heard"}[decision.peer],
        vc={Liveness.UP: "VC answers", Liveness.UNKNOWN: "VC has not answered yet",
            Liveness.DOWN: "VC does not answer"}[decision.vc])
    return _sentence(config, decision, state).format(**names)


def _activity(config: Config, peer: Optional[Heartbeat]) -> str:
    """Return what the other side, which is heard, does. One of an earlier release does not say how its agent is."""
    if peer is None or peer.state in (None, AgentState.RUNNING.value):
        return "is active"
    return "is up, but {} is {} there".format(config.agent_vip_identity, peer.state)


def _sentence(config: Config, decision: Decision, state: AgentState) -> str:
    if config.agent_id == "primary":
        if config.simple_behavior:
            return "{here} {active}: the primary always runs {agent}, which is {state}; {other} {heard}"
        if decision.action is Action.START:
            return "{here} {active}: {vc}, {other} {heard}; {agent} is {state}"
        if decision.action is Action.WAIT:
            return "{here} waits until it is known that {agent} does not run on {other}: {vc}, {other} {heard}; " \
                "{agent} is {state} here"
        return "{here} is isolated: neither VC nor {other} answers; {agent} is {state} here"
    if decision.action is Action.START:
        verified = "" if config.simple_behavior else ", which VC verified"
        return "{here} {active}: {other} not heard {unheard}" + verified + "; {agent} is {state}"
    if decision.peer is Liveness.UP:
        stopping = "being stopped" if state is AgentState.RUNNING else "{state}"
        return "{other} {there}: heard within the last {timeout}; {agent} is " + stopping + " on this {here}"
    if decision.action is Action.VERIFY:
        return "verifying with VC that {other} is down: not heard {unheard}; {agent} is {state} on this {here}"
    if decision.action is Action.STOP:
        return "{vc}, so that nobody can verify that {other} is down; {agent} is {state} on this {here}"
    left = " ({state}) is left as it is" if config.simple_behavior else " is {state}"
    return "waiting up to {timeout} to hear {other}; {agent}" + left + " on this {here}"


def reason(config: Config, rules: LeaseCore, decision: Decision, now: float) -> str:
    """Return one line with the figures of the moment: why this side runs the managed agent, or not yet, or not."""
    other = other_role(config)
    if rules.holds_lease:
        age = rules.vc_answer_age(now)
        return "lease held for {:.1f} s more, VC {}, {} {}".format(
            rules.lease_until - now, "never answered" if age is None else "answered {:.1f} s ago".format(age),
            other, "up" if decision.peer is Liveness.UP else "not heard")
    since = rules.silent_since(now)
    if rules.vc_apart:
        silence = "silence of {} does not count because it goes by another VC".format(other)
    elif since is None:
        silence = "silence of {} does not count while VC does not answer".format(other)
    else:
        silence = "{} silent for {:.1f} s of {:.1f} s".format(other, now - since, rules.silence_needed)
        if not rules.knows_peer_terms:
            silence += ", because it has never been heard and its times are not known"
    seen = {"runs": "VC sees {} running {}".format(other, config.agent_vip_identity),
            "does not run": "VC sees {} not running {}".format(other, config.agent_vip_identity),
            "no answer": "VC sees nothing of {}".format(other)}.get(rules.vcp_word)
    return silence if seen is None else "{}, {}".format(silence, seen)
