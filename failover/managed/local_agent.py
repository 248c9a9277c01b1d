"""All that is done with the managed agent on the local platform, wired together."""

from typing import Any, Callable, Dict, List, Optional

import gevent

from failover import clock, compat
from failover.control import ManagedAgent
from failover.decision.effects import EndStrays, ForbidRestart, Launch, PrepareStart, Stop, Want
from failover.decision.events import AgentFailed
from failover.health import HealthCheck
from failover.loops import surviving
from failover.managed.authorization import Authorization
from failover.managed.executor import Executor
from failover.managed.installation import Installation
from failover.managed.observer import Observer
from failover.managed.processes import Processes
from failover.managed.strays import Strays
from failover.runs import Runs

__all__ = ["LocalAgent"]

# Seconds between two looks at what is installed. On a disk that hangs, one waits, and costs no more than its thread.
_LOOK_EVERY = 10.0


class LocalAgent:
    """The managed agent, with those who watch and steer it.

    :param agent: the failover agent.
    :param call: calls an agent of the local platform: ``call(peer, method, *args)`` returns the result.
    :param answer_within: seconds to wait for an answer of control.
    :param timeout: seconds, as configured.
    :ivar faults: what is the matter, a text for each kind.
    :ivar installed: what is installed of it, in a line; None if that is not known.
    """

    def __init__(self, agent: Any, identity: str, call: Callable[..., Any], answer_within: float, timeout: float,
                 post: Callable[[Any], None], platform_lives: Callable[[], bool], alert: Callable[[str], None]):
        faults: Dict[str, str] = {}
        self.faults = faults
        self.managed = ManagedAgent(call, identity, answer_within)
        self.installed: Optional[str] = None
        self._installation = Installation(
            lambda: None if self.managed.uuid is None else compat.installed(identity, self.managed.uuid),
            compat.config_store(identity))
        self.runs = Runs()
        self.processes = Processes(self.managed, platform_lives, alert)
        self.authorization = Authorization(call, agent.core.identity, post, faults)
        self._strays = Strays(self.managed, self.processes, self.runs, post, faults)
        self.executor = Executor(self.managed, self.processes, self._strays, self.runs, post, platform_lives,
                                 self.authorization.missing, faults)
        self.observer = Observer(self.managed, self.executor, self._strays, self.runs, timeout, post, faults)
        self.executor.look_now = self.observer.look_now.set
        self.health = HealthCheck(identity, agent.vip.rpc.call,
                                  lambda: compat.peers(agent), faults,
                                  lambda is_unwell: post(AgentFailed(identity, is_unwell)))

    def retime(self, answer_within: float, timeout: float) -> None:
        """Go by other times from now on; they are those of the constructor."""
        self.managed.answer_within = answer_within
        self.observer.retime(timeout)

    @property
    def tasks(self) -> List[Callable[[], None]]:
        """What is to be done as long as the failover agent runs."""
        return [self.observer.run, self.authorization.run, self._check_health, self._describe]

    @property
    def performers(self) -> Dict[type, Callable[[Any], None]]:
        """Who performs the effects that are about the managed agent."""
        executor = self.executor
        return {Want: executor.want, PrepareStart: executor.prepare_start, Launch: executor.launch, Stop: executor.stop,
                ForbidRestart: executor.forbid_restart, EndStrays: self._strays.end}

    def _describe(self) -> None:
        while True:
            with surviving("the look at what is installed"):
                self.installed = gevent.get_hub().threadpool.apply(self._installation.text)
            gevent.sleep(_LOOK_EVERY)

    def _check_health(self) -> None:
        self.health.run(lambda: self.runs.ran_for(clock.now()), lambda: self.managed.uuid)
