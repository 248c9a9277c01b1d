"""The configuration file: what VOLTTRON reads is read, and nothing is taken for something else."""

import os
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from volttron.utils import load_config

from failover.config import Config, ConfigError
from failover.config import file as config_file
from tests.test_config import GOOD, KEY
from tests.testbed.pair import REPOSITORY

SECONDS = 30

YAML = """# Node B
agent_id: secondary  # It waits.
simple_behavior: yes
remote_vip: tcp://192.0.2.1:22916
remote_serverkey: '{}'
agent_vip_identity: "platform.driver"
heartbeat_period: 2
timeout: 30.0
""".format(KEY)

JSON = """{{
    "agent_id": "secondary", # It waits.
    "simple_behavior": true,
    "remote_vip": "tcp://192.0.2.1:22916",
    "remote_serverkey": "{}",
    "agent_vip_identity": "platform.driver",
    "heartbeat_period": 2,
    "timeout": 30
}}
""".format(KEY)


def read(tmp_path, content):
    """Read a file with this content, in a time that it must not exceed."""
    path = tmp_path / "config"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    begun = time.monotonic()
    try:
        return config_file.read(str(path))
    except ConfigError as error:
        assert all(line.isprintable() for line in error.problems)
        raise
    finally:
        assert time.monotonic() - begun < SECONDS


def problems(tmp_path, content):
    with pytest.raises(ConfigError) as error:
        Config.load(read(tmp_path, content))
    return error.value.problems


@pytest.mark.parametrize("text", [
    YAML, JSON, JSON.replace("    ", "\t"), "\ufeff" + YAML, "\ufeff" + JSON, YAML.replace("\n", "\r\n"),
    JSON.replace("30\n", "30,\n").replace("# It waits.", ""), JSON.replace("# It waits.", "// waits \" here"),
    "/* The standby.\n\t*/" + JSON, "---\n" + YAML + "...\n", "%YAML 1.1\n---\n" + YAML,
    JSON.replace("30\n", "3e1\n").replace('"platform.driver"', r'"platform\u002edriver"'),
    "{" + ", ".join(line.split("  #")[0] for line in YAML.splitlines()[1:]) + "}",
])
def test_json_and_yaml_with_comments_are_read_as_volttron_reads_them(tmp_path, text):
    raw = read(tmp_path, text)
    assert raw == GOOD and Config.load(raw) == Config.load(GOOD)
    if "3e1" not in text:  # VOLTTRON's reader of YAML takes this for a text.
        assert raw == load_config(str(tmp_path / "config"))


@pytest.mark.parametrize("number, meaning", [
    ("010", "8"), ("0x10", "16"), ("0b10", "2"), ("1_000", "1000"), ("1:30", "90"), ("-010", "-8"), ("1_0.5", "10.5"),
    ("1:30.5", "90.5"), ("00", "0"),
])
@pytest.mark.parametrize("text", [YAML, JSON])
def test_a_number_that_yaml_takes_for_another_is_refused(tmp_path, number, meaning, text):
    if text is YAML:
        lines = problems(tmp_path, text.replace("timeout: 30.0", "timeout: " + number))
    else:
        lines = problems(tmp_path, text.replace('"timeout": 30', '"timeout": ' + number))
    [line] = lines
    assert line.startswith("timeout: found {}, which YAML takes for {}; wanted: a number".format(number, meaning))


@pytest.mark.parametrize("text", [
    "08", "0o10", "1e3", "0b_", ".inf", "-.INF", ".nan", "9" * 31, "9" * 60000, "1:" * 30000 + "1"])
def test_other_texts_that_are_no_plain_numbers(tmp_path, text):
    [line] = problems(tmp_path, YAML.replace("timeout: 30.0", "timeout: " + text))
    assert line.startswith("timeout: found ") and len(line) < 200


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", "9" * 31, "9" * 60000])
def test_numbers_that_json_should_not_have(tmp_path, text):
    [line] = problems(tmp_path, JSON.replace("30", text))
    assert line.startswith("timeout: found ") and len(line) < 200


