"""The values of the decision as JSON and back."""

import json
from typing import Union

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from failover.decision.effects import Effect
from failover.decision.events import Event
from failover.decision.setup import Record, Setup
from failover.decision.state import State
from failover.recording.codec import RecordingError, decoder, encoder, from_text, to_text
from failover.recording.recording import Head, parse
from tests import scripted

KINDS = list(Event.__args__) + list(Effect.__args__) + [Setup, Record, State, Head]


def there_and_back(kind, value):
    return decoder(kind)(from_text(to_text(encoder(kind)(value))))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_value_comes_back_exactly(kind, data):
    value = data.draw(st.from_type(kind))
    found = there_and_back(kind, value)
    # The representation tells apart what is equal: 1, 1.0 and True, 0.0 and -0.0. And a NaN is like another.
    assert type(found) is type(value) and repr(found) == repr(value)


@pytest.mark.parametrize("kinds", [Event, Effect], ids=["events", "effects"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_kind_of_one_of_many_comes_back(kinds, data):
    value = data.draw(st.from_type(kinds))
    found = there_and_back(kinds, value)
    assert type(found) is type(value) and repr(found) == repr(value)


def test_what_is_written_is_json_that_any_reader_takes():
    text = to_text(encoder(Record)(Record(lease_until=float("inf"))))
    assert json.loads(text, parse_constant=pytest.fail) == {"lease_until": "inf"}
    assert to_text(encoder(Record)(Record(peer_instance="\ud800\n"))).isascii()


@pytest.mark.parametrize("kind, text, wrong", [
    (Record, "[", "it is not JSON"),
    (Record, "[" * 100000, "it is not JSON"),
    (Record, "NaN", "NaN is not in JSON"),
    (Record, '"abc"', "expected the fields of Record, found 'abc'"),
    (Record, '{"later": 1}', "a field 'later', which this release does not know"),
    (Record, '{"vc_apart": 1}', "Record.vc_apart: expected true or false, found 1"),
    (Record, '{"own_terms": {"timeout": "1"}}', "Record.own_terms: Timing has no heartbeat_period, stop_grace"),
    (Record, '{"lease_until": true}', "expected a number, found True"),
    (Event, '["Later", {}]', "'Later' is a kind that this release does not know"),
    (Event, '["Tick"]', "expected a name and its fields"),
    (Event, '[["Tick"], {}]', "expected a name and its fields"),
    (Event, '["LinkFree", {"path": "other"}]', "LinkFree.path: expected one of direct, vc, found 'other'"),
    (Event, '["LinkFree", {"path": []}]', "LinkFree.path: expected one of direct, vc"),
    (Event, '["VcAnswered", {"sequence": 1.5}]', "VcAnswered.sequence: expected a whole number"),
    (State, '{"agents": {}}', "State has no setup"),
], ids=lambda one: one[:30] if isinstance(one, str) else "")
def test_what_is_wrong_is_told(kind, text, wrong):
    with pytest.raises(RecordingError, match="^.*" + wrong.replace("[", "\\[")):
        decoder(kind)(from_text(text))


def test_a_type_that_cannot_be_written_shows_at_once():
    with pytest.raises(TypeError, match="no way is known"):
        encoder(Union[bytes, None])


# A recording as text

LINES = list(scripted.simple_takeover().lines())


def broken(number, line):
    return "\n".join(LINES[:number - 1] + [line] + LINES[number:])


@pytest.mark.parametrize("text, wrong", [
    ("", "it is empty"),
    ("{}", "line 1: it is no recording of a failover agent"),
    ('{"format": 99}', "line 1: it is of format 99, and this release reads format 1"),
    (broken(7, "[1.0]"), "line 7: expected a time, an event and its effects"),
    (broken(7, '[1.0,["Later",{}],[]]'), "line 7: 'Later' is a kind that this release does not know"),
    (broken(7, '["x",["Tick",{}],[]]'), "line 7: expected a number, found 'x'"),
    (broken(7, '[1' + "0" * 399 + ',["Tick",{}],[]]'), "line 7: it is not JSON: int too large"),
    ("\n".join(LINES[:-1]), "it ends after {} of {} events".format(len(LINES) - 2, len(LINES) - 1)),
    ("\n".join(LINES)[:-5], "line {}: it is not JSON".format(len(LINES))),
], ids=range(9))
def test_what_is_wrong_in_a_recording_is_told_with_its_line(text, wrong):
    with pytest.raises(RecordingError) as error:
        parse(text)
    assert wrong in str(error.value)
