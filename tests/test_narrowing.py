"""When heartbeats go out on the pair's own topic alone."""

from failover.narrowing import Narrowing


def test_a_peer_that_is_heard_on_the_pairs_own_topic_listens_to_it():
    narrowing = Narrowing(9)
    assert not narrowing.suffices(0)
    narrowing.heard(100)
    assert narrowing.suffices(100) and narrowing.suffices(102.9)


def test_one_that_is_not_any_more_may_have_been_replaced_by_an_earlier_release():
    narrowing = Narrowing(9)
    narrowing.heard(100)
    assert not narrowing.suffices(103)
    narrowing.timeout = 12
    assert narrowing.suffices(103) and not narrowing.suffices(104)
    narrowing.heard(200)
    assert narrowing.suffices(200)
