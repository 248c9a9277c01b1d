"""Why the managed agent runs here, or what is missing for it to run, with the figures of the moment."""

from math import inf
from typing import List, NamedTuple, Optional, Tuple

from failover.decision.managed import Managed
from failover.decision.release import is_released, may_run
from failover.decision.state import State
from failover.decision.vocabulary import AgentState, Command, Lease, Liveness, Moment
from failover.recording.words import (
    Times,
    agent_there,
    blindness,
    counted_from,
    last_heard,
    last_sign,
    lease_of,
    other,
    seconds,
    sighting,
    silence_due,
    silence_terms,
    without_renewal,
)

__all__ = ["liveness", "missing", "silence_lacks", "verification", "verdict", "why"]


class Missing(NamedTuple):
    """What this side lacks for the decision to be a start.

    :ivar parts: the same in detail, if one line does not hold it.
    """

    text: str
    parts: Tuple[str, ...] = ()


# The parts

def liveness(state: State, now: Moment, times: Times) -> str:
    """Return what is known of the peer, and by what."""
    peer, sign, who, timeout = state.decision.peer, last_sign(state), other(state), state.timing.timeout
    needs_contact = not state.is_simple and state.roles.acting == "primary"
    if state.primary_has_left:
        return "the primary is down: it has ended in order, and said that {} does not run there".format(agent_there(state))
    if peer is Liveness.UP:
        return "the {} is up: {}".format(
            who, "it acknowledges this side's heartbeats" if needs_contact else sighting(state, times))
    since = state.sight.quiet_since(sign)
    silence = "{} since {}{}".format(
        "it has acknowledged no heartbeat" if needs_contact else "not heard", times.at(since),
        ", when this side began to listen" if sign is None or sign < since else "")
    if peer is Liveness.DOWN:
        return "the {} is down: {}, longer than timeout ({:g} s)".format(who, silence, timeout)
    blind = blindness(state, now, times)
    if blind is not None:
        return "it is unknown whether the {} is up: {}".format(who, blind)
    if now - since < timeout:
        return "it is unknown whether the {} is up: {}; down at {}".format(who, silence, times.at(since + timeout))
    return "it is unknown whether the {} is up: {}, longer than timeout ({:g} s), but the local bus has not confirmed yet " \
           "that this side is still subscribed".format(who, silence, timeout)


def verification(state: State, now: Moment, times: Times) -> str:
    """Return by what the lease is verified."""
    peer, witness = state.peer, lease_of(state).witness
    if is_released(state, now):
        if state.roles.acting == "secondary":
            return "the primary has said farewell: it has ended, and {} does not run there".format(agent_there(state))
        return "the secondary has given a release notice: it says that {} does not run there, and acknowledges this " \
               "side's heartbeat of {}".format(agent_there(state), times.at(peer.released_at))
    since = lease_of(state).silent_since(state)
    silence = "" if since is None else " since {}, for {} ({} needed)".format(
        times.at(since), seconds(now - since), seconds(state.agreement.silence_needed))
    if state.agreement.peer_instance is None:
        said = "its instance name is not known, so that no VCP could be asked"
    elif witness.vcp_word == "does not run":
        said = "its VCP said that {} does not run there".format(agent_there(state))
    else:
        said = "its VCP did not answer"
    return "the {} has been silent{}, and {}".format(other(state), silence, said)


def why(state: State, now: Moment, times: Times) -> str:
    """Return why the decision is what it is, in one line."""
    if not state.orders.is_paused:
        if state.is_simple:
            if state.roles.acting == "primary":
                return "the primary of simple failover always runs it"
            return liveness(state, now, times)
        if state.decision.wanted is Command.START:
            if state.decision.lease is Lease.VERIFIED:
                return verification(state, now, times)
            return "the lease is held until {}".format(times.at(lease_of(state).until(state)))
    lacking = missing(state, now, times)
    if lacking is None:
        return "the table says {}".format(state.decision.action.value)
    return lacking.text


# What is missing

def missing(state: State, now: Moment, times: Times, lapsed: Optional[Moment] = None) -> Optional[Missing]:
    """Return what this side lacks for the decision to be a start; None if that is nothing.

    :param lapsed: when VC's answers lapsed, if that is known.
    """
    if state.decision.wanted is Command.START:
        return None
    if state.orders.is_paused:
        return Missing("the pair is paused until {}".format(times.at(state.orders.paused_until)))
    if state.is_simple or state.roles.acting == "secondary" and state.decision.peer is Liveness.UP:
        return Missing(liveness(state, now, times))
    return _without_lease(state, now, times, lapsed)


