"""The failover agent as an agent of VOLTTRON: its start, its end, and what it offers.

What it does is decided in :mod:`failover.decision`, driven by :mod:`failover.driver`. Here the parts that know VOLTTRON,
sockets, processes and files are put together: each posts events to the driver, and performs its kinds of effects.
"""

import logging
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import gevent

from failover import clock, compat
from failover.authority_of_agent import authority_of
from failover.commands import Commands
from failover.config import Config
from failover.config.source import Raw, Source
from failover.config_watch import ConfigWatch
from failover.console import Console
from failover.control import ControlError
from failover.decision import effects as does
from failover.decision.events import EndAsked, Ended, Reconfigured
from failover.decision.state import State, initial
from failover.decision.vocabulary import Path
from failover.driver import Driver
from failover.ending import Ending
from failover.history import History
from failover.last_resort import LastResort
from failover.launch import launch
from failover.lease_store import LeaseStore
from failover.loops import spawn_loop
from failover.managed.group import Group
from failover.managed.local_agent import LocalAgent
from failover.peer_of_config import listener_of, peer_link_of
from failover.platform_guard import PlatformGuard, duplicates
from failover.record_keeper import RecordKeeper
from failover.recordist import Recordist
from failover.seal_of_config import seal_of
from failover.setup_of_config import probe_every, settings_of, setup_of
from failover.text import clean
from failover.vc_of_config import vc_client_of

__all__ = ["FailoverAgent", "main"]

_log = logging.getLogger(__name__)

_FAREWELL_WITHIN, _LAST_ANSWER_WITHIN, _KILLED_WITHIN, _WRITTEN_WITHIN = 0.5, 2.0, 1.0, 1.0  # Seconds.
_OPEN_CALLS = 100  # At most so many calls are remembered until they are answered.


