"""The heartbeat message on the wire."""

import json

import pytest

from failover.decision.heartbeat import Heartbeat
from failover.heartbeat import TOPICS, MalformedHeartbeat, decode, encode, subject, topic

HEARTBEAT = Heartbeat("node-a", "failover", "platform.driver", "primary", "simple", 10.0, 1.0, 5.0, "boot", 7,
                      "other", 3, True)


def test_round_trip():
    assert decode(encode(HEARTBEAT)) == HEARTBEAT
    assert decode(json.loads(encode(HEARTBEAT))) == HEARTBEAT


def test_the_wire_format_is_what_the_module_documents():
    assert json.loads(encode(HEARTBEAT)) == {
        "version": 1, "instance_name": "node-a", "vip_identity": "failover", "agent_vip_identity": "platform.driver",
        "agent_id": "primary", "mode": "simple", "timeout": 10.0, "heartbeat_period": 1.0, "stop_grace": 5.0,
        "boot_id": "boot", "sequence": 7, "heard_boot_id": "other", "heard_sequence": 3, "may_run": True}


@pytest.mark.parametrize("message", ["", None, "alive", "GOOD", 7, [], {}, "{", '{"version": 2}', {"version": "1"}])
def test_foreign_messages_are_no_error(message):
    assert decode(message) is None
    assert subject(message) is None


def test_a_deeply_nested_message_is_no_error():
    assert decode("[" * 100000) is None


def test_every_version_says_what_it_is_about():
    assert subject(encode(HEARTBEAT)) == "platform.driver"
    assert subject('{"version": 7, "agent_vip_identity": "another"}') == "another"


@pytest.mark.parametrize("field, value", [
    ("instance_name", ""), ("instance_name", "two\nlines"),
    ("vip_identity", 5), ("agent_vip_identity", None), ("agent_id", "third"), ("mode", [1]),
    ("timeout", 0), ("timeout", "10"), ("heartbeat_period", -1), ("heartbeat_period", float("nan")), ("boot_id", {}),
    ("sequence", 0), ("sequence", True), ("sequence", 1.5), ("heard_boot_id", 5), ("heard_boot_id", None),
    ("heard_sequence", None), ("heard_sequence", "3"), ("may_run", "yes"), ("may_run", ...),
])
def test_malformed_messages_say_what_is_wrong(field, value):
    message = json.loads(encode(HEARTBEAT))
    if value is ...:
        del message[field]
    else:
        message[field] = value
    with pytest.raises(MalformedHeartbeat, match=field):
        decode(message)


def test_topics_are_those_of_the_original():
    assert topic("primary", "simple") == "heartbeat/simple_primary"
    assert topic("secondary", "standard") == "heartbeat/secondary"
    assert TOPICS == {
        "heartbeat/simple_primary": ("primary", "simple"), "heartbeat/simple_secondary": ("secondary", "simple"),
        "heartbeat/primary": ("primary", "standard"), "heartbeat/secondary": ("secondary", "standard")}
