"""The configuration in VOLTTRON's configuration store. On real platforms it is in test_operators.py."""

import json
from types import SimpleNamespace

import pytest

from failover import config_watch
from failover.config import Config, ConfigError, Known
from failover.config.keys import KEYS, LIVE
from failover.config.source import Source
from failover.config_watch import ConfigWatch
from tests.test_config import GOOD

OTHER_KEY = "y" * 42 + "A"


@pytest.fixture
def source(tmp_path):
    (tmp_path / "config").write_text(json.dumps(GOOD))
    return Source(str(tmp_path / "config"), tmp_path / "failover.store", lambda with_central: Known(), "failover")


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


def load(source):
    raw = source.read()
    return source.check(raw), raw.is_stored


# Which one holds

def test_without_anything_in_the_store_the_installed_file_holds(source, store):
    assert load(source) == (Config.load(GOOD), False)
    store(dict(GOOD, timeout=60), name="another")
    assert load(source) == (Config.load(GOOD), False)


@pytest.mark.parametrize("name, kind, text", [
    ("config", "json", json.dumps(dict(GOOD, timeout=60))),
    ("Config", "raw", json.dumps(dict(GOOD, timeout=60))),
    ("config", "raw", "\ufeff// as some editors begin it\n" + json.dumps(dict(GOOD, timeout=60))),
    ("config", "raw", "\n".join("{}: {}".format(key, json.dumps(value)) for key, value in dict(GOOD, timeout=60).items())),
])
def test_what_is_stored_takes_precedence(source, store, name, kind, text):
    store(text, name, kind)
    assert load(source) == (Config.load(dict(GOOD, timeout=60)), True)


def test_what_is_stored_is_enough(source, store, tmp_path):
    store(GOOD)
    (tmp_path / "config").unlink()
    assert load(source)[0] == Config.load(GOOD)
    store()
    with pytest.raises(ConfigError):
        source.read()


@pytest.mark.parametrize("data, kind, words", [
    (dict(GOOD, timeout=-1), "json", "timeout"),
    (dict(GOOD, agent_id="third"), "json", "agent_id"),
    ("{", "raw", "`config` in the configuration store cannot be read as JSON"),
    ("", "raw", "`config` in the configuration store is empty"),
    ("x" * 70000, "raw", "is larger than 64 KiB"),
    ("timeout\n60", "csv", "is CSV"),
])
def test_what_is_stored_wrongly_is_not_passed_over(source, store, data, kind, words):
    store(data, kind=kind)
    with pytest.raises(ConfigError) as error:
        load(source)
    assert words in error.value.problems[0]


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100000])
def test_a_damaged_store_is_told(source, tmp_path, content):
    (tmp_path / "failover.store").write_bytes(content)
    with pytest.raises(ConfigError) as error:
        source.read()
    assert "failover.store cannot be read" in str(error.value)


@pytest.mark.parametrize("content", [b"[1]", b"null", b'{"config": 1}', b'{"config": {"data": 1}}'])
def test_a_store_without_a_configuration_costs_nothing(source, tmp_path, content):
    (tmp_path / "failover.store").write_bytes(content)
    assert load(source) == (Config.load(GOOD), False)


# While the agent runs

class Watched:
    """A watch, and what it says is the matter."""

    def __init__(self, source):
        self.faults, self.exported = {}, []
        rpc = SimpleNamespace(export=lambda method, name: self.exported.append(name))
        agent = SimpleNamespace(core=SimpleNamespace(identity="failover"), vip=SimpleNamespace(rpc=rpc))
        raw = source.read()
        self.used = []
        self.watch = ConfigWatch(agent, source, raw, source.check(raw), self.faults, self.used.append)

    def look(self):
        """Look often enough, and return what is said."""
        for _ in range(3):
            self.watch.look()
        return self.faults.get("config")


@pytest.fixture
def watched(source):
    return Watched(source)


def test_the_store_may_tell_of_changes(watched):
    assert watched.exported == ["config.update", "config.initial_update"]


def test_what_is_the_same_is_nothing_new(watched, store):
    assert watched.look() is None
    store(dict(GOOD))
    assert watched.look() is None


@pytest.mark.parametrize("key", sorted(set(KEYS) - LIVE))
def test_what_needs_a_restart_is_told_until_it_does_not_differ(watched, store, key):
    other = {"agent_id": "primary", "simple_behavior": False, "remote_vip": "tcp://192.0.2.99:1",
             "remote_serverkey": OTHER_KEY, "volttron_central_vip": "tcp://192.0.2.98:1",
             "volttron_central_serverkey": OTHER_KEY, "require_signatures": False}.get(key, "another")
    complete = {"volttron_central_vip": "tcp://192.0.2.98:1", "volttron_central_serverkey": OTHER_KEY}
    more = complete if key.startswith("volttron_central") or key == "simple_behavior" else {}
    store(dict(GOOD, **dict(more, timeout=60, **{key: other})))
    assert key in watched.look().split("differs in ")[1].split(": run `vctl restart`")[0].split(", ")
    assert watched.used == []
    store()
    assert watched.look() is None


