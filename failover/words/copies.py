"""A managed agent that runs without having been started by the rules: by hand, or by the platform."""

from typing import NamedTuple, Optional

from failover.decision.view import View
from failover.decision.vocabulary import AgentState, Command, Moment

__all__ = ["Copies"]


class Copies(NamedTuple):
    """What was seen of such copies.

    :ivar is_expected: whether one that runs now may have been started by the rules.
    :ivar seen_at: when one was last seen that was not.
    """

    is_expected: bool
    seen_at: Optional[Moment] = None

    def after(self, view: View, now: Moment) -> "Copies":
        """Return what has been seen now."""
        state = view.state
        if view.decision.wanted is Command.START:
            return self._replace(is_expected=True)
        if state in (AgentState.STOPPED, AgentState.MISSING):
            return self._replace(is_expected=False)
        return self._replace(seen_at=now) if state is AgentState.RUNNING and not self.is_expected else self

    def were_seen_within(self, seconds: float, now: Moment) -> bool:
        """Return whether one was seen within so many seconds."""
        return self.seen_at is not None and now - self.seen_at < seconds
