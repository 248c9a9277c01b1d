"""The configuration: what is accepted, and what is said about what is not."""

import json

import pytest
import zmq

from failover.config import Config, ConfigError, Known
from failover.heartbeat import decode, encode
from failover.setup_of_config import setup_of
from tests.test_heartbeat import HEARTBEAT
from tests.testbed.pair import REPOSITORY

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


# Addresses

NAME_OF_63 = "a" * 63
ADDRESSES = [
    "tcp://192.0.2.1:22916", "tcp://0.0.0.1:1", "tcp://[2001:db8::1]:65535", "tcp://[::ffff:192.0.2.1]:1",
    "tcp://[fe80::1%eth0.5]:22916", "tcp://node-b:22916", "tcp://node_b.Example.org.:22916", "tcp://1and1.de:80",
    "tcp://{}.b:1".format(NAME_OF_63), "ipc:///run/volttron/vip.socket", "ipc:///tmp/a@b/\u00e9.socket",
    "ipc://@volttron", "ipc://@/home/volttron/.volttron/run/vip.socket", "ipc:///" + "p" * 106, "ipc://@" + "p" * 106,
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_handed_on_as_it_is_and_zeromq_takes_it(address):
    key_in_address = "?serverkey=" + KEY
    for query in ("", "?", key_in_address, "?ServerKey=" + KEY + "&"):
        config = Config.load(dict(GOOD, remote_vip=address + query, remote_serverkey="" if KEY in query else KEY))
        assert (config.remote_vip, config.remote_serverkey) == (address, KEY)
        config = Config.load(dict(STANDARD, volttron_central_vip=address + key_in_address))
        assert (config.volttron_central_vip, config.volttron_central_serverkey) == (address, KEY)
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger, socket.ipv6 = 0, "[" in address
        socket.connect(address)


@pytest.mark.parametrize("address, why", [
    ("", "tcp://"), ("192.0.2.1:22916", "tcp://"), ("inproc://vip", "tcp://"), ("https://vc.example.org/vc", "tcp:"),
    ("TCP://192.0.2.1:22916", "lower case"), ("ipc:/run/vip.socket", "ipc://"), ("tcp:node-b:1", "tcp://"),
    ("tcp://*:22916", "wildcard"), ("tcp://0.0.0.0:22916", "wildcard"), ("tcp://[::]:22916", "wildcard"),
    ("ipc://*", "wildcard"), ("tcp://node-b:*", "wildcard"),
    ("tcp://a b:1", "space"), (" tcp://node-b:1", "space"), ("tcp://node-b:1\n", "space"),
    ("tcp://node\0b:1", "control"), ("ipc:///run/a b", "space"), ("tcp://node-b:1\u2028", "space"),
    ("tcp://node-b:1?serverkey=a b", "space"),
    ("tcp://node-b", "port"), ("tcp://node-b:", "port"), ("tcp://node-b:0", "port"), ("tcp://node-b:70000", "port"),
    ("tcp://node-b:65536", "port"), ("tcp://node-b:-1", "port"), ("tcp://node-b:022916", "port"),
    ("tcp://node-b:\u0661", "port"), ("tcp://[::1]", "port"), ("tcp://[::1]1", "port"), ("tcp://node-b:1:2", "host"),
    ("tcp://me:pw@node-b:1", "user"), ("tcp://me@node-b:1", "user"),
    ("tcp://node-b:1/", "path"), ("tcp://node-b:1/vip", "path"),
    ("tcp://:1", "host"), ("tcp://-node:1", "host"), ("tcp://_node:1", "host"), ("tcp://node..b:1", "host"),
    ("tcp://n\u00f6de:1", "host"), ("tcp://eth0;node-b:1", "host"), ("tcp://node%2Db:1", "host"),
    ("tcp://256.0.2.1:1", "host"), ("tcp://1.2.3:1", "host"), ("tcp://010.0.2.1:1", "host"),
    ("tcp://3232235521:1", "host"), ("tcp://[192.0.2.1]:1", "host"), ("tcp://[::1:1", "host"),
    ("tcp://::1:1", "brackets"), ("tcp://[g::1]:1", "host"), ("tcp://[0::]:1", "host"),
    ("tcp://[fe80::1%]:1", "host"), ("tcp://[fe80::1%25eth0]:1", "host"), ("tcp://{}a:1".format(NAME_OF_63), "host"),
    ("tcp://{}:1".format(".".join(["a" * 49] * 6)), "host"),
    ("ipc://", "absolute"), ("ipc://run/vip.socket", "absolute"), ("ipc://./vip.socket", "absolute"),
    ("ipc://@", "absolute"), ("ipc:///", "absolute"), ("ipc:///run/", "absolute"),
    ("ipc:///run/vip%20socket", "%"), ("ipc:///" + "p" * 107, "107"), ("ipc://@" + "p" * 107, "107"),
    ("ipc:///" + "\u00e9" * 54, "107"),
    ("tcp://node-b:1#me", "#"), ("ipc:///run/vip#me", "#"), ("tcp://node-b:1?serverkey=%41", "%"),
    ("tcp://node-b:1?secretkey=SECRET", "secretkey"), ("tcp://node-b:1?serverkey=x&SecretKey=SECRET", "secretkey"),
    ("tcp://node-b:1?publickey=" + KEY, "publickey"), ("tcp://node-b:1?ipv6=1", "ipv6"),
    ("tcp://node-b:1?password=SECRET", "password"), ("tcp://node-b:1?serverkey", "serverkey"),
    ("tcp://node-b:1?serverkey={0}&serverkey={0}".format(KEY), "serverkey"), (["tcp://node-b:1"], "tcp://"),
])
def test_any_other_address_is_refused_with_what_is_wrong_with_it(address, why):
    for key in ("remote_vip", "volttron_central_vip"):
        raw = dict(STANDARD, **{key: address, "volttron_central_serverkey": KEY})
        if (key, address) == ("volttron_central_vip", ""):
            continue
        [line] = problems(**raw)
        assert line.startswith(key + ": found ") and why in line and "tcp://192.0.2." in line
        assert line.isprintable() and "SECRET" not in line and "pw" not in line


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
    (dict(timeout=5.9, heartbeat_period=3), ["timeout", "5.9", "two heartbeat periods, 6 s"]),
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
    (dict(agent_vip_identity=[]), ["agent_vip_identity", "or a list of up to 8"]),
    (dict(agent_vip_identity=["a", "a"]), ["agent_vip_identity", "each once"]),
    (dict(agent_vip_identity=["a", 1]), ["agent_vip_identity"]),
    (dict(agent_vip_identity=["a"] * 9), ["agent_vip_identity"]),
    (dict(agent_vip_identity=["a" * 127, "b" * 128]), ["agent_vip_identity", "of 255 characters at most"]),
    (dict(agent_vip_identity=["a", "b", "c"], stop_grace=2),
     ["stop_grace: found 2; wanted: at least a second for each", "3 s"]),
    (dict(agent_vip_identity="two words"), ["agent_vip_identity", "'two words'", "platform.driver"]),
    (dict(timeout=10 ** 400), ["timeout", "from 0.2 to 86400"]),
    (dict(remote_serverkey=""), ["remote_serverkey", "none", "vctl auth servercred"]),
    (dict(remote_serverkey="abc"), ["remote_serverkey", "'abc'", "43 characters"]),
    (dict(remote_serverkey=None), ["remote_serverkey", "None", "vctl auth servercred"]),
    (dict(remote_vip="tcp://192.0.2.1:1?serverkey=abc", remote_serverkey=""),
     ["remote_serverkey", "'abc' in remote_vip", "43"]),
    (dict(remote_vip="tcp://192.0.2.1:1?serverkey=" + "y" * 42 + "A"), ["remote_serverkey", KEY, "y" * 42 + "A"]),
    (dict(agent_vip_identity=""), ["agent_vip_identity", "''", "platform.driver"]),
    (dict(heartbeat_period=0), ["heartbeat_period", "0", "from 0.1 to 86400"]),
    (dict(heartbeat_period=True), ["heartbeat_period", "True", "from 0.1"]),
    (dict(heartbeat_period=float("nan")), ["heartbeat_period", "nan", "from 0.1"]),
    (dict(heartbeat_period=float("inf")), ["heartbeat_period", "inf", "from 0.1"]),
    (dict(heartbeat_period=1e-6), ["heartbeat_period", "1e-06", "from 0.1"]),
    (dict(heartbeat_period=0.0999), ["heartbeat_period", "0.0999", "from 0.1"]),
    (dict(timeout=float("nan")), ["timeout", "nan", "from 0.2"]),
    (dict(timeout=-3), ["timeout", "-3", "from 0.2"]),
    (dict(timeout=3.9), ["timeout", "3.9", "two heartbeat periods", "4 s"]),
    (dict(stop_grace=46), ["stop_grace", "46", "from 1 to 45"]),
    (dict(stop_grace=0.9), ["stop_grace", "0.9", "from 1 to 45"]),
    (dict(stop_grace=None), ["stop_grace", "None", "from 1 to 45"]),
    (dict(stop_grace=101, heartbeat_period=100, timeout=300), ["stop_grace", "101", "from 1 to 100"]),
    (dict(volttron_central_vip="vc"), ["volttron_central_vip", "'vc'", "tcp://"]),
    (dict(volttron_central_vip="tcp://192.0.2.3:1"), ["volttron_central_serverkey", "none", "vctl auth servercred"]),
    (dict(remote_instance_name="two words"), ["remote_instance_name", "'two words'"]),
    (dict(remote_instance_name="n" * 256), ["remote_instance_name", "'nnn", "at most 255"]),
    (dict(agent_vip_identity="n" * 256), ["agent_vip_identity", "'nnn", "at most 255"]),
    (dict(volttron_central_identity="n" * 256), ["volttron_central_identity", "'nnn", "at most 255"]),
    (dict(timeout=10 ** 5000), ["timeout", "from 0.2 to 86400"]),
    ({"time\nout": 5}, ["time\\nout", "unknown", "did you mean timeout?"]),
    ({"q" * 10000: 5}, ["qqq", "unknown", "known are"]),
    (dict(remote_serverkey="\x1b[2J\n" + "x" * 99), ["remote_serverkey", "43 characters"]),
    (dict(time_out=5), ["time_out", "unknown", "did you mean timeout?"]),
    (dict(qqq=5), ["qqq", "unknown", "known are", "heartbeat_period"]),
])
def test_one_line_with_key_value_and_what_is_wanted(changes, words):
    [line] = problems(**changes)
    assert line.startswith(words[0]) and line.isprintable() and len(line) < 500
    for word in words:
        assert word in line


