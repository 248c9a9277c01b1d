"""Starts real VOLTTRON platforms on this machine, for the tests, the demo and the benchmark.

Each platform behaves like a machine of its own: its own environment (site-packages), home directory,
VOLTTRON_HOME and port. It can be stopped, powered off, crashed and frozen. Its processes are known by the
VOLTTRON_HOME in their environment, so that orphans are found too. All times are in seconds. Linux only:
processes are read from /proc.

There are two kinds: modular VOLTTRON 11, out of the environment that this Python runs in, and monolithic VOLTTRON 9,
out of a checkout and an environment of its own, which VOLTTRON_ROOT and VOLTTRON_PYTHON name. `Platform` is the
monolithic one where these are set, else the modular one.

Run as ``platforms.py reap VOLTTRON_HOME``, this file is the guard that `Platform.start` leaves beside a
platform: when the process that started it is gone, however it ended, the guard kills all that belongs to it.
"""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import venv
from pathlib import Path

import psutil

# The identity of the testbed's own connections.
OBSERVER = "test.observer"

# Below the range that Linux takes for outgoing connections: a client that keeps dialling a closed port of
# that range can be connected to itself, and then holds the port against the platform that comes back.
_PORTS = range(20000, 32000)

# Where a monolithic VOLTTRON is: its checkout, and the Python of its environment.
MONOLITHIC_ROOT, MONOLITHIC_PYTHON = os.environ.get("VOLTTRON_ROOT"), os.environ.get("VOLTTRON_PYTHON")

# Variables of a surrounding platform, environment or poetry, which must not leak into ours. (Without PYTHONDONTWRITEBYTECODE
# an installed agent is compiled at its first start, and not at each.)
_FOREIGN = (
    "VOLTTRON_", "AGENT_", "_LAUNCHED_BY_PLATFORM", "POETRY_", "XDG_", "CONDA_", "PYTHONPATH", "PYTHONHOME",
    "PYTHONDONTWRITEBYTECODE")

_MODULAR_SCRIPTS = {"volttron": "volttron.server.__main__"}
_MONOLITHIC_SCRIPTS = {
    "volttron": "volttron.platform.main",
    "vctl": "volttron.platform.control.control_parser",
}

# A process that was started with SIGINT ignored (a background job, nohup) hands that on, and the platform's
# agents would then not stop at SIGINT: hence the handler, except where a test wants just that.
_SCRIPT = """#!{python}
import os
import signal
import sys
if "SIGINT_AS_INHERITED" not in os.environ:
    signal.signal(signal.SIGINT, signal.default_int_handler)
from {module} import main
sys.exit(main())
"""

# Who may call methods that are not for everybody.
_AUTHORIZED = {"agents": {OBSERVER: {"rpc_capabilities": ["/platform.control.(start|stop)_agent/"]}}}

# Enough for `volttron --dev`, and poetry then resolves only what is installed here, without a package index.
_PROJECT = """[project]
name = "{name}"
version = "0"
requires-python = ">=3.10,<4.0"
dependencies = []

[tool.poetry]
package-mode = false
"""

# A crashed agent is looked for as often as on VOLTTRON 11, where 600 s are VOLTTRON 9's own choice.
_MONOLITHIC_CONFIG = """[volttron]
instance-name = {name}
vip-address = {address}
message-bus = zmq
agent-monitor-frequency = 10
"""

# Seconds.
_SHUTDOWN_ANSWERED_WITHIN = 30
_MOST_OF_A_STALL = 1

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class PlatformError(Exception):
    """A command or a wait failed. The message holds what was tried, its output and the end of the log."""


def wait_for(condition, timeout, what, interval=0.05, sleep=time.sleep):
    """Return condition()'s first truthy value; raise TimeoutError, naming `what`, after `timeout` seconds.

    While this process is not given the processor, nothing that it waits for can happen in it: so a pause between two
    looks counts for no more than a second above `interval`.
    """
    waited, looks = 0.0, 0
    while True:
        begun = time.monotonic()
        if result := condition():
            return result
        waited, looks = waited + time.monotonic() - begun, looks + 1
        if waited >= timeout:
            raise TimeoutError(f"{what}: not within {timeout} s, in {looks} looks")
        begun = time.monotonic()
        sleep(interval)
        waited += min(time.monotonic() - begun, interval + _MOST_OF_A_STALL)


