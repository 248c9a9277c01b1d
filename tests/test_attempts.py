"""How a link tries again, without a link."""

import heapq
import itertools

import pytest

from failover.backoff import pauses
from failover.vip.attempts import Attempts
from failover.vip.errors import Ended, LinkError, Refused


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
    for error in (LinkError("whatever"), Refused("nothing listens")):  # Another machine may say so, for a cut link.
        attempts.failed(error, welcome=False)
    assert attempts.name("node.test") != "node.test"
    attempts.failed(Ended("closed", name_held=False), welcome=True)
    assert attempts.name("node.test") == "node.test"


@pytest.mark.parametrize("welcome, changes", [(True, False), (False, True)])
def test_the_other_kind_of_address_is_tried_when_nobody_welcomed_it(welcome, changes):
    attempts = Attempts()
    before = attempts.prefers_ipv6
    attempts.failed(LinkError("why"), welcome)
    assert (attempts.prefers_ipv6 != before) is changes


def test_a_slow_router_is_waited_for_when_it_has_welcomed_this_side_once_and_does_not_hold_the_name():
    attempts = Attempts()
    assert attempts.patience(5) == (5, 5)  # It may not know the key.
    attempts.failed(LinkError("silence"), welcome=False)
    assert attempts.patience(5) == (5, 5)
    attempts.failed(LinkError("whatever"), welcome=True)
    assert attempts.patience(5) == (15, 5)  # It may hold the name.
    attempts.failed(Refused("nothing listens"), welcome=False)
    assert attempts.patience(5) == (15, 15)
    attempts.failed(Ended("closed", name_held=None), welcome=True)
    assert attempts.patience(5) == (15, 5) and attempts.name("node.test") == "node.test"
    for held in (True, False):
        attempts.failed(Ended("why", name_held=held), welcome=True)
        assert attempts.patience(5) == (15, 15)


def test_what_was_not_enough_makes_patience_and_pauses_longer():
    attempts = Attempts()
    attempts.failed(Ended("silence", name_held=True), welcome=True)
    assert attempts.pause(3600) <= 0.25
    assert attempts.patience(5).welcome == 15
    for lasted, patience in ((5.1, 15), (12, 24), (15, 30), (30, 30)):
        attempts.failed(Ended("silence", name_held=True), welcome=False)
        assert max(0.125, lasted / 40) <= attempts.pause(lasted) <= max(0.25, lasted / 20)
        assert attempts.patience(5).welcome == patience
    attempts.failed(Ended("closed", name_held=False), welcome=True)
    assert attempts.pause(60) <= 0.25 and attempts.patience(5).welcome == 15


# A hello costs a router of VOLTTRON 11 so many seconds when 200 are there: it tells all of them, and when it then finds
# that who said hello has gone, it tells them that too.
HELLO_COSTS = 0.05
ANSWER_WITHIN = 5.0


def get_in(number, patience):
    """Return when each of so many links was welcomed by a router that has just come back to life.

    It takes one hello after the other, also those that nobody waits for any more. Their connections have just gone.

    :param patience: of (attempts) returns the seconds that a link waits for its welcome.
    """
    welcomed, free_at, moments = {}, 0.0, []
    links = [Attempts() for _ in range(number)]
    for one, link in enumerate(links):
        link.failed(Ended("silence", name_held=True), welcome=True)
        heapq.heappush(moments, (link.pause(60), one))
    while moments and moments[0][0] < 120:
        now, one = heapq.heappop(moments)
        waits = patience(links[one])
        begins = max(now, free_at)
        free_at = begins + HELLO_COSTS * (1 if begins <= now + waits else 2)
        if free_at <= now + waits:
            welcomed[one] = free_at
        else:
            links[one].failed(Ended("silence", name_held=True), welcome=False)
            heapq.heappush(moments, (now + waits + links[one].pause(waits), one))
    return sorted(welcomed.values())


def test_200_links_get_in_when_each_waits_for_what_the_router_has_begun():
    waiting = get_in(200, lambda link: link.patience(ANSWER_WITHIN).welcome)
    assert len(waiting) == 200 and waiting[-1] <= 15
    impatient = get_in(200, lambda link: ANSWER_WITHIN)  # Then the router works for those who have gone.
    assert len(impatient) < 150
