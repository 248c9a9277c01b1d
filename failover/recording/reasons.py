"""Why the managed agent runs here, or what is missing for it to run, with the figures of the moment."""

from math import inf
from typing import List, Optional

from failover.decision.managed import Managed
from failover.decision.release import is_released, may_run
from failover.decision.state import State
from failover.decision.vocabulary import AgentState, Command, Lease, Liveness, Moment
from failover.recording.words import Times, agent_there, ago, last_sign, other, renewals, seconds, sighting

__all__ = ["blindness", "liveness", "missing", "verification", "verdict", "why"]


# The parts

def blindness(state: State, now: Moment) -> Optional[str]:
    """Return why this side cannot hear the peer; None if it can."""
    sight = state.sight
    if not sight.platform_lives:
        return "the process of the local platform is gone"
    if not sight.listens:
        return "the local bus has no subscription of this failover agent"
    if not sight.answers(now):
        return "control of the local platform has not answered for {}, of {} allowed".format(
            seconds(now - sight.platform_answered), seconds(sight.timeout / 2))
    return None


def liveness(state: State, now: Moment) -> str:
    """Return what is known of the peer, and by what."""
    peer, sign, who = state.decision.peer, last_sign(state), other(state)
    needs_contact = not state.is_simple and state.roles.acting == "primary"
    if state.primary_has_left:
        return "primary has ended in order, and said that {} does not run there: down".format(agent_there(state))
    if peer is Liveness.UP:
        return "{} {}: up".format(who, "acknowledges this side's heartbeats" if needs_contact else sighting(state, now))
    since = state.sight.quiet_since(sign)
    silence = "{} {} for {}".format(who, "has acknowledged nothing" if needs_contact else "not heard", seconds(now - since))
    if sign is None or sign < since:
        silence += ", since this side can hear"
    if peer is Liveness.DOWN:
        return silence + ": down"
    blind, needed = blindness(state, now), state.timing.timeout
    if blind is not None:
        return "whether the {} is up is not known: {}".format(who, blind)
    if now - since < needed:
        return "{}, of {} needed: not known yet".format(silence, seconds(needed))
    return silence + ": not known before the local bus confirms the subscription"


def verification(state: State, now: Moment) -> str:
    """Return by what the lease is verified."""
    if is_released(state, now):
        return "the {} {} that {} does not run there".format(
            other(state), "says" if state.roles.acting == "primary" else "said in its farewell", agent_there(state))
    since, word = state.policy.silent_since(state), state.policy.witness.vcp_word
    silence = "" if since is None else " for " + seconds(now - since)
    if state.agreement.peer_instance is None:
        said = "its instance name is not known, so that no VCP could be asked"
    elif word == "does not run":
        said = "its VCP said that {} does not run there".format(agent_there(state))
    else:
        said = "its VCP said nothing"
    return "{} silent{} and {}".format(other(state), silence, said)


def why(state: State, now: Moment, times: Times) -> str:
    """Return why the decision is what it is, in one line."""
    decision = state.decision
    if state.orders.is_paused:
        return "the pair is paused until {}".format(times.at(state.orders.paused_until))
    if state.is_simple:
        if state.roles.acting == "primary":
            return "the primary of simple failover always runs it"
        return liveness(state, now)
    if decision.wanted is Command.START:
        if decision.lease is Lease.VERIFIED:
            return verification(state, now)
        return "lease held until {}".format(times.at(state.policy.until(state)))
    lacking = missing(state, now, times)
    return lacking[0] if lacking else "the table says {}".format(decision.action.value)


# What is missing

def missing(state: State, now: Moment, times: Times, lapsed: Optional[Moment] = None) -> List[str]:
    """Return what this side lacks for the decision to be a start.

    :param lapsed: when VC's answers lapsed, if that is known.
    """
    if state.decision.wanted is Command.START:
        return []
    if state.orders.is_paused:
        return ["the end of the pause, at {}".format(times.at(state.orders.paused_until))]
    if state.is_simple or state.roles.acting == "secondary" and state.decision.peer is Liveness.UP:
        if state.decision.peer is Liveness.UP:
            return ["the primary is up, so the secondary does not run: {}".format(sighting(state, now))]
        return [liveness(state, now)]
    return _without_lease(state, now, times, lapsed)


def _without_lease(state: State, now: Moment, times: Times, lapsed: Optional[Moment]) -> List[str]:
    policy, agreement, lacking = state.policy, state.agreement, []
    if now >= policy.until(state):
        lacking.append("no renewal within the last {}: {}".format(seconds(agreement.lease_period), renewals(state, now)))
    if is_released(state, now):
        return lacking
    if state.roles.acting == "primary":
        lacking.append(_without_release(state, now))
    who, since, needed = other(state), policy.silent_since(state), agreement.silence_needed
    if policy.witness.is_apart:
        return lacking + ["silence of the {} does not count: it goes by another VC".format(who)]
    if since is None:
        return lacking + ["silence of the {} does not count: VC's answers {}, the last one came {}".format(
            who, "have lapsed" if lapsed is None else "lapsed at " + times.at(lapsed), ago(policy.witness.answered, now))]
    if now - since < needed:
        lacking.append("silence {:.1f} of {}, counted from {}; complete at {}{}".format(
            now - since, seconds(needed), times.at(since), times.at(since + needed),
            "" if agreement.peer is not None else " (so long because the peer's times are not known)"))
    if state.decision.peer is Liveness.UNKNOWN:
        lacking.append(liveness(state, now))
    return lacking + _without_vcp(state, since, now)


