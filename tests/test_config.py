"""The configuration: what is accepted, and what is said about what is not."""

import json

import pytest

from failover.config import Config, ConfigError, Known
from tests.pair import REPOSITORY

KEY = "x" * 42 + "A"
GOOD = {
    "agent_id": "secondary", "simple_behavior": True, "remote_vip": "tcp://192.0.2.1:22916", "remote_serverkey": KEY,
    "agent_vip_identity": "platform.driver", "heartbeat_period": 2, "timeout": 30,
}

STANDARD = dict(GOOD, simple_behavior=False, volttron_central_vip="tcp://192.0.2.3:22916?serverkey=" + KEY)


def problems(known=Known(), **changes):
    raw = {key: value for key, value in dict(GOOD, **changes).items() if value is not ...}
    with pytest.raises(ConfigError) as error:
        Config.load(raw, known)
    assert len(error.value.problems) == len(str(error.value).splitlines())
    return error.value.problems


def test_a_complete_configuration():
    config = Config.load(GOOD)
    assert (config.agent_id, config.mode, config.heartbeat_period, config.timeout) == ("secondary", "simple", 2, 30)
    assert (config.remote_vip, config.remote_serverkey) == ("tcp://192.0.2.1:22916", KEY)


def test_defaults():
    config = Config.load({key: GOOD[key] for key in (
        "agent_id", "simple_behavior", "remote_vip", "remote_serverkey", "agent_vip_identity")})
    assert (config.heartbeat_period, config.timeout) == (1, 10)


def test_the_server_key_may_be_in_the_address():
    config = Config.load(dict(GOOD, remote_vip="tcp://192.0.2.1:22916?serverkey=" + KEY, remote_serverkey=""))
    assert (config.remote_vip, config.remote_serverkey) == ("tcp://192.0.2.1:22916", KEY)


@pytest.mark.parametrize("role", ["primary", "secondary"])
def test_the_shipped_configurations_need_only_the_other_platforms(role):
    raw = json.loads((REPOSITORY / "config" / (role + ".json")).read_text())
    assert [line.split(":")[0] for line in problems(**raw)] == ["remote_serverkey"]
    assert Config.load(dict(raw, remote_serverkey=KEY)).agent_id == role
    raw = json.loads((REPOSITORY / "config" / ("standard-" + role + ".json")).read_text())
    assert [line.split(":")[0] for line in problems(**raw)] == ["remote_serverkey", "volttron_central_serverkey"]
    config = Config.load(dict(raw, remote_serverkey=KEY, volttron_central_serverkey=KEY))
    assert (config.agent_id, config.mode) == (role, "standard")


def test_standard_failover_is_the_default_and_needs_to_know_where_vc_is():
    for value in (False, ...):
        [line] = problems(simple_behavior=value)
        assert line.startswith("volttron_central_vip: missing; ") and "tcp://" in line
    config = Config.load(STANDARD)
    assert (config.mode, config.volttron_central_vip, config.volttron_central_serverkey) == (
        "standard", "tcp://192.0.2.3:22916", KEY)
    assert (config.volttron_central_identity, config.stop_grace, config.remote_instance_name) == (
        "volttron.central", 10, "")


# What the platform knows

OTHER_KEY = "y" * 42 + "A"
HOSTS = Known(serverkeys={"192.0.2.1:22916": OTHER_KEY, "192.0.2.3:22916": OTHER_KEY})


def test_a_key_that_the_platform_knows_need_not_be_configured():
    config = Config.load(dict(GOOD, remote_serverkey=""), HOSTS)
    assert (config.remote_vip, config.remote_serverkey) == ("tcp://192.0.2.1:22916", OTHER_KEY)
    config = Config.load(dict(GOOD, remote_serverkey=OTHER_KEY), HOSTS)
    assert config.remote_serverkey == OTHER_KEY
    [line] = problems(HOSTS, remote_serverkey="", remote_vip="tcp://192.0.2.1:22917")
    assert line.startswith("remote_serverkey: found none") and "known hosts" in line


