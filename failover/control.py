"""The managed agent, seen and steered through the control service of the local platform."""

from typing import Any, Callable, Optional, Set

import gevent
import psutil

from failover import process
from failover.compat import CONTROL, RemoteError, find_agent, is_refusal
from failover.decision.vocabulary import AgentState
from failover.text import clean

__all__ = ["ControlError", "ControlSilent", "ManagedAgent", "NotAuthorized"]

START_WITHIN = 30.0
# While the agent does not run, its identity is looked up again after so many answers.
_LOOK_UP_AFTER = 5


class ControlError(Exception):
    """Control answered with an error."""


class NotAuthorized(ControlError):
    """Control refused, because this agent lacks the authorization."""


class ControlSilent(ControlError):
    """Control did not answer in time."""


class ManagedAgent:
    """The agent with a given VIP identity on the local platform.

    It is always looked for by that identity, since its uuid changes with each installation.

    :param call: calls an agent of the local platform: ``call(peer, method, *args)`` returns the result.
    :param answer_within: seconds to wait for an answer to a question.
    :ivar uuids: all under which it has been installed, as far as was seen.
    :ivar last_pid: the process id that control last named, of the agent that runs or has ended.
    :ivar unseen_pid: the same, while it runs by control's word, but there is no such process to be seen from here.
    :ivar ended_badly: it does not run, and the platform may start it again, because its exit status was not 0.
    """

    def __init__(self, call: Callable[..., Any], identity: str, answer_within: float):
        self.identity = identity
        self.uuid: Optional[str] = None
        self.uuids: Set[str] = set()
        self.last_pid: Optional[int] = None
        self.process: Optional[psutil.Process] = None
        self.unseen_pid: Optional[int] = None
        self.ended_badly = False
        self._start: Optional[gevent.Greenlet[..., Optional[ControlError]]] = None
        self._call = call
        self.answer_within = answer_within
        self._look_up = True
        self._answers = 0

    @property
    def pid(self) -> Optional[int]:
        """The agent's process id, None if it is not known to run."""
        return None if self.process is None else self.process.pid

    @property
    def start_is_open(self) -> bool:
        """Whether control has not answered the last start yet.

        It serves other calls meanwhile, and says that the agent does not run, though its process is about to appear.
        """
        return self._start is not None and not self._start.ready()

    def observe(self) -> Optional[AgentState]:
        """Ask control for the state of the agent: one question, more when something has changed.

        While the agent does not run, the question is now and then whether its identity still has the same uuid, and at once
        when control has forgotten how it ended. If it has, that says nothing new of the state, and None is returned.

        :raises ControlError: control did not answer, or answered with an error.
        """
        if self._look_up or self.uuid is None:
            before = self.uuid
            self._find()
            if self.uuid is None:
                return AgentState.MISSING
            self._look_up = False
            self._answers = 0
            if self.uuid == before:
                return None
        ran, last_pid = self.process is not None, self.last_pid
        pid, exit_code = self._ask("agent_status", self.uuid, timeout=self.answer_within)
        # (None, None): never started. (pid, None): runs. (pid, code): has ended.
        self.last_pid = pid
        if pid is not None and exit_code is None:
            if self.pid != pid:
                self.process = process.find(pid)
            self.unseen_pid = pid if self.process is None else None
            return AgentState.RUNNING
        self.process = self.unseen_pid = None
        self.ended_badly = bool(exit_code)
        self._answers += 1
        self._look_up = self._answers >= _LOOK_UP_AFTER or pid is None and last_pid is not None
        if ran:
            # It has just ended: perhaps because it was removed, or replaced by another version.
            before = self.uuid
            self._find()
            if self.uuid is None:
                return AgentState.MISSING
            if self.uuid != before:
                self._look_up = False
                return None
        return AgentState.STOPPED

    def ask_pid(self) -> Optional[int]:
        """Ask control for the process id of the agent; None if it does not run, as far as control knows.

        :raises ControlError: control did not answer, or answered with an error.
        """
        uuid = self._ask_uuid(None)
        if uuid is None:
            return None
        pid, exit_code = self._ask("agent_status", uuid, timeout=self.answer_within)
        return pid if exit_code is None else None

    def look_up(self) -> None:
        """Find out under which uuid it is installed now: what is left of a removed agent may still have the former one.

        :raises ControlError: it is not installed any more, or control did not answer, or answered with an error.
        """
        self._note_uuid(self._ask_uuid(None))
        if self.uuid is None:
            raise ControlError("{} is not installed any more".format(self.identity))
        self._look_up = False

    def start(self, answered: Callable[[], None]) -> None:
        """Start the agent. One that runs already counts as started.

        :param answered: called when control has answered, which matters also to who does not wait for it any more.
        :raises NotAuthorized: this agent may not start others here.
        :raises ControlError: control did not answer, or the start failed.
        """
        self._start = gevent.spawn(self._try_start, self.uuid)
        self._start.rawlink(lambda _: answered())
        error = self._start.get()
        if error is not None and "already running" not in str(error):
            raise error

    def _try_start(self, uuid: Optional[str]) -> Optional[ControlError]:
        try:
            self._ask("start_agent", uuid, timeout=START_WITHIN)
        except ControlError as error:
            return error
        return None

    def stop(self, within: float) -> None:
        """Stop the agent and return when control says that it is done.

        :param within: seconds. Control itself gives an agent 60 of them before it does more than ask.
        :raises NotAuthorized: this agent may not stop others here.
        :raises ControlError: control did not answer, or the stop failed.
        """
        if self.uuid is not None:
            self._ask("stop_agent", self.uuid, timeout=within)

    def try_stop(self, within: float) -> Optional[ControlError]:
        """Do what :meth:`stop` does, and return its error instead of raising it."""
        try:
            self.stop(within)
        except ControlError as error:
            return error
        return None

    def forbid_restart(self) -> bool:
        """Keep the platform from starting the agent again if it has ended with an exit status other than 0.

        Control can only forget how all the agents ended that do not run now, not that of one.

        :return: whether that was necessary.
        :raises NotAuthorized: this agent may not do that here.
        :raises ControlError: control did not answer, or answered with an error.
        """
        _, exit_code = self._ask("agent_status", self.uuid, timeout=self.answer_within)
        if exit_code:
            self._ask("clear_status", True, timeout=self.answer_within)
        self.ended_badly = False
        return bool(exit_code)

    def is_installed(self, identity: str) -> bool:
        """Whether an agent with this identity is installed on the local platform.

        :raises ControlError: control did not answer, or answered with an error.
        """
        return bool(self._ask("identity_exists", identity, timeout=self.answer_within))

    def _find(self) -> None:
        self._note_uuid(self._ask_uuid(self.uuid))

    def _note_uuid(self, uuid: Optional[str]) -> None:
        self.uuid = uuid
        if self.uuid is None:
            self.process = self.unseen_pid = None
            self._look_up = True
        else:
            self.uuids.add(self.uuid)

    def _ask_uuid(self, before: Optional[str]) -> Optional[str]:
        return find_agent(lambda method, argument: self._ask(method, argument, timeout=self.answer_within),
                          self.identity, before)

    def _ask(self, method: str, *args: Any, timeout: float) -> Any:
        limit = gevent.Timeout(timeout)
        try:
            with limit:
                return self._call(CONTROL, method, *args)
        except gevent.Timeout as caught:
            if caught is not limit:
                raise
            raise ControlSilent("{} did not answer {} within {:g} s".format(CONTROL, method, timeout)) from None
        except RemoteError as error:
            kind = NotAuthorized if is_refusal(error) else ControlError
            raise kind("{} {}: {}".format(CONTROL, method, clean(error))) from error
        except Exception as error:  # VOLTTRON's calls raise various errors of their own when the bus is gone.
            raise ControlSilent("{} {}: {}".format(CONTROL, method, clean(repr(error)))) from error
