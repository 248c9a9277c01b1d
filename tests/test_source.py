"""The source itself: what the oldest Python accepts, and that both kinds of VOLTTRON are offered the same."""

import ast
import os
import shutil
import subprocess
import sys
from enum import Enum
from typing import Union, get_args, get_origin, get_type_hints

import pytest
from gevent import monkey

from failover.decision.effects import Effect
from failover.decision.events import Event
from failover.decision.machine import State, step
from tests import scripted
from tests.testbed.pair import REPOSITORY
from tests.testbed.platforms import MONOLITHIC_ROOT

OLDEST = (3, 8)
SOURCES = sorted((REPOSITORY / "failover").rglob("*.py"))

# These need neither VOLTTRON nor anything else that must be installed.
INDEPENDENT = [
    "backoff", "clock", "command.page", "command.status", "config", "decision.machine", "decision.view", "files",
    "heartbeat", "lease_store", "reception", "runs", "text", "vip.address", "vip.endpoint", "vip.errors", "vip.frames",
    "words.announcer", "words.changes", "words.status"]


def oldest_python():
    """Return an interpreter of the oldest Python, or None."""
    found = shutil.which("python{}.{}".format(*OLDEST))
    # A version manager's stand-in for an interpreter that is not there fails.
    return found if found and subprocess.run([found, "-V"], capture_output=True, timeout=60).returncode == 0 else None


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_the_oldest_python_can_read_it(source):
    ast.parse(source.read_text(), feature_version=OLDEST)


@pytest.mark.skipif(oldest_python() is None, reason="there is no Python {}.{}".format(*OLDEST))
def test_the_oldest_python_compiles_it_and_imports_what_needs_nothing_else(tmp_path):
    def run(*arguments):
        done = subprocess.run([oldest_python(), *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=60,
                              env=dict(os.environ, PYTHONPYCACHEPREFIX=str(tmp_path)))
        assert done.returncode == 0, done.stdout + done.stderr

    run("-m", "compileall", "-q", "failover")
    run("-W", "error", "-c", "import " + ", ".join("failover." + module for module in INDEPENDENT))


@pytest.mark.parametrize("source", sorted((REPOSITORY / "failover" / "decision").glob("*.py")), ids=lambda path: path.stem)
def test_the_decision_imports_nothing_that_could_do_or_wait_for_anything(source):
    imported = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            imported.update(one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module if node.level == 0 else "." * node.level)
    assert all(name in ("dataclasses", "enum", "math", "typing") or (name + ".").startswith("failover.decision.")
               for name in imported), imported


@pytest.mark.parametrize("kind", [State, Event, Effect], ids=["state", "events", "effects"])
def test_the_decisions_values_are_made_of_what_cannot_change(kind):
    def check(kind, path):
        if isinstance(kind, type) and (kind in (str, int, float, bool, type(None)) or issubclass(kind, Enum)):
            return
        if isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields"):
            # Equality and hash are those of a tuple.
            assert kind.__eq__ is tuple.__eq__ and kind.__hash__ is tuple.__hash__, path
            for name, hint in get_type_hints(kind).items():
                check(hint, "{}.{}".format(kind.__name__, name))
            return
        assert get_origin(kind) in (Union, tuple), "{} is a {}".format(path, kind)
        for one in get_args(kind):
            if one is not Ellipsis:
                check(one, path)

    check(kind, "")


@pytest.mark.parametrize("story", [scripted.takeover, scripted.simple_takeover, scripted.failback])
def test_the_decisions_values_can_be_hashed_and_are_equal_when_made_again(story):
    """A step changes nothing in the state from which it begins."""
    recording = story()
    state = recording.beginning
    for at, event, effects in recording.entries:
        before = hash(state)
        after, done = step(state, event, at)
        again, done_again = step(state, event, at)
        assert hash(state) == before and (after, done) == (again, done_again) and done == effects
        assert hash(after) == hash(again) and hash(done) == hash(done_again) and isinstance(hash(event), int)
        state = after


def test_no_file_is_longer_than_can_be_read_in_one_go():
    long = {str(path.relative_to(REPOSITORY)): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: lines for name, lines in long.items() if lines > 250} == {}


@pytest.mark.skipif(bool(MONOLITHIC_ROOT), reason="that VOLTTRON is not installed here")
def test_the_agent_imports_nothing_before_it_is_needed():
    """Beyond what VOLTTRON imports. With asyncio, which pyzmq has for its monitors' messages, it was 3 MiB more."""
    program = ("import sys, volttron.client.vip.agent; before = set(sys.modules); import failover.agent; "
               "print(*sorted({name.partition('.')[0] for name in sys.modules.keys() - before}))")
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not set(done.stdout.split()) & {"asyncio", "concurrent", "difflib", "gzip", "http", "html", "xml"}, done.stdout


def test_the_demo_does_without_what_only_the_tests_need():
    program = "import sys; sys.modules.update(dict.fromkeys(sys.argv[1:])); import tests.demo.__main__"
    done = subprocess.run([sys.executable, "-c", program, "pytest", "coverage", "hypothesis", "selenium", "setuptools"],
                          cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_both_kinds_of_volttron_are_offered_the_same():
    offered = {}
    for kind in ("modular", "monolithic"):
        tree = ast.parse((REPOSITORY / "failover" / "compat" / (kind + ".py")).read_text())
        [names] = [ast.literal_eval(node.value) for node in tree.body
                   if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"]
        functions = {node.name: ast.dump(node.args) for node in tree.body if isinstance(node, ast.FunctionDef)}
        offered[kind] = names, {name: functions[name] for name in names if name in functions}
    (modular, modular_functions), (monolithic, monolithic_functions) = offered.values()
    assert modular == monolithic
    both = modular_functions.keys() & monolithic_functions.keys()
    assert {name: modular_functions[name] for name in both} == {name: monolithic_functions[name] for name in both}


def test_the_tests_own_process_is_not_patched():
    """Relays and stand-ins serve in threads of their own, which gevent would replace. VOLTTRON's import has it do so."""
    assert not monkey.is_module_patched("threading") and not monkey.is_module_patched("socket")