@pytest.mark.parametrize("changes", [
    {}, dict(remote_vip="tcp://192.0.2.1:22916?serverkey=" + KEY, remote_serverkey="")])
def test_a_key_other_than_the_one_that_the_platform_knows_is_an_error(changes):
    [line] = problems(HOSTS, **changes)
    assert line.startswith("remote_serverkey") and KEY in line and OTHER_KEY in line and "known hosts" in line


def test_where_vc_is_may_be_in_the_platforms_settings():
    raw = dict(GOOD, simple_behavior=False)
    vc = "tcp://192.0.2.3:22916"
    for known in (Known({}, vc, OTHER_KEY), Known({"192.0.2.3:22916": OTHER_KEY}, vc)):
        config = Config.load(raw, known)
        assert (config.volttron_central_vip, config.volttron_central_serverkey) == ("tcp://192.0.2.3:22916", OTHER_KEY)
        assert Config.load(GOOD, known).volttron_central_vip == "", "simple failover does not need it"
    own = Config.load(dict(STANDARD, volttron_central_vip="tcp://192.0.2.4:1?serverkey=" + KEY), known)
    assert (own.volttron_central_vip, own.volttron_central_serverkey) == ("tcp://192.0.2.4:1", KEY)
    [line] = problems(Known({}, "tcp://192.0.2.3:22916", OTHER_KEY), **dict(STANDARD, remote_serverkey=KEY))
    assert line.startswith("volttron_central_serverkey") and KEY in line and OTHER_KEY in line and "settings" in line
    [line] = problems(Known({}, "tcp://192.0.2.3:22916"), simple_behavior=False)
    assert line.startswith("volttron_central_serverkey: found none")
    for useless in ("https://vc.example.org/vc", "amqp://vc.example.org:5671"):
        [line] = problems(Known({}, useless), simple_behavior=False)
        assert line.startswith("volttron_central_vip: missing, and {!r}".format(useless)) and "tcp://" in line


WEB = "https://vc.example.org:8443"


@pytest.mark.parametrize("raw, known, key", [
    (dict(GOOD, simple_behavior=False), Known({}, WEB), ""),
    (dict(GOOD, simple_behavior=False), Known({}, WEB, OTHER_KEY), OTHER_KEY),
    (dict(GOOD, simple_behavior=False, volttron_central_serverkey=OTHER_KEY), Known({}, WEB), OTHER_KEY),
    (dict(GOOD, simple_behavior=False, volttron_central_vip=WEB), Known(), ""),
    (dict(GOOD, simple_behavior=False, volttron_central_vip=WEB), Known({}, "tcp://192.0.2.3:22916", OTHER_KEY), ""),
])
def test_where_vc_is_may_be_asked_of_its_web_address(raw, known, key):
    config = Config.load(raw, known)
    assert (config.volttron_central_vip, config.volttron_central_serverkey) == (WEB, key)


def test_what_a_web_address_is_not_good_for():
    [line] = problems(remote_vip=WEB)
    assert line.startswith("remote_vip") and WEB in line
    vc = dict(simple_behavior=False, volttron_central_vip=WEB)
    [line] = problems(**dict(vc, volttron_central_vip=WEB + "?serverkey=" + KEY))
    assert line.startswith("volttron_central_vip")
    [line] = problems(Known({}, WEB, OTHER_KEY), **dict(vc, volttron_central_serverkey=KEY))
    assert line.startswith("volttron_central_serverkey") and KEY in line and OTHER_KEY in line and "settings" in line
    [line] = problems(Known({}, WEB, "short"), **vc)
    assert line.startswith("volttron_central_serverkey") and "'short'" in line


@pytest.mark.parametrize("changes, words", [
    (dict(timeout=5.9), ["timeout", "5.9", "three heartbeat periods, 6 s"]),
    (dict(stop_grace=1.5), ["stop_grace", "1.5", "one heartbeat period, 2 s"]),
])
def test_what_standard_failover_wants_beyond(changes, words):
    [line] = problems(**dict(STANDARD, **changes))
    for word in words:
        assert word in line


