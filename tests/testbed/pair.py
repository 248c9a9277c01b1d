"""Two platforms with the failover agent and a managed agent on each, and an observer on each message bus."""

import contextlib
import json
import threading
import time
from pathlib import Path

import gevent
import yaml

from failover import clock
from failover.authority import prove
from failover.vip.link import Endpoint, Link, LinkError, RemoteError
from tests.testbed.platforms import OBSERVER, Platform, PlatformError, wait_for
from tests.testbed.relay import Relay

REPOSITORY = Path(__file__).resolve().parents[2]
MANAGED_AGENT = Path(__file__).resolve().parent / "managed_agent"
MANAGED = "platform.driver"
FAILOVER = "failover"
VCP = "platform.agent"
CAPABILITIES = ["platform.control.start_agent", "platform.control.stop_agent", "platform.control.clear_status"]

# Seconds. Generous: machines are shared, and what is waited for takes a few.
LIMIT = 120

# Seconds. A new connection is given up after so long.
_CONNECTS_WITHIN = 5

# Seconds of an installation after which the other side of a pair with a timeout of 4 s may take over.
SLOW_INSTALLATION = 8

# What makes a pair's configuration one of standard failover, beside where VOLTTRON Central is.
STANDARD = dict(simple_behavior=False, stop_grace=3)


def install_another(platform):
    """Install an agent beside the others, and remove it. Skips the test if that takes longer than a short timeout.

    The platform answers nothing meanwhile. On a machine that is too busy this looks like its death, and is one.
    """
    begin = clock.now()
    uuid = platform.install(MANAGED_AGENT, identity="another.agent", start=False)
    took = clock.now() - begin
    platform.vctl("remove", uuid)
    if took > SLOW_INSTALLATION:
        _skip("the machine is busy: vctl install took {:.1f} s".format(took))


def _skip(why):
    import pytest  # Here, because the demo does without it.

    pytest.skip(why)


class Observer:
    """A connection of our own to a platform's bus: it collects alerts and asks for the status.

    It serves its events only while the caller waits with `wait`, in this process's gevent loop.
    """

    def __init__(self, platform: Platform):
        self.alerts, self.platform = [], platform
        self.link = Link(Endpoint(platform.address, platform.serverkey, OBSERVER, *platform.command_keys()),
                         answer_within=_CONNECTS_WITHIN, probe_every=1, on_change=self._retime)
        self.link.subscribe("alerts/", self._on_alert)
        self.link.start()

    def _retime(self):
        """A command that a test waits for holds up the loop of this process: that is no silence of the platform."""
        self.link.retime(LIMIT if self.link.up else _CONNECTS_WITHIN, 1)

    def _on_alert(self, topic, sender, message):
        if sender == FAILOVER:
            status = json.loads(message)
            self.alerts.append((status["status"], status["context"]))

    def call(self, peer, method, *args, timeout=5):
        wait(lambda: self.link.up, 30, "the observer's connection: {}".format(self.link.last_error))
        return self.link.call(peer, method, *args, timeout=timeout)

    def order(self, method, *args, timeout=5):
        """Give an order, as a command on this platform does."""
        return self.call(FAILOVER, method, *args, prove(self.platform.secretkey, FAILOVER, method, args), timeout=timeout)

    def status(self):
        """Return the failover agent's status, or None while it does not answer."""
        try:
            return self.link.call(FAILOVER, "status", timeout=2)
        except (LinkError, RemoteError):
            return None

    def health(self):
        return self.call(FAILOVER, "health.get_status")

    def record(self):
        """Return where the failover agent has now written what happened, or None if it does not answer."""
        try:
            return self.link.call(FAILOVER, "record", prove(self.platform.secretkey, FAILOVER, "record", []), timeout=10)
        except (LinkError, RemoteError):
            return None

    def close(self):
        self.link.close()


def wait(condition, timeout, what, interval=0.1):
    """As wait_for, while the observers' connections are served."""
    return wait_for(condition, timeout, what, interval, sleep=gevent.sleep)


