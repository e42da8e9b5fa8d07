"""One word for one thing: what docs/concepts.md says is not written stands nowhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS

ROOT = DOCS.parent
CONCEPTS = DOCS / "concepts.md"
ROWS = re.compile(r"^\| (.+) \| .+ \|$", re.MULTILINE)


def avoided() -> list[str]:
    _, _, table = CONCEPTS.read_text("utf-8").partition("| Not | But |\n|---|---|\n")
    cells = ROWS.findall(table.partition("\n\n")[0])
    return [word for cell in cells for word in re.findall(r"`([^`]+)`", cell) or [cell]]


def texts() -> list[Path]:
    code = (p for d in ("kms-*/src", "examples/*/src") for p in ROOT.glob(f"{d}/**/*.py"))
    pages = (p for d in ("docs/**", ".", "kms-*", "examples/*") for p in ROOT.glob(f"{d}/*.md"))
    return [path for path in (*code, *pages) if path != CONCEPTS and "_build" not in path.parts]


def test_the_list_is_read() -> None:
    assert len(avoided()) >= 10
    assert len(texts()) > 100


@pytest.mark.parametrize("word", avoided())
def test_nobody_writes_what_is_not_written(word: str) -> None:
    pattern = re.compile(rf"(?<![A-Za-z]){re.escape(word)}(?![A-Za-z])")
    found = [str(p.relative_to(ROOT)) for p in texts() if pattern.search(p.read_text("utf-8"))]
    assert found == []
