"""The failover agent: evidence from two platforms in, starts and stops of the managed agent out.

The rules are in :mod:`failover.core`. Here is what surrounds them, in greenlets of which none waits for another: one
decides and sends heartbeats, one watches the managed agent, one carries out a start or a stop, one reports.
:mod:`failover.link` keeps the connection to the other platform.
"""

import logging
import os
import sys
import uuid
from datetime import datetime, timezone
from typing import Any, Callable, Dict, Iterator, Optional, Set, Tuple

import gevent
import psutil
from gevent.event import Event
from gevent.queue import Full, Queue

from failover import clock, compat
from failover.config import Config, ConfigError
from failover.control import ControlError, ControlSilent, ManagedAgent, NotAuthorized
from failover.core import Action, AgentState, Core, Decision, Liveness
from failover.heartbeat import TOPICS, Heartbeat, MalformedHeartbeat, subject, topic
from failover.link import Link, pauses
from failover.report import Problems, alert_context, alert_key, differences, headline, other_role

__all__ = ["FailoverAgent", "main"]

_log = logging.getLogger(__name__)

# Seconds.
_WATCH_EVERY = 1.0
_LONGEST_TICK = 1.0
_AUTHORIZATION_EVERY, _AUTHORIZATION_EVERY_WHILE_MISSING = 60.0, 5.0
_AUTH_WITHIN = 10.0
_SUBSCRIBE_EVERY = 5.0
_REPORT_WITHIN = 15.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_CLOSE_WITHIN = 2.0

# Exit statuses. Not 0, so that the platform reports an agent that ended this way as failed.
_EXIT_CONFIG = 78
_EXIT_ORPHAN = 1

# How many are remembered before the memory is cleared.
_SAID_ONCE = 100
_SENDERS = 1000


