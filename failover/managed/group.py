"""All managed agents of this side: each with those who watch and steer it."""

from typing import Any, Callable, Dict, List, Mapping, Optional

import gevent

from failover import clock, process
from failover.control import ControlError, ControlSilent
from failover.decision.state import State
from failover.decision.vocabulary import Command
from failover.loops import survived
from failover.managed.installation import of_all
from failover.managed.local_agent import LocalAgent
from failover.text import clean

__all__ = ["Group"]

# Seconds that an end may take at least: it kills at once then.
_LEAST = 1.0


class Group:
    """The managed agents, in the order in which they are started.

    :param common: what is the matter with the rest of the shell, a text for each kind.
    """

    def __init__(self, agents: List[LocalAgent], common: Dict[str, str]):
        self.agents = agents
        self._common = common
        self._by_identity = {one.managed.identity: one for one in agents}

    @property
    def tasks(self) -> List[Callable[[], None]]:
        """What is to be done as long as the failover agent runs."""
        return [task for one in self.agents for task in one.tasks]

    @property
    def performers(self) -> Dict[type, Callable[[Any], None]]:
        """Who performs the effects that are about a managed agent."""
        def of(kind: type) -> Callable[[Any], None]:
            each = {identity: one.performers[kind] for identity, one in self._by_identity.items()}
            return lambda effect: each[effect.agent](effect)

        return {kind: of(kind) for kind in self.agents[0].performers}

    def keep_pace(self, before: State, after: State) -> None:
        """Go by the times of a state. While others are wanted and do not hold yet, go by the shorter ones: blindness begins
        with a control that has not been asked for half of a ``timeout``.
        """
        if after.setup is before.setup and after.planned is before.planned:
            return
        settings = [after.setup.settings] + ([] if after.planned is None else [after.planned])
        for one in self.agents:
            one.retime(min(each.answer_within for each in settings), min(each.timing.timeout for each in settings))

    def is_installed(self, identity: str) -> bool:
        """Return whether an agent with this VIP identity is installed on this platform."""
        return self.agents[0].managed.is_installed(identity)

    # What is seen of them

    @property
    def faults(self) -> Mapping[str, str]:
        """What is the matter, a text for each kind."""
        found: Dict[str, List[str]] = {}
        for one in self.agents:
            for key, text in one.faults.items():
                found.setdefault(key, [])
                if text not in found[key]:
                    found[key].append(text)
        return dict(self._common, **{key: "; ".join(texts) for key, texts in found.items()})

    def forget(self, key: str) -> None:
        """What was the matter is so no more."""
        for one in self.agents:
            one.faults.pop(key, None)

    @property
    def installed(self) -> Optional[str]:
        """What is installed of them, in three words; None if that is not known of all."""
        each = [one.installed for one in self.agents]
        if None in each:
            return None
        return of_all([text for text in each if text is not None])

    def trouble(self, now: float) -> Optional[str]:
        """Return what is wrong if one of them ends again and again, else None."""
        for one in self.agents:
            text = one.runs.trouble(now)
            if text is not None:
                return text if len(self.agents) == 1 else "({}) {}".format(one.managed.identity, text)
        return None

    def has_settled(self, now: float) -> bool:
        """Whether all of them run, and have done so long enough for their start to have succeeded."""
        return all(one.runs.has_settled(now) for one in self.agents)

    def has_failed(self, command: Command) -> bool:
        """Whether the last attempt at a command failed with one of them."""
        return any(one.executor.has_failed(command) for one in self.agents)

    def details(self, now: float) -> List[Dict[str, Any]]:
        """Return of each what the status says of it."""
        return [{"identity": one.managed.identity, "uuid": one.managed.uuid, "pid": one.managed.pid,
                 "last_ran": one.runs.last_ran(now), "restarts_last_hour": one.runs.ends_within(3600.0, now),
                 "health": one.health.said[0] if one.health.said else None,
                 "health_text": one.health.said[1] if one.health.said else None} for one in self.agents]

    @property
    def questions(self) -> List[Any]:
        """The questions for their health that are open."""
        return [one.health.question for one in self.agents if one.health.question is not None]

    # Their end

    def stop_for_good(self, within: float) -> None:
        """Stop them, the last one first, because the failover agent itself stops, and see to it that the platform starts
        none.

        :param within: seconds for all of them.
        :raises ControlError: one may still run, or run again.
        """
        failed = self._each(within, lambda one, left: one.executor.stop_for_good(left))
        for agent in self.agents:  # Not before all are stopped: a control that is silent costs time.
            try:
                agent.executor.forbid_for_good()
            except ControlError as error:
                failed.append(str(error))
                if isinstance(error, ControlSilent):
                    break
        if failed:
            raise ControlError("; ".join(failed))

    def end_all(self, why: str, within: float, spare: Optional[process.Process] = None) -> None:
        """End their processes without control, the last one first.

        :param within: seconds for all of them.
        :param spare: a process whose descendants are left alone.
        :raises ControlError: one still runs.
        """
        failed = self._each(within, lambda one, left: one.processes.end_all(left, why, spare=spare))
        if failed:
            raise ControlError("; ".join(failed))

    def _each(self, within: float, end: Callable[[LocalAgent, float], None]) -> List[str]:
        """End one after the other, and return what failed.

        What fails, or does not end in its share of the time does not keep the others from being ended.
        """
        failed, deadline, share = [], clock.now() + within, within / len(self.agents)
        for number in reversed(range(len(self.agents))):
            left = max(0.0, deadline - number * share - clock.now())
            limit = gevent.Timeout(left + share + _LEAST)
            try:
                with limit:
                    end(self.agents[number], left)
            except gevent.Timeout as error:
                if error is not limit:
                    raise
                failed.append(clean(error))
            except ControlError as error:
                failed.append(clean(error))
            except Exception as error:
                survived("the end of " + self.agents[number].managed.identity, error)
                failed.append(clean(repr(error)))
        return failed
