"""The heartbeat message on the wire."""

import json
from unittest.mock import patch

import pytest

from failover.decision.heartbeat import Heartbeat
from failover.heartbeat import TOPICS, MalformedHeartbeat, decode, encode, pair_prefix, pair_topic, subject, topic
from failover.text import integer

HEARTBEAT = Heartbeat("node-a", "failover", "platform.driver", "primary", "simple", 10.0, 1.0, 5.0, "boot", 7,
                      "other", 3, True)


def test_round_trip():
    assert decode(encode(HEARTBEAT)) == HEARTBEAT
    assert decode(json.loads(encode(HEARTBEAT))) == HEARTBEAT


def test_what_was_added_later_comes_back_too_and_is_left_out_where_there_is_nothing_to_say():
    more = dict(leaving=True, state="running", trouble="no memory", clock=17.5, yields=True, vc="key", vc_sequence=16,
                order=2, ordered_by="node-a", preferred="secondary", pause_left=600.0, handed_over=True,
                installation="driver-2.0 5d41402abc4b -", hears=("boot-1", "boot-2"))
    assert more.keys() == Heartbeat._field_defaults.keys()
    assert decode(encode(HEARTBEAT._replace(**more))) == HEARTBEAT._replace(**more)
    assert json.loads(encode(HEARTBEAT._replace(**more))) == dict(
        json.loads(encode(HEARTBEAT)), **dict(more, hears=["boot-1", "boot-2"]))
    assert decode(encode(HEARTBEAT._replace(clock=0.0))).clock == 0.0


def test_fields_of_a_later_release_are_passed_over():
    assert decode(dict(json.loads(encode(HEARTBEAT)), a_new_field=[1])) == HEARTBEAT


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
    ("leaving", 1), ("leaving", None),
    ("clock", -1), ("clock", "0"), ("clock", True), ("clock", float("nan")), ("yields", "no"), ("vc", ""),
    ("vc", "x" * 256), ("vc_sequence", 0), ("vc_sequence", 1.5), ("vc_sequence", 2 ** 53 + 1),
    ("hears", "boot"), ("hears", [1]), ("hears", ["boot"] * 33), ("hears", [""]),
])
def test_malformed_messages_say_what_is_wrong(field, value):
    message = json.loads(encode(HEARTBEAT))
    if value is ...:
        del message[field]
    else:
        message[field] = value
    with pytest.raises(MalformedHeartbeat, match=field):
        decode(message)


@pytest.mark.parametrize("field, value", [
    ("state", ""), ("state", "x" * 41), ("state", 5), ("trouble", 5), ("trouble", "two\nlines"), ("trouble", "x" * 256),
    ("installation", "x" * 256), ("installation", "")])
def test_what_is_said_by_the_way_spoils_no_heartbeat(field, value):
    assert decode(dict(json.loads(encode(HEARTBEAT)), **{field: value})) == HEARTBEAT


def test_topics_are_those_of_the_original():
    assert topic("primary", "simple") == "heartbeat/simple_primary"
    assert topic("secondary", "standard") == "heartbeat/secondary"
    assert TOPICS == {
        "heartbeat/simple_primary": ("primary", "simple"), "heartbeat/simple_secondary": ("secondary", "simple"),
        "heartbeat/primary": ("primary", "standard"), "heartbeat/secondary": ("secondary", "standard")}


def test_topics_of_a_pair_begin_alike_and_are_not_below_those_of_the_original():
    assert pair_topic("primary", "simple", "platform.driver") == "failover/platform.driver/simple_primary"
    own = {pair_topic(*parsed, "a+b") for parsed in TOPICS.values()}
    assert len(own) == 4 and all(name.startswith(pair_prefix("a+b")) for name in own)
    assert not any(name.startswith(common) for name in own for common in TOPICS)


def test_a_number_of_very_many_digits_is_no_heartbeat_and_costs_no_time():
    """Some Pythons would read it for minutes, in the loop that sends heartbeats."""
    with patch("failover.heartbeat.integer", wraps=integer) as read:
        assert decode('{{"version": {}}}'.format("1" * 1_000_000)) is None and subject("1" * 1_000_000) is None
    assert read.call_count == 2
    with pytest.raises(ValueError, match="1000000 digits"):
        integer("1" * 1_000_000)