def await_lasting(condition, seconds, what):
    """Wait until the condition is fulfilled, and has been for so long."""
    since = []

    def lasts():
        if not condition():
            since.clear()
            return False
        since.append(time.monotonic())
        return since[-1] - since[0] >= seconds

    wait(lasts, LIMIT + seconds, what)


def await_status(side, condition, what):
    """Wait until the failover agent's status fulfils the condition, and return it."""
    last = {}

    def fulfilled():
        status = side.status()
        if status is not None:
            last.update(status)
            return status if condition(status) else None

    try:
        return wait(fulfilled, LIMIT, what)
    except TimeoutError as error:
        raise TimeoutError("{}; the last status is {}".format(error, last)) from None


def await_alert(side, health, words, whole=False):
    """Wait until the failover agent has sent an alert with this health (None: any) and these words, or just these."""
    alerts = side.observer.alerts
    try:
        wait(lambda: any((words == text if whole else words in text) and health in (None, of) for of, text in alerts),
             LIMIT, "alert: " + words)
    except TimeoutError as error:
        raise TimeoutError("{}; the alerts were {}".format(error, alerts)) from None


def await_takeover(pair):
    """Wait until the secondary is active, and has said so."""
    secondary = pair.secondary
    wait(secondary.runs, LIMIT, "takeover")
    await_alert(secondary, "BAD", "Primary is inactive starting agent " + MANAGED, whole=True)
    await_status(secondary, lambda status: status["health"] == "BAD"
                 and "secondary {} is active".format(secondary.platform.name) in status["text"], "the takeover's health")


def await_give_back(pair):
    """Wait until the primary is active again, and the secondary has said so."""
    secondary = pair.secondary
    wait(lambda: pair.primary.runs() and not secondary.runs(), LIMIT, "give-back")
    await_alert(secondary, "GOOD", "Primary is active stopping agent " + MANAGED, whole=True)


def assert_undisturbed(pair, seconds):
    """Let time pass: the primary's managed agent runs on, and has done so, and the secondary's has never run, since
    the pair's recorder began. Skips the test if the machine stood still meanwhile, which disturbs by right."""
    gevent.sleep(seconds)
    if pair.recorder.longest_gap > 2:
        _skip("the machine stood still for {:.1f} s".format(pair.recorder.longest_gap))
    assert pair.recorder.intervals(pair.secondary.platform) == [], pair.recorder.story()
    assert len(pair.recorder.intervals(pair.primary.platform)) == 1, pair.recorder.story()
    assert pair.primary.runs()