class BasePlatform:
    """One VOLTTRON platform below the folder `root`, which must be empty and its alone.

    `extra_env` is added to the environment of the platform, its agents and its commands. `verbosity` is the
    platform's option for logging: "-v" shows the agents' INFO lines, "-vv" also costs DEBUG's CPU time.
    `on_command`, when set, is called with each vctl command line (a list) before it is run.
    Whoever makes a platform calls `close` in the end.

    Subclasses are of one kind of VOLTTRON, and have `control_identity`, under which control is called,
    `needs_authorization`, whether an agent must be allowed to start and stop others, `patience`, the seconds within
    which a command or a start is done however busy the machine is, and `settles_within`, the seconds after an agent's
    start until VOLTTRON has done what belongs to it.
    """

    control_identity = None
    needs_authorization = None
    patience = None
    settles_within = None

    def __init__(self, root, name, extra_env=None, verbosity="-v"):
        self.name = name
        self.root = Path(root).resolve()
        self.home = self.root / "home"
        self.log = self.root / "volttron.log"
        self.on_command = None
        self._verbosity = verbosity
        self._process = None
        self._guard = None
        self.ignores_interrupt = False
        self._serverkey = None
        self._vctl_lock = threading.Lock()
        if len(f"{self.home}/run/vip.socket") > 105:
            raise ValueError(f"{self.home}: too long a path for the socket that VOLTTRON makes below it")
        self.env = self._environment() | (extra_env or {})
        claim, port = _claim_port()
        self._claims = [claim]
        self.address = f"tcp://127.0.0.1:{port}"
        self._command, self._folder = self._prepare()

    # What differs between the kinds

    def _environment(self):
        """Make the environment, with scripts in `root`/env/bin, and return the variables that select it."""
        raise NotImplementedError

    def _prepare(self):
        """Write what the platform wants to find; return the command that starts it, and in which folder."""
        raise NotImplementedError

    def _ask_serverkey(self):
        raise NotImplementedError

    def publickey(self, identity):
        """Return the public key of an installed agent."""
        raise NotImplementedError

    def register(self, name, publickey):
        """Make the key of an agent of another platform known here, under this name."""
        raise NotImplementedError

    def authorize(self, identity, capabilities):
        """Let an agent call these methods of others."""
        raise NotImplementedError

    def protect_topics(self, *topics):
        """From now on, nobody may publish on these topics without being authorized to."""
        raise NotImplementedError

    def unprotect_topics(self):
        raise NotImplementedError

    @property
    def secretkey(self):
        """The platform's secret key."""
        raise NotImplementedError

    def command_keys(self):
        """Return the public and the secret key with which vctl connects."""
        raise NotImplementedError

    def uuid(self, identity):
        """Return the uuid of the agent installed under `identity`, or None. The platform's files are faster than vctl."""
        raise NotImplementedError

    @property
    def needs_vctl(self):
        """Whether vctl is run for what could be had without a process: to start and stop agents, and to tell keys."""
        raise NotImplementedError

    def config_file(self, identity):
        """Return where the configuration of an installed agent is. It is read when the agent starts."""
        raise NotImplementedError

    def code_folder(self, identity):
        """Return a folder in which a Python of the platform's environment can import the installed agent."""
        raise NotImplementedError

    # What is common to them

    @property
    def pid(self):
        """The platform process's pid, or None when it does not run."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if running else None

    @property
    def serverkey(self):
        """The platform's public key. It is asked once, from the running platform."""
        if self._serverkey is None:
            self._serverkey = self._ask_serverkey()
        return self._serverkey

    def start(self, timeout=None, answers=None):
        """Start the platform and return when it answers vctl. Agents enabled for autostart start with it.

        With `answers`, return when that does, instead of asking with vctl.
        With `ignores_interrupt` it is started with SIGINT ignored, as `volttron ... &` in a script starts it.
        """
        if self.pid:
            raise PlatformError(f"platform {self.name} runs already, as process {self.pid}")
        if self._guard is None:
            self._guard = subprocess.Popen(
                [sys.executable, __file__, "reap", str(self.home)],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
        timeout = timeout or self.patience
        command, env = self._as_user(self._command), self.env
        if self.ignores_interrupt:
            command, env = ["env", "--ignore-signal=INT", *command], dict(env, SIGINT_AS_INHERITED="1")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, env=env, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + timeout
        self._wait(self._has_written_pid, timeout, "start")
        if answers is None:
            self._run(["vctl", "status"], max(1, deadline - time.monotonic()))
        else:
            self._wait(answers, max(1, deadline - time.monotonic()), "answer")

    def _has_written_pid(self):
        if self.pid is None:
            raise PlatformError(self._report(f"the platform ended with status {self._process.returncode}"))
        # After a power loss the file is there from the start, with the old pid.
        with contextlib.suppress(FileNotFoundError):
            return (self.home / "VOLTTRON_PID").read_text() == str(self.pid)

    def vctl(self, *args, timeout=None, check=True, answer=""):
        """Run vctl and return what it printed. Another exit status than 0 raises PlatformError, if `check`.

        `answer` is what is typed where it asks.

        Commands from several threads run one after the other: all vctl use one identity on the message bus.
        """
        command = ["vctl", *map(str, args)]
        if self.on_command:
            self.on_command(command)
        return self._run(command, timeout or self.patience, check, answer)

    def install(self, source, identity=None, config=None, start=True, timeout=None, force=False, enable=False):
        """Install the agent in `source` (a wheel or a folder with its source) and return its uuid.

        What vctl gets of a folder, `_prepare_source` makes. `config` is a dict or a file. With `force` it takes the place of
        the agent with this identity, which VOLTTRON 11 does not allow. With `enable` it starts whenever the platform does.
        `timeout` is for the installation and, once more, for the start.
        """
        source = Path(source).resolve()
        if source.is_dir():
            source = self._prepare_source(source)
        if isinstance(config, dict):
            file = self.root / "config" / f"{identity or source.stem}.json"
            file.parent.mkdir(exist_ok=True)
            file.write_text(json.dumps(config, indent=2))
            config = file
        options = []
        if identity is not None:
            options += ["--vip-identity", identity]
        if config is not None:
            options += ["--agent-config", config]
        if force:
            options += ["--force"]
        if enable:
            options += ["--enable", "--priority", "50"]
        output = self.vctl("install", source, *options, timeout=timeout)
        found = _UUID.findall(output)
        if not found:
            raise PlatformError(self._report(f"vctl install {source} named no uuid:\n{output}"))
        if start:
            # Not `vctl install --start`: it sleeps for 7 s and hides a failed start.
            self.vctl("start", found[-1], timeout=timeout)
        return found[-1]

    def _prepare_source(self, folder):
        """Return a copy of the folder, so that the build leaves nothing in it."""
        copy = self.root / "build" / folder.name
        shutil.rmtree(copy, ignore_errors=True)
        return Path(shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".*", "__pycache__", "dist", "build")))

    def agents(self):
        """Return the installed agents, each a dict with uuid, identity, name, tag, status and health."""
        rows = json.loads(self.vctl("--json", "status")).values()
        return [{key.removeprefix("agent_"): value for key, value in row.items()} for row in rows]

    def processes(self, identity):
        """Return the living processes of the agent `identity` as psutil.Process, orphans included.

        What an agent starts itself (as `uname`, on its way up) is not listed. Each call looks through /proc,
        at some 10 µs for each process on the machine, and keeps nothing for the next one.
        """
        pids = _pids(self.home, identity)
        found = []
        for pid in pids:
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                if process.ppid() not in pids:
                    found.append(process)
        return found

    def forked(self, identity):
        """Return the living processes, as psutil.Process, that the agent `identity` or one it forked has forked.

        They have its uuid in their environment, as it is installed now, and were not started by the platform.
        """
        found = []
        for pid in _pids(self.home, uuid=self.uuid(identity)):
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(pid))
        return [process for process in found if process.is_running() and process.ppid() != self.pid]

    def stop(self, timeout=None):
        """Shut the platform and its agents down, as an operator does, and wait until the platform is gone."""
        if self.pid is None:
            return
        timeout = timeout or self.patience
        deadline = time.monotonic() + timeout

        def gone():
            # Again and again, unchecked: when an agent takes longer than 20 s to stop, vctl gives up before
            # it has told the platform to end; and it waits for good where VOLTTRON 9 ends before it has answered.
            if self.pid:
                with contextlib.suppress(PlatformError):
                    self.vctl("shutdown", "--platform", check=False,
                              timeout=max(1, min(_SHUTDOWN_ANSWERED_WITHIN, deadline - time.monotonic())))
            return self.pid is None

        self._wait(gone, timeout, "shutdown")

    def power_off(self):
        """Kill the platform and all of its processes at once, as a power loss would."""
        self._wait(lambda: _kill_all(self.home), 30, "end of all processes", interval=0.01)
        if self._process:
            self._process.wait(10)

    def crash(self):
        """Kill the platform's process alone. Its agents go on as orphans."""
        process = self._running()
        process.kill()
        process.wait(10)

    def freeze(self, platform_only=False):
        """Stop the platform and its agents in mid-air (SIGSTOP), or the platform's process alone."""

        def stopped():
            # Until a look finds all of them stopped: then none can have started another in the meantime.
            pids = [self._running().pid] if platform_only else _pids(self.home)
            _signal_all(pids, signal.SIGSTOP)
            with contextlib.suppress(psutil.NoSuchProcess):
                return all(psutil.Process(pid).status() == psutil.STATUS_STOPPED for pid in pids)

        self._wait(stopped, 10, "freeze", interval=0.002)

    def thaw(self):
        """Let all that was frozen go on (SIGCONT)."""
        _signal_all(_pids(self.home), signal.SIGCONT)

    def tail(self, lines=60):
        """Return the last lines of the platform's log, with what the platform and its agents printed."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 400 * lines))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])

    def close(self):
        """Kill all that ever belonged to this platform and is left, and free its ports. Its files stay."""
        self.power_off()
        if self._guard:
            self._guard.stdin.close()
            self._guard.wait(30)
        for claim in self._claims:
            claim.close()

    def _running(self):
        if self.pid is None:
            raise PlatformError(self._report(f"platform {self.name} does not run"))
        return self._process

    def _wait(self, condition, timeout, what, interval=0.05):
        try:
            return wait_for(condition, timeout, f"platform {self.name}, {what}", interval)
        except TimeoutError as error:
            raise PlatformError(self._report(str(error))) from None

    def _run(self, command, timeout, check=True, answer=""):
        """Run a command of the platform's environment and return its standard output."""
        shown = " ".join(command)
        if not self._vctl_lock.acquire(timeout=timeout):
            raise PlatformError(self._report(f"{shown}: an earlier command still runs after {timeout} s"))
        try:
            process = subprocess.Popen(
                self._as_user(command), cwd=self.root, env=self.env, start_new_session=True, text=True,
                stdin=subprocess.PIPE if answer else subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            try:
                output, errors = process.communicate(answer or None, timeout=timeout)
            except BaseException as error:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                output, errors = process.communicate()
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
                message = f"{shown}: not within {timeout} s\n{output}{errors}"
                raise PlatformError(self._report(message)) from None
        finally:
            self._vctl_lock.release()
        if check and process.returncode != 0:
            raise PlatformError(self._report(f"{shown}: exit status {process.returncode}\n{output}{errors}"))
        return output

    def _as_user(self, command):
        """Return the command with its full path. VOLTTRON refuses uid 0: root becomes a user by name only."""
        command = [str(self.root / "env" / "bin" / command[0]), *command[1:]]
        if os.getuid() == 0:
            return ["unshare", "--user", "--map-user=1000", "--map-group=1000", *command]
        return command

    def _report(self, message):
        return f"{message.rstrip()}\n--- end of {self.log}:\n{self.tail()}"


class ModularPlatform(BasePlatform):
    """A platform of VOLTTRON 11."""

    control_identity = "platform.control"
    needs_authorization = True
    patience = 120
    settles_within = 0

    def _environment(self):
        """Create an environment on top of the one that this Python runs in.

        What is installed goes into the new environment; what it does not have comes from the one below.
        """
        from tests.testbed import quick  # Here, because the guard, which runs this file alone, does without it.

        env = self.root / "env"
        venv.create(env, symlinks=True)
        [site_packages] = env.glob("lib/python*/site-packages")
        below = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
        lines = [f"import site; site.addsitedir({path!r})\n" for path in below]
        (site_packages / "below.pth").write_text("".join(lines))
        for name in quick.COMMANDS:
            _write_script(env / "bin" / name, f"#!{env}/bin/python -IS\n" + Path(quick.__file__).read_text())
        return _variables(self.root, self.home, env / "bin" / "python", _MODULAR_SCRIPTS) | {
            "POETRY_KEYRING_ENABLED": "false", "VIRTUAL_ENV": str(env)}

    def _prepare(self):
        self.home.mkdir()
        (self.home / "authz.json").write_text(json.dumps(_AUTHORIZED))
        project = self.root / "project"
        project.mkdir()
        (project / "pyproject.toml").write_text(_PROJECT.format(name=self.name))
        return ["volttron", "--dev", self._verbosity, "-l", str(self.log),
                "--instance-name", self.name, "--address", self.address], project

    @property
    def needs_vctl(self):
        return self.on_command is not None  # Its commands are to be seen.

    def _prepare_source(self, folder):
        """Build the wheel that `vctl install` of a copy would let poetry build, for a tenth of the CPU time."""
        copy = super()._prepare_source(folder)
        if self.needs_vctl:
            return copy
        from poetry.core.factory import Factory  # Here, because nothing else of the testbed needs it.
        from poetry.core.masonry.builders.wheel import WheelBuilder

        return copy / "dist" / WheelBuilder.make_in(Factory().create_poetry(copy), directory=copy / "dist")

    def _ask_serverkey(self):
        return self.vctl("auth", "servercred").split()[-1] if self.needs_vctl else self._credentials("platform")["publickey"]

    def publickey(self, identity):
        return self.vctl("auth", "agentcred", identity).split()[-1] if self.needs_vctl else self._credentials(identity)["publickey"]

    def _credentials(self, identity):
        return json.loads((self.home / "credentials_store" / f"{identity}.json").read_text())

    def register(self, name, publickey):
        # With "=", because one key of 64 begins with "-".
        self.vctl("auth", "add", name, "--publickey=" + publickey)

    def authorize(self, identity, capabilities):
        self.vctl("authz", "add", "agent", identity, "--rpc-capabilities", *capabilities)

    def forget_key(self):
        """Have the platform, which must not run, make itself a new key when it starts."""
        (self.home / "credentials_store" / "platform.json").unlink()
        self._serverkey = None

    def enable(self, identity):
        """Have an installed agent start with the platform: `vctl enable` of this release does not."""
        (self.home / "agents" / identity / "AUTOSTART").write_text("50")

    def protect_topics(self, *topics):
        self.vctl("authz", "add", "topics", *topics)
        self._protected = topics

    def unprotect_topics(self):
        self.vctl("authz", "remove", "topics", *self._protected)

    @property
    def secretkey(self):
        return self._credentials("platform")["secretkey"]

    def command_keys(self):
        keys = self._credentials("control.connection")
        return keys["publickey"], keys["secretkey"]

    def uuid(self, identity):
        with contextlib.suppress(FileNotFoundError):
            return (self.home / "agents" / identity / "UUID").read_text().strip()

    def config_file(self, identity):
        return self.home / "agents" / identity / "config"

    def code_folder(self, identity):
        return self.root


class MonolithicPlatform(BasePlatform):
    """A platform of VOLTTRON 9."""

    control_identity = "control"
    needs_authorization = False
    needs_vctl = True
    patience = 120
    # Its authorization service writes to all peers when an agent has started, and fails for good where a peer has just
    # gone: so none should go then.
    settles_within = 5

    def _environment(self):
        if not (MONOLITHIC_ROOT and MONOLITHIC_PYTHON):
            raise ValueError("VOLTTRON_ROOT and VOLTTRON_PYTHON must say where a monolithic VOLTTRON is")
        (self.root / "env" / "bin").mkdir(parents=True)
        python = Path(MONOLITHIC_PYTHON).absolute()
        variables = _variables(self.root, self.home, python, _MONOLITHIC_SCRIPTS) | {"PYTHONPATH": MONOLITHIC_ROOT}
        _write_script(self.root / "env" / "bin" / "python", f'#!/bin/sh\nexec "{python}" "$@"\n')
        return variables

    def _prepare(self):
        self.home.mkdir()
        (self.home / "config").write_text(_MONOLITHIC_CONFIG.format(name=self.name, address=self.address))
        return ["volttron", self._verbosity, "-l", str(self.log)], self.root

    def power_off(self):
        """Kill the platform and all of its processes at once, but not while it rewrites the file of its keys in place.

        That would leave it empty, as a power loss may, and nothing could connect any more.
        """
        keys = self.home / "auth.json"
        self._wait(lambda: not keys.exists() or keys.stat().st_size and time.time() - keys.stat().st_mtime > 1, 30,
                   "the file of keys")
        super().power_off()

    def set(self, **settings):
        """Set options of the platform, with "_" for "-". They are read when it starts."""
        with (self.home / "config").open("a") as config:
            config.writelines(f"{name.replace('_', '-')} = {value}\n" for name, value in settings.items())

    def claim_web_address(self):
        """Have the platform serve web pages at an address that is nobody else's, and return it."""
        claim, port = _claim_port()
        self._claims.append(claim)
        self.set(bind_web_address=f"http://127.0.0.1:{port}", web_secret_key="0" * 64)
        return f"http://127.0.0.1:{port}"

    def _ask_serverkey(self):
        return self.vctl("auth", "serverkey").split()[-1]

    def publickey(self, identity):
        return next(line.split()[-1] for line in self.vctl("auth", "publickey").splitlines()
                    if identity in line.split())

    def register(self, name, publickey):
        # With "=", because a key of VOLTTRON 11 may begin with "-".
        self.vctl("auth", "add", "--user_id", name, "--credentials=" + publickey)

    def authorize(self, identity, capabilities):
        """Nothing needs to be done: any agent may start and stop others."""

    def protect_topics(self, *topics):
        self._protect([{"topic": topic, "capabilities": ["test"]} for topic in topics])

    def unprotect_topics(self):
        self._protect([])

    def _protect(self, entries):
        # The platform watches this file.
        (self.home / "protected_topics.json").write_text(json.dumps({"write-protect": entries}))

    @property
    def secretkey(self):
        return json.loads((self.home / "keystore").read_text())["secret"]

    def command_keys(self):
        keys = json.loads((self.home / "keystores" / "control.connection" / "keystore.json").read_text())
        return keys["public"], keys["secret"]

    def uuid(self, identity):
        return next((file.parent.name for file in (self.home / "agents").glob("*/IDENTITY")
                     if file.read_text().strip() == identity), None)

    def config_file(self, identity):
        [file] = self.code_folder(identity).glob("*.dist-info/config")
        return file

    def code_folder(self, identity):
        [dist_info] = (self.home / "agents" / self.uuid(identity)).glob("*/*.dist-info")
        return dist_info.parent


Platform = MonolithicPlatform if MONOLITHIC_ROOT else ModularPlatform


def _write_script(path, text):
    path.write_text(text)
    path.chmod(0o755)


def _variables(root, home, python, scripts):
    """Write scripts that run modules with this Python into `root`/env/bin; return variables that select them.

    HOME is the platform's own too: platforms that share a ~/.volttron_instances or a poetry cache disturb each other.
    """
    folder = root / "env" / "bin"
    for name, module in scripts.items():
        _write_script(folder / name, _SCRIPT.format(python=python, module=module))
    variables = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
    return variables | {
        "HOME": str(root),
        "PATH": os.pathsep.join([str(folder), str(Path(python).parent), os.environ["PATH"]]),
        "VOLTTRON_HOME": str(home),
    }


def _claim_port():
    """Return a socket that claims a port until it is closed, and the port, which nobody else listens on.

    The claim is a name in Linux's abstract namespace: other test suites on this machine see it, and it cannot
    be left behind.
    """
    for port in random.sample(_PORTS, len(_PORTS)):
        claim = socket.socket(socket.AF_UNIX)
        with socket.socket() as probe, contextlib.suppress(OSError):
            claim.bind(f"\0volttron-test-platform-{port}")
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return claim, port
        claim.close()
    raise PlatformError(f"no free port between {_PORTS.start} and {_PORTS.stop}")


def _pids(home, identity=None, uuid=None):
    """Return the pids of the living processes with this VOLTTRON_HOME and, if given, this agent identity or uuid."""
    wanted = {f"VOLTTRON_HOME={home}".encode()}
    if uuid is not None:
        wanted.add(f"AGENT_UUID={uuid}".encode())
    if identity is not None:
        wanted.add(f"AGENT_VIP_IDENTITY={identity}".encode())
    found = []
    for pid in psutil.pids():
        # A process that has gone, or is another user's, is none of ours; a zombie's environment is empty.
        with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
            if wanted <= set(file.read().split(b"\0")):
                found.append(pid)
    return found


def _signal_all(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _kill_all(home):
    """Kill every process with this VOLTTRON_HOME; return whether there is none any more."""
    for _ in range(2):  # a process that just becomes another program (exec) shows no environment for a moment
        if pids := _pids(home):
            _signal_all(pids, signal.SIGKILL)
            return False
        time.sleep(0.02)
    return True


def _reap(home):
    """Wait until the process at the other end of standard input is gone, then kill what is left."""
    sys.stdin.read()
    wait_for(lambda: _kill_all(home), 30, f"end of all processes of {home}", interval=0.01)


if __name__ == "__main__" and sys.argv[1:2] == ["reap"]:
    _reap(sys.argv[2])
