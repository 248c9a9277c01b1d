"""The failover agent: evidence from two platforms in, starts and stops of the managed agent out.

The rules are in :mod:`failover.core` and :mod:`failover.lease`. Here is what surrounds them, in greenlets of which none
waits for another: one decides and sends heartbeats, one hears them, one reports. :mod:`failover.steering` watches and
steers the managed agent, :mod:`failover.link` keeps the connection to the other platform, :mod:`failover.central` the
one to VOLTTRON Central's.
"""

import functools
import logging
import os
import sys
import uuid
from datetime import datetime, timezone
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

import gevent
from gevent.event import Event
from gevent.queue import Full, Queue

from failover import clock, compat, discovery, process
from failover.central import Central, pair_topic
from failover.config import Config, ConfigError, is_web_address
from failover.control import ControlError
from failover.core import STALE, Action, AgentState, Core, Decision, Liveness
from failover.heartbeat import TOPICS, Heartbeat, MalformedHeartbeat, subject, topic
from failover.lease import LeaseCore, Remembered
from failover.link import Link
from failover.memory import Memory
from failover.report import (IN_HEADLINE, Problems, alert_context, alert_key, differences, headline, other_role, reason,
                             summary)
from failover.steering import Steering

__all__ = ["FailoverAgent", "main"]

_log = logging.getLogger(__name__)

# Seconds.
_LONGEST_TICK = 1.0
_AUTH_WITHIN = 10.0
_SUBSCRIBE_EVERY, _SUBSCRIBE_REST_EVERY = 5.0, 60.0
_REPORT_WITHIN = 15.0
_LEAVE_WITHIN = 0.2
_TWIN_GONE_WITHIN = 10.0

# Exit statuses. Not 0, so that the platform reports an agent that ended this way as failed.
_EXIT_CONFIG = 78
_EXIT_ORPHAN = 1

# How many are remembered at most.
_SAID_ONCE = 100
_SENDERS = 1000
_OPEN_CALLS = 100