class Side:
    """One platform of a pair, its role, and what can be done with its agents.

    In a pair with VOLTTRON Central, `to_other` and `to_central` are the relays through which this side's connections
    go; without, they are None. `failover_source` is the folder of the failover agent that will be installed.
    """

    def __init__(self, folder: Path, role: str, extra_env=None, kind=Platform, name=None, **options):
        folder.mkdir(parents=True)
        self.role = role
        self.platform = kind(folder, name or "node-" + role, extra_env=extra_env, **options)
        self.observer = None
        self.to_other = self.to_central = None
        self.failover_source = REPOSITORY

    @property
    def vcp_identity(self):
        """Under which VCP of this platform connects to VC's."""
        return "{}.{}".format(self.platform.name, VCP)

    def power_on(self):
        if self.observer is None and self.platform.needs_vctl:
            self.platform.start()
        else:
            self.platform.start(answers=self._control_answers)
        self.observer = self.observer or Observer(self.platform)
        self.observer.link.retry_now()
        wait(lambda: self.observer.link.up, LIMIT, "the observer's connection")  # Nothing is to be missed.

    def _control_answers(self):
        """Ask control, as `vctl status` does, for a tenth of the CPU time. Call again while it does not answer."""
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):  # A new platform is about to make its keys.
            self.observer = self.observer or Observer(self.platform)
        if self.observer is None:
            return False
        self.observer.link.retry_now()
        gevent.sleep(0.1)
        with contextlib.suppress(LinkError, RemoteError):
            self.observer.link.call(self.platform.control_identity, "list_agents", timeout=5)
            return True

    def bring_back(self, identity=FAILOVER):
        """Start what does not run: the platform, after it has lost what was left of it, and this agent."""
        if self.platform.pid is None:
            self.platform.power_off()
            self.power_on()
        if not self.runs(identity):
            if self.observer.call(self.platform.control_identity, "agent_status", self.platform.uuid(identity),
                                  timeout=30)[1]:
                # It has crashed: the platform's monitor would start it too, perhaps in the same moment.
                self.platform.vctl("clear", "--all")
            try:
                self.start_agent(identity)
            except PlatformError:
                if not self.runs(identity):  # The platform's monitor may have started it in the meantime.
                    raise

    def config_file(self, identity=FAILOVER):
        """The configuration of an installed agent. It is read when the agent starts."""
        return self.platform.config_file(identity)

    def configure(self, identity=FAILOVER, **changes):
        """Change the configuration of an installed agent."""
        file = self.config_file(identity)
        file.write_text(yaml.safe_dump(dict(yaml.safe_load(file.read_text()), **changes)))

    def config(self, other, central=None, **changes):
        """The shipped configuration of this role, with the other platforms filled in, and faster."""
        config = json.loads((REPOSITORY / "config" / (self.role + ".json")).read_text())
        config.update(remote_vip=other.platform.address, remote_serverkey=other.platform.serverkey,
                      heartbeat_period=0.5, timeout=4)
        if self.failover_source == REPOSITORY:  # The former release does not know it.
            config.update(compare_managed_agents=False)
        if central:
            config.update(STANDARD, remote_vip=self.to_other.address, volttron_central_vip=self.to_central.address,
                          volttron_central_serverkey=central.platform.serverkey)
        config.update(changes)
        return config

    def install_failover(self, other, central=None, **changes):
        """Install the failover agent, not started, allow it to start and stop agents, and make it known to the other side.

        `changes` are those of `config`.
        """
        # Ours has its identity from its package.
        self.platform.install(self.failover_source, config=self.config(other, central, **changes), start=False,
                              identity=None if self.failover_source == REPOSITORY else FAILOVER)
        self.authorize()
        self.register_at(other)

    def replace_failover(self, source, other, **changes):
        """Install and start another failover agent in place of the one that is installed, whose keys it takes over."""
        self.failover_source = source
        self.platform.install(source, identity=FAILOVER, config=self.config(other, **changes), start=False, force=True)
        # Until it has read that the keys are those of the new agent, the platform does not let it in.
        gevent.sleep(self.platform.settles_within)
        self.start_agent(FAILOVER)

    def authorize(self):
        self.platform.authorize(FAILOVER, CAPABILITIES)

    def register_at(self, other):
        """Make this side's failover agent known on the other platform."""
        other.platform.register("{}.{}".format(self.platform.name, FAILOVER), self.platform.publickey(FAILOVER))

    def start_agent(self, identity):
        self._act("start", identity)

    def stop_agent(self, identity):
        self._act("stop", identity)

    def _act(self, action, identity):
        """Ask control for what `vctl start` and `vctl stop` ask it, for a tenth of the CPU time, or let vctl do it.

        vctl does it too where control refuses: a connection whose name was still taken has another, and is not authorized.
        """
        uuid, control = self.platform.uuid(identity), self.platform.control_identity
        in_main_thread = threading.current_thread() is threading.main_thread()
        if not self.platform.needs_vctl and in_main_thread and self.observer and self.observer.link.up:
            with contextlib.suppress(LinkError, RemoteError):
                pid, exit_status = self.observer.link.call(control, "agent_status", uuid, timeout=LIMIT)
                if (pid is not None and exit_status is None) != (action == "start"):
                    self.observer.link.call(control, action + "_agent", uuid, timeout=LIMIT)
                return
        self.platform.vctl(action, uuid)

    def restart_agent(self, identity):
        self.stop_agent(identity)
        self.start_agent(identity)

    def runs(self, identity=MANAGED):
        """Whether a process of this agent lives here."""
        return bool(self.platform.processes(identity))

    def status(self):
        return self.observer.status()

    def said(self):
        """Return the status, as soon as there is one."""
        return wait(self.status, LIMIT, "a status")

    def health(self):
        return self.observer.health()

    def close(self):
        for relay in filter(None, (self.to_other, self.to_central)):
            relay.close()
        if self.observer:
            self.observer.close()
        self.platform.close()


