"""Which starts and stops are worth an alert: each change of what is wanted, and each command that follows it anew."""

from typing import List, NamedTuple, Optional, Sequence, Tuple

from failover.decision.table import Action
from failover.decision.view import View
from failover.decision.vocabulary import AgentState, Command

__all__ = ["Announcer"]


class Announcer(NamedTuple):
    """What has been said of starts and stops.

    :ivar announced: what was last said to be wanted.
    :ivar commanded: the agents to which a command has followed since.
    """

    announced: Optional[Command] = None
    commanded: Tuple[str, ...] = ()

    def after(self, view: View, commands: Sequence[Tuple[Command, str]], has_failed: bool,
              is_troubled: bool) -> "Tuple[Announcer, List[Tuple[Command, str]]]":
        """Return what is said after a step, and which starts and stops are to be alerted.

        What is not decided for good yet, and needs nothing to be done, is not said; nor is each attempt at what has failed.

        :param commands: that were given in that step, each with the agent.
        :param has_failed: whether the last attempt at the same command failed.
        :param is_troubled: whether the managed agent ends again and again.
        """
        said, alerts = self, []  # type: Announcer, List[Tuple[Command, str]]
        wanted = view.decision.wanted
        is_open = self.announced is None and not commands and (
            view.decision.action not in (Action.START, Action.STOP) or view.state is AgentState.UNKNOWN)
        if wanted not in (None, self.announced) and not is_open and not (wanted is Command.START and view.is_quiet):
            said = Announcer(wanted)
            alerts.append((wanted, view.managed))
        for command, agent in commands:
            if agent not in said.commanded:
                said = said._replace(commanded=said.commanded + (agent,))
            elif not has_failed and not is_troubled:
                alerts.append((command, agent))
        return said, alerts
