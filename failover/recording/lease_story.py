"""What is told of VOLTTRON Central (VC), of silence and of the lease, in standard failover."""

from typing import Iterator, Optional

from failover.decision.effects import AskVcp, Note, NoteKind, RenewVcLink
from failover.decision.events import LinkChanged, VcpAnswered
from failover.decision.state import State
from failover.decision.vocabulary import Command, Lease, Liveness, Moment
from failover.recording.reasons import verification
from failover.recording.words import Step, agent_there, other, renewals, seconds

__all__ = ["LeaseStory"]

_VCP_SAYS = {"runs": "says that {} runs there", "does not run": "says that {} does not run there",
             "no answer": "gave no answer"}


class LeaseStory:
    """Tells what a step changed, and remembers when VC's answers lapsed.

    :ivar lapsed: when they did; None if they have not, or that is not known.
    """

    def __init__(self) -> None:
        self.lapsed: Optional[Moment] = None

    def tell(self, step: Step) -> Iterator[str]:
        """Return what a step changed."""
        if not step.after.is_simple:
            yield from self._vc(step)
            yield from _vcp(step)
            yield from _silence(step)
            yield from _lease(step)

    def _vc(self, step: Step) -> Iterator[str]:
        before, after, now = step.before.policy.witness, step.after.policy.witness, step.now
        if before.unbroken_since is None and after.unbroken_since is not None:
            self.lapsed = None
            yield "VC answered: it vouches for the silence of the {} from {} on".format(
                other(step.after), step.times.at(after.unbroken_since))
        elif before.unbroken_since is not None and after.unbroken_since is None:
            self.lapsed = now
            yield "VC's answers lapsed: {}".format(_why_lapsed(step))
        if step.effect(RenewVcLink) is not None:
            yield "VC replies, but its bus does not pass heartbeats on: a new connection is tried"
        vc = step.after.decision.vc
        if vc is not step.before.decision.vc and vc is not Liveness.UP:
            yield "VC {}: {}".format("has never answered" if after.answered is None
                                     else "has not answered for " + seconds(now - after.answered),
                                     "down" if vc is Liveness.DOWN else "not known yet whether it is down")
        if after.is_apart is not before.is_apart:
            yield "{} goes by {}".format(
                other(step.after), "another VC: its silence does not count" if after.is_apart else "the same VC again")


def _why_lapsed(step: Step) -> str:
    before, now = step.before.policy.witness, step.now
    if isinstance(step.event, LinkChanged):
        return "the connection to it {}".format("is a new one" if step.event.up else "went down")
    if step.effect(RenewVcLink) is not None:
        return "its bus does not pass heartbeats on"
    if before.questions and now - before.questions[0].asked > step.before.timing.heartbeat_period:
        return "a question has waited for an answer for {}".format(seconds(now - before.questions[0].asked))
    return "no question was answered that was asked within the last {}".format(seconds(now - before.answered))


def _vcp(step: Step) -> Iterator[str]:
    before, after, ask = step.before.policy.witness, step.after.policy.witness, step.effect(AskVcp)
    if after.vcp_word is not None and after.vcp_word != before.vcp_word:
        yield "VCP of {} {}".format(step.after.agreement.peer_instance or "the peer's platform",
                                    _VCP_SAYS[after.vcp_word].format(agent_there(step.after)))
    if ask is not None and after.vcp_word is None:
        yield "VCP of {} is asked whether {} runs there".format(ask.instance_name, ask.agent)


def _silence(step: Step) -> Iterator[str]:
    before, after, now = step.before, step.after, step.now
    if before.policy.is_held or before.policy.witness.vcp_word == after.policy.witness.vcp_word == "runs":
        return  # Nothing is started by it, or it has been said before.
    was, since = before.policy.silent_since(before), after.policy.silent_since(after)
    period, needed = after.timing.heartbeat_period, after.agreement.silence_needed
    if was is not None and now - was >= 2 * period and (since is None or since > was):
        yield "silence of the {} broken after {} of {}: {}".format(
            other(after), seconds(now - was), seconds(before.agreement.silence_needed), _why_broken(step, since))
    elif since is not None and since == was and before.now - since < needed <= now - since and (
            after.decision.lease is not Lease.VERIFIED):
        yield "silence of the {} complete: {}".format(other(after), seconds(now - since))


def _why_broken(step: Step, since: Optional[Moment]) -> str:
    policy = step.after.policy
    if policy.witness.is_apart:
        return "it goes by another VC"
    if since is None:
        return "VC does not vouch for it any more"
    if isinstance(step.event, VcpAnswered) and step.event.runs:
        return "its VCP says that {} runs there".format(agent_there(step.after))
    if policy.sighted is not None and policy.sighted != step.before.policy.sighted:
        return "it was heard"
    return "it is counted anew from {}".format(step.times.at(since))


def _lease(step: Step) -> Iterator[str]:
    before, after, now = step.before.policy, step.after.policy, step.now
    decision = step.after.decision
    if decision.lease is Lease.VERIFIED and step.before.decision.lease is not Lease.VERIFIED:
        yield "lease verified: {}".format(verification(step.after, now))
    if after.is_held and not before.is_held:
        yield "lease obtained, until {} unless it is renewed".format(step.times.at(after.until(step.after)))
    elif before.is_held and not after.is_held:
        over = after.given_up_at + step.after.agreement.timing.stop_grace
        yield "lease given up: {}; what runs here must have stopped by {}".format(_why_given_up(step), step.times.at(over))
    elif before.is_taken_up and not after.is_taken_up:
        yield "lease of the last start taken up: {} runs".format(agent_there(step.after))


def _why_given_up(step: Step) -> str:
    before, after, now = step.before, step.after, step.now
    if any(isinstance(one, Note) and one.kind is NoteKind.ALERT for one in step.effects):
        return "what was known of times does not hold"
    if after.policy.given_up_at == before.policy.until(before):
        return "renewal ran out: {}".format(renewals(before, now))
    if isinstance(step.event, VcpAnswered) and step.event.runs:
        return "the VCP of {} says that {} runs there, and the {} is not heard".format(
            after.agreement.peer_instance, agent_there(after), other(after))
    if before.policy.is_taken_up:
        return "it was for an agent that ran, and {} does not".format(agent_there(after))
    return _by_table(after)


def _by_table(state: State) -> str:
    decision = state.decision
    if state.roles.acting == "secondary" and decision.peer is Liveness.UP:
        return "the primary was heard"
    if decision.wanted is Command.START:
        return "it is obtained anew"
    return "the table says {} to the {}, with the peer {} and VC {}".format(
        decision.action.value, state.roles.acting, decision.peer.value, decision.vc.value)
