"""The failover agent: evidence from two platforms in, starts and stops of the managed agent out.

The rules are in :mod:`failover.core` and :mod:`failover.lease`. Here is what surrounds them, in greenlets of which none
waits for another: one decides and sends heartbeats, one listens to them, one reports. :mod:`failover.steering` watches and
steers the managed agent, :mod:`failover.link` keeps the connection to the other platform, :mod:`failover.central` the
one to VOLTTRON Central's.
"""

import contextlib
import dataclasses
import functools
import logging
import os
import sys
import uuid
from collections import OrderedDict
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

import gevent
from gevent.event import Event
from gevent.queue import Full, Queue

from failover import clock, compat, discovery, process
from failover.central import Central, pair_topic
from failover.config import Config, ConfigError
from failover.config import file as config_file
from failover.control import ControlError
from failover.core import STALE, Action, AgentState, Core, Decision, Liveness
from failover.ending import SHUTDOWN_WITHIN, Ending, end_at_once_when_told, ignores_interrupt
from failover.health import HealthCheck
from failover.heartbeat import TOPICS, Heartbeat, MalformedHeartbeat, subject, topic
from failover.lease import LeaseCore, Remembered
from failover.loops import spawn_loop
from failover.memory import Memory
from failover.report import (IN_HEADLINE, Problems, alert_context, alert_key, differences, headline, other_role, reason,
                             since, summary)
from failover.steering import Steering
from failover.text import Once, clean
from failover.vip import address
from failover.vip.link import Link

__all__ = ["FailoverAgent", "main"]

_log = logging.getLogger(__name__)

# Seconds.
_LONGEST_TICK = 1.0
_AUTH_WITHIN = 10.0
_SUBSCRIBE_EVERY, _SUBSCRIBE_REST_EVERY = 5.0, 60.0
_FAREWELL_WITHIN = 0.5
_LAST_ANSWER_WITHIN = 2.0
_WRITE_WITHIN = 5.0
_REPORT_WITHIN = 15.0
_LEAVE_WITHIN = 0.2
_TWIN_GONE_WITHIN = 10.0

# The problems of the managed agent here that the other side should show, too.
_TROUBLES = ("missing", "unauthorized", "start", "absent", "silent", "unwell")

_NO_INTERRUPT = ("this platform was started with SIGINT ignored, as by `volttron ... &` in a script or by nohup: it cannot "
                 "stop its agents in order, only kill them; start it with `env --default-signal=INT volttron ...`")

# Exit statuses. Not 0, so that the platform reports an agent that ended this way as failed.
_EXIT_CONFIG = 78
_EXIT_ORPHAN = 1

# How many are remembered at most.
_SENDERS = 1000
_UNKNOWN_SENDERS = 50
_OPEN_CALLS = 100

# Questions to control in a second, at most, about senders of heartbeats.
_LOOKS_PER_SECOND = 20


