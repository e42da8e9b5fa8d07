"""The pages of broken set-ups have enough of them, and none that is gone."""

from __future__ import annotations

import re

import pytest

from tests.broken import CLOUDS, rows, title
from tests.docs.pages import ROOT


@pytest.mark.parametrize("name", CLOUDS)
def test_each_row_is_of_a_test(name: str) -> None:
    sources = (ROOT / "tests" / name).glob("test_*.py")
    tests = {t for path in sources for t in re.findall(r"def (test_\w+)", path.read_text("utf-8"))}
    told = rows(name)
    assert len({row[1] for row in told}) >= 20
    assert [row for row in told if row[1] not in map(title, tests)] == []
    assert all(len(row) == 5 and all(row) for row in told)
