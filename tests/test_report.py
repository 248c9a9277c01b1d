"""The operator's words."""

from failover.report import summary


def test_a_summary_is_what_is_the_matter():
    assert summary("remote link lost: nothing listens at tcp://192.0.2.10:22916: does it run?") == "remote link lost"
    assert summary("VC at tcp://192.0.2.30:22916 does not answer: volttron.central: No route to host") == (
        "VC at tcp://192.0.2.30:22916 does not answer")
    assert summary("without a remedy") == "without a remedy"
