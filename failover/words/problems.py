"""Each kind of problem: when there is one, and what is said when it appears and when it has gone."""

from typing import Callable, Dict, NamedTuple, Optional

from failover.decision.table import Action
from failover.decision.view import View
from failover.decision.vocabulary import AgentState, Command, Liveness
from failover.words import problems_of_standard as standard
from failover.words.installed import compared, difference
from failover.words.lines import allow_publishing, differences, failed_on, is_heard_one_way, other_role, summary
from failover.words.surroundings import Surroundings

__all__ = ["KINDS", "Kind", "find", "gone", "trouble"]

# Seconds. So long a platform may take to shut down.
SHUTDOWN_WITHIN = 120.0


class Kind(NamedTuple):
    """A kind of problem.

    :ivar text: returns what is said of it, None if there is no such problem.
    :ivar gone: what is said when it has gone; a template.
    :ivar is_unknown: whether nothing is known of it now, so that it stays if it was there: only evidence clears it.
    :ivar name: how it is called when it comes and goes all the time.
    :ivar is_of_agent: whether it is the matter with the managed agent, so that the peer should show it.
    """

    text: Callable[[View, Surroundings], Optional[str]]
    gone: str
    is_unknown: Callable[[View, Surroundings], bool] = lambda view, around: False
    name: Optional[str] = None
    is_of_agent: bool = False


def find(view: View, around: Surroundings, before: Dict[str, str]) -> Dict[str, str]:
    """Return what is the matter, a text for each kind of problem.

    :param before: what this returned the last time.
    """
    found = {}
    for key, kind in KINDS.items():
        text = kind.text(view, around)
        if text is not None:
            found[key] = text
        elif key in before and kind.is_unknown(view, around):
            found[key] = before[key]
    return found


def gone(key: str, view: View, around: Surroundings) -> str:
    """Return what is said when a problem has gone."""
    return KINDS[key].gone.format(agent=_agent(view), address=around.address, role=view.setup.role,
                                  other_role=other_role(view.setup.role))


def trouble(view: View, around: Surroundings, problems: Dict[str, str]) -> Optional[str]:
    """Return what is wrong with the managed agent here, in a few words for the peer; None if nothing is."""
    if view.decision.wanted is Command.START and around.loop is not None:
        return "{} {}".format(_agent(view), around.loop)
    return next((summary(problems[key]) for key, kind in KINDS.items() if key in problems and (
        kind.is_of_agent and view.decision.wanted is Command.START or key in _UNREADY)), None)


def _agent(view: View) -> str:
    return view.managed


def _fault(key: str) -> Callable[[View, Surroundings], Optional[str]]:
    return lambda view, around: around.faults.get(key)


def _start(view: View, around: Surroundings) -> Optional[str]:
    is_over = view.decision.wanted is not Command.START or around.has_settled
    return None if is_over else around.faults.get("start")


def _stop(view: View, around: Surroundings) -> Optional[str]:
    is_over = view.decision.wanted is not Command.STOP or view.state in (
        AgentState.STOPPED, AgentState.MISSING)
    return None if is_over else around.faults.get("stop")


def _missing(view: View, around: Surroundings) -> Optional[str]:
    missing = [one.identity for one in view.agents if one.state is AgentState.MISSING]
    return "; ".join("{} is not installed here: run `vctl install` with `--vip-identity {}`".format(identity, identity)
                     for identity in missing) or None


def _agent_unknown(view: View, around: Surroundings) -> bool:
    return view.state in (AgentState.UNKNOWN, AgentState.STARTING)


def _loop(view: View, around: Surroundings) -> Optional[str]:
    if around.loop is None or view.decision.wanted is not Command.START:
        return None
    return "{} {}: see why in the platform's log; each time it is started again after a pause".format(
        _agent(view), around.loop)


def _handed(view: View, around: Surroundings) -> Optional[str]:
    if not view.orders.is_handed_over:
        return None
    where = failed_on(view)
    return ("{} failed on {}, and was handed over to the other side, once: when that is mended, run `python -m failover "
            "switchover --to {}`".format(_agent(view), where, where))


