"""What outlives a restart of the failover agent, on a real disk."""

import json

import pytest

from failover.core import Terms
from failover.lease import Remembered
from failover.memory import Memory

REMEMBERED = Remembered(1234.5, Terms(20.0, 2.0, 6.0), Terms(10.0, 1.0, 5.0), "node-b")


def test_round_trip(tmp_path):
    Memory(tmp_path / "data").save(REMEMBERED)
    assert Memory(tmp_path / "data").load() == REMEMBERED
    Memory(tmp_path / "data").save(Remembered())
    assert Memory(tmp_path / "data").load() == Remembered()


def test_after_a_reboot_the_lease_is_gone_and_the_rest_is_not(tmp_path):
    memory = Memory(tmp_path)
    memory.save(REMEMBERED)
    memory.path.write_text(json.dumps(dict(json.loads(memory.path.read_text()), kernel_boot="another")))
    assert memory.load() == REMEMBERED._replace(lease_until=None)


HUGE = json.dumps(dict(lease_until=None, own_terms=[10 ** 400, 1, 1], peer_terms=None, peer_instance=None,
                       kernel_boot=None))


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"lease_until": 1}', "\x00", HUGE])
def test_what_cannot_be_read_is_nothing(tmp_path, text):
    memory = Memory(tmp_path)
    assert memory.load() == Remembered()
    memory.path.write_text(text)
    assert memory.load() == Remembered()


def test_what_cannot_be_written_raises(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        Memory(tmp_path / "file").save(REMEMBERED)
