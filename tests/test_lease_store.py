"""What outlives a restart of the failover agent, on a real disk."""

import errno
import json
import os
import stat
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from failover import clock
from failover.decision.orders import Orders
from failover.decision.setup import Record
from failover.decision.vocabulary import Timing
from failover.lease_store import CHECKS, LeaseStore

RECORD = Record(clock.now() + 8, Timing(20.0, 2.0, 6.0), Timing(10.0, 1.0, 5.0), "node-b")
BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_round_trip(tmp_path):
    LeaseStore(tmp_path / "data").save(RECORD)
    assert LeaseStore(tmp_path / "data").load() == RECORD
    LeaseStore(tmp_path / "data").save(Record())
    assert LeaseStore(tmp_path / "data").load() == Record()


def test_orders_come_back_and_those_of_an_earlier_release_too(tmp_path):
    orders = Orders(7, "node-b", "secondary", is_handed_over=True)
    memory = LeaseStore(tmp_path)
    memory.save(RECORD._replace(orders=orders))
    assert memory.load().orders == orders
    saved = json.loads(memory.path.read_text())
    memory.path.write_text(json.dumps(dict(saved, orders=saved["orders"][:6])))
    assert memory.load().orders == orders._replace(is_handed_over=False)


def test_after_a_reboot_the_lease_is_gone_and_the_rest_is_not(tmp_path):
    memory = LeaseStore(tmp_path)
    memory.save(RECORD)
    memory.path.write_text(json.dumps(dict(json.loads(memory.path.read_text()), kernel_boot="another")))
    assert memory.load() == RECORD._replace(lease_until=None)


HUGE = json.dumps(dict(lease_until=None, own_terms=[10 ** 400, 1, 1], peer_terms=None, peer_instance=None,
                       kernel_boot=None))


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"lease_until": 1}', "\x00", HUGE])
def test_what_cannot_be_read_is_nothing(tmp_path, text):
    memory = LeaseStore(tmp_path)
    assert memory.load() == Record()
    memory.path.write_text(text)
    assert memory.load() == Record()


def test_what_cannot_be_written_raises(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        LeaseStore(tmp_path / "file").save(RECORD)


# What may be in the file's place

GOOD = {"lease_until": None, "own_terms": [20, 2, 6], "peer_terms": [10, 1, 5], "peer_instance": "node-b"}


def load(memory, content, *arguments):
    """Load from a file with this content: bytes, or what JSON makes of anything else."""
    memory.path.parent.mkdir(exist_ok=True)
    memory.path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return memory.load(*arguments)


def is_plausible(remembered, timeout):
    if remembered.lease_until is not None:
        assert 0 < remembered.lease_until <= clock.now() + timeout
    for terms in filter(None, (remembered.own_terms, remembered.peer_terms)):
        assert isinstance(terms, Timing) and all(isinstance(one, float) and 0 < one <= 86400 for one in terms)
    name = remembered.peer_instance
    assert name is None or name.isprintable() and 0 < len(name) <= 255
    return True


@pytest.mark.parametrize("field", ["own_terms", "peer_terms"])
@pytest.mark.parametrize("value", [
    float("inf"), [float("inf"), 1, 1], [float("nan"), 1, 1], [-1, 1, 1], [0, 1, 1], [86401, 1, 1], [1, 1], [], "abc",
    {}, {"a": 1, "b": 2, "c": 3}, [True, 1, 1], ["1", 1, 1], [None, 1, 1], [[1], 1, 1], 5, [10 ** 400, 1, 1]])
def test_times_that_cannot_be_are_not_known(tmp_path, field, value):
    loaded = load(LeaseStore(tmp_path), dict(GOOD, kernel_boot=None, **{field: value}))
    assert getattr(loaded, field) is None and loaded.peer_instance == "node-b"


@pytest.mark.parametrize("name", ["", "x" * 256, "a\nb", "\x1b[2J", "\ud800", 5, True, [], {}, ["node-b"]])
def test_a_name_that_cannot_be_is_not_known(tmp_path, name):
    loaded = load(LeaseStore(tmp_path), dict(GOOD, peer_instance=name))
    assert loaded.peer_instance is None and loaded.peer_terms == Timing(10, 1, 5)


def saved_by(remembered, folder):
    memory = LeaseStore(folder)
    memory.save(remembered)
    return json.loads(memory.path.read_text())


def test_a_lease_lasts_no_longer_than_the_longest_timeout_from_now(tmp_path):
    raw = saved_by(RECORD, tmp_path)
    now = clock.now()
    for until in (now + 10, now + 19):
        assert load(LeaseStore(tmp_path), dict(raw, lease_until=until)).lease_until == until
    for until in (now + 30, 1e300, 10 ** 400, float("inf"), float("nan"), -1, 0, -float("inf"), True, "5", [], {}):
        loaded = load(LeaseStore(tmp_path), dict(raw, lease_until=until))
        assert loaded == RECORD._replace(lease_until=None)
    # Under a longer timeout than the one on file, which the failover agent is configured with now.
    assert load(LeaseStore(tmp_path), dict(raw, lease_until=now + 30), 40).lease_until == now + 30
    assert load(LeaseStore(tmp_path), dict(raw, lease_until=now + 50), 40).lease_until is None
    assert load(LeaseStore(tmp_path), dict(raw, lease_until=now + 15), 5).lease_until == now + 15
    assert load(LeaseStore(tmp_path), dict(raw, lease_until=now + 15, own_terms=None), 5).lease_until is None
    assert load(LeaseStore(tmp_path), dict(raw, lease_until=now + 5, own_terms=None)).lease_until is None


def test_what_newer_and_older_releases_write_is_read(tmp_path):
    raw = saved_by(RECORD, tmp_path)
    newer = dict(raw, a_new_field=[1, {"a": 2}], own_terms=[20, 2, 6, "more"])
    assert load(LeaseStore(tmp_path), newer) == RECORD
    del newer["peer_instance"], newer["peer_terms"], newer["kernel_boot"]
    assert load(LeaseStore(tmp_path), newer) == Record(own_terms=RECORD.own_terms)


def test_the_release_before_reads_what_this_one_writes(tmp_path):
    """It reads these five; further fields do not matter to it."""
    raw = saved_by(RECORD._replace(mode="standard"), tmp_path)
    assert (float(raw["lease_until"]), Timing(*map(float, raw["own_terms"])), Timing(*map(float, raw["peer_terms"])),
            str(raw["peer_instance"])) == RECORD[:4]
    assert raw["kernel_boot"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert raw["mode"] == "standard"


@pytest.mark.parametrize("mode, known", [
    ("simple", "simple"), ("standard", "standard"), ("x", None), (5, None), ([], None)])
def test_the_mode_of_the_last_start_is_read(tmp_path, mode, known):
    assert load(LeaseStore(tmp_path), dict(GOOD, mode=mode)).mode == known
    assert load(LeaseStore(tmp_path), GOOD).mode is None


def test_each_field_has_a_check():
    assert set(Record._fields) <= set(CHECKS)


@pytest.mark.parametrize("content", [
    b"[" * 60000, b'{"a":' * 10000, b'{"own_terms": ' + b"[" * 20000 + b"]" * 20000 + b"}", b"\xff\xfe\x00",
    b"9" * 60000, b" " * 10 ** 7, b'"' + b"x" * 10 ** 7 + b'"', b"NaN", b"true", b'"x"', b"5", b"[1, 2]"],
    ids=range(12))
def test_a_file_of_any_kind_is_nothing(tmp_path, content):
    begun = time.monotonic()
    assert load(LeaseStore(tmp_path), content) == Record()
    assert time.monotonic() - begun < 30


def test_what_is_no_file_is_nothing(tmp_path):
    memory = LeaseStore(tmp_path)
    memory.path.mkdir()
    assert memory.load() == Record()
    memory.path.rmdir()
    os.mkfifo(str(memory.path))
    assert memory.load() == Record()
    memory.save(RECORD)
    assert memory.load(10 ** 5).own_terms == RECORD.own_terms, "a FIFO gives way"
    memory.path.unlink()
    memory.path.symlink_to("/dev/zero")
    assert memory.load() == Record()
    memory.path.unlink()
    memory.path.symlink_to(memory.path)
    assert memory.load() == Record()


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=300), st.floats(0, 1e5)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8)


