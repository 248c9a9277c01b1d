"""What is told of the peer's silence in standard failover: VCP's answers, when a start is due, and what delays that."""

from typing import Iterator, Optional

from failover.decision.effects import AskVcp
from failover.decision.events import VcpAnswered
from failover.decision.state import State
from failover.decision.vocabulary import Lease, Liveness, Moment
from failover.recording.reasons import silence_lacks
from failover.recording.words import (
    Step,
    agent_there,
    counted_from,
    lease_of,
    other,
    seconds,
    silence_due,
    silence_terms,
    without_renewal,
)

__all__ = ["SilenceStory"]

_HEARD = "it was heard"
_VCP_SAYS = {"runs": "says that {} runs there", "does not run": "says that {} does not run there"}


class SilenceStory:
    """Tells what a step changed, and remembers what was said of when a start is due, and whether VCP is slow to answer."""

    def __init__(self) -> None:
        self._is_waiting = False
        self._due: Optional[Moment] = None
        self._is_slow = False

    def tell(self, step: Step) -> Iterator[str]:
        """Return what a step changed."""
        if not step.after.is_simple:
            yield from self._vcp(step)
            yield from _silence(step)

    def _vcp(self, step: Step) -> Iterator[str]:
        """Tell of the questions of a silence that is not complete. Later ones are only counted."""
        before, after, event, ask = step.before, step.after, step.event, step.effect(AskVcp)
        vcp = "VCP of {}".format(after.agreement.peer_instance or "the peer's platform")
        word, since, due = lease_of(after).witness.vcp_word, lease_of(after).silent_since(after), silence_due(after)
        is_news = word != lease_of(before).witness.vcp_word
        if isinstance(event, VcpAnswered):
            self._is_slow = step.now - event.asked_at > after.timing.heartbeat_period / 4
        if word in _VCP_SAYS and is_news:
            yield "{} {}".format(vcp, _VCP_SAYS[word].format(agent_there(after)))
        elif isinstance(event, VcpAnswered) and event.runs is None and (is_news or self._is_slow) and (
                since is not None and due is not None and not lease_of(before).is_held and since <= event.asked_at <= due):
            yield "{} did not answer the question of {}".format(vcp, step.times.at(event.asked_at))
        if ask is None or lease_of(after).is_held or due is None:
            return
        until = step.now + ask.within
        if word is None:
            yield "{} (VC's agent there) is asked whether {} runs there".format(vcp, ask.agent)
        elif self._is_slow and step.now < due < until:
            yield "{} may wait longer, at most until {}: {} is asked once more, and has until then to answer".format(
                _what(after), step.times.at(until), vcp)

    def tell_due(self, step: Step, lapsed: Optional[Moment]) -> Iterator[str]:
        """Return when a start is due now, if a step changed that.

        :param lapsed: when VC's answers lapsed, if that is known.
        """
        if step.after.is_simple:
            return
        after, now, times = step.after, step.now, step.times
        was_waiting, self._is_waiting = self._is_waiting, _is_waited_for(after) and after.decision.peer is Liveness.DOWN
        if not self._is_waiting:
            self._due = None
            return
        since, due = lease_of(after).silent_since(after), silence_due(after)
        if since is None or due is None:
            if not was_waiting:
                yield "no {} is due: {}".format(_what(after), silence_lacks(after, now, times, lapsed)[0])
            return
        reason, told = counted_from(after), self._due
        is_moving = silence_due(step.before) is not None and now - since < 2 * after.timing.heartbeat_period
        if now >= due:
            if not was_waiting and after.decision.lease is Lease.NONE:
                yield _longer(after) + "; ".join(silence_lacks(after, now, times, lapsed))
            return
        if due == told or was_waiting and is_moving:
            return
        self._due = due
        text = "{} due at {}".format(_what(after), times.at(due))
        if told is not None and due > told:
            text = "{} waits longer, until {} instead of {}".format(_what(after), times.at(due), times.at(told))
        elif reason is not None and after.peer.last_heard is not None:
            text = "{} waits longer, until {}".format(_what(after), times.at(due))
        yield "{}: the silence of the {} counts from {}{}, and must last {}".format(
            text, other(after), times.at(since), "" if reason is None else ", because " + reason, silence_terms(after))


def _silence(step: Step) -> Iterator[str]:
    before, after, now = step.before, step.after, step.now
    if lease_of(before).is_held or lease_of(before).witness.vcp_word == lease_of(after).witness.vcp_word == "runs":
        return  # Nothing is started by it, or it has been said before.
    was, since = lease_of(before).silent_since(before), lease_of(after).silent_since(after)
    period, needed = after.timing.heartbeat_period, after.agreement.silence_needed
    if was is not None and now - was >= 2 * period and (since is None or since > was):
        reason = _why_broken(step, since)
        yield "{}silence of the {} broken after {} of {}: {}".format(
            "" if reason == _HEARD else _longer(after), other(after), seconds(now - was),
            seconds(before.agreement.silence_needed), reason)
    elif since is not None and since == was and before.now - since < needed <= now - since and (
            after.decision.lease is not Lease.VERIFIED):
        lacking = silence_lacks(after, now, step.times)
        if now >= lease_of(after).until(after):
            lacking.append(without_renewal(after, step.times))
        if after.orders.is_paused:
            lacking.append("the pair is paused until {}".format(step.times.at(after.orders.paused_until)))
        yield "silence of the {} complete; {}{}".format(other(after), _longer(after), "; ".join(lacking))


def _is_waited_for(state: State) -> bool:
    """Whether this side would start by the peer's silence."""
    return not (lease_of(state).is_held or state.is_ending or state.orders.is_paused or state.decision.peer is Liveness.UP
                or lease_of(state).witness.vcp_word == "runs")


def _what(state: State) -> str:
    return "takeover" if state.roles.acting == "secondary" else "start by silence"


def _longer(state: State) -> str:
    return _what(state) + " waits longer: "


def _why_broken(step: Step, since: Optional[Moment]) -> str:
    policy = lease_of(step.after)
    if policy.witness.is_apart:
        return "it uses another VC"
    if since is None:
        return "VC's answers have lapsed"
    if isinstance(step.event, VcpAnswered) and step.event.runs:
        return "its VCP says that {} runs there".format(agent_there(step.after))
    if policy.sighted is not None and policy.sighted != lease_of(step.before).sighted:
        return _HEARD
    return "it counts anew from {}".format(step.times.at(since))
