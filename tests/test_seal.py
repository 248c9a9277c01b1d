"""Signatures of heartbeats, and the key that both sides make without being told."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from failover.decision.vocabulary import Path
from failover.heartbeat import decode, encode
from failover.seal import Seal, key_of
from failover.x25519 import BASE_POINT, shared_secret
from tests.test_heartbeat import HEARTBEAT

KEY = b"k" * 32


def text_of(key):
    return base64.urlsafe_b64encode(key).decode().rstrip("=")


# X25519, by the examples of RFC 7748

@pytest.mark.parametrize("secret, public, shared", [
    ("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
     "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
     "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"),
    ("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
     "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
     "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"),
])
def test_the_examples_of_the_standard(secret, public, shared):
    assert shared_secret(bytes.fromhex(secret), bytes.fromhex(public)).hex() == shared


def test_a_thousand_times_as_in_the_standard():
    key = before = BASE_POINT
    for _ in range(1000):
        key, before = shared_secret(key, before), key
    assert key.hex() == "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
@settings(max_examples=100)
def test_it_is_what_a_well_known_library_says(secret, other):
    """VOLTTRON 11 has it."""
    x25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.x25519")
    public = shared_secret(other, BASE_POINT)
    theirs = x25519.X25519PrivateKey.from_private_bytes(secret).exchange(x25519.X25519PublicKey.from_public_bytes(public))
    assert shared_secret(secret, public) == theirs


@pytest.mark.parametrize("public", [bytes(32), b"\1" + bytes(31), bytes(31)])
def test_a_public_key_that_makes_no_secret_is_refused(public):
    with pytest.raises(ValueError):
        shared_secret(KEY, public)


# The key

def test_both_sides_make_the_same_key_and_nobody_else_does():
    secrets = [bytes([number]) * 32 for number in (1, 2, 3)]
    publics = [shared_secret(one, BASE_POINT) for one in secrets]
    a, b, c = [(text_of(one), text_of(other)) for one, other in zip(secrets, publics)]
    assert key_of(*a, b[1]) == key_of(*b, a[1]) != key_of(*c, a[1])


def test_a_secret_key_that_is_not_the_platforms_is_refused():
    """The other side would take all that it signs for forged."""
    with pytest.raises(ValueError, match="not that of the running platform"):
        key_of(text_of(b"\1" * 32), text_of(KEY), text_of(shared_secret(KEY, BASE_POINT)))


# Signatures

def test_a_signed_heartbeat_is_one_of_the_former_releases_too():
    signed = Seal(KEY).signed(Path.DIRECT, encode(HEARTBEAT))
    assert decode(signed) == HEARTBEAT
    assert json.loads(signed).keys() - json.loads(encode(HEARTBEAT)).keys() == {"signature"}


@pytest.mark.parametrize("path", Path)
def test_what_was_signed_for_one_path_holds_there_alone(path):
    signed = Seal(KEY).signed(path, encode(HEARTBEAT))
    assert [one for one in Path if Seal(KEY).verdict(one, signed)] == [path]


@pytest.mark.parametrize("before, after", [
    ('"may_run": true', '"may_run": false'), ('"sequence": 7', '"sequence": 8'), ('"primary"', '"secondary"'),
    ('{"version": 1', '{"version": 1, "leaving": true')])
def test_any_change_makes_the_signature_wrong(before, after):
    signed = Seal(KEY).signed(Path.DIRECT, encode(HEARTBEAT))
    assert before in signed and Seal(KEY).verdict(Path.DIRECT, signed.replace(before, after)) is None
    assert Seal(b"another").verdict(Path.DIRECT, signed) is None


def test_what_is_added_after_the_signature_makes_it_unsigned():
    signed = Seal(KEY).signed(Path.DIRECT, encode(HEARTBEAT))
    assert Seal(KEY).verdict(Path.DIRECT, signed[:-1] + ', "may_run": false}') is False


@pytest.mark.parametrize("message", [None, 7, "", "{", {"signature": "x"}, encode(HEARTBEAT), "GOOD", [], "\ud800"])
def test_a_message_without_a_signature_is_unsigned(message):
    assert Seal(KEY).verdict(Path.DIRECT, message) is False


@given(st.text())
def test_no_text_upsets_it(text):
    assert Seal(KEY).verdict(Path.DIRECT, text) is False
    assert Seal(KEY).verdict(Path.DIRECT, '{{{}, "signature": "{}"}}'.format(text, "0" * 64)) is None


def test_who_cannot_sign_says_the_same_unsigned_and_who_does_not_check_takes_all_for_unsigned():
    text = encode(HEARTBEAT)
    assert Seal().signed(Path.DIRECT, text) == text
    signed = Seal(KEY, checks=False).signed(Path.DIRECT, text)
    assert Seal(KEY).verdict(Path.DIRECT, signed) is True
    for seal in Seal(), Seal(KEY, checks=False):
        assert seal.verdict(Path.DIRECT, signed) is seal.verdict(Path.DIRECT, text) is False
