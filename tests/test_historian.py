"""VOLTTRON's own historian, on the primary's platform, stores what happened, and how it is from minute to minute."""

import json
import sqlite3
from contextlib import closing
from datetime import datetime, timezone

import pytest

from tests.conftest import is_normal
from tests.testbed.packages import from_index
from tests.testbed.pair import FAILOVER, LIMIT, MANAGED, wait
from tests.testbed.platforms import MONOLITHIC_ROOT

pytestmark = pytest.mark.skipif(bool(MONOLITHIC_ROOT), reason="this historian is one for VOLTTRON 11")

HISTORIAN = "volttron-sqlite-historian"
# What it needs beside VOLTTRON.
NEEDS = ["volttron-lib-sql-historian==2.0.0rc5", "volttron-lib-base-historian==2.0.0rc4", "ply==3.11"]
IDENTITY = "platform.historian"
TOPIC = "record/failover/node-primary/" + MANAGED


@pytest.fixture
def stored(pair, tmp_path):
    """A historian at work on the primary's platform. Return a function that returns what it has stored of a topic.

    That is a list of the times, in UTC, and the messages.
    """
    platform, config, database = pair.primary.platform, tmp_path / "config", tmp_path / "historian.sqlite"
    config.write_text(json.dumps({"connection": {"type": "sqlite", "params": {"database": str(database)}}}))

    def rows(topic):
        with closing(sqlite3.connect("file:{}?mode=ro".format(database), uri=True)) as connection:
            found = connection.execute("SELECT ts, value_string FROM data NATURAL JOIN topics "
                                       "WHERE topic_name = ? ORDER BY ts", (topic,)).fetchall()
        return [(datetime.fromisoformat(ts).replace(tzinfo=timezone.utc), json.loads(value)) for ts, value in found]

    def is_ready():  # It makes its tables after it has subscribed.
        try:
            return rows(TOPIC) == []
        except sqlite3.OperationalError:
            return False

    with from_index(platform, [HISTORIAN + "==2.0.0rc5"], NEEDS):
        try:
            platform.vctl("install", HISTORIAN, "--vip-identity", IDENTITY, "--agent-config", config)
            pair.primary.start_agent(IDENTITY)
            wait(is_ready, LIMIT, "the historian's tables")
            # An installation that takes long may look like a failure.
            wait(lambda: is_normal(pair), LIMIT, "the normal state")
            yield rows
        finally:
            if platform.uuid(IDENTITY):
                platform.vctl("remove", platform.uuid(IDENTITY))


def test_a_historian_stores_what_happened_and_the_state_of_each_minute(pair, stored):
    pair.primary.observer.order("switchover", None)

    def move():
        rows = stored(TOPIC)
        return rows if rows and rows[-1][1].get("on") == "node-secondary" else None

    rows = wait(move, LIMIT, "the move in the historian's database")
    assert [message for _, message in rows] == pair.primary.observer.call(FAILOVER, "history")[-len(rows):]
    moved, message = rows[-1]
    assert (message["event"], message["from"], message["planned"]) == ("active", "node-primary", True), rows
    assert abs((moved - datetime.fromisoformat(message["at"])).total_seconds()) <= 0.001, "the time is that of the move"

    def states():
        return [(at, (message["standing"], message["other_standing"], message["health"]), message["heartbeat_age"])
                for at, message in stored(TOPIC + "/state") if at >= moved]

    def repeated():
        found = states()
        return next((two for two in zip(found, found[1:]) if two[0][1] == two[1][1]), None)

    (at, words, age), (again, _, _) = wait(repeated, 2 * LIMIT, "the same state, again after a minute")
    assert words == ("STANDBY", "ACTIVE", "GOOD") and 0 <= age < 4, states()
    assert 59 < (again - at).total_seconds() < 90, states()
    assert (states()[0][0] - moved).total_seconds() < 5, "the state was published when it changed"
