"""The installation of the pair, part by part: what the README's steps say, on real platforms."""

import json
import os

import gevent
from gevent.util import wrap_errors

from tests.demo.stage import FAILURES
from tests.testbed.central import CENTRAL, Vcp
from tests.testbed.pair import FAILOVER, MANAGED, MANAGED_AGENT, REPOSITORY

STARTS = ("VOLTTRON refuses to run as root. Therefore root needs user namespaces here: does `unshare --user --map-user=1000 "
          "--map-group=1000 true` work? If not, run the demo as another user."
          if os.getuid() == 0 else "Does `.venv/bin/volttron --version` work? If not: `make clean demo`.")
INSTALLS = "What vctl and the platform say is above. `make clean demo` begins with a new environment."
SETTLES = "What the failover agents say of themselves, above, names the fault and what helps."


class Installation:
    """Installs the pair of a stage, all platforms at the same time."""

    def __init__(self, stage):
        self._stage = stage
        self._done = []
        self._total = 0
        self._what = ""

    def perform(self):
        """Install all, and return when the primary is active and the sides, both healthy, hear each other."""
        stage = self._stage
        pair, everywhere = stage.pair_views, stage.views
        parts = [
            ("the platforms start", STARTS, self._start, everywhere),
            ("the platforms' public keys are asked", INSTALLS, lambda view: view.platform.serverkey, everywhere),
            (f"the managed agent, {MANAGED}, is installed", INSTALLS, self._install_managed, everywhere),
            ("the failover agent is installed, and starts with the platform from now on", INSTALLS, self._install_failover,
             pair),
            ("the failover agent is allowed to start and stop agents", INSTALLS, lambda view: view.side.authorize(), pair),
            ("the failover agent's key is made known to the other platforms", INSTALLS, self._register, pair),
        ]
        self._total = sum(len(views) for _, _, _, views in parts) + len(pair) + 1 + bool(stage.central)
        stage.step("installation", (
            f"{len(everywhere)} platforms, each with an environment, a VOLTTRON_HOME and a port of its own"), STARTS)
        stage.tell(None, f"build/{REPOSITORY.name} is a copy of {REPOSITORY}, build/{MANAGED_AGENT.name} of its "
                         f"{MANAGED_AGENT.relative_to(REPOSITORY)}", kind="note")
        for part in parts:
            self._perform(*part)
        for view in everywhere:
            view.observe()
        self._perform("the failover agents start", INSTALLS, lambda view: view.side.start_agent(FAILOVER), pair)
        if stage.central:
            self._begin("the stand-ins for VC's agents (VCP) connect", INSTALLS)
            self._connect_vcps()
            self._done.append(CENTRAL)
        self._begin(f"waiting until the primary runs {MANAGED} and the sides hear each other", SETTLES)
        stage.wait(self._is_steady, 60, (
            f"both failover agents' health GOOD, each heard by the other, and {MANAGED} on the primary only"))
        stage.progress = None
        stage.step("steady state", (
            f"the agents hear each other every {stage.mode.period:g} s; only the primary's {MANAGED} runs"), SETTLES)

    def _begin(self, what, hint):
        self._what = what
        self._stage.hint = hint
        self._stage.progress = len(self._done), self._total, what
        self._stage.tell(None, f"installation: {what}")

    def _perform(self, what, hint, install, views):
        self._begin(what, hint)
        self._stage.in_threads(*((self._do, install, view) for view in views))

    def _do(self, install, view):
        install(view)
        self._done.append(view)
        self._stage.progress = len(self._done), self._total, self._what

    def _start(self, view):
        platform = view.platform
        self._stage.tell(view, f"VOLTTRON_HOME={platform.home}, address {platform.address}", kind="note")
        platform.start()
        self._stage.tell(view, f"the platform runs, pid {platform.pid}")

    def _install_managed(self, view):
        if view is self._stage.central:
            self._stage.tell(view, f"an agent that does nothing stands for VOLTTRON Central (VC), as {CENTRAL}; on VOLTTRON 11 a "
                                   "bare platform will do, as a witness: see docs/standard.md", kind="note")
            view.platform.install(MANAGED_AGENT, CENTRAL)
        else:
            view.platform.install(MANAGED_AGENT, MANAGED, start=False)

    def _install_failover(self, view):
        mode, side = self._stage.mode, view.side
        [other] = [one.side for one in self._stage.pair_views if one is not view]
        config = side.config(other, self._stage.pair.central, remote_vip=side.to_other.address, heartbeat_period=mode.period,
                             timeout=mode.timeout)
        self._stage.tell(view, f"configuration of {FAILOVER}: {json.dumps(config)}", kind="note")
        view.platform.install(REPOSITORY, config=config, start=False, enable=True)

    def _register(self, view):
        for other in self._stage.sides:
            if other is not view.side:
                view.side.register_at(other)

    def _connect_vcps(self):
        stage = self._stage
        for view in stage.pair_views:
            stage.tell(view, "a stand-in for VC's agent on this platform (VCP) connects to VC as "
                             f"{view.side.vcp_identity}", kind="note")
        begun = [gevent.spawn(wrap_errors(FAILURES, Vcp), view.side, stage.central.side) for view in stage.pair_views]
        stage.wait(lambda: all(one.ready() for one in begun), 60, "the stand-ins for VCP")
        for view, result in zip(stage.pair_views, (one.value for one in begun)):
            if isinstance(result, Exception):
                raise result
            stage.vcps[view] = result

    def _is_steady(self):
        primary, secondary = self._stage.pair_views
        return primary.is_settled and secondary.is_settled and primary.is_active and not secondary.runs