class FailoverAgent(compat.Agent):
    """Starts and stops the managed agent on this platform as the rules say."""

    def __init__(self, config: Config, config_path: Optional[str] = None, **kwargs: Any):
        super().__init__(**compat.AGENT_OPTIONS, **kwargs)
        now = clock.now()
        self._config = config
        self._instance = compat.instance_name()
        self._topic = topic(config.agent_id, config.mode)
        self._platform = _own_platform()
        self._rules = Core(config, self._instance, self.core.identity, uuid.uuid4().hex, now)
        within = min(max(config.timeout / 2, 0.5), 10.0)
        self._managed = ManagedAgent(self._call, config.agent_vip_identity, within)
        self._wake = Event()
        self._watch_now = Event()
        self._link = Link(compat.remote_endpoint(self, config.remote_vip, config.remote_serverkey), within,
                          1.5 * config.heartbeat_period, on_change=self._wake.set)
        self._greenlets = []
        self._decision = Decision(Action.WAIT, None, Liveness.UNKNOWN)
        self._decided_at = now
        self._decided_on = datetime.now(timezone.utc)
        self._announced: Optional[Action] = None
        self._commanded = False
        self._pauses: Dict[Action, Iterator[float]] = {}
        self._not_before: Dict[Action, float] = {}
        self._permit_at_once(Action.START, Action.STOP)
        self._orphan_since: Optional[float] = None
        self._link_seen_up = False
        self._faults: Dict[str, str] = {}
        self._problems = Problems(config)
        self._health: Optional[Tuple[str, str]] = None
        self._reports = Queue(maxsize=100)
        self._other_mode = config.mode
        self._sender_is_remote: Dict[str, bool] = {}
        self._said_once: Set[str] = set()

    @compat.Core.receiver("onstart")
    def _onstart(self, sender: Any, **kwargs: Any) -> None:
        if self._greenlets:  # VOLTTRON signals the start again when its connection was renewed.
            return
        _log.info("%s failover, %s on %s, manages %s; the other platform is %s", self._config.mode,
                  self._config.agent_id, self._instance, self._config.agent_vip_identity, self._config.remote_vip)
        self._greenlets = [gevent.spawn(_persist, task) for task in (
            self._tick, self._listen, self._watch, self._report, self._check_authorization)]
        self._link.start()

    @compat.Core.receiver("onstop")
    def _onstop(self, sender: Any, **kwargs: Any) -> None:
        """Simple failover leaves the managed agent as it is when its failover agent stops."""
        gevent.killall(self._greenlets, timeout=_CLOSE_WITHIN)
        self._link.close()
        _log.info("stopped; %s is left as it is", self._config.agent_vip_identity)

    @compat.RPC.export
    def status(self) -> Dict[str, Any]:
        """Return what this failover agent knows and does, as a JSON-able dict. Durations are in seconds."""
        now = clock.now()
        peer = self._rules.peer
        health, text = self._health or ("UNKNOWN", "starting")
        return {
            "agent_id": self._config.agent_id,
            "mode": self._config.mode,
            "instance_name": self._instance,
            "vip_identity": self.core.identity,
            "health": health,
            "text": text,
            "decision": self._decision.action.value,
            "decided_on": self._decided_on.isoformat(timespec="milliseconds"),
            "decided_for": now - self._decided_at,
            "timeout": self._config.timeout,
            "heartbeat_period": self._config.heartbeat_period,
            "platform_answers": self._rules.platform_answers(now),
            "other": {
                "instance_name": peer.instance_name if peer else None,
                "vip_identity": peer.vip_identity if peer else None,
                "liveness": self._decision.peer.value,
                "heartbeat_age": None if self._rules.last_heard is None else now - self._rules.last_heard,
                "may_run": peer.may_run if peer else None,
            },
            "link": {
                "address": self._config.remote_vip,
                "up": self._link.up,
                "since": now - self._link.changed_at,
                "last_error": self._link.refusal or self._link.last_error,
            },
            "managed_agent": {
                "identity": self._config.agent_vip_identity,
                "uuid": self._managed.uuid,
                "pid": self._managed.pid,
                "state": self._rules.agent.value,
            },
        }

    # The loop that decides

    def _tick(self) -> None:
        while True:
            now = clock.now()
            self._rules.platform_lives(self._platform_lives(now))
            decision = self._rules.decide(now)
            self._note(decision, now)
            self._act(decision, now)
            self._beat(now)
            self._review(decision, now)
            pause = min(_LONGEST_TICK, self._config.timeout / 8)
            for event_in in (self._rules.until_next_beat(now), self._rules.until_silence_counts(now)):
                if event_in > 0:
                    pause = min(pause, event_in)
            self._wake.wait(pause)
            self._wake.clear()

    def _note(self, decision: Decision, now: float) -> None:
        """Log a change of what is decided, and alert when start has become stop or the reverse."""
        before, self._decision = self._decision, decision
        if decision.peer is not before.peer:
            _log.info("%s is %s (was %s)", other_role(self._config), decision.peer.value, before.peer.value)
            if decision.peer is Liveness.UP and not self._link.up:
                self._link.retry_now()
        if decision.action is not before.action:
            self._decided_at, self._decided_on = now, datetime.now(timezone.utc)
            self._permit_at_once(Action.START, Action.STOP)
            _log.info("decision: %s (was %s)", decision.action.value, before.action.value)
        if decision.action not in (Action.START, Action.STOP) or decision.action is self._announced:
            return
        if decision.command is None and self._announced is None:
            if self._rules.agent is not AgentState.UNKNOWN:
                # At our start the agent is found as it should be: nothing has changed.
                self._announced, self._commanded = decision.action, True
            return
        self._announced, self._commanded = decision.action, False
        self._alert_action(decision.action)

    def _act(self, decision: Decision, now: float) -> None:
        """Have the command carried out, unless it would follow the same one before it too soon."""
        command = decision.command
        if command is None or now < self._not_before[command]:
            return
        self._not_before[command] = now + next(self._pauses[command])
        self._rules.command_begun(command)
        if self._commanded and not self._has_failed(command):
            self._alert_action(command)
        self._commanded = True
        gevent.spawn(self._carry_out, command)

    def _permit_at_once(self, *commands: Action) -> None:
        """Forget how often these commands were given: the next one need not wait."""
        for command in commands:
            self._pauses[command] = pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
            self._not_before[command] = 0.0

    def _has_failed(self, command: Action) -> bool:
        return bool(self._faults.keys() & {command.value, "unauthorized"})

    def _beat(self, now: float) -> None:
        heartbeat = self._rules.beat(now)
        if heartbeat is not None and self._link.publish(self._topic, heartbeat.encode()):
            self._rules.beat_sent(heartbeat, now)

    def _platform_lives(self, now: float) -> bool:
        """Whether our platform's process lives. Without it this agent ends itself after ``timeout``, or at once when
        the platform has come back: its identity is then that of the agent which that one starts.
        """
        if self._orphan_since is None and _lives(self._platform):
            return True
        if self._orphan_since is None:
            self._orphan_since = now
            _log.error("the platform's process is gone: no more heartbeats")
        if now - self._orphan_since > self._config.timeout or _lives(_platform_on_file()):
            _log.error("ending, because the platform that started this agent is gone")
            os._exit(_EXIT_ORPHAN)
        return False

    # The managed agent

    def _watch(self) -> None:
        while True:
            asked_at = clock.now()
            try:
                state = self._managed.observe()
            except ControlSilent as error:
                _log.debug("%s", error)
            except ControlError as error:
                self._rules.platform_answered(clock.now())
                self._say_once(str(error))
            else:
                self._observed(state, asked_at, clock.now())
            self._watch_now.wait(_WATCH_EVERY)
            self._watch_now.clear()

    def _observed(self, state: Optional[AgentState], asked_at: float, now: float) -> None:
        before = self._rules.agent
        if state is None:
            self._rules.platform_answered(now)
        else:
            self._rules.agent_observed(state, asked_at, now)
        if state is AgentState.RUNNING and now - self._not_before[Action.START] > _LONGEST_PAUSE:
            self._permit_at_once(Action.START)
        if self._rules.agent is not before or self._decision.command is not None:
            self._wake.set()

    def _carry_out(self, command: Action) -> None:
        agent = self._config.agent_vip_identity
        done = {Action.START: self._managed.start, Action.STOP: self._managed.stop}[command]
        _log.log(logging.DEBUG if self._has_failed(command) else logging.INFO, "%s: %s", command.value, agent)
        try:
            done()
        except NotAuthorized:
            self._faults["unauthorized"] = self._unauthorized()
        except ControlError as error:
            self._faults[command.value] = "{} of {} failed: {}; see the platform's log, and try `vctl {} {}`".format(
                command.value, agent, error, command.value, self._managed.uuid)
        else:
            _log.info("%s: %s done", command.value, agent)
            self._faults.pop(command.value, None)
            self._permit_at_once(Action.STOP)
        finally:
            self._rules.command_ended(clock.now())
            self._watch_now.set()

    def _check_authorization(self) -> None:
        """Find out before the night of the takeover whether this agent may start and stop others."""
        while True:
            try:
                with gevent.Timeout(_AUTH_WITHIN):
                    missing = compat.missing_authorizations(self._call, self.core.identity)
            except (gevent.Timeout, compat.RemoteError) as error:
                _log.debug("asking for authorizations: %s", error)
            else:
                if missing:
                    self._faults["unauthorized"] = self._unauthorized()
                elif self._faults.pop("unauthorized", None):
                    self._permit_at_once(Action.START, Action.STOP)
            gevent.sleep(_AUTHORIZATION_EVERY_WHILE_MISSING if "unauthorized" in self._faults else _AUTHORIZATION_EVERY)

    def _unauthorized(self) -> str:
        return "{} may not start and stop agents here: run `{}`".format(
            self.core.identity, compat.authorize_command(self.core.identity))

    def _call(self, peer: str, method: str, *args: Any, **kwargs: Any) -> Any:
        return self.vip.rpc.call(peer, method, *args, **kwargs).get()

    # Heartbeats of the other side

    def _listen(self) -> None:
        """Subscribe to the heartbeats of the other side, then to the other topics, which show wrong configurations."""
        needed = topic(other_role(self._config), self._config.mode)
        while not self._subscribe(needed):
            gevent.sleep(_SUBSCRIBE_EVERY)
        self._rules.subscribed()
        rest = set(TOPICS) - {needed}
        while rest:
            rest = {name for name in rest if not self._subscribe(name)}
            self._faults.pop("deaf", None)
            gevent.sleep(_AUTHORIZATION_EVERY)

    def _subscribe(self, name: str) -> bool:
        try:
            with gevent.Timeout(_AUTH_WITHIN):
                if compat.subscribe(self, name, self._on_heartbeat):
                    self._faults.pop("deaf", None)
                    return True
                self._faults["deaf"] = "{} may not subscribe to {} here: see `vctl authz list`".format(
                    self.core.identity, name)
        except gevent.Timeout:
            self._faults["deaf"] = "the message bus of this platform does not take the subscription to {}: see " \
                "`vctl status` and the platform's log".format(name)
        return False

    def _on_heartbeat(self, peer: str, sender: str, bus: str, topic: str, headers: Any, message: Any) -> None:
        parsed = TOPICS.get(topic)
        if parsed is None:
            return
        remote = self._sender_is_remote.get(sender)
        if remote is None:
            gevent.spawn(self._look_at_sender, sender, parsed, message)
        elif remote:
            self._hear(sender, parsed, message)

    def _look_at_sender(self, sender: str, parsed: Tuple[str, str], message: Any) -> None:
        """Find out, once for each sender, whether it is an agent of the own platform, which is no other side."""
        try:
            remote = sender != self.core.identity and not self._managed.is_installed(sender)
        except ControlError:
            return
        if len(self._sender_is_remote) >= _SENDERS:
            self._sender_is_remote.clear()
        self._sender_is_remote[sender] = remote
        if remote:
            self._hear(sender, parsed, message)
        else:
            self._say_once("ignoring heartbeats of {}: it is an agent of this platform".format(sender))

    def _hear(self, sender: str, parsed: Tuple[str, str], message: Any) -> None:
        agent_id, mode = parsed
        about = subject(message)
        if about not in (None, self._config.agent_vip_identity):
            self._say_once("ignoring heartbeats of {}: they are about another managed agent, {:.80}".format(
                sender, about))
            return
        try:
            heartbeat = Heartbeat.decode(message)
        except MalformedHeartbeat as error:
            self._say_once("content of a heartbeat of {} ignored: {}".format(sender, error))
            heartbeat = None
        if heartbeat is None and agent_id == self._config.agent_id:
            return
        if heartbeat is not None and (heartbeat.agent_id, heartbeat.mode) != parsed:
            self._say_once("heartbeat of {} ignored: it is of a {} {} and on the topic of a {} {}".format(
                sender, heartbeat.mode, heartbeat.agent_id, mode, agent_id))
            return
        refusal = self._rules.heard(heartbeat, clock.now())
        if refusal is not None:
            self._say_once("heartbeat of {} ignored: {}".format(sender, refusal))
            return
        self._other_mode = mode
        if self._decision.peer is not Liveness.UP:
            self._wake.set()

    def _say_once(self, text: str) -> None:
        """Log a line that what happens again and again would otherwise repeat."""
        if len(self._said_once) >= _SAID_ONCE:
            self._said_once.clear()
        if text not in self._said_once:
            self._said_once.add(text)
            _log.warning("%s", text)

    # What the operator sees

    def _review(self, decision: Decision, now: float) -> None:
        """Compare what is the matter with what has been said, and say what is new."""
        if self._link.up is not self._link_seen_up:
            self._link_seen_up = self._link.up
            _log.info("link to %s is %s", self._config.remote_vip,
                      "up" if self._link.up else "down: {}".format(self._link.last_error or "connecting"))
        secondary_active = self._config.agent_id == "secondary" and decision.action is Action.START
        for change in self._problems.update(self._find_problems(decision, now)):
            _log.log(logging.WARNING if change.bad else logging.INFO, "%s", change.text)
            self._alert(change.bad or secondary_active, change.text)
        line = headline(self._config, self._instance, decision, self._rules.agent, self._rules.peer)
        texts = [line] + list(self._problems.texts.values())
        bad = secondary_active or bool(self._problems.texts)
        health = compat.STATUS_BAD if bad else compat.STATUS_GOOD, "; ".join(texts)
        if health != self._health:
            self._health = health
            self._enqueue(lambda: self.vip.health.set_status(*health))

    def _find_problems(self, decision: Decision, now: float) -> Dict[str, str]:
        """Return what is the matter. What was and of which nothing is known now stays: only evidence clears it."""
        agent, state = self._config.agent_vip_identity, self._rules.agent
        if decision.action is not Action.START or state is AgentState.RUNNING:
            self._faults.pop("start", None)
        if decision.action is not Action.STOP or state in (AgentState.STOPPED, AgentState.MISSING):
            self._faults.pop("stop", None)
        found = dict(self._faults)

        def judge(key: str, bad: bool, unknown: bool, text: str) -> None:
            if bad:
                found[key] = text
            elif unknown and key in self._problems.texts:
                found[key] = self._problems.texts[key]

        judge("missing", state is AgentState.MISSING, state in (AgentState.UNKNOWN, AgentState.STARTING),
              "{} is not installed here: run `vctl install` with `--vip-identity {}`".format(agent, agent))
        judge("control", not self._rules.platform_answers(now), False,
              "control of this platform does not answer, so no heartbeats are sent: see `vctl status` and the "
              "platform's log")
        judge("link", self._link_lost(now), not self._link.up,
              "remote link lost: {}".format(self._link.last_error))
        judge("refused", self._link.refusal is not None, False,
              "{} refuses our heartbeats: {}; see `vctl authz list` there".format(
                  self._config.remote_vip, self._link.refusal))
        judge("peer", self._config.agent_id == "primary" and decision.peer is Liveness.DOWN,
              decision.peer is Liveness.UNKNOWN,
              "secondary not heard for {:g} s: nobody would take over; see `vctl status` there".format(
                  self._config.timeout))
        differ = differences(self._config, self._other_mode, self._rules.peer)
        judge("differ", differ is not None, self._rules.last_heard is None, differ or "")
        rival = self._rules.rival(now)
        if rival == self._instance:
            found["rival"] = "remote_vip {} leads to this platform itself, or to one of the same name".format(
                self._config.remote_vip)
        elif rival is not None:
            found["rival"] = "{} is configured as {} too: give one of the two the other agent_id".format(
                rival, self._config.agent_id)
        judge("names", self._rules.peer is not None and self._rules.peer.instance_name == self._instance, False,
              "both platforms have the instance name {}: give them different ones".format(self._instance))
        return found

    def _link_lost(self, now: float) -> bool:
        return (not self._link.up and self._link.last_error is not None
                and now - self._link.changed_at >= self._config.timeout / 2)

    def _alert_action(self, action: Action) -> None:
        secondary_active = self._config.agent_id == "secondary" and action is Action.START
        self._alert(secondary_active, alert_context(self._config, action))

    def _alert(self, bad: bool, context: str) -> None:
        status = compat.Status.build(compat.STATUS_BAD if bad else compat.STATUS_GOOD, context=context)
        self._enqueue(lambda: self.vip.health.send_alert(alert_key(self._config), status))

    def _enqueue(self, report: Callable[[], None]) -> None:
        try:
            self._reports.put_nowait(report)
        except Full:
            self._say_once("reports are lost: the message bus of this platform takes none")

    def _report(self) -> None:
        """Send alerts and health one after the other. VOLTTRON's calls for them may wait without a limit."""
        while True:
            report = self._reports.get()
            try:
                with gevent.Timeout(_REPORT_WITHIN):
                    report()
            except gevent.Timeout:
                _log.warning("a report was not taken by the message bus within %g s", _REPORT_WITHIN)