@settings(deadline=None, max_examples=300)
@given(st.one_of(
    st.binary(max_size=300), VALUES,
    st.fixed_dictionaries({}, optional=dict.fromkeys((*Record._fields, "kernel_boot", "mode"), VALUES)),
    st.builds(lambda until, terms: dict(GOOD, lease_until=until, own_terms=terms, kernel_boot=BOOT), VALUES, VALUES)))
def test_whatever_is_in_the_file_what_is_remembered_can_be(tmp_path_factory, content):
    loaded = load(LeaseStore(tmp_path_factory.getbasetemp() / "any"), content, 30)
    own = loaded.own_terms.timeout if loaded.own_terms else 0
    assert isinstance(loaded, Record) and is_plausible(loaded, max(30, own))


# Writing

def test_the_file_is_the_owners_alone_and_on_the_disk_before_it_counts(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda *paths: (calls.append("replace"), replace(*paths)))
    memory = LeaseStore(tmp_path)
    memory.path.write_text("")
    memory.path.chmod(0o644)
    memory.save(RECORD)
    assert calls == ["fsync", "replace", "fsync"] and stat.S_IMODE(memory.path.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["lease.json"]


@pytest.mark.parametrize("make", [
    lambda path: path.write_text("{"), lambda path: (path.mkdir(), (path / "in it").write_text("")),
    lambda path: os.mkfifo(str(path)), lambda path: path.symlink_to("/nowhere/at/all")])
def test_what_is_in_the_way_of_a_new_file_does_not_matter(tmp_path, make):
    memory = LeaseStore(tmp_path)
    make(tmp_path / "lease.new")
    make(tmp_path / "lease.json.new")
    memory.save(RECORD)
    assert memory.load(10 ** 5).own_terms == RECORD.own_terms


def test_a_file_system_that_cannot_sync_a_folder_takes_what_is_saved(tmp_path, monkeypatch):
    sync = os.fsync

    def fsync(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "not here")
        sync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    memory = LeaseStore(tmp_path)
    memory.save(RECORD)
    assert memory.load(10 ** 5).own_terms == RECORD.own_terms


def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    memory = LeaseStore(tmp_path)
    memory.save(RECORD)
    before = memory.path.read_text()

    def fail(*arguments):
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError):
        memory.save(Record())
    assert memory.path.read_text() == before and len(list(tmp_path.iterdir())) == 1
