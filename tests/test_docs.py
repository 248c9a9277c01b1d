"""README.md and docs/: their links lead somewhere, and what they show of the code is how the code is.

The decision tables are compared in test_decision_tables.py.
"""

import ast
import re

import pytest

from failover import command
from failover.config import Config, Known, file
from failover.config.keys import BY_PERIOD, KEYS, LIVE, REQUIRED
from failover.decision.table import SIMPLE, STANDARD, Action
from tests import pictures
from tests.test_problems import CASES
from tests.testbed.pair import REPOSITORY

PAGES = sorted(REPOSITORY.glob("*.md")) + sorted((REPOSITORY / "docs").glob("*.md"))
README, CONFIGURATION, TROUBLESHOOTING = (REPOSITORY / name for name in (
    "README.md", "docs/configuration.md", "docs/troubleshooting.md"))
KEY = "x" * 42 + "A"

# The example of VOLTTRON's documentation has these keys, and no others.
SEVEN = ["agent_id", "simple_behavior", "remote_vip", "remote_serverkey", "agent_vip_identity", "heartbeat_period",
         "timeout"]

# What a message of the troubleshooting page has instead of what differs from one case to another.
_VARIABLE = r"\.\.\.|: |\d+|\b(?:X|node-.|platform\.driver|failover|(?:the )?secondary|primary|timeout)\b"


def name(page):
    return str(page.relative_to(REPOSITORY))