class FailoverAgent(compat.Agent):
    """Starts and stops the managed agent on this platform as it is decided."""

    def __init__(self, config: Config, raw: Raw, source: Source, config_path: Optional[str] = None,
                 warnings: Sequence[str] = (), **kwargs: Any):
        super().__init__(**compat.AGENT_OPTIONS, **kwargs)
        self._config = config
        self._greenlets: List[gevent.Greenlet[..., Any]] = []
        self._open_calls: List[Any] = []
        self._guard = PlatformGuard()
        faults: Dict[str, str] = {}
        folder = compat.data_folder(self)
        store = LeaseStore(folder)
        record = store.load(config.timeout)
        seal, warnings = seal_of(self, config, record.signs, warnings, faults)
        self._ending = Ending(folder, self._guard.platform)
        setup = setup_of(config, compat.instance_name(), self.core.identity, self._ending.quiet_until, seal.known_by)
        self._keeper = RecordKeeper(store, self._post, faults)
        self._peer_link, self._narrowing = peer_link_of(self, config, seal, setup.answer_within, self._post)
        self._vc = vc_client_of(self, config, seal, setup.answer_within, self._post)
        self._local = Group([LocalAgent(self, identity, self._call, setup.answer_within, config.timeout, self._post,
                                        self._guard.lives, self._warn) for identity in setup.agents], faults)
        self._listener = listener_of(self, config, self._narrowing, seal, setup.answer_within, self._post,
                                     self._local.is_installed, self._warn, faults)
        self._history = History(folder)
        self._console = Console(self, config, setup, warnings, record.mode, self._peer_link, self._vc, self._local,
                                self._history, self._post)
        state = initial(setup, record, clock.now())
        self._recordist = Recordist(state, folder / "recordings")
        self._driver = Driver(state, self._performers(), self._guard.look, self._after_step, self._recordist,
                              self._give_up)
        self._commands = Commands(lambda: self._driver.state, self._post, authority_of(self))
        self._watch = ConfigWatch(self, source, raw, config, faults, self._reconfigure)
        self._last_resort = LastResort(self._local.end_all, self._closers())
        self._ending.watch_signals(lambda: compat.request_stop(self), lambda: self._config.stop_within)

    def _performers(self) -> Dict[type, Any]:
        """Who performs which effect."""
        performers: Dict[type, Any] = dict(self._local.performers)
        performers.update({
            does.Publish: lambda effect: self._path(effect.path).publish(effect),
            does.ReconnectNow: lambda effect: self._peer_link.reconnect_now(),
            does.ProveHearing: self._listener.prove,
            does.Resubscribe: self._listener.renew,
            does.SaveRecord: lambda effect: self._keeper.save_soon(effect.record),
            does.EndAsOrphan: lambda effect: gevent.spawn(self._end_as_orphan, effect.within),
            does.Note: self._console.note,
        })
        if self._vc is not None:
            performers.update({does.AskVcp: self._vc.ask_vcp, does.RenewVcLink: self._vc.renew_link})
        return performers

    def _closers(self) -> List[Callable[[], None]]:
        return [self._peer_link.link.close] + ([] if self._vc is None else [self._vc.close])

    def _path(self, path: Path) -> Any:
        return self._peer_link if path is Path.DIRECT else self._vc

    def _post(self, event: Any) -> None:
        self._driver.post(event)

    def _reconfigure(self, config: Config) -> None:
        """Go by another configuration, which differs in nothing but what may change now."""
        self._config, settings = config, settings_of(config)
        for retime in [self._peer_link.retime] + ([] if self._vc is None else [self._vc.retime]):
            retime(settings.answer_within, probe_every(config))
        self._listener.answer_within = settings.answer_within
        self._narrowing.timeout = config.timeout
        self._console.reconfigured(config)
        self._post(Reconfigured(settings))

    def _after_step(self, before: State, after: State, event: Any, effects: Tuple[does.Effect, ...]) -> None:
        self._local.keep_pace(before, after)
        self._console.observe(before, after, event, effects)

    def _warn(self, text: str) -> None:
        self._console.warn(text)

    def _call(self, peer: str, method: str, *args: Any, **kwargs: Any) -> Any:
        answer = self.vip.rpc.call(peer, method, *args, **kwargs)
        self._open_calls = [one for one in self._open_calls if not one.ready()][-_OPEN_CALLS:] + [answer]
        return answer.get()

    # Start and end

    @compat.Core.receiver("onstart")
    def _onstart(self, sender: Any, **kwargs: Any) -> None:
        if self._greenlets:  # VOLTTRON signals the start again when its connection was renewed.
            return
        compat.stop_monitor(self)
        _log.info("%s failover, %s on %s, manages %s; the other platform is %s", self._config.mode, self._config.agent_id,
                  compat.instance_name(), self._config.managed, self._config.remote_vip)
        tasks = [self._driver.run, self._listener.run, self._listener.look_at_senders, self._console.reporter.run,
                 self._watch.run]
        if self._vc is not None:
            self._vc.start()
        self._greenlets = [spawn_loop(task) for task in tasks + self._local.tasks]
        self._peer_link.link.start()

    @compat.Core.receiver("onstop")
    def _onstop(self, sender: Any, **kwargs: Any) -> None:
        """End in order. A duplicate process that was never let in leaves things to the other one."""
        deadline = clock.now() + self._config.stop_within
        gevent.killall(self._greenlets, block=False)
        took_part = bool(self._greenlets)
        seen = self._driver.look()  # A machine that shuts down ends all of its processes at once.
        if seen is not None:
            self._driver.decide(seen)
        was_let_in = took_part or not duplicates(self.core.identity)
        effects = self._driver.decide(EndAsked(was_let_in))
        stops = [effect.within for effect in effects if isinstance(effect, does.StopForGood)]
        is_gone = bool(stops) and self._stop_for_good(min(stops + [self._config.stop_within]))
        self._driver.catch_up()  # The farewell acknowledges the peer's last heartbeat, so that it counts at once.
        self._take_leave(self._driver.decide(Ended(is_gone, was_let_in)), took_part)
        gevent.wait([gevent.spawn(close) for close in self._closers()], timeout=max(0.0, deadline - clock.now()))
        if self._guard.lives():
            # Who answers somebody who is gone ends on VOLTTRON 9: control, with the platform, or the managed agent.
            gevent.wait(self._open_calls, timeout=max(0.0, deadline - clock.now()))
            gevent.wait(self._local.questions, timeout=_LAST_ANSWER_WITHIN)
        self._ending.done()
        _log.info("stopped; %s is %s", self._config.managed, "stopped too" if stops else "left as it is")

    def _stop_for_good(self, within: float) -> bool:
        """Return whether the managed agents have been stopped."""
        try:
            with gevent.Timeout(0.9 * within + _KILLED_WITHIN):
                self._local.stop_for_good(0.8 * within)
            return True
        except (ControlError, gevent.Timeout) as error:
            _log.error("stopping %s: %s", self._config.managed, clean(error))
            return False

    def _take_leave(self, effects: Tuple[does.Effect, ...], took_part: bool) -> None:
        """Save what the next start should know, and let the peer know that this side ends in order."""
        is_saved = all([  # noqa: C419  # Each is saved, also after one that could not be.
            self._keeper.save(effect.record) for effect in effects if isinstance(effect, does.SaveRecord)])
        farewells = [effect for effect in effects if isinstance(effect, does.Publish) and took_part]
        if not is_saved:  # The next start may take up the lease that is on file.
            farewells = [one._replace(heartbeat=one.heartbeat._replace(may_run=True)) for one in farewells]
        deadline = clock.now() + _FAREWELL_WITHIN
        while farewells and clock.now() < deadline:
            farewells = [one for one in farewells if not self._path(one.path).say(one)]
            gevent.sleep(_FAREWELL_WITHIN / 20)

    def _end_as_orphan(self, within: float) -> None:
        _log.error("ending, and %s too, because the platform that started this agent is gone", self._config.managed)
        self._last_resort.end_all("its platform is gone", within, self._guard.on_file())

    def _give_up(self) -> None:
        """Nothing can be decided any more. The platform starts this agent again; until then nothing may run unsupervised."""
        _log.error("ending, because nothing can be decided any more: see the errors above")
        gevent.spawn(self._recordist.write_now).join(_WRITTEN_WITHIN)
        if self._config.simple_behavior:
            self._last_resort.end()
        self._last_resort.end_all("its failover agent is broken", self._driver.state.stop_grace)

    # What it offers

    @compat.RPC.export
    def status(self) -> Dict[str, Any]:
        """Return what this failover agent knows and does, as a JSON-able dict. Durations are in seconds."""
        return self._console.status(self._driver.state)

    @compat.RPC.export
    def record(self, proof: Any = None) -> Optional[str]:
        """Write down what happened lately, and return where; None if the disk does not take it."""
        return self._commands.record(self._recordist.write_now, proof)

    @compat.RPC.export
    def check(self) -> List[Dict[str, Any]]:
        """Return each thing that a takeover needs: ``name``, whether it ``is_ok``, and a ``text``."""
        return self._console.checklist(self._driver.state)

    @compat.RPC.export
    def history(self, count: int = 20) -> List[Dict[str, Any]]:
        """Return the last changes, the newest at the end: :mod:`failover.words.history`."""
        return self._history.last(count)

    @compat.RPC.export
    def pause(self, seconds: float = 3600.0, proof: Any = None) -> Dict[str, Any]:
        """Have nobody on either side start the managed agent for so many seconds: :mod:`failover.commands`."""
        return self._commands.pause(seconds, proof)

    @compat.RPC.export
    def resume(self, proof: Any = None) -> Dict[str, Any]:
        """End a pause."""
        return self._commands.resume(proof)

    @compat.RPC.export
    def switchover(self, to: Optional[str] = None, proof: Any = None) -> Dict[str, Any]:
        """Have the side with this instance name, or configured role, run the managed agent; by default the other one."""
        return self._commands.switchover(to, proof)


def main() -> None:
    """Run the agent."""
    launch(FailoverAgent)


if __name__ == "__main__":
    main()