def _without_lease(state: State, now: Moment, times: Times, lapsed: Optional[Moment]) -> Optional[Missing]:
    """A renewal is needed, and a release notice or silence."""
    needs, parts = [], []
    if now >= lease_of(state).until(state):
        needs.append("a renewal")
        parts.append(without_renewal(state, times))
    if not is_released(state, now):
        silence = "; ".join(silence_lacks(state, now, times, lapsed))
        if state.roles.acting == "primary":
            needs.append("a release notice of the secondary, or its full silence")
            parts += ["no release notice of the secondary: " + _without_release(state, times), silence]
        else:
            needs.append("the full silence of the primary")
            parts.append(silence)
    if len(parts) < 2:
        return Missing(parts[0]) if parts else None
    return Missing("the lease needs {}".format(", and ".join(needs)), tuple(parts))


def silence_lacks(state: State, now: Moment, times: Times, lapsed: Optional[Moment] = None) -> List[str]:
    """Return what the silence of the peer lacks for a start."""
    policy, silence, due = lease_of(state), "the silence of the {}".format(other(state)), silence_due(state)
    since = policy.silent_since(state)
    if policy.witness.is_apart:
        return [silence + " does not count, because it uses another VC"]
    if since is None or due is None:
        answered = policy.witness.answered
        return ["{} does not count, because {}".format(
            silence, "VC has not answered yet" if answered is None else "VC's answers {} (it last answered the question of "
            "{})".format("have lapsed" if lapsed is None else "lapsed at " + times.at(lapsed), times.at(answered)))]
    lacking = []
    if now < due:
        reason = counted_from(state)
        lacking.append("{} is complete only at {}: it counts from {}{}, and must last {}".format(
            silence, times.at(due), times.at(since), "" if reason is None else ", because " + reason, silence_terms(state)))
    is_blind = blindness(state, now, times) is not None
    if state.decision.peer is Liveness.UNKNOWN and (is_blind or now >= due):
        lacking.append(liveness(state, now, times))
    if policy.witness.vcp_word == "runs" or now >= due:
        lacking += _without_vcp(state, since, times)
    return lacking


def _without_release(state: State, times: Times) -> str:
    """Return why there is none."""
    heartbeat, heard = state.peer.heartbeat, last_heard(state, times)
    if state.peer.last_heard is None:
        return "it was never heard"
    if heartbeat is None or heartbeat.mode == "simple":
        return "it is not one of standard failover ({})".format(heard)
    if may_run(heartbeat, state) and not heartbeat.may_run:
        return "what it says does not count before it acts as the secondary by the same order ({})".format(heard)
    if heartbeat.may_run:
        return "it says that {} may be running there ({})".format(agent_there(state), heard)
    return "it says that {} does not run there ({}), but has acknowledged no heartbeat of the last {:g} s".format(
        agent_there(state), heard, state.agreement.lease_period)


def _without_vcp(state: State, since: Moment, times: Times) -> List[str]:
    witness, instance = lease_of(state).witness, state.agreement.peer_instance
    if instance is None:
        return []
    if witness.vcp_is_asked:
        return ["the VCP of {}, asked at {}, has not answered yet".format(instance, times.at(witness.vcp_asked))]
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
            lines.append("{} is to run here, and does not yet: {}".format(agent.identity, why(state, now, times)))
            lines += ["  not started yet because " + one for one in _before_start(state, agent, now, times)]
        else:
            lacking = missing(state, now, times, lapsed) or Missing(why(state, now, times))
            lines.append("{} is {} here, and {}, because {}".format(
                agent.identity, agent.state.value, "left as it is" if wanted is None else
                "not started" if agent.state in (AgentState.STOPPED, AgentState.MISSING) else "not to run",
                lacking.text + (":" if lacking.parts else "")))
            lines += ["  " + one for one in lacking.parts]
    return lines


def _before_start(state: State, agent: Managed, now: Moment, times: Times) -> List[str]:
    """Return what a wanted start waits for."""
    if agent.pending is Command.START:
        if agent.launched_at is not None and agent.launched == agent.number:
            return ["start {} was launched at {}, and has not ended yet".format(agent.number, times.at(agent.launched_at))]
        return ["what start {} needs is still being looked up".format(agent.number)]
    if agent.pending is Command.STOP:
        return ["stop {} is under way".format(agent.number)]
    lacking = []
    if now < state.setup.quiet_until:
        lacking.append("this platform may be shutting down, so that nothing is started before {}".format(
            times.at(state.setup.quiet_until)))
    if now < agent.start_backoff.not_before < inf:
        lacking.append("the last start did not leave it running (see the platform's log); the next attempt is at {}".format(
            times.at(agent.start_backoff.not_before)))
    if now < state.decision.start_from:
        lacking.append("the secondary has until {} to stop it first".format(times.at(state.decision.start_from)))
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
        return blindness(state, now, times)
    if agent.observed_at < agent.ended_at or agent.state is AgentState.STARTING:
        return "control has not said how it is since the last command ended at {}".format(times.at(agent.ended_at))
    return None if agent.state is AgentState.STOPPED else "control has not said yet whether it runs"
