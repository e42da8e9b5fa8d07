"""What SECURITY.md says that nobody can do is what a test has tried."""

from __future__ import annotations

import re

import pytest

import kms_core.testing
from tests.docs.pages import ROOT

TABLE = (ROOT / "SECURITY.md").read_text("utf-8").partition("<!-- attackers -->")[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TABLE.partition("<!-- end -->")[0].splitlines()
    if line.startswith("|")
][2:]


def test_the_table_has_rows() -> None:
    assert len(ROWS) > 12
    assert {len(row) for row in ROWS} == {4}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_promise_names_tests_that_are_there(row: list[str]) -> None:
    _, can, cannot, tests = row
    named = re.findall(r"`([^`]+)`", tests)
    assert bool(cannot) == bool(named), "a promise has a test, and what is no promise has none"
    assert named or can.startswith("**"), "what kms-core does not hold off is in bold"
    for place, _, test in (name.partition("::") for name in named):
        if place in kms_core.testing.__all__:
            assert hasattr(getattr(kms_core.testing, place), test)
        else:
            code = (ROOT / "tests" / place).read_text("utf-8")
            assert re.search(rf"^def {test}\(", code, re.MULTILINE), f"{place} has no {test}"