def _persist(task: Callable[[], None]) -> None:
    """Run a task to its end; if an error that nobody foresaw breaks it off, log the error and begin anew."""
    while True:
        try:
            return task()
        except Exception:
            _log.exception("%s failed; it begins anew", task.__name__)
            gevent.sleep(1)


def _own_platform() -> Optional[psutil.Process]:
    """Return the process of the platform that this agent belongs to: that which started it."""
    parent = psutil.Process().parent()
    if "_LAUNCHED_BY_PLATFORM" in os.environ and parent is not None and parent.pid != 1:
        return parent
    return _platform_on_file()


def _platform_on_file() -> Optional[psutil.Process]:
    """Return the process that a platform wrote down as its own, None if there is none."""
    try:
        return psutil.Process(compat.platform_pid())
    except (OSError, ValueError, psutil.NoSuchProcess):
        return None


def _lives(process: Optional[psutil.Process]) -> bool:
    if process is not None and process.pid == os.getppid():
        return True  # Whoever has died is nobody's parent any more. This is the common case, and costs next to nothing.
    try:
        return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def main() -> None:
    """Read the configuration and run the agent. A wrong configuration ends with one line for each problem."""
    compat.setup_logging()
    try:
        config = Config.load(_read_config(os.environ.get("AGENT_CONFIG")))
    except ConfigError as error:
        for problem in error.problems:
            _log.error("configuration: %s", problem)
        sys.exit(_EXIT_CONFIG)
    if config.agent_vip_identity == os.environ.get("AGENT_VIP_IDENTITY"):
        _log.error("configuration: agent_vip_identity: found %r, which is this agent itself; wanted: the agent to "
                   "manage", config.agent_vip_identity)
        sys.exit(_EXIT_CONFIG)
    compat.vip_main(FailoverAgent, config=config)


def _read_config(path: Optional[str]) -> Any:
    if not path:
        raise ConfigError(["none given: install this agent with `vctl install ... --agent-config FILE`"])
    try:
        return compat.load_config(path)
    except Exception as error:  # VOLTTRON's reader raises whatever its parsers do.
        raise ConfigError(["{} cannot be read as JSON or YAML: {}".format(path, error)]) from None


if __name__ == "__main__":
    main()