def install_managed(side):
    """Install the managed agent, not started, which does nothing."""
    side.platform.install(MANAGED_AGENT, identity=MANAGED, start=False)


class Pair:
    """A primary and a secondary platform below one folder; `options` are further ones of Platform, `kinds` the classes.

    With `central` (a `tests.testbed.central.Central`, whose maker starts and closes it) the pair is installed for
    standard failover. Its four connections then go through relays, `side.to_other` and `side.to_central` of both sides.
    """

    def __init__(self, folder: Path, extra_env=None, central=None, kinds=(Platform, Platform), **options):
        self.primary = Side(folder / "p", "primary", extra_env, kinds[0], **options)
        self.secondary = Side(folder / "s", "secondary", extra_env, kinds[1], **options)
        self.central = central
        if central:
            for side, other in self.each_way:
                side.to_other = Relay(other.platform.address)
                side.to_central = Relay(central.platform.address)

    @property
    def sides(self):
        return self.primary, self.secondary

    @property
    def each_way(self):
        return self.sides, self.sides[::-1]

    @property
    def relays(self):
        return [relay for side in self.sides for relay in (side.to_other, side.to_central) if relay]

    def install(self, start=True, install_managed=install_managed, kept=None, **changes):
        """Start both platforms and install both agents on each, as the README says.

        `install_managed` installs what is managed on a side; `changes` are those of `Side.config`. With `kept` (a
        `tests.testbed.kept.Kept`) only the first of such pairs is installed, and the others get copies.
        """
        def install():
            for side in self.sides:
                side.power_on()
            for side in self.sides:
                install_managed(side)
            for side, other in self.each_way:
                side.install_failover(other, self.central, **changes)

        if self.central:
            for side in self.sides:
                self.central.prepare(side)
        if kept:
            name = "pair, {} and {}".format(*(side.failover_source.name for side in self.sides))
            kept.install(name, [side.platform for side in self.sides], install)
            for side, other in self.each_way:
                side.config_file().write_text(yaml.safe_dump(side.config(other, self.central, **changes)))
        else:
            install()
        for side in self.sides:
            if side.platform.pid is None:
                side.power_on()
            if self.central:
                side.register_at(self.central)
                self.central.admit(side)
        if start:
            for side in self.sides:
                side.start_agent(FAILOVER)

    def settle(self):
        """Wait until VOLTTRON has done what it does after an agent's start."""
        for side in self.sides:
            started = max([process.create_time() for identity in (FAILOVER, MANAGED, VCP)
                           for process in side.platform.processes(identity)], default=0)
            gevent.sleep(max(0, started + side.platform.settles_within - time.time()))

    def recordings(self):
        """Return the last recording of each side's failover agent, of now if it answers."""
        found = []
        for side in self.sides:
            path = side.observer.record() if side.observer and side.platform.pid else None
            written = [Path(path)] if path else sorted(
                side.platform.home.glob("agents/**/recordings/*.gz"), key=lambda one: one.stat().st_mtime)
            found += written[-1:]
        return found

    def tails(self):
        platforms = [side.platform for side in self.sides + ((self.central,) if self.central else ())]
        return "\n".join("--- end of {}:\n{}".format(platform.log, platform.tail()) for platform in platforms)

    def close(self):
        for side in self.sides:
            side.close()
