"""The configuration in VOLTTRON's configuration store. On real platforms it is in test_operators.py."""

import json
from types import SimpleNamespace

import pytest

from failover.config import Config, ConfigError, Known
from failover.config.source import Source
from failover.config_watch import ConfigWatch
from failover.decision.saving import is_at_rest
from failover.decision.vocabulary import AgentState
from tests.driving import Core
from tests.test_config import GOOD


@pytest.fixture
def source(tmp_path):
    (tmp_path / "config").write_text(json.dumps(GOOD))
    return Source(str(tmp_path / "config"), str(tmp_path / "failover.store"), lambda with_central: Known())


@pytest.fixture
def store(tmp_path):
    """Return a function that stores what `vctl config store` would under a name, or deletes all."""
    def store(data=None, name="config", kind="json"):
        file = tmp_path / "failover.store"
        if data is None:
            file.unlink()
        else:
            text = data if isinstance(data, str) else json.dumps(data)
            file.write_text(json.dumps({name: {"type": kind, "modified": "2026-11-25", "data": text}}))
    return store


# Which one holds

def test_without_anything_in_the_store_the_installed_file_holds(source, store):
    assert source.load() == (Config.load(GOOD), False, ())
    store(dict(GOOD, timeout=60), name="another")
    assert source.load() == (Config.load(GOOD), False, ())


@pytest.mark.parametrize("name, kind, text", [
    ("config", "json", json.dumps(dict(GOOD, timeout=60))),
    ("Config", "raw", json.dumps(dict(GOOD, timeout=60))),
    ("config", "raw", "\n".join("{}: {}".format(key, json.dumps(value)) for key, value in dict(GOOD, timeout=60).items())),
])
def test_what_is_stored_takes_precedence(source, store, name, kind, text):
    store(text, name, kind)
    assert source.load() == (Config.load(dict(GOOD, timeout=60)), True, ())


def test_what_is_stored_is_enough(source, store, tmp_path):
    store(GOOD)
    (tmp_path / "config").unlink()
    assert source.load().config == Config.load(GOOD)
    store()
    with pytest.raises(ConfigError):
        source.load()


@pytest.mark.parametrize("data, kind, words", [
    (dict(GOOD, timeout=-1), "json", "timeout"),
    (dict(GOOD, agent_id="third"), "json", "agent_id"),
    ("{", "raw", "config cannot be read as JSON"),
    ("", "raw", "config is empty"),
    ("timeout\n60", "csv", "stored as CSV"),
])
def test_what_is_stored_wrongly_is_told_and_the_installed_file_holds(source, store, data, kind, words):
    store(data, kind=kind)
    config, is_stored, [problem, *_] = source.load()
    assert (config, is_stored) == (Config.load(GOOD), False) and words in problem


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[1]", b"null", b'{"config": 1}', b'{"config": {"data": 1}}', b"[" * 100000])
def test_a_damaged_store_costs_nothing_but_itself(source, tmp_path, content):
    (tmp_path / "failover.store").write_bytes(content)
    assert source.load().config == Config.load(GOOD)


# While the agent runs

class Watched:
    """A watch, what it has applied, and what it says is the matter."""

    def __init__(self, source):
        self.applied, self.faults, self.exported = [], {}, []
        rpc = SimpleNamespace(export=lambda method, name: self.exported.append(name))
        agent = SimpleNamespace(core=SimpleNamespace(identity="failover"), vip=SimpleNamespace(rpc=rpc))
        self._watch = ConfigWatch(agent, source, source.load(), self.faults, self.applied.append)
        self.look()

    def look(self):
        """Look often enough."""
        for _ in range(3):
            self._watch.look()


@pytest.fixture
def watched(source):
    return Watched(source)


def test_the_store_may_tell_of_changes(watched):
    assert watched.exported == ["config.update", "config.initial_update"]


def test_times_are_applied_once(watched, store):
    assert watched.applied == []
    store(dict(GOOD, timeout=60, heartbeat_period=3))
    watched.look()
    watched.look()
    assert watched.applied == ["heartbeat_period 3 instead of 2, timeout 60 instead of 30"]
    assert watched.faults == {}


def test_what_is_the_same_is_not_applied(watched, store):
    store(dict(GOOD))
    watched.look()
    assert (watched.applied, watched.faults) == ([], {})


@pytest.mark.parametrize("changes", [
    dict(agent_id="primary"), dict(remote_vip="tcp://192.0.2.9:22916"), dict(agent_vip_identity="another"),
    dict(remote_instance_name="there"), dict(agent_id="primary", timeout=60)])
def test_what_cannot_change_while_the_agent_runs_is_told(watched, store, changes):
    store(dict(GOOD, **changes))
    watched.look()
    assert watched.applied == [] and "in the configuration are new: " in watched.faults["config"]
    assert all(name in watched.faults["config"] for name in changes if name != "timeout")
    assert "`vctl restart`" in watched.faults["config"]
    store()
    watched.look()
    assert watched.faults == {}


def test_what_is_wrong_is_told_and_what_runs_goes_on(watched, store):
    store(dict(GOOD, timeout="soon", heartbeat_period=0))
    watched.look()
    assert watched.applied == []
    for words in ("timeout", "heartbeat_period", "`vctl config store failover config FILE`"):
        assert words in watched.faults["config"]
    store(dict(GOOD, timeout=60))
    watched.look()
    assert len(watched.applied) == 1 and watched.faults == {}


def test_a_deletion_brings_the_installed_file_back(source, store):
    store(dict(GOOD, timeout=60))
    watched = Watched(source)
    assert watched.applied == []
    store()
    watched.look()
    assert watched.applied == ["timeout 30 instead of 60"]


def test_what_was_wrong_at_the_start_is_told(source, store):
    store(dict(GOOD, timeout="soon"))
    assert "timeout" in Watched(source).faults["config"]


def test_what_is_being_written_is_not_looked_at(source, store):
    watched = Watched(source)
    store("{", kind="raw")
    watched._watch.look()
    store(dict(GOOD, timeout=60))
    watched._watch.look()
    assert (watched.applied, watched.faults) == ([], {})
    watched.look()
    assert watched.applied == ["timeout 60 instead of 30"]


# When it is applied

def test_a_side_is_at_rest_when_its_agent_is_where_it_should_be():
    core = Core("primary")
    assert not is_at_rest(core.state, 0.0), "it is not known yet whether the agent runs"
    core.observe(AgentState.STOPPED, 0.1)
    assert not is_at_rest(core.state, 0.1), "it is to run and does not"
    core.ready(0.2)
    core.end_command(0.3)
    core.observe(AgentState.RUNNING, 0.4)
    assert is_at_rest(core.state, 0.5)


def test_a_lease_must_last_long_enough():
    core = Core("primary", "standard")
    state = core.state
    held = state._replace(policy=state.policy._replace(given_up_at=None, on_file=9.0),
                          agents=(state.agents[0]._replace(state=AgentState.RUNNING),), decision=state.decision._replace(wanted=None))
    assert is_at_rest(held, 0.0) and not is_at_rest(held, 6.0)
    assert not is_at_rest(held._replace(is_ending=True), 0.0)
