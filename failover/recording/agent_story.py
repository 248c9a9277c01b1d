"""What is told of the managed agents: what is wanted, the commands, and what came of them."""

from typing import Dict, Iterator, Optional, Tuple

from failover.decision.effects import Effect, EndStrays, ForbidRestart, Launch, PrepareStart, Stop, Want
from failover.decision.events import CommandEnded, RestartForbidden, RetryAllowed, StraysEnded, TroubleChanged
from failover.decision.managed import Managed
from failover.decision.state import State
from failover.decision.vocabulary import AgentState, Command, Moment
from failover.recording.reasons import why
from failover.recording.words import Step, lease_of, seconds

__all__ = ["AgentStory"]

_WANTED = {Command.START: "is wanted", Command.STOP: "is not to run", None: "is left as it is"}


class AgentStory:
    """Tells what a step changed, and remembers when the commands were given."""

    def __init__(self) -> None:
        self._commanded: Dict[Tuple[str, int], Moment] = {}
        self._begun: Dict[str, Moment] = {}

    def tell(self, step: Step) -> Iterator[str]:
        """Return what a step changed."""
        yield from self._came(step)
        for before, after in zip(step.before.agents, step.after.agents):
            if after.state is not before.state:
                yield from self._seen(step, after)
        for effect in step.effects:
            yield from self._commands(step, effect)
        hold = step.after.decision.start_from
        if step.now < hold != step.before.decision.start_from and step.after.decision.wanted is Command.START:
            yield "a start waits until {}, so that the secondary can stop it first".format(step.times.at(hold))
        if step.before.now < step.before.setup.quiet_until <= step.now:
            yield "this platform has not shut down: from now on agents are started"

    def _came(self, step: Step) -> Iterator[str]:
        event = step.event
        if isinstance(event, CommandEnded):
            begun = self._commanded.pop((event.agent, event.number), None)
            yield "{} {} of {} {}{}{}".format(
                event.command.value, event.number, event.agent, "done" if event.succeeded else "failed",
                "" if begun is None else " after " + seconds(step.now - begun), _counts(step.before, event))
        elif isinstance(event, StraysEnded):
            yield "processes of {} that control does not know: {}".format(
                event.agent, "all are gone" if event.all_of_them else "some are left")
        elif isinstance(event, RestartForbidden):
            yield "the platform {} to start {} by itself".format(
                "was told not" if event.done else "could not be told not", event.agent)
        elif isinstance(event, RetryAllowed):
            yield "the next attempt at any command need not wait"
        elif isinstance(event, TroubleChanged):
            if event.text != step.before.trouble:
                yield "no trouble any more" if event.text is None else "trouble: {}".format(event.text)
            if event.installation != step.before.installation:
                yield "installed here: {}".format(event.installation or "nothing")

    def _seen(self, step: Step, after: Managed) -> Iterator[str]:
        if after.state is AgentState.STARTING:
            return
        if after.state is AgentState.UNKNOWN:
            yield "whether {} runs is not known any more".format(after.identity)
            return
        begun = self._begun.pop(after.identity, None)
        yield "{} seen {}{}".format(after.identity, after.state.value,
                                    "" if begun is None else " after " + seconds(step.now - begun))

    def _commands(self, step: Step, effect: Effect) -> Iterator[str]:
        now, agent = step.now, getattr(effect, "agent", "")
        if isinstance(effect, (PrepareStart, Stop)):
            self._commanded[agent, effect.number] = now
        if isinstance(effect, (Launch, Stop)):
            self._begun[agent] = now
        if isinstance(effect, Want):
            if any(isinstance(one, (PrepareStart, Stop)) and one.agent == agent for one in step.effects):
                return  # Its reason is told with the command.
            yield "{} {} here because {}".format(agent, _WANTED[effect.wanted], why(step.after, now, step.times))
        elif isinstance(effect, PrepareStart):
            yield "start {} of {} commanded because {}".format(effect.number, agent, _because(step))
        elif isinstance(effect, Launch):
            yield "start {} of {} launched{}".format(
                effect.number, agent, "" if effect.before is None else
                "; it is dropped if control is not asked before {}, when the lease ends".format(
                    step.times.at(effect.before)))
        elif isinstance(effect, Stop):
            yield "stop {} of {} commanded, to be done by {}, because {}".format(
                effect.number, agent, step.times.at(now + effect.within), _because(step))
        elif isinstance(effect, EndStrays):
            yield "processes of {} that control does not know are ended within {}".format(agent, seconds(effect.within))
        elif isinstance(effect, ForbidRestart):
            yield "{} has ended badly: the platform is told not to start it by itself".format(agent)


def _because(step: Step) -> str:
    """Return why a command is given, in brief if that has just been told of the lease."""
    before, after = step.before, step.after
    if not after.is_simple and lease_of(before).is_held is not lease_of(after).is_held:
        return "the lease was {}".format("obtained" if lease_of(after).is_held else "given up")
    return why(after, step.now, step.times)


def _counts(state: State, event: CommandEnded) -> str:
    """Return what is to be said of a command whose end comes when it does not count any more."""
    agent: Optional[Managed] = next((one for one in state.agents if one.identity == event.agent), None)
    if agent is None or event.number == agent.number and agent.pending is not None:
        return ""
    return "; another one has taken its place" if event.number != agent.number else "; it was broken off"
