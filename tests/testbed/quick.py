"""Runs a platform's commands, such as vctl, as forks of a process that has imported what they consist of.

The import costs half a second of a core for each command: more than what the command then does. All else is as without it:
the interpreter, the environment, the folder, the standard streams, the exit status, and that a command which is killed is gone.

This file is both: a command, under whose name it lies among the scripts of the environment, and its server, which the first
command starts. The server has the environment of its platform, and ends with it, or when nobody has asked for a minute.
"""

import contextlib
import gc
import importlib
import json
import os
import socket
import sys
import time
from importlib.machinery import PathFinder

# What gevent puts in their places is not for a process that only forks.
from os import fork, waitpid
from select import select
from signal import SIG_DFL, SIG_IGN, SIGCHLD, SIGINT, SIGKILL, default_int_handler, signal
from socket import socket as Socket

# What each command consists of: the module whose `main` it is, and others that it would import later.
COMMANDS = {
    "vctl": ["volttron.client.commands.control"],
    "poetry": ["poetry.console.application", "poetry.console.commands.add", "poetry.console.commands.remove", "poetry.factory",
               "poetry.plugins.plugin_manager", "poetry.repositories.pypi_repository", "poetry.repositories.legacy_repository",
               "poetry.console.logging.io_handler", "lark.parsers.lalr_parser", "lark.parsers.earley"],
    "pip": ["pip._internal.cli.main", "pip._internal.commands.show", "pip._internal.metadata.pkg_resources"],
}

# Seconds.
_SERVER_STARTS_WITHIN, _SERVES_FOR = 60, 60


def command(script):
    """Have the server run this command, and return its exit status."""
    with _server_of(script) as server:
        request = json.dumps([sys.argv, os.getcwd(), dict(os.environ)]).encode()
        socket.send_fds(server, [len(request).to_bytes(4, "big")], [0, 1, 2])
        server.sendall(request)
        answer = server.recv(1)
    return answer[0] if answer else 1


def _server_of(script):
    deadline = None
    while True:
        server = Socket(socket.AF_UNIX)
        try:
            server.connect(script + ".socket")
            return server
        except (FileNotFoundError, ConnectionRefusedError):
            server.close()
            if deadline is None:
                import subprocess  # It would make each command slower.

                # Its standard streams, which those of each command will take the place of, are pipes as theirs mostly are.
                subprocess.Popen([sys.executable, script, "as-server", script], cwd="/", start_new_session=True,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                deadline = time.monotonic() + _SERVER_STARTS_WITHIN
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def serve(script):
    """Serve until nobody has asked for a while. Return in each process that is to run a command, with the command's `main`."""
    listener = Socket(socket.AF_UNIX)
    listener.bind("{}.{}".format(script, os.getpid()))
    listener.listen(100)
    os.rename(listener.getsockname(), script + ".socket")  # In the place of one who was killed.
    main = [importlib.import_module(module) for module in COMMANDS[os.path.basename(script)]][0].main
    gc.freeze()  # A fork shares the memory of what it does not touch.
    signal(SIGCHLD, SIG_IGN)
    while True:
        if not select([listener], [], [], _SERVES_FOR)[0]:
            with contextlib.suppress(FileNotFoundError):
                os.remove(script + ".socket")
            if not select([listener], [], [], 0)[0]:
                sys.exit()
        client = Socket(fileno=listener._accept()[0])  # accept() would return one of gevent's.
        if fork() == 0:
            listener.close()
            return _begun(client, main)
        client.close()


def _begun(client, main):
    """Fork once more: one side runs the command, the other one waits for its end. If who asked is killed, both are."""
    signal(SIGCHLD, SIG_DFL)
    os.setsid()
    header, streams, _, _ = socket.recv_fds(client, 4, 3)
    with client.makefile("rb") as file:
        arguments, folder, environment = json.loads(file.read(int.from_bytes(header, "big")))
    pid = fork()
    if pid:
        for stream in (0, 1, 2, *streams):
            os.close(stream)
        end = os.pidfd_open(pid)
        if end not in select([client, end], [], [])[0]:
            os.killpg(0, SIGKILL)
        status = os.waitstatus_to_exitcode(waitpid(pid, 0)[1])
        client.send(bytes([status if status >= 0 else 128 - status]))
        os._exit(0)
    client.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[:] = arguments
    return main


def _find_what_was_installed():
    """Look anew for the parts of the namespace packages that are imported already: another may have been installed."""
    importlib.invalidate_caches()
    for name, module in sorted(sys.modules.items()):
        if hasattr(module, "__path__") and getattr(module, "__file__", None) is None:
            parent = sys.modules.get(name.rpartition(".")[0])
            spec = PathFinder.find_spec(name, parent and parent.__path__)
            if spec is not None:
                module.__path__ = spec.submodule_search_locations


def _run():
    if sys.argv[1:2] != ["as-server"]:
        sys.exit(command(os.path.abspath(__file__)))
    script = sys.argv[2]
    main = serve(script)
    _find_what_was_installed()
    if "gevent" in sys.modules:
        sys.modules["gevent"].reinit()
    if "SIGINT_AS_INHERITED" not in os.environ:
        signal(SIGINT, default_int_handler)
    sys.exit(main())


if __name__ == "__main__":
    _run()
