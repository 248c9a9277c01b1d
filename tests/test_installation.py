"""What is installed of the managed agent, in a line that both sides compare."""

import json
import os

import pytest

from failover.heartbeat import decode, encode
from failover.managed.installation import Installation, of_all
from failover.text import digest
from tests.test_heartbeat import HEARTBEAT


@pytest.fixture
def files(tmp_path):
    (tmp_path / "config").write_text("{}")
    return tmp_path


def described(files, name="driver-1.0"):
    return Installation(lambda: (name, files / "config"), files / "driver.store")


def store(files, modified="today", **entries):
    (files / "driver.store").write_text(json.dumps(
        {name: {"type": "json", "modified": modified, "data": data} for name, data in entries.items()}))


def test_what_is_not_installed_has_no_description(files):
    assert Installation(lambda: None, files / "driver.store").text() is None


def test_equal_installations_have_the_same_description(files, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "config").write_text("{}")
    store(files, devices="1", registers="2")
    store(other, "yesterday", registers="2", devices="1")
    assert described(files).text() == described(other).text()
    assert len(described(files).text().split(" ")) == 3


@pytest.mark.parametrize("change, number", [
    (lambda files: (files / "config").write_text("{ }"), 1),
    (lambda files: (files / "config").unlink(), 1),
    (lambda files: store(files, devices="2"), 2),
    (store, 2),
    (lambda files: (files / "driver.store").unlink(), 2),
    (lambda files: (files / "driver.store").write_text("{"), 2),
])
def test_each_difference_changes_its_word_alone_and_is_seen(files, change, number):
    store(files, devices="1")
    installation = described(files)
    before = installation.text().split(" ")
    change(files)
    after = installation.text().split(" ")
    assert [one for one in range(3) if before[one] != after[one]] == [number]


def test_nothing_is_read_again_that_has_not_changed(files):
    installation = described(files)
    before = installation.text()
    found = os.stat(str(files / "config"))
    (files / "config").write_text("[]")
    os.utime(str(files / "config"), ns=(found.st_atime_ns, found.st_mtime_ns))
    assert installation.text() == before


@pytest.mark.parametrize("name", ["driver 1.0", "driver\n1.0", "d" * 1000, "", "driver\x00\u202e1.0"])
def test_whatever_the_name_is_it_can_be_said_in_a_heartbeat(files, name):
    text = described(files, name).text()
    assert len(text.split(" ")) == 3 and text.isprintable() and len(text) <= 255


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("longest", [30, 100])
def test_what_is_installed_of_all_fits_into_a_heartbeat(number, longest):
    """Each of the most agents that there may be has a name and a version as they usually are, or the longest."""
    lines = ["{} {} {}".format("volttron-platform-driver-2.0.0rc{}".format(one).ljust(longest, "x"), digest("c"), digest("s"))
             for one in range(number)]
    said = HEARTBEAT._replace(installation=of_all(lines))
    assert decode(encode(said)) == said
    assert len(said.installation.split(" ")) == 3
    if number * longest < 100:
        assert said.installation.split(" ")[0].split("+") == [line.split(" ")[0] for line in lines]


def test_one_that_differs_is_seen_also_where_all_are_hashed():
    lines = ["volttron-platform-driver-2.0.0rc9 {} -".format(digest(str(number))) for number in range(8)]
    assert of_all(lines) != of_all(lines[:-1] + ["volttron-platform-driver-2.0.0rc8 {} -".format(digest("7"))])
