"""The tables: they are those of docs/decisions.md, and every combination has its action."""

import itertools
import re

import pytest

from failover.decision.table import SIMPLE, STANDARD, Action, look_up
from failover.decision.vocabulary import Lease, Liveness
from tests.testbed.pair import REPOSITORY


def shown_table(role_and_mode):
    """Return {row: {column: cell}} of the table in docs/decisions.md under the heading `role_and_mode`."""
    text = (REPOSITORY / "docs" / "decisions.md").read_text()
    table = re.search(r"^\| {} \|.*?(?=\n\n)".format(re.escape(role_and_mode)), text, re.M | re.S)
    assert table, "docs/decisions.md has no table '{}'".format(role_and_mode)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.group().splitlines()]
    header, _, *body = rows
    return {row[0]: dict(zip(header[1:], row[1:])) for row in body}


def as_text(rows):
    return {row: {column: action.value for column, action in columns.items()} for row, columns in rows.items()}


@pytest.mark.parametrize("role, other", [("primary", "secondary"), ("secondary", "primary")])
def test_simple_table_is_the_one_shown(role, other):
    ours = as_text({"{} {}".format(other, peer.value): {"action": action} for peer, action in SIMPLE[role].items()})
    print(ours)
    assert ours == shown_table("simple {}".format(role))


@pytest.mark.parametrize("role, other", [("primary", "secondary"), ("secondary", "primary")])
def test_standard_table_is_the_one_shown(role, other):
    ours = as_text({"{} {}, VC {}".format(other, peer.value, vc.value): {
        "lease " + lease.value: action for lease, action in row.items()} for (peer, vc), row in STANDARD[role].items()})
    print(ours)
    assert ours == {row: {column: cell for column, cell in cells.items() if cell != "-"}
                    for row, cells in shown_table("standard {}".format(role)).items()}


def test_every_combination_is_in_the_tables():
    for role in ("primary", "secondary"):
        assert set(SIMPLE[role]) == set(Liveness)
        for peer, vc in itertools.product(Liveness, Liveness):
            # Only a primary that has said farewell is down before VC is known.
            cannot_be = {peer, vc} == {Liveness.DOWN, Liveness.UNKNOWN} and (role, peer) != ("secondary", Liveness.DOWN)
            assert ((peer, vc) in STANDARD[role]) is not cannot_be
            for lease in Lease:
                cell = STANDARD[role].get((peer, vc), {}).get(lease)
                assert look_up("standard", role, peer, vc, lease) is (cell or Action.STOP)
