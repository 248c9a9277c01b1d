"""How a link tries again, without a link."""

import itertools

import pytest

from failover.backoff import pauses
from failover.vip.attempts import Attempts
from failover.vip.errors import Ended, LinkError


def test_pauses_double_up_to_the_longest_and_differ():
    longest = [0.25, 0.5, 1, 2, 4, 5, 5, 5]
    found = list(itertools.islice(pauses(0.25, 5), len(longest)))
    assert all(most / 2 <= pause <= most for pause, most in zip(found, longest))
    assert len({next(pauses(1, 5)) for _ in range(20)}) > 1


def test_the_pauses_are_short_again_after_a_connection_that_lasted():
    attempts = Attempts()
    assert [attempts.pause(0) for _ in range(8)][-1] >= 2.5
    assert attempts.pause(6) <= 0.25
    assert attempts.pause(0) > 0.2
    attempts.begin_anew()
    assert attempts.pause(0) <= 0.25


def test_another_name_is_taken_while_the_right_one_may_be_held():
    attempts = Attempts()
    assert attempts.name("node.test") == "node.test"
    attempts.failed(Ended("silence", name_held=True), welcome=True)
    others = {attempts.name("node.test") for _ in range(10)}
    assert len(others) == 10 and all(name.startswith("node.test_") for name in others)
    attempts.failed(LinkError("nothing listens"), welcome=False)  # It says nothing of the name.
    assert attempts.name("node.test") != "node.test"
    attempts.failed(Ended("closed", name_held=False), welcome=True)
    assert attempts.name("node.test") == "node.test"


@pytest.mark.parametrize("welcome, changes", [(True, False), (False, True)])
def test_the_other_kind_of_address_is_tried_when_nobody_welcomed_it(welcome, changes):
    attempts = Attempts()
    before = attempts.prefers_ipv6
    attempts.failed(LinkError("why"), welcome)
    assert (attempts.prefers_ipv6 != before) is changes
