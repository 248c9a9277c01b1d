"""What is worth an entry in the history: where the managed agents run, from when on, and why."""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from failover.decision.view import View
from failover.decision.vocabulary import AgentState, Liveness, Moment
from failover.words.lines import headline
from failover.words.surroundings import Surroundings

__all__ = ["Places"]


# Seconds that a start may take.
_START_TAKES = 60.0


class Places(NamedTuple):
    """Where the managed agents were last seen to run.

    :ivar here: whether they ran on this side; None if that was never known.
    :ivar there: whether they ran on the other side, by its heartbeats.
    :ivar active: instance name of the side where they ran last.
    :ivar ran_at: when they were last known to run anywhere.
    :ivar preferred: the role of the preferred side.
    :ivar ordered_at: when that changed because somebody ordered it; None if it did not.
    :ivar is_peer_up: whether the peer was up then.
    """

    here: Optional[bool] = None
    there: Optional[bool] = None
    active: Optional[str] = None
    ran_at: Optional[Moment] = None
    preferred: Optional[str] = None
    ordered_at: Optional[Moment] = None
    is_peer_up: bool = False

    def after(self, view: View, around: Surroundings, now: Moment) -> "Tuple[Places, List[Dict[str, Any]]]":
        """Return where they run now, and an entry for each change, without its time."""
        entries: List[Dict[str, Any]] = []
        here, there = _here(view, self.here), _there(view, self.there)
        name, peer = view.setup.instance_name, view.peer.instance_name if view.peer is not None else None
        orders = view.orders
        places = self._replace(preferred=orders.preferred, is_peer_up=view.decision.peer is Liveness.UP)
        if self.preferred not in (None, orders.preferred):
            # A switchover is refused while the peer is not up. What is ordered without it follows a takeover.
            is_planned = self.is_peer_up and not orders.is_kept and not orders.is_handed_over
            places = places._replace(ordered_at=now if is_planned else None)
        if here is False and self.here and self.active == name:
            entries.append(places._entry("stopped", name, None, view, around, now))
        if there is False and self.there and self.active == peer:
            entries.append(places._entry("stopped", peer, None, view, around, now))
        for runs, ran, where in ((there, self.there, peer), (here, self.here, name)):
            if runs and not ran:
                if ran is False or places.active not in (None, where):
                    entries.append(places._entry("active", where, places.active, view, around, now))
                places = places._replace(active=where)
        for runs, other_runs, where in ((there, here, peer), (here, there, name)):
            if runs and other_runs is False and places.active not in (None, where):
                # Both ran, and this side runs on.
                entries.append(places._replace(ran_at=now)._entry("active", where, places.active, view, around, now))
                places = places._replace(active=where)
        if here or there:
            heard = now - (view.heard_ago or 0.0)
            places = places._replace(ran_at=now if here else max(heard, places.ran_at or heard))
        if here and not self.here and not _is_said(view):
            there = None  # This side has taken over: what the other last said is no longer how it is.
        return places._replace(here=here, there=there), entries

    def _entry(self, event: str, on: Optional[str], former: Optional[str], view: View, around: Surroundings,
               now: Moment) -> Dict[str, Any]:
        is_ordered = self.ordered_at is not None and now - self.ordered_at < 2 * view.timing.stop_grace + _START_TAKES
        left, farewell = on if event == "stopped" else former, view.farewell
        has_said_so = farewell is not None and farewell.instance_name == left
        outage = None if event != "active" or self.ran_at is None else round(max(0.0, now - self.ran_at), 2)
        return {"event": event, "on": on, "from": former, "planned": is_ordered or has_said_so, "outage": outage,
                "why": headline(view, around)}


def _here(view: View, before: Optional[bool]) -> Optional[bool]:
    states = [one.state for one in view.agents]
    if any(one in (AgentState.UNKNOWN, AgentState.STARTING) for one in states):
        return before
    return all(one is AgentState.RUNNING for one in states)


def _there(view: View, before: Optional[bool]) -> Optional[bool]:
    """Return what the peer says. While it is not heard, or has left them running, they may run on."""
    if view.farewell is not None:
        return before if view.farewell.may_run else False
    return view.peer.state == AgentState.RUNNING.value if view.peer is not None and _is_said(view) else before


def _is_said(view: View) -> bool:
    """Return whether the peer says now if they run there."""
    return (view.peer is not None and view.decision.peer is Liveness.UP
            and view.peer.state not in (None, AgentState.UNKNOWN.value, AgentState.STARTING.value))