def test_the_longest_values_that_are_accepted():
    config = Config.load(dict(STANDARD, agent_vip_identity="a" * 255, volttron_central_identity="c" * 255,
                              remote_instance_name="n" * 255, heartbeat_period=43200, timeout=86400))
    assert (config.timeout, config.stop_grace) == (86400, 43200)
    assert Config.load(dict(GOOD, heartbeat_period=0.1, timeout=0.2)).heartbeat_period == 0.1


def test_a_key_that_is_no_text_is_unknown():
    with pytest.raises(ConfigError) as error:
        Config.load({**GOOD, 5: 5, None: 1})
    assert [line.split(";")[0] for line in error.value.problems] == ["5: unknown key", "None: unknown key"]


def test_of_many_unknown_keys_some_are_named():
    lines = problems(**{"key_{}".format(number): 1 for number in range(2000)})
    assert len(lines) == 21 and lines[-1] == "1980 more unknown keys"


def test_a_nested_value_is_shown_in_a_line():
    deep = []
    for _ in range(100000):
        deep = [deep]
    for value in (deep, {"a": {"b": ["c"] * 1000}}):
        [line] = problems(timeout=value)
        assert line.startswith("timeout: found ") and len(line) < 200
        with pytest.raises(ConfigError):
            Config.load(value)


