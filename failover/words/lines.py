"""The lines that the operator reads: who is active and why, and what an alert says."""

from datetime import datetime
from typing import Any, List, Optional, Tuple

from failover.decision.orders import Orders
from failover.decision.table import Action
from failover.decision.view import LeaseView, View
from failover.decision.vocabulary import AgentState, Command, Liveness, apart
from failover.heartbeat import pair_topic, topic

__all__ = ["alert_context", "allow_publishing", "alert_key", "differences", "failed_on", "headline", "is_heard_one_way", "order",
           "other_role", "reason", "since", "standing", "standing_there", "summary"]


def summary(problem: str) -> str:
    """Return what is the matter, without what follows the first colon: why, and what to do.

    VC's page shows a health line only if it is not much longer than the page is wide.
    """
    return problem.split(": ", 1)[0]


def allow_publishing(view: View) -> str:
    """Return what allows our heartbeats on the other platform, where they are refused because their topics are protected."""
    setup = view.setup
    topics = topic(setup.role, setup.mode), pair_topic(setup.role, setup.mode, setup.managed)
    return ("`vctl authz add agent {}.{} --pubsub-capabilities {}` there (on VOLTTRON 9 `vctl auth update`, with the capability "
            "that the topic requires)".format(setup.instance_name, setup.vip_identity,
                                              " ".join(one + ":publish" for one in topics)))


def differences(view: View, around: Any = None) -> Optional[str]:
    """Return in what the two sides' configurations differ though they must agree, with both values, or None."""
    own, peer = view.setup.timing, view.peer
    pairs: List[Tuple[str, Any, Any]] = [("mode", view.setup.mode, view.peer_mode)]
    if peer is not None:
        pairs += [("agent_vip_identity", ", ".join(view.setup.agents), ", ".join(apart(peer.agent_vip_identity))),
                  ("timeout", own.timeout, peer.timeout),
                  ("heartbeat_period", own.heartbeat_period, peer.heartbeat_period)]
        if not view.is_simple:
            pairs.append(("stop_grace", own.stop_grace, peer.stop_grace))
    there = peer.instance_name if peer else "the other side"
    texts = ["{} is {} here and {} on {}".format(name, here, other, there)
             for name, here, other in pairs if here != other]
    return "; ".join(texts) + ": configure both sides alike" if texts else None


def other_role(role: str) -> str:
    """Return the role of the peer."""
    return "secondary" if role == "primary" else "primary"


def failed_on(view: View) -> str:
    """Return where the managed agents failed that were handed over.

    That is the side that is not preferred now. Who gave the last order says nothing: that may have ended a pause.
    """
    role = other_role(view.orders.preferred)
    there = view.peer.instance_name if view.peer is not None else role
    return view.setup.instance_name if view.setup.role == role else there


def is_heard_one_way(view: View) -> bool:
    """Whether the peer is heard and counts as down because it does not hear this side.

    Of a peer that is silent, the last heartbeat may be less than ``timeout`` old when it counts as down, but not so young.
    """
    return (view.decision.peer is Liveness.DOWN and view.acting == "primary" and not view.is_simple and view.farewell is None
            and view.heard_ago is not None and view.heard_ago < view.timing.timeout / 2)


def alert_key(mode: str, role: str) -> str:
    """Return the key under which alert filters know this agent, e.g. ``failover simple_primary``."""
    return "failover " + ("simple_" if mode == "simple" else "") + role


def alert_context(view: View, command: Command, agent: str) -> str:
    """Return the context, known to alert filters, of a start or a stop of a managed agent."""
    if view.acting == "secondary" and command is Command.START:
        words = "Primary is inactive starting agent {}"
    elif view.acting == "secondary" and view.decision.peer is Liveness.UP:
        words = "Primary is active stopping agent {}"
    else:
        words = "Starting agent {}" if command is Command.START else "Stopping agent {}"
    return words.format(agent)


def since(at: datetime, heard: bool) -> str:
    """Return since when nothing was heard, as a time of day that stays true as time goes on.

    :param at: when the last heartbeat came, in UTC; or when this failover agent started, if none has come.
    """
    return "since {:%Y-%m-%d %H:%M:%S} UTC{}".format(at, "" if heard else ", when this failover agent started")


def standing(view: View) -> str:
    """Return in a word what this side does: ACTIVE, STANDBY or PAUSED."""
    if view.orders.is_paused:
        return "PAUSED"
    return "ACTIVE" if all(one.state is AgentState.RUNNING for one in view.agents) else "STANDBY"


def standing_there(view: View) -> str:
    """Return in a word what the other side does: ACTIVE, STANDBY, PAUSED or DOWN; UNKNOWN if it was not heard lately."""
    if view.farewell is not None or view.decision.peer is Liveness.DOWN:
        return "DOWN"
    if view.peer is None or view.decision.peer is not Liveness.UP:
        return "UNKNOWN"
    if view.peer.pause_left is not None:
        return "PAUSED"
    return "ACTIVE" if view.peer.state == AgentState.RUNNING.value else "STANDBY"


