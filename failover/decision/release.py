"""What the peer says of its managed agents, and what this side may go by it in standard failover.

The primary goes by a *release notice*: a heartbeat of the secondary that acknowledges this start of the primary, dated when
the acknowledged one was sent. The secondary goes by the *farewell* of a primary that has stopped its managed agents and
ends, for two heartbeat periods from when the heartbeat was sent that it acknowledges
(:meth:`failover.decision.peer.Peer.left`). One period is how old an acknowledged heartbeat may be by itself; the other is
for the way. A primary that has started since runs its agents by silence only later than the secondary may run by that: its
silence began with its start, after the farewell, and is longer than a period, the lease and the time for a stop together,
and so than two periods. By a release notice it runs them only when the secondary has heard its new start, and then the
farewell counts no more.
"""

from typing import TYPE_CHECKING

from failover.decision.heartbeat import Heartbeat
from failover.decision.vocabulary import Moment

if TYPE_CHECKING:
    from failover.decision.machine import State

__all__ = ["farewell_counts_for", "is_released", "may_run"]


def farewell_counts_for(facts: "State") -> float:
    """Return the seconds for which a farewell counts, from when the heartbeat was sent that it acknowledges."""
    return 2 * facts.setup.timing.smaller(facts.agreement.former).heartbeat_period


def may_run(heartbeat: Heartbeat, facts: "State") -> bool:
    """Whether the sender's managed agent may run.

    One that goes by other orders, that knows of a pause which is not known here any more, or that is configured with this
    side's role and does not yield, may be no secondary.
    """
    goes_along = (facts.roles.preferred == "primary" if heartbeat.order is None
                  else facts.orders.are_those_of(heartbeat) and not facts.orders.are_news_in(heartbeat, facts.now))
    return heartbeat.may_run or heartbeat.agent_id == facts.setup.role and not heartbeat.yields or not goes_along


def is_released(facts: "State", now: Moment) -> bool:
    """Whether this side knows by the peer's own words that its managed agent does not run there."""
    if facts.roles.acting == "primary":
        said, period = facts.peer.released_at, facts.agreement.lease_period
    else:
        said, period = facts.peer.left_at, farewell_counts_for(facts)
    return said is not None and now - said < period