def _quiet(view: View, around: Surroundings) -> Optional[str]:
    return None if not view.is_quiet else (
        "this failover agent starts nothing yet: its former process was killed while it ended, so this platform may be "
        "shutting down; if not, it resumes within {:.0f} s".format(SHUTDOWN_WITHIN))


def _there(view: View, around: Surroundings) -> Optional[str]:
    peer = view.peer
    if peer is None or peer.trouble is None or view.decision.peer is not Liveness.UP or view.farewell is not None:
        return None
    return "on {}: {}; see `python -m failover status` there".format(peer.instance_name, peer.trouble)


def _times(view: View, around: Surroundings) -> Optional[str]:
    return None if not around.is_timeout_late else (
        "the configured times are not in use yet, because the other side is down or sends too seldom for them: store the "
        "same configuration there too, or start its failover agent")


def _control(view: View, around: Surroundings) -> Optional[str]:
    return None if view.platform_answers else (
        "control of this platform does not answer, so no heartbeats are sent: see `vctl status` and the platform's log")


def _link(view: View, around: Surroundings) -> Optional[str]:
    is_lost = (not around.link_up and around.link_error is not None
               and around.link_since >= view.setup.timing.timeout / 2)
    return "remote link lost: {}".format(around.link_error) if is_lost else None


def _refused(view: View, around: Surroundings) -> Optional[str]:
    return None if around.link_refusal is None else (
        "{} refuses our heartbeats: {}; allow them with {}".format(around.address, around.link_refusal, allow_publishing(view)))


def _peer(view: View, around: Surroundings) -> Optional[str]:
    if view.decision.peer is not Liveness.DOWN or not view.platform_answers:
        return None
    if view.acting == "primary":
        return "secondary {}: nobody would take over; see `vctl status` there".format(
            "is heard, but it does not hear this side" if is_heard_one_way(view) else "not heard " + around.unheard_since)
    if view.is_simple:
        return None
    return "primary not heard {}: see `vctl status` there".format(around.unheard_since)


def _rival(view: View, around: Surroundings) -> Optional[str]:
    if view.alike is None:
        return None
    if view.alike == view.setup.instance_name:
        return ("remote_vip {} leads to this platform itself, or to one of the same name: enter the address and the key of "
                "the other platform".format(around.address))
    return "{} is configured as {} too: give one of the two the other agent_id; until then this side acts as the {}".format(
        view.alike, view.setup.role, view.acting)


def _is_recent(view: View, ago: Optional[float]) -> bool:
    return ago is not None and ago < view.setup.timing.timeout


def _unsigned(view: View, around: Surroundings) -> Optional[str]:
    return None if not _is_recent(view, view.unsigned_ago) else (
        "unsigned heartbeats come in and do not count, because the other side signs its own: somebody forges them, and the "
        "platform's log says under which name; or the other side has been given an earlier release or cannot read its keys "
        "any more: then set require_signatures to false here and restart the failover agent")


def _wrong(view: View, around: Surroundings) -> Optional[str]:
    return None if not _is_recent(view, view.wrong_ago) else (
        "heartbeats come in that are signed with another key and do not count: remote_serverkey is wrong on one of the two "
        "sides, so compare it with what `vctl auth servercred` (on VOLTTRON 9 `vctl auth serverkey`) prints on the other "
        "platform, and restart the failover agent; or somebody forges them")


def _names(view: View, around: Surroundings) -> Optional[str]:
    if view.peer is None or view.peer.instance_name != view.setup.instance_name:
        return None
    return "both platforms have the instance name {}: give them different ones".format(view.setup.instance_name)


def _second(view: View, around: Surroundings) -> Optional[str]:
    return None if not around.answers_there else (
        "{} also answers on {}, so that two copies run: `vctl start` the failover agent there; if it runs, see `python -m "
        "failover status` there".format(_agent(view), "the other side" if view.peer is None else view.peer.instance_name))


