"""The problems that only standard failover has: when there is one, and what is said of it."""

from typing import Optional

from failover.decision.table import Action
from failover.decision.view import View
from failover.decision.vocabulary import Liveness
from failover.words.lines import other_role
from failover.words.surroundings import Surroundings

__all__ = ["copy", "is_supervision_unknown", "isolated", "unsupervised", "vc", "vcs"]


def vc(view: View, around: Surroundings) -> Optional[str]:
    if view.is_simple or view.decision.vc is not Liveness.DOWN or not view.platform_answers:
        return None
    return "VC at {} does not answer: {}".format(around.vc_address, around.vc_error)


def vcs(view: View, around: Surroundings) -> Optional[str]:
    if view.lease is None or not view.lease.is_vc_apart:
        return None
    return ("the {} goes by another VC, so that nobody can verify that it is down: give both sides the same "
            "volttron_central_vip".format(other_role(view.setup.role)))


def isolated(view: View, around: Surroundings) -> Optional[str]:
    if (view.is_simple or view.acting != "primary" or view.decision.action is not Action.STOP
            or not view.platform_answers):
        return None
    return "neither VC nor the secondary answers: {} must not run here".format(view.managed)


def unsupervised(view: View, around: Surroundings) -> Optional[str]:
    if view.lease is None or view.lease.vcp_word != "runs" or view.lease.silent_for is None:
        return None
    return "the {} is not heard, but its VCP says that {} runs there: start its failover agent".format(
        other_role(view.setup.role), view.managed)


def is_supervision_unknown(view: View, around: Surroundings) -> bool:
    """One missing answer says nothing: of VCP, until the silence is complete, and of VC, until it answers again.

    VCP's word is None as soon as the peer is heard.
    """
    lease = view.lease
    if lease is None or lease.vcp_word is None:
        return False
    return lease.silent_for is None or lease.vcp_word == "no answer" and lease.silent_for < lease.silence_needed


def copy(view: View, around: Surroundings) -> Optional[str]:
    if view.is_simple or not around.has_unexpected_copy:
        return None
    return ("{} ran here though this side may not run it: started by hand, by the platform, or before this failover "
            "agent, it is stopped; do not start or enable it yourself".format(view.managed))