@pytest.mark.parametrize("text", [
    JSON.replace("2,", '2, "timeout": 20,'), YAML + "timeout: 30.0\n", YAML + "'timeout': 31\n",
    YAML + "timeout: 5\n" * 4000])
def test_a_key_that_is_there_twice_is_refused(tmp_path, text):
    [line] = problems(tmp_path, text)
    assert line.startswith("timeout: found ") and "more than once" in line and len(line) < 200


def test_all_problems_at_once(tmp_path):
    text = YAML.replace("30.0", "010").replace("period: 2", "period: 1\nheartbeat_period: 2") + "time_out: 5\n3: x\n"
    assert [line.split(":")[0] for line in problems(tmp_path, text)] == [
        "time_out", "3", "heartbeat_period", "timeout"]


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    "{0}: &{0} [{1}]\n".format(chr(one), ",".join(["*" + chr(one - 1)] * 9)) for one in range(ord("b"), ord("j")))


@pytest.mark.parametrize("content, words", [
    (b"", "is empty"), (b" \n", "is empty"), (b"# nothing\n", "is empty"), (b"\xef\xbb\xbf", "is empty"),
    (b"---\n", "the configuration is None"), (b"null", "None"), (b"[1]", "mapping"),
    (b"- a: 1\n", "is [a mapping]; wanted: a JSON or YAML mapping"),
    (b"agent_id", "'agent_id'"), (b"5", "5"),
    (b"\x7fELF\x02\x01\x01\x00\x00\xff", "UTF-8"), (b"\xff\xfe{\x00}\x00", "UTF-8"), (b"a: \x00\n", "YAML"),
    (b"a: \x1b[2J\n", "YAML"), (b'a: "\\UFFFFFFFF"\n', "YAML"),
    (b"%YAML 1" + b"1" * 5000 + b".1\n---\na: 1\n", "YAML"),
    (BOMB.encode(), "anchor"), (b"a: *b\n", "alias"), (b"*a : 1\n", "alias"), (b"&a {a: 1}", "anchor"),
    (b"base: &a {a: 1}\n<<: *a\n", "anchor"), (b"<<: {agent_id: primary}\n", "<<: unknown key"),
    (b"a: !!python/object/apply:os.system [ls]\n", "tag"), (b"!x {a: 1}", "tag"), (b"a: ! 5\n", "tag"),
    (b"? [a]\n: 5\n", "key that is no text"), (b"? {a: b}\n: 5\n", "key that is no text"),
    (b"a: 1\n---\nb: 2\n", "more than one document"), (b"a: 1\n b: 2\n", "line 2, column 3"),
    (b'{"a": 1 "b": 2}', "JSON: Expecting ',' delimiter: line 1"),
    (b'{"a" /* "\n*/ 2}', "JSON: Expecting ':' delimiter: line 2"),
    (b'{"a": ' + b"[" * 30000 + b"]" * 30000 + b"}", "nested too deeply"), (b"a: " + b"[" * 60000, "nested too deeply"),
    (b"[" * 60000, "nested too deeply"), (b"{a: " * 15000, "nested too deeply"), (b"- " * 30000, "nested too deeply"),
    (b"? " * 30000, "key that is no text"), (b"a: [b: [" + b"c: [" * 10000, "nested too deeply"),
    (b"#" * 65537, "64 KiB"), (b"/*" * 30000, "YAML"), (b'"\\' * 30000, "YAML"), (b'{"' + b"\\" * 60000, "JSON"),
])
def test_what_is_no_configuration_is_refused_at_once(tmp_path, content, words):
    lines = problems(tmp_path, content)
    assert any(words in line for line in lines) and all(len(line) < 1001 for line in lines)