def _without_release(state: State, now: Moment) -> str:
    """Return why there is no release notice of the secondary, so that its silence must be complete."""
    heartbeat, heard = state.peer.heartbeat, state.peer.last_heard
    if heard is None:
        return "no release notice: the secondary was never heard"
    if heartbeat is None or heartbeat.mode == "simple":
        return "no release notice: the secondary, heard {}, is not one of standard failover".format(ago(heard, now))
    if may_run(heartbeat, state):
        return "no release notice: the secondary, heard {}, says that {} may run there".format(
            ago(heard, now), agent_there(state))
    return "no release notice: the secondary, heard {}, has not acknowledged a heartbeat that is less than {} old".format(
        ago(heard, now), seconds(state.agreement.lease_period))


def _without_vcp(state: State, since: Moment, now: Moment) -> List[str]:
    witness, instance = state.policy.witness, state.agreement.peer_instance
    if instance is None:
        return []
    if witness.vcp_is_asked:
        return ["the VCP of {} was asked {} and has not answered yet".format(instance, ago(witness.vcp_asked, now))]
    if witness.vcp_in_vain is None or witness.vcp_in_vain < since:
        if witness.vcp_word == "runs":
            return ["the VCP of {} says that {} runs there".format(instance, agent_there(state))]
        return ["the VCP of {} has not been asked in this silence yet".format(instance)]
    return []


# The end of it

def verdict(state: State, now: Moment, times: Times, lapsed: Optional[Moment] = None) -> List[str]:
    """Return, for each managed agent, whether it runs here and why, or what is missing."""
    if state.is_ending:
        return ["this failover agent has been told to end: it starts nothing"]
    lines = []
    for agent in state.agents:
        wanted = agent.wanted
        if wanted is Command.START and agent.state is AgentState.RUNNING and agent.pending is None:
            lines.append("{} runs here: {}".format(agent.identity, why(state, now, times)))
        elif wanted is Command.START:
            lines.append("{} is wanted here and does not run: {}".format(agent.identity, why(state, now, times)))
            lines += ["missing: " + one for one in _before_start(state, agent, now, times)]
        else:
            lines.append("{} is {}, and is {} here".format(
                agent.identity, agent.state.value, "not to run" if wanted is Command.STOP else "left as it is"))
            lines += ["missing: " + one for one in missing(state, now, times, lapsed)]
    return lines


def _before_start(state: State, agent: Managed, now: Moment, times: Times) -> List[str]:
    """Return what a wanted start waits for."""
    if agent.pending is Command.START:
        if agent.launched_at is not None and agent.launched == agent.number:
            return ["start {} was launched {}, and has not ended yet".format(agent.number, ago(agent.launched_at, now))]
        return ["start {} has been commanded, and what it needs is still being looked up".format(agent.number)]
    if agent.pending is Command.STOP:
        return ["stop {} is under way".format(agent.number)]
    lacking = []
    if now < state.setup.quiet_until:
        lacking.append("until {} this platform may be shutting down, and nothing is started".format(
            times.at(state.setup.quiet_until)))
    if now < agent.start_backoff.not_before < inf:
        lacking.append("backoff after the last attempt until {}, {} more".format(
            times.at(agent.start_backoff.not_before), seconds(agent.start_backoff.not_before - now)))
    if now < state.decision.start_from:
        lacking.append("start waits until {}, {} more, so that the secondary can stop it first".format(
            times.at(state.decision.start_from), seconds(state.decision.start_from - now)))
    known = _unknown(state, agent, now, times)
    return lacking if known is None else lacking + [known]


def _unknown(state: State, agent: Managed, now: Moment, times: Times) -> Optional[str]:
    """Return why it is not known here that the agent does not run; None if it is."""
    if agent.state is AgentState.MISSING:
        return "it is not installed on this platform"
    if agent.strays_at is not None:
        return "processes of it run that control does not know"
    if agent.is_forbidding:
        return "it ended badly, and the platform is being told not to start it by itself"
    if not state.sight.answers(now):
        return blindness(state, now)
    if agent.observed_at < agent.ended_at or agent.state is AgentState.STARTING:
        return "no answer of control about it since the last command ended at {}".format(times.at(agent.ended_at))
    return None if agent.state is AgentState.STOPPED else "control has not said yet whether it runs"