class FailoverAgent(compat.Agent):
    """Starts and stops the managed agent on this platform as the rules say."""

    def __init__(self, config: Config, config_path: Optional[str] = None, warnings: Sequence[str] = (), **kwargs: Any):
        super().__init__(**compat.AGENT_OPTIONS, **kwargs)
        now = clock.now()
        self._config = config
        self._instance = compat.instance_name()
        self._topic = topic(config.agent_id, config.mode)
        self._platform = process.launcher() or _platform_on_file()
        self._wake = Event()
        within = self._within = min(max(config.timeout / 2, 0.5), 10.0)
        boot_id = uuid.uuid4().hex
        self._warnings = list(warnings)
        self._central: Optional[Central] = None
        self._save_now = Event()
        self._memory = Memory(compat.data_folder(self))
        self._saved = self._memory.load(config.timeout)
        self._ending = Ending(compat.data_folder(self), self._platform)
        # What ran before a start in standard failover was left running, by right, if that one was of simple failover.
        self._copy_expected = self._saved.mode != "standard"
        if config.simple_behavior:
            self._rules = Core(config, self._instance, self.core.identity, boot_id, now)
        else:
            self._rules = LeaseCore(config, self._instance, self.core.identity, boot_id, now, self._saved)
            self._central = self._connect_to_vc(boot_id, within)
        self._steering = Steering(config, self._rules, self._call, self.core.identity, within, self._wake, self._warn)
        self._check = HealthCheck(config.agent_vip_identity, lambda peer, method: self.vip.rpc.call(peer, method),
                                  lambda: compat.peers(self), self._steering.faults)
        self._link = Link(compat.remote_endpoint(self, config.remote_vip, config.remote_serverkey), within,
                          1.5 * config.heartbeat_period, on_change=self._wake.set)
        self._greenlets = []
        self._open_calls = []
        self._decision = Decision(Action.WAIT, None, Liveness.UNKNOWN)
        self._decided_at = now
        self._decided_on = datetime.now(timezone.utc)
        self._announced: Optional[Action] = None
        self._commanded = False
        self._copy_seen: Optional[float] = None
        self._orphan_since: Optional[float] = None
        self._link_seen_up = False
        self._problems = Problems(config)
        self._faults: Dict[str, str] = {}
        self._health: Optional[Tuple[str, str]] = None
        self._reports = Queue(maxsize=100)
        self._other_mode = config.mode
        self._sender_is_remote: "OrderedDict[str, bool]" = OrderedDict()
        self._unknown_senders = Queue(maxsize=_UNKNOWN_SENDERS)
        self._resubscribe = Event()
        self._once = Once()
        self._unheard: Tuple[Optional[float], str] = (None, since(datetime.now(timezone.utc), False))
        self._ending.watch_signals(lambda: compat.request_stop(self), config.stop_within)

    def _connect_to_vc(self, boot_id: str, within: float) -> Central:
        config = self._config
        endpoint = compat.remote_endpoint(self, config.volttron_central_vip, config.volttron_central_serverkey)
        find = None if not address.is_web(endpoint.address) else functools.partial(
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
        tasks = [self._tick, self._listen, self._look_at_senders, self._report, self._save, self._steering.watch,
                 self._steering.check_authorization, self._check_health]
        if self._central is not None:
            self._central.start()
        elif self._saved.mode == "standard":
            self._save_now.set()
        self._greenlets = [spawn_loop(task) for task in tasks]
        self._link.start()

    @compat.Core.receiver("onstop")
    def _onstop(self, sender: Any, **kwargs: Any) -> None:
        """Simple failover leaves the managed agent as it is when its failover agent stops.

        In standard failover a copy that nobody supervises would break the promise, so it is stopped too. So is one
        whose platform is gone: VOLTTRON 9 stops orphans by itself, some seconds later. Who was never let in, because
        another process of this agent is, leaves things to that one.
        """
        config = self._config
        deadline = clock.now() + config.stop_within
        gevent.killall(self._greenlets, block=False)
        self._rules.platform_lives(_lives(self._platform))  # A machine that shuts down ends all of its processes at once.
        stop_too = ((self._central is not None or not self._rules.has_platform)
                    and (bool(self._greenlets) or not _twins(self.core.identity)))
        gone = False
        if stop_too:
            try:
                with gevent.Timeout(0.9 * config.stop_within):
                    self._steering.finish(0.8 * config.stop_within)
                gone = True
            except (ControlError, gevent.Timeout) as error:
                _log.error("stopping %s: %s", config.agent_vip_identity, clean(error))
        if self._central is not None:
            self._write_down(self._rules.remembered._replace(lease_until=None))
        if self._greenlets and self._rules.has_platform and not self._ending.is_quiet(clock.now()):
            self._say_farewell(gone)
        gevent.wait([gevent.spawn(link.close) for link in self._links], timeout=max(0.0, deadline - clock.now()))
        if self._rules.has_platform:
            # Who answers somebody who is gone ends on VOLTTRON 9: control, with the platform, or the managed agent.
            gevent.wait(self._open_calls, timeout=max(0.0, deadline - clock.now()))
            if self._check.question is not None:
                gevent.wait([self._check.question], timeout=_LAST_ANSWER_WITHIN)
        self._ending.done()
        _log.info("stopped; %s is %s", config.agent_vip_identity, "stopped too" if stop_too else "left as it is")

    @property
    def _links(self) -> List[Union[Link, Central]]:
        return [self._link] if self._central is None else [self._link, self._central]

    def _say_farewell(self, gone: bool) -> None:
        """Let the other side know that this one ends in order, and whether its managed agent has been stopped."""
        text = self._rules.last_heartbeat(gone).encode()
        publishes = [lambda: self._link.publish(self._topic, text)]
        if self._central is not None:
            publishes.append(lambda: self._central.publish(text))
        deadline = clock.now() + _FAREWELL_WITHIN
        while publishes and clock.now() < deadline:
            publishes = [publish for publish in publishes if not publish()]
            gevent.sleep(_FAREWELL_WITHIN / 20)

    @compat.RPC.export
    def status(self) -> Dict[str, Any]:
        """Return what this failover agent knows and does, as a JSON-able dict. Durations are in seconds."""
        now = clock.now()
        peer, left = self._rules.peer, self._rules.farewell
        runs, said = self._steering.runs, self._check.said
        health, text = self._health or ("UNKNOWN", "starting")
        return {
            "agent_id": self._config.agent_id,
            "acts_as": self._rules.role,
            "mode": self._config.mode,
            "instance_name": self._instance,
            "vip_identity": self.core.identity,
            "health": health,
            "text": text,
            "problems": list(self._problems.texts.values()),
            "warnings": list(self._warnings),
            "decision": self._decision.action.value,
            "decided_on": self._decided_on.isoformat(timespec="milliseconds"),
            "decided_for": now - self._decided_at,
            "why": None if self._central is None else reason(self._acting, self._rules, self._decision, now),
            "timeout": self._rules.terms.timeout,
            "heartbeat_period": self._rules.terms.heartbeat_period,
            "stop_grace": self._rules.terms.stop_grace,
            "platform_answers": self._rules.platform_answers(now),
            "other": {
                "instance_name": peer.instance_name if peer else None,
                "vip_identity": peer.vip_identity if peer else None,
                "liveness": self._decision.peer.value,
                "heartbeat_age": None if self._rules.last_heard is None else now - self._rules.last_heard,
                "may_run": (left or peer).may_run if left or peer else None,
                "managed_agent": (left or peer).state if left or peer else None,
                "left": left is not None,
            },
            "link": {
                "address": self._config.remote_vip,
                "up": self._link.up,
                "since": now - self._link.changed_at,
                "last_error": self._link.refusal or (None if self._link.up else self._link.last_error),
                "refusal": self._link.refusal,
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
            "runs": {
                "last_ran": runs.last_ran(now),
                "restarts_last_hour": runs.ends_within(3600.0, now),
                "health": said[0] if said else None,
                "health_text": said[1] if said else None,
            },
        }

    # The loop that decides

    def _tick(self) -> None:
        while True:
            now = clock.now()
            self._rules.platform_lives(self._platform_lives(now))
            self._rules.trouble = self._what_troubles(now)
            decision = self._rules.decide(now)
            while self._rules.news:
                self._warn(self._rules.news.pop(0))
            if self._rules.wants_proof_of_hearing(now):
                self._rules.hearing_asked(now)
                gevent.spawn(self._prove_hearing, now)
            self._note(decision, now)
            self._act(decision, now)
            if not self._ending.is_quiet(now):
                self._beat(now)
                if self._central is not None:
                    self._ask_vc(now)
            if self._central is not None:
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
        if decision.wanted is None or decision.wanted is self._announced or (
                decision.wanted is Action.START and self._ending.is_quiet(now)):
            return
        if self._announced is None and decision.command is None and (
                decision.action not in (Action.START, Action.STOP) or self._rules.agent is AgentState.UNKNOWN):
            return  # Nothing is decided for good yet, and nothing needs to be done.
        self._announced, self._commanded = decision.wanted, False
        self._alert_action(decision.wanted)

    def _act(self, decision: Decision, now: float) -> None:
        """Have the command carried out, unless it would follow the same one before it too soon."""
        command = decision.command
        if command is None or not self._steering.may_begin(command, now):
            return
        if command is Action.START and self._ending.is_quiet(now):
            return
        if self._commanded and not self._steering.has_failed(command) and self._steering.runs.trouble(now) is None:
            self._alert_action(command)
        self._commanded = True
        self._steering.begin(command, now)

    def _beat(self, now: float) -> None:
        heartbeat = self._rules.beat(now)
        if heartbeat is not None and self._link.publish(self._topic, heartbeat.encode()):
            self._rules.beat_sent(heartbeat, now)

    def _ask_vc(self, now: float) -> None:
        """Publish a heartbeat on VC's bus and ask VC, and VCP of the other platform, when they are due."""
        if self._central.link.up:
            self._rules.vc_known(self._central.link.endpoint.serverkey)
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
            self._steering.end_processes(self._rules.terms.stop_grace, "its platform is gone",
                                         spare=_platform_on_file())
        except ControlError as error:
            _log.error("%s", error)
        for link in self._links:
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
            self._write_down(self._rules.remembered if self._central is not None
                             else self._saved._replace(lease_until=None, mode=self._config.mode))
            if "memory" in self._faults:
                gevent.sleep(_SUBSCRIBE_EVERY)

    def _write_down(self, remembered: Remembered) -> None:
        try:
            with gevent.Timeout(_WRITE_WITHIN):
                gevent.get_hub().threadpool.apply(self._memory.save, (remembered,))
        except (OSError, gevent.Timeout) as error:
            self._faults["memory"] = "{} cannot be written: {}; see `df` and `ls -l` there".format(
                self._memory.path, error if isinstance(error, OSError) else "the disk does not answer")
        else:
            self._faults.pop("memory", None)
            self._saved = remembered

    def _call(self, peer: str, method: str, *args: Any, **kwargs: Any) -> Any:
        answer = self.vip.rpc.call(peer, method, *args, **kwargs)
        self._open_calls = [one for one in self._open_calls if not one.ready()][-_OPEN_CALLS:] + [answer]
        return answer.get()

    def _check_health(self) -> None:
        self._check.run(lambda: self._steering.runs.ran_for(clock.now()), lambda: self._steering.managed.uuid)

    def _what_troubles(self, now: float) -> Optional[str]:
        """Return what is wrong with the managed agent here, in a few words."""
        if self._decision.wanted is not Action.START:
            return None
        loop = self._steering.runs.trouble(now)
        if loop is not None:
            return "{} {}".format(self._config.agent_vip_identity, loop)
        text = next((self._problems.texts[key] for key in _TROUBLES if key in self._problems.texts), None)
        return None if text is None else clean(summary(text), 200)

    # Heartbeats of the other side

    @property
    def _needed_topic(self) -> str:
        return topic(other_role(self._config), self._config.mode)

    def _listen(self) -> None:
        """Subscribe to the heartbeats of the other side, then to the other topics, which show wrong configurations.

        Begin anew when the router has dropped the subscriptions.
        """
        while True:
            self._resubscribe.clear()
            while not self._subscribe(self._needed_topic):
                gevent.sleep(_SUBSCRIBE_EVERY)
            self._rules.subscribed()
            rest = set(TOPICS) - {self._needed_topic}
            while not self._resubscribe.is_set():
                rest = {name for name in rest if not self._subscribe(name)}
                self._faults.pop("deaf", None)
                self._resubscribe.wait(_SUBSCRIBE_REST_EVERY if rest else None)

    def _prove_hearing(self, asked_at: float) -> None:
        """Find out whether this side could have heard the other one, before its silence is believed."""
        stands = None
        limit = gevent.Timeout(self._within)
        try:
            with limit:
                stands = compat.is_subscribed(self, self._needed_topic)
        except gevent.Timeout as caught:
            if caught is not limit:
                raise
        except Exception as error:  # VOLTTRON's calls raise various errors of their own when the bus is gone.
            _log.debug("asking for the subscription: %r", error)
            gevent.sleep(_LONGEST_TICK)
        finally:
            if stands is None:
                self._rules.hearing_unproven()
            elif stands:
                self._rules.hearing_proven(asked_at)
            else:
                self._rules.hearing_lost()
                self._warn("the message bus of this platform had dropped the subscription to {}, so the {} could "
                           "not be heard: it has been renewed; if this recurs, find out who sends `agentstop` for {} "
                           "here".format(self._needed_topic, other_role(self._config), self.core.identity))
                self._resubscribe.set()
            self._wake.set()

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
            with contextlib.suppress(Full):  # In a flood of unknown senders some must wait for their next heartbeat.
                self._unknown_senders.put_nowait((sender, parsed, message))
        elif remote:
            self._sender_is_remote.move_to_end(sender)
            self._hear(sender, message, parsed)

    def _look_at_senders(self) -> None:
        """Find out, once for each sender, whether it is an agent of the own platform, which is no other side."""
        while True:
            sender, parsed, message = self._unknown_senders.get()
            remote = self._sender_is_remote.get(sender)
            if remote is None:
                try:
                    remote = sender != self.core.identity and not self._steering.managed.is_installed(sender)
                except ControlError:
                    continue
                while len(self._sender_is_remote) >= _SENDERS:
                    self._sender_is_remote.popitem(last=False)
                self._sender_is_remote[sender] = remote
                if not remote:
                    self._say_once("ignoring heartbeats of {}: it is an agent of this platform".format(clean(sender)))
                gevent.sleep(1 / _LOOKS_PER_SECOND)
            if remote:
                self._hear(sender, message, parsed)

    def _hear(self, sender: str, message: Any, parsed: Optional[Tuple[str, str]] = None) -> None:
        """Take in a heartbeat from our own bus, with role and mode by its topic, or without them from VC's bus."""
        about = subject(message)
        if about not in (None, self._config.agent_vip_identity):
            self._say_once("ignoring heartbeats of {}: they are about another managed agent, {}".format(
                clean(sender), clean(about, 80)))
            return
        try:
            heartbeat = Heartbeat.decode(message)
        except MalformedHeartbeat as error:
            self._say_once("content of a heartbeat of {} ignored: {}".format(clean(sender), error))
            heartbeat = None
        if heartbeat is None and (parsed is None or parsed[0] == self._config.agent_id):
            return
        if heartbeat is not None and parsed is not None and (heartbeat.agent_id, heartbeat.mode) != parsed:
            self._say_once("heartbeat of {} ignored: it is of a {} {} and on the topic of a {} {}".format(
                clean(sender), heartbeat.mode, heartbeat.agent_id, parsed[1], parsed[0]))
            return
        if (parsed is None and heartbeat.agent_id == self._config.agent_id
                and heartbeat.instance_name == self._instance):
            return  # From our own last start.
        may_run_before = self._rules.peer.may_run if self._rules.peer else None
        refusal = self._rules.heard(heartbeat, clock.now(), over_vc=parsed is None)
        if refusal is not None:
            if refusal is not STALE:  # On two ways to here, or over a new connection, one overtakes the other.
                self._say_once("heartbeat of {} ignored: {}".format(clean(sender), refusal))
            return
        if self._rules.doubt is not None:
            self._say_once("heartbeat of {} is only partly trusted: {}".format(clean(sender), self._rules.doubt))
        if self._rules.farewell is not None:
            _log.info("%s on %s ends in order; %s is %s there", other_role(self._config), heartbeat.instance_name,
                      self._config.agent_vip_identity, heartbeat.state)
            return
        self._other_mode = heartbeat.mode if heartbeat is not None else parsed[1]
        may_run = self._rules.peer.may_run if self._rules.peer else None
        if self._decision.peer is not Liveness.UP or may_run is not may_run_before:
            self._wake.set()

    def _say_once(self, text: str) -> None:
        """Log a line that what happens again and again would otherwise repeat."""
        for line in self._once.filter(text, clock.now()):
            _log.warning("%s", line)

    # What the operator sees

    def _review(self, decision: Decision, now: float) -> None:
        """Compare what is the matter with what has been said, and say what is new."""
        if self._link.up is not self._link_seen_up:
            self._link_seen_up = self._link.up
            _log.info("link to %s is %s", self._config.remote_vip,
                      "up" if self._link.up else "down: {}".format(self._link.last_error or "connecting"))
        secondary_active = self._rules.role == "secondary" and decision.action is Action.START
        for change in self._problems.update(self._find_problems(decision, now), now):
            _log.log(logging.WARNING if change.bad else logging.INFO, "%s", change.text)
            if change.news:
                self._alert(change.bad, change.text)
        line = headline(self._acting, self._instance, decision, self._rules.agent, self._rules.peer,
                        self._unheard_since(now))
        bad = secondary_active or bool(self._problems.texts)
        health = (compat.STATUS_BAD if bad else compat.STATUS_GOOD,
                  "; ".join([line] + [summary(problem) for key, problem in self._problems.texts.items()
                                      if key not in IN_HEADLINE]))
        if health != self._health:
            self._health = health
            self._enqueue(lambda: self.vip.health.set_status(*health))

    @property
    def _acting(self) -> Config:
        """The configuration with the role in which this side acts."""
        return dataclasses.replace(self._config, agent_id=self._rules.role)

    def _unheard_since(self, now: float) -> str:
        """Return since when the other side has not been heard, always in the same words for the same silence."""
        heard = self._rules.last_heard
        if heard != self._unheard[0]:
            self._unheard = heard, since(datetime.now(timezone.utc) - timedelta(seconds=now - heard), True)
        return self._unheard[1]

    def _find_problems(self, decision: Decision, now: float) -> Dict[str, str]:
        """Return what is the matter. What was and of which nothing is known now stays: only evidence clears it."""
        agent, state = self._config.agent_vip_identity, self._rules.agent
        faults, runs = self._steering.faults, self._steering.runs
        if decision.wanted is not Action.START or runs.has_settled(now):
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
        loop = runs.trouble(now)
        if loop is not None and decision.wanted is Action.START:
            found["loop"] = "{} {}: see why in the platform's log; each time it is started again after a pause".format(
                agent, loop)
        if self._ending.is_quiet(now):
            found["quiet"] = ("this failover agent starts nothing yet: its former process was killed while it ended, so "
                              "this platform may be shutting down; if not, it resumes within {:.0f} s".format(
                                  SHUTDOWN_WITHIN))
        peer = self._rules.peer
        if peer is not None and peer.trouble is not None and decision.peer is Liveness.UP and not self._rules.farewell:
            found["there"] = "on {}: {}; see `python -m failover status` there".format(peer.instance_name, peer.trouble)
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
        if self._rules.role == "primary":
            judge("peer", silent, decision.peer is Liveness.UNKNOWN or deaf,
                  "secondary {}: nobody would take over; see `vctl status` there".format(
                      "not heard " + self._unheard_since(now) if self._rules.last_heard is None
                      or now - self._rules.last_heard >= self._rules.terms.timeout else
                      "is heard, but it does not hear this side"))
        elif self._central is not None:
            judge("peer", silent, decision.peer is Liveness.UNKNOWN or deaf,
                  "primary not heard {}: see `vctl status` there".format(self._unheard_since(now)))
        differ = differences(self._config, self._other_mode, self._rules.peer)
        judge("differ", differ is not None, self._rules.last_heard is None, differ or "")
        rival = self._rules.rival(now)
        if rival == self._instance:
            found["rival"] = ("remote_vip {} leads to this platform itself, or to one of the same name: enter the "
                              "address and the key of the other platform".format(self._config.remote_vip))
        elif rival is not None:
            found["rival"] = ("{} is configured as {} too: give one of the two the other agent_id; until then this side "
                              "acts as the {}".format(rival, self._config.agent_id, self._rules.role))
        judge("names", self._rules.peer is not None and self._rules.peer.instance_name == self._instance, False,
              "both platforms have the instance name {}: give them different ones".format(self._instance))
        if self._central is not None:
            judge("vc", decision.vc is Liveness.DOWN and not deaf, decision.vc is Liveness.UNKNOWN or deaf,
                  "VC at {} does not answer: {}".format(self._central.link.endpoint.address, self._vc_error()))
            judge("vcs", self._rules.vc_apart, False,
                  "the {} goes by another VC, so that nobody can verify that it is down: give both sides the same "
                  "volttron_central_vip".format(other_role(self._config)))
            judge("isolated", self._rules.role == "primary" and decision.action is Action.STOP and not deaf,
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
        bad = action is (Action.STOP if self._rules.role == "primary" else Action.START)
        self._alert(bad, alert_context(self._acting, action, self._decision.peer))

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
            self._say_once("reports are being lost: the message bus of this platform accepts none")

    def _report(self) -> None:
        """Send alerts and health one after the other. VOLTTRON's calls for them may wait without a limit."""
        while True:
            report = self._reports.get()
            try:
                with gevent.Timeout(_REPORT_WITHIN):
                    report()
            except gevent.Timeout:
                _log.warning("a report was not taken by the message bus within %g s", _REPORT_WITHIN)


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
    warnings = [_NO_INTERRUPT] if ignores_interrupt() else []
    end_at_once_when_told()
    compat.setup_logging()
    identity = os.environ.get("AGENT_VIP_IDENTITY")
    for twin in filter(process.is_older, _twins(identity)):
        # If the platform knows that one instead of this, its monitor starts a third, which ends this one.
        process.end(twin, _TWIN_GONE_WITHIN)
        _log.warning("process %d of this agent, which the platform started too, %s", twin.pid,
                     "does not end" if process.lives(twin) else "was ended")
    try:
        raw = config_file.read(os.environ.get("AGENT_CONFIG"))
        config = Config.load(raw, compat.known_platforms(with_central=not Config.is_simple(raw)))
    except ConfigError as error:
        for problem in error.problems:
            _log.error("configuration: %s", problem)
        sys.exit(_EXIT_CONFIG)
    warnings += ["configuration: " + warning for warning in config.warnings]
    warnings += ["platform: " + warning for warning in compat.platform_warnings()]
    for warning in warnings:
        _log.warning("%s", warning)
    if config.agent_vip_identity == identity:
        _log.error("configuration: agent_vip_identity: found %r, which is this agent itself; wanted: the agent to "
                   "manage", config.agent_vip_identity)
        sys.exit(_EXIT_CONFIG)
    compat.vip_main(FailoverAgent, config=config, warnings=warnings)


if __name__ == "__main__":
    main()