class FailoverAgent(compat.Agent):
    """Starts and stops the managed agent on this platform as the rules say."""

    def __init__(self, config: Config, config_path: Optional[str] = None, **kwargs: Any):
        super().__init__(**compat.AGENT_OPTIONS, **kwargs)
        now = clock.now()
        self._config = config
        self._instance = compat.instance_name()
        self._topic = topic(config.agent_id, config.mode)
        self._platform = process.launcher() or _platform_on_file()
        self._wake = Event()
        within = min(max(config.timeout / 2, 0.5), 10.0)
        boot_id = uuid.uuid4().hex
        self._central: Optional[Central] = None
        self._memory: Optional[Memory] = None
        self._saved = Remembered()
        self._save_now = Event()
        if config.simple_behavior:
            self._rules = Core(config, self._instance, self.core.identity, boot_id, now)
        else:
            self._memory = Memory(compat.data_folder(self))
            self._saved = self._memory.load()
            self._rules = LeaseCore(config, self._instance, self.core.identity, boot_id, now, self._saved)
            self._central = self._connect_to_vc(boot_id, within)
        self._steering = Steering(config, self._rules, self._call, self.core.identity, within, self._wake, self._warn)
        self._link = Link(compat.remote_endpoint(self, config.remote_vip, config.remote_serverkey), within,
                          1.5 * config.heartbeat_period, on_change=self._wake.set)
        self._greenlets = []
        self._open_calls = []
        self._decision = Decision(Action.WAIT, None, Liveness.UNKNOWN)
        self._decided_at = now
        self._decided_on = datetime.now(timezone.utc)
        self._announced: Optional[Action] = None
        self._commanded = False
        self._copy_expected = False
        self._copy_seen: Optional[float] = None
        self._orphan_since: Optional[float] = None
        self._link_seen_up = False
        self._problems = Problems(config)
        self._faults: Dict[str, str] = {}
        self._health: Optional[Tuple[str, str]] = None
        self._reports = Queue(maxsize=100)
        self._other_mode = config.mode
        self._sender_is_remote: Dict[str, bool] = {}
        self._said_once: Set[str] = set()

    def _connect_to_vc(self, boot_id: str, within: float) -> Central:
        config = self._config
        endpoint = compat.remote_endpoint(self, config.volttron_central_vip, config.volttron_central_serverkey)
        find = None if not is_web_address(endpoint.address) else functools.partial(
            discovery.find, endpoint, lambda: compat.known_platforms(with_central=False).serverkeys)
        central = Central(
            endpoint, config.volttron_central_identity,
            pair_topic(compat.serverkey(self), config.remote_serverkey, config.agent_vip_identity),
            boot_id, within, 1.5 * config.heartbeat_period, find)
        central.hear = self._hear
        central.answered = lambda sequence: self._rules.vc_answered(sequence, clock.now())
        central.reset = self._rules.vc_reset
        central.on_change = self._wake.set
        return central

    @compat.Core.receiver("onstart")
    def _onstart(self, sender: Any, **kwargs: Any) -> None:
        if self._greenlets:  # VOLTTRON signals the start again when its connection was renewed.
            return
        _log.info("%s failover, %s on %s, manages %s; the other platform is %s", self._config.mode,
                  self._config.agent_id, self._instance, self._config.agent_vip_identity, self._config.remote_vip)
        tasks = [self._tick, self._listen, self._report, self._steering.watch, self._steering.check_authorization]
        if self._central is not None:
            tasks.append(self._save)
            self._central.start()
        self._greenlets = [gevent.spawn(_persist, task) for task in tasks]
        self._link.start()

    @compat.Core.receiver("onstop")
    def _onstop(self, sender: Any, **kwargs: Any) -> None:
        """Simple failover leaves the managed agent as it is when its failover agent stops.

        In standard failover a copy that nobody supervises would break the promise, so it is stopped too. So is one
        whose platform is gone: VOLTTRON 9 stops orphans by itself, some seconds later. Who was never let in, because
        another process of this agent is, leaves things to that one.
        """
        gevent.killall(self._greenlets, block=False)
        stop_too = ((self._central is not None or not self._rules.has_platform)
                    and (bool(self._greenlets) or not _twins(self.core.identity)))
        if stop_too:
            try:
                self._steering.finish()
            except ControlError as error:
                _log.error("stopping %s: %s", self._config.agent_vip_identity, error)
        if self._central is not None:
            self._write_down(self._rules.remembered._replace(lease_until=None))
            self._central.close()
        self._link.close()
        if self._rules.has_platform:
            # Control of VOLTTRON 9, and with it the platform, ends when it answers somebody who is gone.
            gevent.wait(self._open_calls, timeout=self._rules.terms.stop_grace)
        _log.info("stopped; %s is %s", self._config.agent_vip_identity, "stopped too" if stop_too else "left as it is")

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
            "problems": list(self._problems.texts.values()),
            "decision": self._decision.action.value,
            "decided_on": self._decided_on.isoformat(timespec="milliseconds"),
            "decided_for": now - self._decided_at,
            "why": None if self._central is None else reason(self._config, self._rules, self._decision, now),
            "timeout": self._rules.terms.timeout,
            "heartbeat_period": self._rules.terms.heartbeat_period,
            "stop_grace": self._rules.terms.stop_grace,
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
            "vc": None if self._central is None else {
                "address": self._central.link.endpoint.address,
                "identity": self._central.identity,
                "up": self._central.link.up,
                "since": now - self._central.link.changed_at,
                "liveness": self._decision.vc.value,
                "answer_age": self._rules.vc_answer_age(now),
                "vcp": self._rules.vcp_word,
                "last_error": self._vc_error(),
            },
            "lease": None if self._central is None else {
                "held": self._rules.holds_lease,
                "seconds_left": self._rules.lease_until - now if self._rules.holds_lease else None,
            },
            "managed_agent": {
                "identity": self._config.agent_vip_identity,
                "uuid": self._steering.managed.uuid,
                "pid": self._steering.managed.pid,
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
            if self._central is not None:
                self._ask_vc(now)
                self._keep_in_mind()
            self._review(decision, now)
            self._wake.wait(min(_LONGEST_TICK, self._config.timeout / 8, self._rules.until_change(now),
                                self._rules.until_next_beat(now)))
            self._wake.clear()

    def _note(self, decision: Decision, now: float) -> None:
        """Log a change of what is decided, and alert when start has become stop or the reverse."""
        before, self._decision = self._decision, decision
        if decision.peer is not before.peer:
            _log.info("%s is %s (was %s)", other_role(self._config), decision.peer.value, before.peer.value)
            if decision.peer is Liveness.UP and not self._link.up:
                self._link.retry_now()
        if decision.vc is not before.vc:
            _log.info("VC is %s (was %s)", decision.vc.value, before.vc.value)
        if decision.action is not before.action:
            self._decided_at, self._decided_on = now, datetime.now(timezone.utc)
            _log.info("decision: %s (was %s)", decision.action.value, before.action.value)
        if decision.wanted is not before.wanted:
            self._steering.want(decision.wanted)
        if decision.wanted is None or decision.wanted is self._announced:
            return
        if decision.command is None and self._announced is None:
            if self._rules.agent is not AgentState.UNKNOWN:
                # At our start the agent is found as it should be: nothing has changed.
                self._announced, self._commanded = decision.wanted, True
            return
        self._announced, self._commanded = decision.wanted, False
        self._alert_action(decision.wanted)

    def _act(self, decision: Decision, now: float) -> None:
        """Have the command carried out, unless it would follow the same one before it too soon."""
        command = decision.command
        if command is None or not self._steering.may_begin(command, now):
            return
        if self._commanded and not self._steering.has_failed(command):
            self._alert_action(command)
        self._commanded = True
        self._steering.begin(command, now)

    def _beat(self, now: float) -> None:
        heartbeat = self._rules.beat(now)
        if heartbeat is not None and self._link.publish(self._topic, heartbeat.encode()):
            self._rules.beat_sent(heartbeat, now)

    def _ask_vc(self, now: float) -> None:
        """Publish a heartbeat on VC's bus and ask VC, and VCP of the other platform, when they are due."""
        heartbeat = self._rules.beat_to_vc(now)
        if heartbeat is not None and self._central.publish_and_ask(heartbeat):
            self._rules.vc_asked(heartbeat, now)
        if self._rules.wants_vcp(now):
            self._rules.vcp_asked(now)
            gevent.spawn(self._ask_vcp, now)

    def _ask_vcp(self, asked_at: float) -> None:
        runs = None
        try:
            runs = self._central.ask_vcp(self._rules.peer_instance, self._config.agent_vip_identity,
                                         self._rules.vcp_within(asked_at))
        finally:
            if runs is None:
                self._rules.vcp_silent(asked_at)
            else:
                self._rules.vcp_answered(runs, asked_at, clock.now())
            self._wake.set()

    def _platform_lives(self, now: float) -> bool:
        """Whether our platform's process lives. Without it this agent and the managed agent are orphans. Both end after
        ``timeout``, or at once when the platform has come back: the identities then belong to what that one starts.
        """
        if self._orphan_since is None and _lives(self._platform):
            return True
        if self._orphan_since is None:
            self._orphan_since = now
            _log.error("the platform's process is gone: no more heartbeats")
        if now - self._orphan_since > self._config.timeout or process.lives(_platform_on_file()):
            self._end_as_orphan()
        return False

    def _end_as_orphan(self) -> None:
        _log.error("ending, and %s too, because the platform that started this agent is gone",
                   self._config.agent_vip_identity)
        try:
            self._steering.end_processes(self._rules.terms.stop_grace, "its platform is gone")
        except ControlError as error:
            _log.error("%s", error)
        for link in filter(None, (self._link, self._central)):
            link.close()
        gevent.sleep(_LEAVE_WITHIN)
        os._exit(_EXIT_ORPHAN)

    # What outlives a restart

    def _keep_in_mind(self) -> None:
        """Have it saved when it differs, but the end of the lease only now and then, since each proof moves it."""
        held, saved = self._rules.remembered, self._saved
        if (held._replace(lease_until=None) != saved._replace(lease_until=None)
                or (held.lease_until is None) != (saved.lease_until is None)
                or held.lease_until is not None
                and held.lease_until - saved.lease_until > self._config.timeout / 4):
            self._save_now.set()

    def _save(self) -> None:
        """Write down what must outlive a restart, in a thread, because a disk may hang."""
        while True:
            self._save_now.wait()
            self._save_now.clear()
            self._write_down(self._rules.remembered)
            if "memory" in self._faults:
                gevent.sleep(_SUBSCRIBE_EVERY)

    def _write_down(self, remembered: Remembered) -> None:
        try:
            gevent.get_hub().threadpool.apply(self._memory.save, (remembered,))
        except OSError as error:
            self._faults["memory"] = "{} cannot be written: {}; see `df` and `ls -l` there".format(
                self._memory.path, error)
        else:
            self._faults.pop("memory", None)
            self._saved = remembered

    def _call(self, peer: str, method: str, *args: Any, **kwargs: Any) -> Any:
        answer = self.vip.rpc.call(peer, method, *args, **kwargs)
        self._open_calls = [one for one in self._open_calls if not one.ready()][-_OPEN_CALLS:] + [answer]
        return answer.get()

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
            gevent.sleep(_SUBSCRIBE_REST_EVERY)

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
            self._hear(sender, message, parsed)

    def _look_at_sender(self, sender: str, parsed: Tuple[str, str], message: Any) -> None:
        """Find out, once for each sender, whether it is an agent of the own platform, which is no other side."""
        try:
            remote = sender != self.core.identity and not self._steering.managed.is_installed(sender)
        except ControlError:
            return
        if len(self._sender_is_remote) >= _SENDERS:
            self._sender_is_remote.clear()
        self._sender_is_remote[sender] = remote
        if remote:
            self._hear(sender, message, parsed)
        else:
            self._say_once("ignoring heartbeats of {}: it is an agent of this platform".format(sender))

    def _hear(self, sender: str, message: Any, parsed: Optional[Tuple[str, str]] = None) -> None:
        """Take in a heartbeat from our own bus, with role and mode by its topic, or without them from VC's bus."""
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
        if heartbeat is None and (parsed is None or parsed[0] == self._config.agent_id):
            return
        if heartbeat is not None and parsed is not None and (heartbeat.agent_id, heartbeat.mode) != parsed:
            self._say_once("heartbeat of {} ignored: it is of a {} {} and on the topic of a {} {}".format(
                sender, heartbeat.mode, heartbeat.agent_id, parsed[1], parsed[0]))
            return
        if (parsed is None and heartbeat.agent_id == self._config.agent_id
                and heartbeat.instance_name == self._instance):
            return  # From our own last start.
        may_run_before = self._rules.peer.may_run if self._rules.peer else None
        refusal = self._rules.heard(heartbeat, clock.now())
        if refusal is not None:
            if refusal is not STALE:  # On two ways to here, or over a new connection, one overtakes the other.
                self._say_once("heartbeat of {} ignored: {}".format(sender, refusal))
            return
        self._other_mode = heartbeat.mode if heartbeat is not None else parsed[1]
        may_run = self._rules.peer.may_run if self._rules.peer else None
        if self._decision.peer is not Liveness.UP or may_run is not may_run_before:
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
        bad = secondary_active or bool(self._problems.texts)
        health = (compat.STATUS_BAD if bad else compat.STATUS_GOOD,
                  "; ".join([line] + [summary(problem) for key, problem in self._problems.texts.items()
                                      if key not in IN_HEADLINE]))
        if health != self._health:
            self._health = health
            self._enqueue(lambda: self.vip.health.set_status(*health))

    def _find_problems(self, decision: Decision, now: float) -> Dict[str, str]:
        """Return what is the matter. What was and of which nothing is known now stays: only evidence clears it."""
        agent, state = self._config.agent_vip_identity, self._rules.agent
        faults = self._steering.faults
        if decision.wanted is not Action.START or state is AgentState.RUNNING:
            faults.pop("start", None)
        if decision.wanted is not Action.STOP or state in (AgentState.STOPPED, AgentState.MISSING):
            faults.pop("stop", None)
        found = dict(faults, **self._faults)

        def judge(key: str, bad: bool, unknown: bool, text: str) -> None:
            if bad:
                found[key] = text
            elif unknown and key in self._problems.texts:
                found[key] = self._problems.texts[key]

        judge("missing", state is AgentState.MISSING, state in (AgentState.UNKNOWN, AgentState.STARTING),
              "{} is not installed here: run `vctl install` with `--vip-identity {}`".format(agent, agent))
        deaf = not self._rules.platform_answers(now)  # Nothing was sent then, and nobody could answer.
        judge("control", deaf, False,
              "control of this platform does not answer, so no heartbeats are sent: see `vctl status` and the "
              "platform's log")
        judge("link", self._link_lost(now), not self._link.up,
              "remote link lost: {}".format(self._link.last_error))
        judge("refused", self._link.refusal is not None, False,
              "{} refuses our heartbeats: {}; see `vctl authz list` there (on VOLTTRON 9 `vctl auth list`)".format(
                  self._config.remote_vip, self._link.refusal))
        silent = decision.peer is Liveness.DOWN and not deaf
        if self._config.agent_id == "primary":
            judge("peer", silent, decision.peer is Liveness.UNKNOWN or deaf,
                  "secondary not heard, or it does not hear us, for {:g} s: nobody would take over; see `vctl status` "
                  "there".format(self._rules.terms.timeout))
        elif self._central is not None:
            judge("peer", silent, decision.peer is Liveness.UNKNOWN or deaf,
                  "primary not heard for {:g} s: see `vctl status` there".format(self._rules.terms.timeout))
        differ = differences(self._config, self._other_mode, self._rules.peer)
        judge("differ", differ is not None, self._rules.last_heard is None, differ or "")
        rival = self._rules.rival(now)
        if rival == self._instance:
            found["rival"] = ("remote_vip {} leads to this platform itself, or to one of the same name: enter the "
                              "address and the key of the other platform".format(self._config.remote_vip))
        elif rival is not None:
            found["rival"] = "{} is configured as {} too: give one of the two the other agent_id".format(
                rival, self._config.agent_id)
        judge("names", self._rules.peer is not None and self._rules.peer.instance_name == self._instance, False,
              "both platforms have the instance name {}: give them different ones".format(self._instance))
        if self._central is not None:
            judge("vc", decision.vc is Liveness.DOWN and not deaf, decision.vc is Liveness.UNKNOWN or deaf,
                  "VC at {} does not answer: {}".format(self._central.link.endpoint.address, self._vc_error()))
            judge("isolated", self._config.agent_id == "primary" and decision.action is Action.STOP and not deaf,
                  decision.action is Action.WAIT or deaf,
                  "neither VC nor the secondary answers: {} must not run here".format(agent))
            judge("unsupervised", self._rules.vcp_word == "runs" and self._rules.silent_since(now) is not None, False,
                  "the {} is not heard, but its VCP says that {} runs there: start its failover agent".format(
                      other_role(self._config), agent))
            if self._sees_unexpected_copy(decision, now):
                found["copy"] = ("{} ran here though this side may not run it: started by hand, by the platform, or "
                                 "before this failover agent, it is stopped; do not start or enable it yourself".format(
                                     agent))
        return found

    def _sees_unexpected_copy(self, decision: Decision, now: float) -> bool:
        """Whether the managed agent runs, or ran within ``timeout``, without having been started by the rules."""
        if decision.wanted is Action.START:
            self._copy_expected = True
        elif self._rules.agent in (AgentState.STOPPED, AgentState.MISSING):
            self._copy_expected = False
        elif self._rules.agent is AgentState.RUNNING and not self._copy_expected:
            self._copy_seen = now
        return self._copy_seen is not None and now - self._copy_seen < self._config.timeout

    def _vc_error(self) -> Optional[str]:
        link = self._central.link
        return link.refusal or (link.up and self._central.last_error) or link.last_error

    def _link_lost(self, now: float) -> bool:
        return (not self._link.up and self._link.last_error is not None
                and now - self._link.changed_at >= self._config.timeout / 2)

    def _alert_action(self, action: Action) -> None:
        bad = action is (Action.STOP if self._config.agent_id == "primary" else Action.START)
        self._alert(bad, alert_context(self._config, action, self._decision.peer))

    def _warn(self, text: str) -> None:
        _log.warning("%s", text)
        self._alert(True, text)

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


def _twins(identity: Optional[str]) -> List[process.Process]:
    """Return the other processes of the agent with this identity, the own one, that the platform has started."""
    if not identity:
        return []
    return [one for one in process.started_agents(identity, compat.volttron_home()) if one.pid != os.getpid()]


def _platform_on_file() -> Optional[process.Process]:
    """Return the process that a platform wrote down as its own, None if there is none."""
    try:
        return process.find(compat.platform_pid())
    except (OSError, ValueError):
        return None


def _lives(platform: Optional[process.Process]) -> bool:
    if platform is not None and platform.pid == os.getppid():
        return True  # Whoever has died is nobody's parent any more. This is the common case, and costs next to nothing.
    return process.lives(platform)


def main() -> None:
    """Read the configuration and run the agent. A wrong configuration ends with one line for each problem."""
    compat.setup_logging()
    identity = os.environ.get("AGENT_VIP_IDENTITY")
    for twin in filter(process.is_older, _twins(identity)):
        # If the platform knows that one instead of this, its monitor starts a third, which ends this one.
        process.end(twin, _TWIN_GONE_WITHIN)
        _log.warning("process %d of this agent, which the platform started too, %s", twin.pid,
                     "does not end" if process.lives(twin) else "was ended")
    try:
        raw = _read_config(os.environ.get("AGENT_CONFIG"))
        config = Config.load(raw, compat.known_platforms(with_central=not Config.is_simple(raw)))
    except ConfigError as error:
        for problem in error.problems:
            _log.error("configuration: %s", problem)
        sys.exit(_EXIT_CONFIG)
    if config.agent_vip_identity == identity:
        _log.error("configuration: agent_vip_identity: found %r, which is this agent itself; wanted: the agent to "
                   "manage", config.agent_vip_identity)
        sys.exit(_EXIT_CONFIG)
    for text in compat.platform_warnings():
        _log.warning("platform: %s", text)
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