# What is taken for good though it could be better


def test_a_short_timeout_is_a_warning():
    assert Config.load(GOOD).warnings == Config.load(STANDARD).warnings == ()
    for raw in (GOOD, STANDARD):
        config = Config.load(dict(raw, heartbeat_period=1, timeout=3.9))
        [line] = config.warnings
        assert line.startswith("timeout 3.9 s is short") and "`vctl install`" in line and "timeout to 6 or more" in line
        assert Config.load(dict(raw, heartbeat_period=1, timeout=4)).warnings == ()
        [line] = problems(**dict(raw, heartbeat_period=1, timeout=1.9))
        assert "two heartbeat periods, 2 s" in line
    assert Config.load(dict(GOOD, heartbeat_period=10, timeout=20)).warnings == ()
    [line] = Config.load(dict(STANDARD, heartbeat_period=10, timeout=20)).warnings
    assert "three heartbeat periods of 10 s" in line and "every 6.67 s" in line and "timeout to 30 or more" in line
    assert len(Config.load(dict(STANDARD, heartbeat_period=1, timeout=2)).warnings) == 2


def test_three_heartbeats_fit_into_the_timeout_of_standard_failover():
    for raw, period, timeout, every in (
            (GOOD, 1, 2, 1), (STANDARD, 1, 2, 2 / 3), (STANDARD, 1, 3, 1), (STANDARD, 1, 30, 1)):
        assert Config.load(dict(raw, heartbeat_period=period, timeout=timeout)).beat_every == pytest.approx(every)


