"""What a dashboard shows of this side: published at each change, and otherwise once a minute."""

from typing import Any, Dict, NamedTuple, Optional, Tuple

from failover.decision.view import View
from failover.decision.vocabulary import Moment
from failover.words.lines import standing, standing_there

__all__ = ["Dashboard"]

# Seconds.
_AGAIN_AFTER = 60.0


class Dashboard(NamedTuple):
    """What was published last, and when."""

    state: Optional[Dict[str, Any]] = None
    at: Moment = 0.0

    def after(self, view: View, health: str, now: Moment) -> "Tuple[Dashboard, Optional[Dict[str, Any]]]":
        """Return what is to be published now, without its time; None if nothing is, or nobody would take it."""
        state = {"standing": standing(view), "other_standing": standing_there(view), "health": health}
        if not view.platform_answers or (state == self.state and now - self.at < _AGAIN_AFTER):
            return self, None
        age = None if view.heard_ago is None else round(view.heard_ago, 1)
        return Dashboard(state, now), dict(state, heartbeat_age=age)
