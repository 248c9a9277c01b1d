"""What is told of VOLTTRON Central (VC) and of the lease, in standard failover."""

from math import inf
from typing import Iterator, Optional

from failover.decision.effects import Note, NoteKind, RenewVcLink
from failover.decision.events import LinkChanged, VcpAnswered
from failover.decision.state import State
from failover.decision.vocabulary import Command, Lease, Liveness, Moment
from failover.recording.reasons import verification
from failover.recording.words import Step, agent_there, lease_of, other, without_renewal

__all__ = ["LeaseStory", "why_given_up"]


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
            yield from _lease(step)

    def _vc(self, step: Step) -> Iterator[str]:
        before, after, now = lease_of(step.before).witness, lease_of(step.after).witness, step.now
        if before.unbroken_since is None and after.unbroken_since is not None:
            self.lapsed = None
            yield "VC answers from {} on; a silence of the {} counts only while it does".format(
                step.times.at(after.unbroken_since), other(step.after))
        elif before.unbroken_since is not None and after.unbroken_since is None:
            self.lapsed = now
            yield "VC's answers lapsed: {}".format(_why_lapsed(step))
        if step.effect(RenewVcLink) is not None:
            yield "VC replies, but its bus does not pass heartbeats on: a new connection is tried"
        vc = step.after.decision.vc
        if vc is not step.before.decision.vc and vc is not Liveness.UP:
            yield "{}: it {}".format(
                "VC is down" if vc is Liveness.DOWN else "whether VC is up is unknown", "has never answered"
                if after.answered is None else "last answered the question of " + step.times.at(after.answered))
        if after.is_apart is not before.is_apart:
            yield "{} uses {}".format(
                other(step.after), "another VC: its silence does not count" if after.is_apart else "the same VC again")


def _why_lapsed(step: Step) -> str:
    before, now = lease_of(step.before).witness, step.now
    if isinstance(step.event, LinkChanged):
        return "the connection to it {}".format("is a new one" if step.event.up else "went down")
    if step.effect(RenewVcLink) is not None:
        return "its bus does not pass heartbeats on"
    if before.questions and now - before.questions[0].asked > step.before.timing.heartbeat_period:
        return "the question of {} was not answered in time".format(step.times.at(before.questions[0].asked))
    return "the last question that was answered is that of {}".format(step.times.at(before.answered))


def _lease(step: Step) -> Iterator[str]:
    before, after, now = lease_of(step.before), lease_of(step.after), step.now
    decision = step.after.decision
    if decision.lease is Lease.VERIFIED and step.before.decision.lease is not Lease.VERIFIED:
        pause = step.after.orders.paused_until
        yield "lease verified: {}{}".format(
            verification(step.after, now, step.times),
            "" if pause is None else "; but the pair is paused until {}".format(step.times.at(pause)))
    if after.is_held and not before.is_held:
        yield "lease obtained, until {} unless it is renewed".format(step.times.at(after.until(step.after)))
    elif before.is_held and after.given_up_at is not None:
        over = after.given_up_at + step.after.agreement.timing.stop_grace
        yield "lease given up: {}{}".format(why_given_up(step), "" if over == -inf else
                                            "; what runs here must have stopped by " + step.times.at(over))
    elif before.is_taken_up and not after.is_taken_up:
        yield "lease of the last start taken up: {} runs".format(agent_there(step.after))


def why_given_up(step: Step) -> str:
    """Return why a step gave the lease up."""
    before, after = step.before, step.after
    if any(isinstance(one, Note) and one.kind is NoteKind.ALERT for one in step.effects):
        return "what was known of times does not hold"
    if lease_of(after).given_up_at == lease_of(before).until(before):
        return without_renewal(before, step.times)
    if isinstance(step.event, VcpAnswered) and step.event.runs:
        return "the VCP of {} says that {} runs there, and the {} is not heard".format(
            after.agreement.peer_instance, agent_there(after), other(after))
    if lease_of(before).is_taken_up:
        return "it was for an agent that ran, and {} does not".format(agent_there(after))
    if after.roles.acting != before.roles.acting:
        return "this side acts as the {} now".format(after.roles.acting)
    return _by_table(after)


def _by_table(state: State) -> str:
    decision = state.decision
    if state.roles.acting == "secondary" and decision.peer is Liveness.UP:
        return "the primary was heard"
    if decision.wanted is Command.START:
        return "it is obtained anew"
    return "the table says {} to the {}, with the peer {} and VC {}".format(
        decision.action.value, state.roles.acting, decision.peer.value, decision.vc.value)
