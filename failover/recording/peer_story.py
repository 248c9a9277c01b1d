"""What is told of the connections, of sight, of the peer and of who is preferred."""

from typing import Iterator

from failover.decision.events import HearingProven, LinkChanged
from failover.decision.release import may_run
from failover.decision.vocabulary import Path
from failover.recording.reasons import liveness
from failover.recording.words import Step, agent_there, blindness, last_heard, lease_of, other, seconds

__all__ = ["tell"]

_PLACES = {Path.DIRECT: "the peer's platform", Path.VC: "VC"}


def tell(step: Step) -> Iterator[str]:
    """Return what a step changed."""
    if isinstance(step.event, LinkChanged):
        was_heard = not step.event.up and step.event.path is Path.DIRECT and step.after.peer.last_heard is not None
        yield "link to {} {}{}".format(
            _PLACES[step.event.path], "up" if step.event.up else "down",
            "; {} {}".format(other(step.after), last_heard(step.after, step.times)) if was_heard else "")
    yield from _sight(step)
    yield from _roles(step)
    yield from _peer(step)


def _sight(step: Step) -> Iterator[str]:
    before, after, now = step.before, step.after, step.now
    was, why = blindness(before, before.now, step.times), blindness(after, now, step.times)
    if why is None and was is not None:
        since = after.sight.listening_since
        yield "this side listens to the {} from {} on".format(other(after), "now" if since == now else step.times.at(since))
    elif why is not None and was is None:
        yield "this side cannot hear the {}, which counts as no silence: {}".format(other(after), why)
    elif why is None and after.sight.listening_since != before.sight.listening_since:
        pause = now - before.now
        yield "silence of the {} counted anew: {}".format(
            other(after), "this failover agent did not look for " + seconds(pause)
            if pause >= before.sight.timeout / 2 else "its own past does not hold")
    if isinstance(step.event, HearingProven) and step.event.stands is None:
        yield "the local bus did not say whether this side is still subscribed"


def _roles(step: Step) -> Iterator[str]:
    before, after = step.before.roles, step.after.roles
    old, new = step.before.orders, step.after.orders
    if new[:2] != old[:2]:
        yield "order {} of {}: the {} is preferred{}".format(
            new.number, new.by, new.preferred,
            ", and the pair is paused until {}".format(step.times.at(new.paused_until)) if new.is_paused else "")
    elif new.is_paused is not old.is_paused:
        yield "the pair is paused until {}".format(step.times.at(new.paused_until)) if new.is_paused else "the pause is over"
    if after.acting != before.acting:
        rival = after.rival.instance if after.rival is not None else None
        yield "acts as the {} now: {}".format(
            after.acting, "the {} is preferred".format(after.preferred) if rival is None
            else "{} is configured as {} too".format(rival, step.after.setup.role))
    if after.rival is not None and (before.rival is None or before.rival.instance != after.rival.instance):
        yield "{} says that it is configured as {} too".format(after.rival.instance, step.after.setup.role)
    if step.after.agreement.timing != step.before.agreement.timing:
        yield "times that hold: " + ", ".join("{} {:g} s".format(*one) for one in step.after.timing._asdict().items())


def _peer(step: Step) -> Iterator[str]:
    before, after = step.before, step.after
    old, new = before.peer.heartbeat, after.peer.heartbeat
    if new is not None and new is not old:
        if old is None or old.boot_id != new.boot_id:
            yield "{} {} heard for the first time{}".format(
                new.agent_id, new.instance_name, "" if before.peer.last_heard is None else " since it restarted")
        if old is None or old.boot_id != new.boot_id or old.may_run is not new.may_run:
            awaits = (not after.is_simple and after.roles.acting == "primary" and not lease_of(after).is_held
                      and after.peer.released_at is None and not may_run(new, after))
            yield "{} says that {} {}".format(
                other(after), agent_there(after), "may be running there" if new.may_run else "does not run there" + (
                    "; the start here waits until it also acknowledges a heartbeat of this side" if awaits else ""))
    if after.peer.mode != before.peer.mode:
        yield "{} goes by {} failover".format(other(after), after.peer.mode)
    if after.decision.peer is not before.decision.peer:
        yield liveness(after, step.now, step.times)