@pytest.mark.parametrize("changes, words", [
    (dict(agent_id="third"), ["agent_id", "'third'", '"primary" or "secondary"']),
    (dict(agent_id=...), ["agent_id", "missing"]),
    (dict(simple_behavior="yes"), ["simple_behavior", "'yes'", "true"]),
    (dict(remote_vip="192.0.2.1"), ["remote_vip", "'192.0.2.1'", "tcp://"]),
    (dict(remote_vip="tcp://192.0.2.1"), ["remote_vip", "tcp://"]),
    (dict(remote_vip="tcp://192.0.2.1:99999"), ["remote_vip", "tcp://"]),
    (dict(remote_vip="tcp://192.0.2.1:0"), ["remote_vip", "tcp://"]),
    (dict(remote_vip="tcp://192.0.2.1:1/"), ["remote_vip", "tcp://"]),
    (dict(remote_vip="tcp://me:pw@192.0.2.1:1"), ["remote_vip", "tcp://"]),
    (dict(remote_vip=7), ["remote_vip", "7", "tcp://"]),
    (dict(agent_vip_identity="two words"), ["agent_vip_identity", "'two words'", "platform.driver"]),
    (dict(timeout=10 ** 400), ["timeout", "at most 86400"]),
    (dict(timeout=3, heartbeat_period=1), ["timeout", "3", "at least 4 s"]),
    (dict(remote_serverkey=""), ["remote_serverkey", "none", "vctl auth servercred"]),
    (dict(remote_serverkey="abc"), ["remote_serverkey", "'abc'", "43 characters"]),
    (dict(remote_serverkey=None), ["remote_serverkey", "None", "vctl auth servercred"]),
    (dict(remote_vip="tcp://192.0.2.1:1?serverkey=abc", remote_serverkey=""),
     ["remote_serverkey", "'abc' in remote_vip", "43"]),
    (dict(remote_vip="tcp://192.0.2.1:1?serverkey=" + "y" * 42 + "A"), ["remote_serverkey", KEY, "y" * 42 + "A"]),
    (dict(agent_vip_identity=""), ["agent_vip_identity", "''", "platform.driver"]),
    (dict(heartbeat_period=0), ["heartbeat_period", "0", "above 0"]),
    (dict(heartbeat_period=True), ["heartbeat_period", "True", "above 0"]),
    (dict(heartbeat_period=float("nan")), ["heartbeat_period", "nan", "above 0"]),
    (dict(timeout=-3), ["timeout", "-3", "above 0"]),
    (dict(timeout=3.9), ["timeout", "3.9", "two heartbeat periods", "4 s"]),
    (dict(stop_grace=46), ["stop_grace", "46", "from 1 to 45"]),
    (dict(volttron_central_vip="vc"), ["volttron_central_vip", "'vc'", "tcp://"]),
    (dict(volttron_central_vip="tcp://192.0.2.3:1"), ["volttron_central_serverkey", "none", "vctl auth servercred"]),
    (dict(remote_instance_name="two words"), ["remote_instance_name", "'two words'"]),
    (dict(time_out=5), ["time_out", "unknown", "did you mean timeout?"]),
    (dict(qqq=5), ["qqq", "unknown", "known are", "heartbeat_period"]),
])
def test_one_line_with_key_value_and_what_is_wanted(changes, words):
    [line] = problems(**changes)
    assert line.startswith(words[0])
    for word in words:
        assert word in line


def test_the_key_is_checked_whatever_the_address_is():
    assert sorted(line.split(":")[0] for line in problems(remote_vip="x", remote_serverkey="y")) == [
        "remote_serverkey", "remote_vip"]


def test_all_problems_at_once():
    lines = problems(agent_id="third", timeout="long", heartbeat_perod=1, remote_vip="nowhere", remote_serverkey=5)
    assert sorted(line.split(":")[0] for line in lines) == [
        "agent_id", "heartbeat_perod", "remote_serverkey", "remote_vip", "timeout"]


@pytest.mark.parametrize("raw", [None, [], "agent_id: primary", 5])
def test_no_mapping(raw):
    with pytest.raises(ConfigError, match="mapping"):
        Config.load(raw)