def prose(page):
    """Return the text without what is in code blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.M | re.S)


def links(page):
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", prose(page)))


def anchors(page):
    """Return the anchors that GitHub gives the headings."""
    found = []
    for heading in re.findall(r"^#+ +(.*?) *$", prose(page), re.M):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.append("{}-{}".format(anchor, found.count(anchor)) if anchor in found else anchor)
    return found


def cells(page, header):
    """Return the rows of the table with this first line, without their outer bars."""
    [table] = re.findall(r"^{}\n\|[- |]+\|\n((?:\|.*\n)+)".format(re.escape(header)), page.read_text(), re.M)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def blocks(page):
    """Return the configurations that a page shows."""
    return re.findall(r"^ *```json\n(.*?)^ *```$", page.read_text(), re.M | re.S)


# Links

@pytest.mark.parametrize("page", PAGES, ids=name)
def test_each_link_leads_somewhere(page):
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_readme_is_short_and_leads_to_each_page():
    assert len(README.read_text().splitlines()) <= 200
    linked = {(README.parent / link.partition("#")[0]).resolve() for link in links(README)}
    assert set((REPOSITORY / "docs").glob("*.md")) <= linked


@pytest.mark.parametrize("page", [README, *sorted((REPOSITORY / "docs").glob("*.md"))], ids=name)
def test_the_tests_and_make_targets_that_a_page_names_exist(page):
    text = page.read_text()
    source = "\n".join(path.read_text() for path in (REPOSITORY / "tests").rglob("*.py"))
    for test in set(re.findall(r"`(?:tests/)?(test_\w+(?:\.py)?)`", text)):
        assert (REPOSITORY / "tests" / test).is_file() or "def {}(".format(test) in source, test
    for target in set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.M)):
        assert re.search(r"^{}:".format(target), (REPOSITORY / "Makefile").read_text(), re.M), target


# Configurations

@pytest.mark.parametrize("role, peer", [("primary", "127.0.0.1:8001"), ("secondary", "127.0.0.1:8000")])
def test_the_example_of_volttrons_documentation_works_as_it_stands(role, peer):
    [block] = [block for block in blocks(CONFIGURATION) if '"{}"'.format(role) in block]
    raw = file.parse(block, "the example")
    assert list(raw) == SEVEN and (raw["agent_id"], raw["heartbeat_period"], raw["timeout"]) == (role, 10, 120)
    config = Config.load(raw, Known({peer: KEY}))
    assert config == Config.load(dict(raw, remote_serverkey=KEY))
    assert (config.mode, config.remote_vip, config.heartbeat_period, config.timeout, config.stop_grace, config.warnings) == (
        "simple", "tcp://" + peer, 10, 120, 10, ())


@pytest.mark.parametrize("page, modes", [("README.md", ["simple"]), ("docs/standard.md", ["standard", "standard"])])
def test_each_configuration_that_is_shown_needs_only_the_keys_of_platforms(page, modes):
    shown = [file.parse(block, page) for block in blocks(REPOSITORY / page)]
    configs = [Config.load({key: KEY if key.endswith("_serverkey") else value for key, value in raw.items()})
               for raw in shown]
    assert [config.mode for config in configs] == modes
    assert all(config.warnings == () for config in configs)


def test_each_key_is_shown_with_its_default():
    rows = cells(CONFIGURATION, "| key | meaning | unit | default |")
    assert [row[0] for row in rows] == ["`{}`".format(key) for key in KEYS]
    assert [key.strip("`") for key, *_ in rows[:7]] == SEVEN
    for (key, wanted), (*_, shown) in zip(KEYS.items(), rows):
        default = wanted.default
        if default is REQUIRED:
            assert shown == "required", key
        elif default is BY_PERIOD:
            assert shown == "10, or `heartbeat_period` if that is longer", key
        elif default == "":
            assert shown.startswith(("from ", "learnt ")), key
        else:
            text = shown.strip("`\"")
            assert text == (str(default).lower() if isinstance(default, bool) else str(default)), key


def test_what_may_change_while_the_agent_runs_is_listed():
    [listed] = re.findall(r"differs from the one in use only in (.*?), it is in use", CONFIGURATION.read_text(), re.S)
    assert set(re.findall(r"`(\w+)`", listed)) == LIVE


# Commands and messages

def test_each_command_is_listed():
    shown = [row[0] for row in cells(README, "| command | what it does |")]
    named = [re.match(r"\w+", text).group() for cell in shown for text in re.findall(r"`(.*?)`", cell)]
    assert named == list(command._SUBCOMMANDS)


def test_each_message_among_the_symptoms_is_one_of_the_agents():
    """The parts between what stands for something else: names, numbers, roles and the rest that is left out."""
    texts = []
    for path in (REPOSITORY / "failover").rglob("*.py"):
        texts += [node.value for node in ast.walk(ast.parse(path.read_text()))
                  if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    symptoms = re.findall(r"^\| (?!symptom|what|-)(.*?) \|", TROUBLESHOOTING.read_text(), re.M)
    for message in re.findall(r"`(.*?)`", "\n".join(symptoms)):
        for part in re.split(_VARIABLE, message):
            assert any(part.strip() in text for text in texts), part


# Pictures

def test_the_pictures_of_the_state_machines_are_current():
    assert pictures.PAGE.read_text() == pictures.drawn(pictures.PAGE.read_text()), "run `python -m tests.pictures`"


@pytest.mark.parametrize("role", ["primary", "secondary"])
def test_each_cell_of_the_tables_is_in_the_pictures(role):
    for peer, action in SIMPLE[role].items():
        for other in set(Action) - {action, Action.VERIFY}:
            assert pictures.simple(role, {role: {**SIMPLE[role], peer: other}}) != pictures.simple(role)
    for situation, row in STANDARD[role].items():
        for lease, action in row.items():
            for other in set(Action) - {action}:
                changed = {**STANDARD[role], situation: {**row, lease: other}}
                assert pictures.standard(role, {role: changed}) != pictures.standard(role), (situation, lease, other)



def said_of_faults():
    """Return the first words of what is said of each kind of fault, where it is said in one place."""
    found = {}
    for path in (REPOSITORY / "failover").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript) and "faults" in ast.unparse(node):
                words = [one.value for one in ast.walk(node.value) if isinstance(one, ast.Constant) and isinstance(one.value, str)]
                key = node.targets[0].slice
                if words and isinstance(key, ast.Constant):
                    found.setdefault(key.value, []).append(words[0])
    return found


@pytest.mark.parametrize("text", [text for _, _, text, _ in CASES.values() if not text.endswith("failed: why")]
                         + [words for several in said_of_faults().values() for words in several])
def test_each_problem_is_among_the_symptoms(text):
    symptoms = re.findall(r"`(.*?)`", "\n".join(re.findall(r"^\| (.*?) \|", TROUBLESHOOTING.read_text(), re.M)))
    for parts in ([part.strip() for part in re.split(_VARIABLE, symptom)] for symptom in symptoms):
        # What the peer tells is anything, after "on node-b".
        if all(part in text for part in parts) and (len("".join(parts)) > 5 or text.startswith("on node-b: ")):
            return
    pytest.fail("not on the page: " + text)