def test_a_key_of_the_original_agent_is_ignored_with_a_warning():
    for raw in (GOOD, STANDARD):
        config = Config.load(dict(raw, remote_id="failover"))
        assert config == Config.load(raw) and Config.load(raw).warnings == ()
        [line] = config.warnings
        assert line.startswith("remote_id is not needed")


@pytest.mark.parametrize("period, timeout, grace, within", [(10, 120, 10, 10), (100, 300, 100, 45), (2, 6, 10, 10)])
def test_the_documentations_keys_alone_do(period, timeout, grace, within):
    raw = dict(GOOD, heartbeat_period=period, timeout=timeout)
    for mode in ({"simple_behavior": True}, {"simple_behavior": False}, {}):
        raw.pop("simple_behavior", None)
        config = Config.load(dict(raw, **mode), Known({}, "tcp://192.0.2.3:22916", KEY))
        assert (config.heartbeat_period, config.timeout, config.stop_grace, config.stop_within, config.warnings) == (
            period, timeout, grace, within, ())


def test_a_stop_grace_as_long_as_a_long_period():
    for grace in (100, 100.0):
        assert Config.load(dict(STANDARD, heartbeat_period=100, timeout=300, stop_grace=grace)).stop_within == 45
    [line] = problems(**dict(STANDARD, heartbeat_period=100, timeout=300, stop_grace=45))
    assert "one heartbeat period, 100 s" in line
    assert Config.load(dict(GOOD, heartbeat_period=100, timeout=300, stop_grace=45)).stop_grace == 45


def test_an_absent_mode_is_named_where_standard_failover_fails_by_it():
    [line] = problems(simple_behavior=...)
    assert "original Failover Agent" in line and "documentation" in line and "set it" in line
    [line] = problems(simple_behavior=False)
    assert "original" not in line


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


def test_several_managed_agents_are_in_order():
    config = Config.load(dict(GOOD, agent_vip_identity=["b", "a"]))
    assert (config.agents, config.managed) == (("b", "a"), "b+a")
    config = Config.load(GOOD)
    assert (config.agents, config.managed) == (("platform.driver",), "platform.driver")


def test_the_name_of_an_instance_fits_into_a_heartbeat():
    """Whatever the platform is called."""
    for name in ("node-a", "node a\n", "n" * 300):
        setup = setup_of(Config.load(GOOD), name, "failover", 0.0)
        assert decode(encode(HEARTBEAT._replace(instance_name=setup.instance_name))).instance_name.startswith(name[:6])