def test_what_may_change_now_is_used_at_once(watched, store):
    changed = dict(GOOD, timeout=60, heartbeat_period=3, stop_grace=9, fail_back="manual", max_failures=3, failure_window=60,
                   unhealthy_after=30, compare_managed_agents=False)
    assert {key for key in changed if changed[key] != GOOD.get(key)} == LIVE
    store(changed)
    assert (watched.look(), watched.used) == (None, [Config.load(changed)])
    store()
    assert (watched.look(), watched.used) == (None, [Config.load(changed), Config.load(GOOD)])


def test_what_is_wrong_is_told_and_can_be_corrected(watched, store):
    store(dict(GOOD, timeout="soon", heartbeat_period=0))
    text = watched.look()
    assert all(words in text for words in ("timeout", "heartbeat_period", "`vctl config store failover config FILE`"))
    store(dict(GOOD))
    assert watched.look() is None


def test_what_is_wrong_can_be_deleted(watched, store):
    """As the message says."""
    store(dict(GOOD, timeout=-1))
    assert "`vctl config delete failover config`" in watched.look()
    store()
    assert (watched.look(), watched.used) == (None, [])


@pytest.mark.parametrize("installed", [None, "{", json.dumps(dict(GOOD, timeout="soon"))], ids=["none", "no JSON", "wrong"])
def test_what_is_not_stored_is_not_said_to_be(source, store, tmp_path, installed):
    """The configuration is deleted from the store, and the installed one is of no use."""
    store(dict(GOOD))
    watched = Watched(source)
    (tmp_path / "config").unlink() if installed is None else (tmp_path / "config").write_text(installed)
    store()
    text = watched.look()
    assert text.startswith("nothing is stored, and the installed configuration is wrong: ")
    assert "run `vctl config store failover config FILE` with a right one before the next start" in text
    assert "delete" not in text
    store(dict(GOOD))
    assert watched.look() is None


def test_an_installed_configuration_that_needs_a_restart_is_not_said_to_be_stored(source, store):
    store(dict(GOOD, agent_vip_identity="another"))
    watched = Watched(source)
    store()
    assert watched.look().startswith("nothing is stored, and the installed configuration is not in use, because it differs in ")


def test_an_agent_that_would_manage_itself_is_refused(source, watched, store):
    store(dict(GOOD, agent_vip_identity="failover"))
    with pytest.raises(ConfigError, match="agent_vip_identity: found 'failover', which is this agent itself"):
        load(source)
    text = watched.look()
    assert "is wrong" in text and "which is this agent itself" in text and "vctl restart" not in text


def test_a_store_that_cannot_be_read_names_the_command_once(source, watched, store, tmp_path):
    (tmp_path / "failover.store").write_bytes(b"")
    with pytest.raises(ConfigError) as error:
        source.read()
    command = "`vctl config store failover config FILE`"
    assert command in source.remedy(error.value) and watched.look().count(command) == 1


def test_a_deletion_is_used(source, store):
    store(dict(GOOD, timeout=60))
    watched = Watched(source)
    assert watched.look() is None
    store()
    assert (watched.look(), watched.used) == (None, [Config.load(GOOD)])


def test_what_changed_between_the_reading_and_the_first_look_is_used(source, store):
    watched = Watched(source)
    store(dict(GOOD, timeout=60))
    assert (watched.look(), watched.used) == (None, [Config.load(dict(GOOD, timeout=60))])


def test_what_is_being_written_is_not_looked_at(source, store):
    watched = Watched(source)
    store("{", kind="raw")
    watched.watch.look()
    store(dict(GOOD))
    watched.watch.look()
    assert watched.faults == {}
    assert watched.look() is None


def test_what_is_wrong_is_compared_again_now_and_then_and_what_is_stored_next_at_once(watched, store, monkeypatch):
    """On VOLTTRON 9 each time asks the platform for the keys that it knows."""
    asked, compare = [], watched.watch._compare
    monkeypatch.setattr(watched.watch, "_compare", lambda: asked.append(True) or compare())
    store(dict(GOOD, timeout=-1))
    for _ in range(10):
        assert watched.look() is None or "is wrong" in watched.faults["config"]
    assert len(asked) == 1
    monkeypatch.setattr(config_watch, "_COMPARE_AGAIN_AFTER", 0.0)
    watched.watch._compare_again_at = 0.0
    watched.look()
    assert len(asked) > 1
    store(dict(GOOD, timeout=61))
    assert watched.look() is None and watched.used[-1].timeout == 61
