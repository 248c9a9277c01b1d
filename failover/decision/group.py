"""Several managed agents as one: they are started in their order and stopped in the reverse one.

One after the other: an agent is started when all before it run, and stopped when all after it are gone. In standard failover
all of them must be gone at the end of ``stop_grace``. So each has a share of it, and is stopped when its share begins though
those after it are not gone.
"""

from typing import Optional, Sequence, Tuple

from failover.decision.managed import Managed, Turn
from failover.decision.vocabulary import AgentState, Command

__all__ = ["state_of", "turn", "turns_begin"]


def turn(agents: Sequence[Managed], number: int, may_start: bool, grace: float, left: float) -> Turn:
    """Return what the agent with this number may do now.

    :param may_start: whether any may start.
    :param grace: seconds that stopping all of them may take.
    :param left: what is left of that.
    """
    if len(agents) == 1:
        return Turn(may_start, True, left)
    are_gone = not any(one.may_run for one in agents[number + 1:])
    return Turn(may_start and all(one.state is AgentState.RUNNING for one in agents[:number]),
                are_gone or left <= _left(number + 1, len(agents), grace),
                max(0.0, left - _left(number, len(agents), grace)))


def turns_begin(count: int, grace: float) -> Tuple[float, ...]:
    """Return what is left of ``grace`` when each of so many agents is stopped in any case; for the last one, all of it."""
    return tuple(_left(number, count, grace) for number in range(1, count))


def _left(number: int, count: int, grace: float) -> float:
    """Return what is left of ``grace`` for so many of all agents: each has a share."""
    return number * (grace / count)


def state_of(states: Sequence[AgentState], wanted: Optional[Command]) -> AgentState:
    """Return the state of all of them: the one that is least well known, or else how far they are."""
    for state in (AgentState.UNKNOWN, AgentState.MISSING, AgentState.STARTING):
        if state in states:
            return state
    if AgentState.STOPPED not in states:
        return AgentState.RUNNING
    if AgentState.RUNNING not in states:
        return AgentState.STOPPED
    return AgentState.STARTING if wanted is Command.START else AgentState.RUNNING