def _peer_unknown(view: View, around: Surroundings) -> bool:
    return (view.acting == "primary" or not view.is_simple) and (
        view.decision.peer is Liveness.UNKNOWN or not view.platform_answers)


# The kinds for which a side could not take over.
_UNREADY = ("missing", "unauthorized")

# All kinds, in the order in which they are listed.
KINDS: Dict[str, Kind] = {
    "missing": Kind(_missing, "{agent} is installed again", _agent_unknown, is_of_agent=True),
    "unauthorized": Kind(_fault("unauthorized"), "the missing authorization has been granted", is_of_agent=True),
    "start": Kind(_start, "the start of {agent} succeeded", is_of_agent=True),
    "stop": Kind(_stop, "the stop of {agent} succeeded"),
    "stray": Kind(_fault("stray"), "no copy of {agent} unknown to the platform remains"),
    "signals": Kind(_fault("signals"), "{agent} no longer runs as another user"),
    "absent": Kind(_fault("absent"), "{agent} is on the message bus, or no longer runs here", is_of_agent=True),
    "silent": Kind(_fault("silent"), "{agent} answers again, or no longer runs here", is_of_agent=True),
    "unwell": Kind(_fault("unwell"), "{agent} no longer reports BAD", is_of_agent=True),
    "second": Kind(_second, "the {other_role} is heard again, or {agent} no longer answers there", is_of_agent=True),
    "config": Kind(_fault("config"), "the configuration in use is the one that is stored or installed"),
    "times": Kind(_times, "the configured times are in use"),
    "memory": Kind(_fault("memory"), "state is being saved to disk again"),
    "deaf": Kind(_fault("deaf"), "heartbeats can be heard again"),
    "unsigned": Kind(_unsigned, "no more unsigned heartbeats come in", name="unsigned heartbeats"),
    "wrong": Kind(_wrong, "no more heartbeats come in with a wrong signature", name="heartbeats with a wrong signature"),
    "keys": Kind(_fault("keys"), "signatures can be checked again"),
    "loop": Kind(_loop, "{agent} keeps running, or no longer needs to run here"),
    "handed": Kind(_handed, "the handover of {agent} is over"),
    "quiet": Kind(_quiet, "this failover agent is active again"),
    "there": Kind(_there, "{agent} is well again on the {other_role}"),
    "control": Kind(_control, "control of this platform answers again", name="control"),
    "link": Kind(_link, "remote link found: {address} answers again", lambda view, around: not around.link_up,
                 "the remote link"),
    "refused": Kind(_refused, "{address} accepts heartbeats again", name="the other platform's refusal"),
    "peer": Kind(_peer, "the {other_role} is heard again", _peer_unknown, "the other side"),
    "unlike": Kind(lambda view, around: difference(view) if around.compares else None,
                   "{agent} is installed alike on both sides", lambda view, around: around.compares and not compared(view)),
    "differ": Kind(differences, "both sides are configured alike again", lambda view, around: view.heard_ago is None),
    "rival": Kind(_rival, "only one {role} is heard again"),
    "names": Kind(_names, "the two platforms have different names again"),
    "vc": Kind(standard.vc, "VOLTTRON Central answers again", lambda view, around: not view.is_simple and (
        view.decision.vc is Liveness.UNKNOWN or not view.platform_answers), "VOLTTRON Central"),
    "vcs": Kind(standard.vcs, "both sides go by the same VC again"),
    "isolated": Kind(standard.isolated, "this primary is no longer isolated", lambda view, around: not view.is_simple and (
        view.decision.action is Action.WAIT or not view.platform_answers), "the isolation"),
    "unsupervised": Kind(standard.unsupervised,
                         "the {other_role}'s failover agent is heard again, or {agent} no longer runs there",
                         standard.is_supervision_unknown),
    "copy": Kind(standard.copy, "{agent} no longer runs here without permission"),
}
