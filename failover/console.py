"""What the operator sees of this failover agent: log lines, alerts, health, and the status that can be asked for."""

import logging
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from failover import clock, compat
from failover.config import Config
from failover.decision.effects import Effect, Note, NoteKind, PrepareStart, Stop
from failover.decision.events import Event, LinkChanged, TroubleChanged
from failover.decision.orders import Orders
from failover.decision.setup import Setup
from failover.decision.state import State
from failover.decision.table import Action
from failover.decision.view import View, view
from failover.decision.vocabulary import Command, Liveness
from failover.heartbeat_path import HeartbeatPath
from failover.history import History
from failover.managed.group import Group
from failover.reporter import Reporter
from failover.second_copy import SecondCopy
from failover.text import Once, clean
from failover.words import problems as kinds
from failover.words.announcer import Announcer
from failover.words.changes import Problems
from failover.words.check import checklist
from failover.words.copies import Copies
from failover.words.dashboard import Dashboard
from failover.words.history import Places
from failover.words.lines import alert_context, alert_key, headline, order, other_role, since, summary
from failover.words.status import Details, status
from failover.words.surroundings import Surroundings

__all__ = ["Console"]

_log = logging.getLogger(__name__)

# Between two reviews while nothing changes: seconds, and how many there are in `timeout` at least.
_REVIEW_EVERY, _REVIEWS_IN_TIMEOUT = 2.0, 5

# The problems that the headline names anyway.
_IN_HEADLINE = ("isolated", "peer")

_LEVELS = {NoteKind.INFO: logging.INFO, NoteKind.WARNING: logging.WARNING}
_COMMANDS = {PrepareStart: Command.START, Stop: Command.STOP}


