"""The answer of the RPC ``status``. Its keys are for others to rely on."""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from failover.decision.view import View
from failover.words.lines import reason, standing, standing_there
from failover.words.surroundings import Surroundings

__all__ = ["SCHEMA", "Details", "status"]

# The version of what this and the other commands return. It goes up when a key is removed, renamed or means something else.
SCHEMA = 1


class Details(NamedTuple):
    """What the status says beside the view and the surroundings. Times are seconds.

    :ivar health: status and text, as last reported.
    :ivar decided_on: when the decision last changed, as ISO text in UTC.
    :ivar vc_link: of the connection to VC's platform: VC's identity, whether it is up, and for how long; None in simple
        failover.
    :ivar agents: of each managed agent: ``identity``, ``uuid``, ``pid``, ``last_ran``, ``restarts_last_hour``, and
        ``health`` and ``health_text`` as it last gave them.
    """

    health: Tuple[str, str]
    problems: List[str]
    warnings: List[str]
    decided_on: str
    decided_for: float
    vc_link: Optional[Tuple[str, bool, float]]
    agents: List[Dict[str, Any]]


def status(view: View, around: Surroundings, details: Details) -> Dict[str, Any]:
    """Return what this failover agent knows and does, as a JSON-able dict. Durations are in seconds."""
    setup, decision, peer, lease, managed = view.setup, view.decision, view.peer, view.lease, details.agents
    last, first = view.farewell or peer, details.agents[0]
    return {
        "schema": SCHEMA,
        "agent_id": setup.role,
        "acts_as": view.acting,
        "standing": standing(view),
        "mode": setup.mode,
        "instance_name": setup.instance_name,
        "vip_identity": setup.vip_identity,
        "health": details.health[0],
        "text": details.health[1],
        "problems": details.problems,
        "warnings": details.warnings,
        "decision": decision.action.value,
        "decided_on": details.decided_on,
        "decided_for": details.decided_for,
        "why": None if lease is None else reason(view, lease),
        "timeout": view.timing.timeout,
        "heartbeat_period": view.timing.heartbeat_period,
        "stop_grace": view.timing.stop_grace,
        "platform_answers": view.platform_answers,
        "other": {
            "instance_name": peer.instance_name if peer else None,
            "vip_identity": peer.vip_identity if peer else None,
            "standing": standing_there(view),
            "liveness": decision.peer.value,
            "heartbeat_age": view.heard_ago,
            "may_run": last.may_run if last else None,
            "managed_agent": last.state if last else None,
            "left": view.farewell is not None,
            "signs": view.peer_signs,
        },
        "orders": {
            "number": view.orders.number,
            "given_on": view.orders.by or None,
            "preferred": view.orders.preferred,
            "preferred_here": view.is_preferred,
            "known_there": peer is not None and view.orders.are_those_of(peer),
            "paused_for": view.pause_left,
        },
        "link": {
            "address": around.address,
            "up": around.link_up,
            "since": around.link_since,
            "last_error": around.link_refusal or (None if around.link_up else around.link_error),
            "refusal": around.link_refusal,
        },
        "vc": None if lease is None or details.vc_link is None else {
            "address": around.vc_address,
            "identity": details.vc_link[0],
            "up": details.vc_link[1],
            "since": details.vc_link[2],
            "liveness": decision.vc.value,
            "answer_age": lease.vc_answer_age,
            "vcp": lease.vcp_word,
            "last_error": around.vc_error,
        },
        "lease": None if lease is None else {"held": lease.is_held, "seconds_left": lease.seconds_left},
        "managed_agent": {
            "identity": view.managed,
            "uuid": first["uuid"],
            "pid": first["pid"],
            "state": view.state.value,
        },
        "runs": {key: first[key] for key in ("last_ran", "restarts_last_hour", "health", "health_text")},
        "managed_agents": [dict(one, state=seen.state.value) for one, seen in zip(managed, view.agents)],
    }
