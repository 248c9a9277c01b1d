"""Foreign text."""

import pytest

from failover.text import LONGEST, Once, clean


@pytest.mark.parametrize("text, shown", [
    ("platform.driver", "platform.driver"),
    ("one\n2026-11-25 ERROR: two", "one\\n2026-11-25 ERROR: two"),
    ("\x1b[2J\r\0\u202e", "\\x1b[2J\\r\\x00\\u202e"),
    (b"bytes\n", "b'bytes\\n'"),
    (None, "None"),
    ("\ud800", "\\ud800"),
])
def test_text_becomes_one_printable_line(text, shown):
    assert clean(text) == shown and clean(text).isprintable()


@pytest.mark.parametrize("text", ["x" * 9_000_000, "\n" * 9_000_000, "\U0010ffff" * 1000])
def test_it_is_bounded(text):
    assert len(clean(text)) == LONGEST and clean(text).endswith("...")
    assert len(clean(text, 10)) == 10


def test_an_object_that_cannot_be_shown_is_no_error():
    class Odd:
        def __str__(self):
            raise RuntimeError

    assert clean(Odd()) == "<Odd without a text: RuntimeError>"


def test_a_line_is_logged_once():
    once = Once()
    assert once.filter("a", 0.0) == ["a"] and once.filter("a", 1.0) == [] and once.filter("a", 1e6) == []


def test_a_flood_of_differing_lines_is_cut_off_and_said_to_be():
    once = Once(most=20, seconds=60.0)
    lines = [line for number in range(100_000) for line in once.filter("line {}".format(number), number / 10_000)]
    assert len(lines) == 21 and "no more are logged" in lines[-1]
    assert once.filter("later", 100.0) == ["later"]
    lines = [line for number in range(100_000) for line in once.filter("line {}".format(number), float(number))]
    assert len(lines) <= 100_000 / 60 * 21 + 21 and len(once._said) <= 200