class Console:
    """Tells the operator what changes, each thing once.

    :param warnings: what was found at the start, for the status.
    :param former_mode: the mode of the failover agent's last start.
    :param vc: the VcClient; None in simple failover.
    """

    def __init__(self, agent: Any, config: Config, setup: Setup, warnings: Sequence[str], former_mode: Optional[str],
                 link: HeartbeatPath, vc: Optional[Any], local: Group, history: History, post: Callable[[Event], None]):
        self._config = config
        self._warnings = list(warnings)
        self._link = link.link
        self._vc = vc
        self._local = local
        self._second_copy = SecondCopy(link.link, config.agents)
        self._history = history
        self._record_topic = "record/failover/{}/{}".format(setup.instance_name, setup.managed)
        self._post = post
        self._once = Once()
        self.reporter = Reporter(agent, alert_key(setup.mode, setup.role), lambda: self._say_once(
            "reports are being lost: the message bus of this platform accepts none"))
        self._problems = Problems(config.timeout)
        self._announcer = Announcer()
        self._places = Places()
        self._dashboard = Dashboard()
        self._pause: Tuple[Optional[Orders], Optional[str]] = (None, None)
        self._health: Optional[Tuple[str, str]] = None
        self._link_was_up = False
        self._reviewed_at = 0.0
        self._decided_at, self._decided_on = clock.now(), datetime.now(timezone.utc)
        self._unheard: Tuple[Optional[float], str] = (None, since(self._decided_on, False))
        # What ran before a start in standard failover was left running, by right, if that one was of simple failover.
        self._copies = Copies(former_mode != "standard")
        self._planned_since: Optional[float] = None

    # What happens

    def observe(self, before: State, after: State, event: Event, effects: Tuple[Effect, ...]) -> None:
        """Look at what a step has changed."""
        commands = [(_COMMANDS[type(one)], one.agent) for one in effects if isinstance(one, (PrepareStart, Stop))]
        is_new = (type(event) is LinkChanged or after.decision[:3] != before.decision[:3]
                  or after.decision.wanted is not before.decision.wanted
                  or [one.state for one in after.agents] != [one.state for one in before.agents]
                  or after.roles is not before.roles or after.orders is not before.orders)
        if not is_new and not commands and after.now - self._reviewed_at < min(
                _REVIEW_EVERY, self._config.timeout / _REVIEWS_IN_TIMEOUT):
            return
        self._reviewed_at = after.now
        seen = view(after, after.now)
        self._note_decision(before, after)
        if after.orders != before.orders:
            self._note_orders(seen, before.orders)
        self._announce(seen, commands)
        self._review(seen, after)

    def note(self, effect: Note) -> None:
        """Say what the decision found worth saying."""
        if effect.kind is NoteKind.ALERT:
            self.warn(effect.text)
        elif effect.kind is NoteKind.WARNING:
            self._say_once(effect.text)
        else:
            _log.log(_LEVELS[effect.kind], "%s", effect.text)

    def warn(self, text: str) -> None:
        """Say something that the operator should know of at once."""
        _log.warning("%s", text)
        self.reporter.alert(True, text)

    def _say_once(self, text: str) -> None:
        for line in self._once.filter(text, clock.now()):
            _log.warning("%s", line)

    def _note_decision(self, before: State, after: State) -> None:
        old, new = before.decision, after.decision
        if new.peer is not old.peer:
            _log.info("%s is %s (was %s)", other_role(after.setup.role), new.peer.value, old.peer.value)
        if new.vc is not old.vc:
            _log.info("VC is %s (was %s)", new.vc.value, old.vc.value)
        if new.action is not old.action:
            self._decided_at, self._decided_on = after.now, datetime.now(timezone.utc)
            _log.info("decision: %s (was %s)", new.action.value, old.action.value)

    def _note_orders(self, seen: View, before: Orders) -> None:
        text = order(seen, before, self._paused_until(seen))
        _log.info("%s", text)
        self.reporter.alert(False, text)
        self._add_to_history({"event": "order", "why": text})

    def _add_to_history(self, entry: Dict[str, Any]) -> None:
        self._history.add(self._record(self._record_topic, entry))

    def _record(self, topic: str, content: Dict[str, Any]) -> Dict[str, Any]:
        """Have this published for historians, and return it with its time."""
        on = datetime.now(timezone.utc)
        content = dict(at=on.isoformat(timespec="milliseconds"), **content)
        self.reporter.record(topic, on.isoformat(), content)
        return content

    def _announce(self, seen: View, commands: List[Tuple[Command, str]]) -> None:
        is_troubled = self._local.trouble(clock.now()) is not None
        has_failed = any(self._local.has_failed(command) for command, _ in commands)
        self._announcer, alerts = self._announcer.after(seen, commands, has_failed, is_troubled)
        for command, agent in alerts:
            is_bad = command is (Command.STOP if seen.acting == "primary" else Command.START)
            self.reporter.alert(is_bad, alert_context(seen, command, agent))

    def _review(self, seen: View, state: State) -> None:
        """Compare what is the matter with what has been said, and say what is new."""
        if self._link.up is not self._link_was_up:
            self._link_was_up = self._link.up
            _log.info("link to %s is %s", self._config.remote_vip,
                      "up" if self._link.up else "down: {}".format(self._link.last_error or "connecting"))
        self._copies = self._copies.after(seen, state.now)
        self._planned_since = None if state.planned is None else self._planned_since or state.now
        self._second_copy.look(seen.is_simple and seen.decision.wanted is Command.START
                               and seen.decision.peer is Liveness.DOWN and seen.alike is None, state.now)
        around = self._surroundings(seen, state)
        self._places, entries = self._places.after(seen, around, state.now)
        for entry in entries:
            self._add_to_history(entry)
        found = kinds.find(seen, around, self._problems.texts)
        for key in ("start", "stop"):
            if key not in found:
                self._local.forget(key)
        for change in self._problems.update(found, lambda key: kinds.gone(key, seen, around), state.now):
            _log.log(logging.WARNING if change.bad else logging.INFO, "%s", change.text)
            if change.news:
                self.reporter.alert(change.bad, change.text)
        trouble = kinds.trouble(seen, around, self._problems.texts)
        trouble = None if trouble is None else clean(trouble, 200)
        installation = self._local.installed
        if (trouble, installation) != (state.trouble, state.installation):
            self._post(TroubleChanged(trouble, installation))
        self._dashboard, shown = self._dashboard.after(seen, self._set_health(seen, around), state.now)
        if shown is not None:
            self._record(self._record_topic + "/state", shown)

    def _set_health(self, seen: View, around: Surroundings) -> str:
        takes_over = seen.acting == "secondary" and seen.decision.action is Action.START
        texts = self._problems.texts
        health: Tuple[str, str] = (compat.STATUS_BAD if takes_over or texts else compat.STATUS_GOOD, "; ".join(
            [headline(seen, around)]
            + [summary(text) for key, text in texts.items() if key not in _IN_HEADLINE]))
        if health != self._health:
            self._health = health
            self.reporter.health(health)
        return health[0]

    def reconfigured(self, config: Config) -> None:
        """Go by another configuration from now on."""
        self._config = config
        self._problems.watch(config.timeout)
        text = "another configuration is in use: timeout {:g} s, heartbeat_period {:g} s, stop_grace {:g} s, fail_back {}"
        self.reporter.alert(False, text.format(config.timeout, config.heartbeat_period, config.stop_grace, config.fail_back))

    # What is the case

    def _surroundings(self, seen: View, state: State) -> Surroundings:
        now, link, vc, local = clock.now(), self._link, self._vc, self._local
        return Surroundings(
            address=self._config.remote_vip, link_up=link.up, link_error=link.last_error, link_refusal=link.refusal,
            link_since=now - link.changed_at, vc_address=None if vc is None else vc.link.endpoint.address,
            vc_error=None if vc is None else (
                vc.link.refusal or (vc.link.up and vc.last_error) or vc.link.last_error),
            faults=local.faults, loop=local.trouble(now), has_settled=local.has_settled(now),
            has_unexpected_copy=self._copies.were_seen_within(self._config.timeout, now),
            answers_there=self._second_copy.answers, unheard_since=self._unheard_since(state, now),
            paused_until=self._paused_until(seen), compares=self._config.compare_managed_agents,
            is_timeout_late=self._planned_since is not None and now - self._planned_since > self._config.timeout)

    def _unheard_since(self, state: State, now: float) -> str:
        """Return since when the peer has not been heard, always in the same words for the same silence."""
        heard = state.peer.last_heard
        if heard is not None and heard != self._unheard[0]:
            self._unheard = heard, since(datetime.now(timezone.utc) - timedelta(seconds=now - heard), True)
        return self._unheard[1]

    def _paused_until(self, seen: View) -> Optional[str]:
        """Return until when the pair is paused, always in the same words for the same pause; None while it is not."""
        if seen.orders != self._pause[0]:
            self._pause = seen.orders, None if seen.pause_left is None else "{:%Y-%m-%d %H:%M:%S} UTC".format(
                datetime.now(timezone.utc) + timedelta(seconds=seen.pause_left))
        return self._pause[1]

    def checklist(self, state: State) -> List[Dict[str, Any]]:
        """Return the answer of the RPC ``check``."""
        seen = view(state, clock.now())
        return checklist(seen, self._surroundings(seen, state), self._problems.texts, self._warnings)

    def status(self, state: State) -> Dict[str, Any]:
        """Return the answer of the RPC ``status``."""
        now, local, vc = clock.now(), self._local, self._vc
        seen = view(state, now)
        return status(seen, self._surroundings(seen, state), Details(
            health=self._health or ("UNKNOWN", "starting"), problems=list(self._problems.texts.values()),
            warnings=list(self._warnings), decided_on=self._decided_on.isoformat(timespec="milliseconds"),
            decided_for=now - self._decided_at,
            vc_link=None if vc is None else (vc.identity, vc.link.up, now - vc.link.changed_at),
            agents=local.details(now)))