def order(view: View, before: Orders, until: Optional[str]) -> str:
    """Return what has changed by the last orders.

    :param before: the orders before them.
    :param until: until when the pair is paused, as a time of day.
    """
    orders, agent = view.orders, view.managed
    by = "" if not orders.by or orders.number == before.number else ", ordered on {}".format(orders.by)
    if orders.is_paused:
        return "the pair is paused until {}{}: nobody starts {}, and there is no takeover".format(until, by, agent)
    if orders.preferred != before.preferred:
        text = "{} is preferred from now on".format("this side" if view.is_preferred else "the other side")
        if orders.is_handed_over:
            return "{}, because {} failed on {}".format(text, agent, failed_on(view))
        return text + (", because it has taken over" if orders.is_kept else by)
    if before.is_paused:
        return "the pause is over{}".format(by)
    return "the last order holds here too{}".format(by)


def headline(view: View, around: Any) -> str:
    """Return one line that says who is active and why.

    :param around: the :class:`failover.words.surroundings.Surroundings`.
    """
    text = _headline(view, around.unheard_since)
    return text if around.paused_until is None else "paused until {}; {}".format(around.paused_until, text)


def _headline(view: View, unheard: str) -> str:
    """Return the same line without a pause.

    :param unheard: since when the peer has not been heard, as :func:`since` returns it.
    """
    peer, other, state = view.peer, other_role(view.acting), view.state
    names = dict(
        agent=view.managed, state=state.value, here="{} {}".format(view.acting, view.setup.instance_name),
        other="{} {}".format(other, peer.instance_name) if peer else "the " + other,
        timeout="{:g} s".format(view.setup.timing.timeout), unheard=unheard, there=_activity(view),
        active="is active" if state is AgentState.RUNNING else "is not active yet",
        heard={Liveness.UP: "heard", Liveness.UNKNOWN: "not heard yet", Liveness.DOWN: _unheard(view)}[view.decision.peer],
        vc={Liveness.UP: "VC answers", Liveness.UNKNOWN: "VC has not answered yet",
            Liveness.DOWN: "VC does not answer"}[view.decision.vc])
    sentence = _sentence_of_primary if view.acting == "primary" else _sentence_of_secondary
    return sentence(view, state).format(**names)


def _unheard(view: View) -> str:
    return "does not hear this side" if is_heard_one_way(view) else "not heard"


def _activity(view: View) -> str:
    """Return what the peer, which is heard, does. One of an earlier release does not say how its agent is."""
    peer = view.peer
    if peer is None or peer.state in (None, AgentState.RUNNING.value):
        return "is active"
    return "is up, but {} is {} there".format(view.managed, peer.state)


def _sentence_of_primary(view: View, state: AgentState) -> str:
    if view.is_simple:
        return "{here} {active}: the primary always runs {agent}, which is {state}; {other} {heard}"
    if view.decision.action is Action.START:
        return "{here} {active}: {vc}, {other} {heard}; {agent} is {state}"
    if view.decision.action is Action.WAIT:
        return "{here} waits until it is known that {agent} does not run on {other}: {vc}, {other} {heard}; " \
            "{agent} is {state} here"
    return "{here} is isolated: neither VC nor {other} answers; {agent} is {state} here"


def _sentence_of_secondary(view: View, state: AgentState) -> str:
    decision = view.decision
    if decision.action is Action.START:
        verified = "" if view.is_simple else ", which VC verified"
        return "{here} {active}: {other} not heard {unheard}" + verified + "; {agent} is {state}"
    if decision.peer is Liveness.UP:
        stopping = "being stopped" if state is AgentState.RUNNING and decision.wanted is Command.STOP else "{state}"
        return "{other} {there}: heard within the last {timeout}; {agent} is " + stopping + " on this {here}"
    if decision.action is Action.VERIFY:
        return "verifying with VC that {other} is down: not heard {unheard}; {agent} is {state} on this {here}"
    if decision.action is Action.STOP:
        return "{vc}, so that nobody can verify that {other} is down; {agent} is {state} on this {here}"
    left = " ({state}) is left as it is" if view.is_simple else " is {state}"
    return "waiting up to {timeout} to hear {other}; {agent}" + left + " on this {here}"


def reason(view: View, lease: LeaseView) -> str:
    """Return one line with the figures of the moment: why this side runs the managed agent, or not yet, or not."""
    other, agent = other_role(view.acting), view.managed
    if lease.seconds_left is not None:
        age = lease.vc_answer_age
        return "lease held for {:.1f} s more, VC {}, {} {}".format(
            lease.seconds_left, "never answered" if age is None else "answered {:.1f} s ago".format(age),
            other, "up" if view.decision.peer is Liveness.UP else _unheard(view))
    if lease.is_vc_apart:
        silence = "silence of {} does not count because it goes by another VC".format(other)
    elif lease.silent_for is None:
        silence = "silence of {} does not count while VC does not answer".format(other)
    else:
        silence = "{} silent for {:.1f} s of {:.1f} s".format(other, lease.silent_for, lease.silence_needed)
        if not lease.knows_peer_timing:
            silence += ", because it has never been heard and its times are not known"
    seen = {"runs": "VC sees {} running {}".format(other, agent),
            "does not run": "VC sees {} not running {}".format(other, agent),
            "no answer": "VC sees nothing of {}".format(other)}.get(lease.vcp_word or "")
    return silence if seen is None else "{}, {}".format(silence, seen)