def test_a_nested_value_is_refused_like_any_other(tmp_path):
    for text in (YAML.replace("30.0", "{a: [1, 2]}"), YAML.replace("30.0", "\n- 1\n- b: 2"),
                 JSON.replace("30", '{"a": []}')):
        [line] = problems(tmp_path, text)
        assert line.startswith("timeout: found ")


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(str(tmp_path / "fifo"))
    for path, words in ((None, "--agent-config"), ("", "--agent-config"), (tmp_path / "none", "No such file"),
                        (tmp_path, "no regular file"), (tmp_path / "fifo", "no regular file"),
                        ("/dev/zero", "no regular file"), ("~nobody_of_this_name/config", "No such file"),
                        (str(tmp_path / "line\nbreak"), "line\\nbreak")):
        with pytest.raises(ConfigError) as error:
            config_file.read(path and str(path))
        [line] = error.value.problems
        assert words in line and line.isprintable()


# In a process of its own, because importing the agent replaces Python's sockets and threads by those of gevent.
MAIN = """
import logging, sys
from failover import agent, config
agent.compat.setup_logging = lambda: logging.basicConfig(format="%(levelname)s %(message)s", stream=sys.stdout)
agent.compat.known_platforms = lambda with_central: config.Known()
agent.compat.vip_main = lambda agent, config, **others: print("started with", config.timeout)
agent.main()
"""


def test_what_is_wrong_and_what_could_be_better_is_in_the_log(tmp_path):
    def run(text):
        (tmp_path / "config").write_text(text)
        environment = dict(os.environ, AGENT_CONFIG=str(tmp_path / "config"), VOLTTRON_HOME=str(tmp_path))
        environment["AGENT_VIP_IDENTITY"] = "failover"
        done = subprocess.run([sys.executable, "-c", MAIN], env=environment, cwd=str(REPOSITORY), stdout=subprocess.PIPE,
                              timeout=60, text=True)
        return done.returncode, [line.split(";")[0] for line in done.stdout.splitlines()]

    assert run(YAML + "remote_id: x\n") == (0, [
        "WARNING configuration: remote_id is not needed and not read: take it out", "started with 30.0"])
    assert run(YAML.replace("30.0", "010").replace("secondary", "third")) == (78, [
        "ERROR configuration: agent_id: found 'third'",
        "ERROR configuration: timeout: found 010, which YAML takes for 8"])
    status, [line] = run("a: &a 1\n")
    assert status == 78 and "anchor" in line
    assert run(YAML.replace("platform.driver", "failover")) == (78, [
        "ERROR configuration: agent_vip_identity: found 'failover', which is this agent itself"])
    (tmp_path / "configuration_store").mkdir()
    (tmp_path / "configuration_store" / "failover.store").touch()
    status, lines = run(YAML)
    assert status == 78 and "failover.store cannot be read" in lines[0]
    assert "run `vctl config store failover config FILE` with a corrected one" in lines[1]


TOKENS = [token.encode("latin-1") for token in (
    "timeout", "agent_id", ": ", "\n", " ", "- ", "? ", "{", "}", "[", "]", ",", '"', "'", "#", "//", "/*", "*/", "&a",
    "*a", "!!int", "|", ">", "%", "---", "0", "1", "_", ":", ".", "x", "-", "\\", "\t", "\xef\xbb\xbf", "\xff", "<<",
    "true", "~", "\r", "e", "\\u00e", "\\U")]


@settings(deadline=None, max_examples=500)
@given(st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(TOKENS), max_size=40).map(b"".join)))
def test_whatever_the_file_holds_is_read_or_refused(tmp_path_factory, content):
    try:
        raw = read(tmp_path_factory.getbasetemp(), content)
        Config.load(raw)
    except ConfigError as error:
        assert error.problems and all(line.isprintable() and len(line) <= 1000 for line in error.problems)


@pytest.mark.parametrize("text", ['{"agent_vip_identity": ["a", "b"]}', "agent_vip_identity: [a, b]\n",
                                  "agent_vip_identity:\n- a\n- b\n"])
def test_a_list_is_one(tmp_path, text):
    assert read(tmp_path, text.encode()) == {"agent_vip_identity": ["a", "b"]}


def test_in_a_list_too_no_password_is_shown(tmp_path):
    [line] = [line for line in problems(tmp_path, b"remote_vip: [tcp://me:hidden@192.0.2.1:1]\n")
              if line.startswith("remote_vip")]
    assert "hidden" not in line and "tcp://" in line
