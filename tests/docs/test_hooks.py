"""The page about the hooks is the hookspecs, and has what the kit's messages point to."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

import kms_core.testing
from kms_core import backend
from kms_core.testing._harness.clauses import clause_of
from tests.docs.pages import DOCS

PAGE = DOCS / "hooks.md"
API = (DOCS / "backend-api.md").read_text("utf-8")
HOOKS: dict[str, Any] = runpy.run_path(str(DOCS / "hooks.py"))


@pytest.fixture(scope="module")
def headings() -> list[str]:
    return re.findall(r"^##+ (\S+)$", PAGE.read_text("utf-8"), re.MULTILINE)


def test_the_pages_are_up_to_date() -> None:
    for path, text in HOOKS["pages"]().items():
        assert path.read_text("utf-8") == text, "run: python docs/hooks.py"


def test_every_name_of_the_authors_door_is_on_a_page(headings: list[str]) -> None:
    entries = [*headings, *re.findall(r"^### (\w+)$", API, re.MULTILINE)]
    named = {*backend.__all__, *kms_core.testing.__all__} - {"memory_kms"}
    assert named - {*entries} == set()


def test_all_that_a_check_asks_of_the_harness_is_on_the_page() -> None:
    """Each that a check skips without."""
    checks = Path(kms_core.testing.__file__).parent.rglob("*.py")
    text = "".join(path.read_text("utf-8") for path in checks)
    fixtures = set(re.findall(r'skip_without\(harness, "(\w+)"', text))
    assert len(fixtures) > 6
    assert fixtures - {*re.findall(r"^\| `(\w+)` \|", API, re.MULTILINE)} == set()


def test_every_hook_has_a_heading(headings: list[str]) -> None:
    specs = HOOKS["SPECS"]
    hooks = {
        hook.__qualname__
        for spec in specs
        for hook in vars(spec).values()
        if hasattr(hook, "kms_core_spec")
    }
    assert {*headings} == hooks | {spec.__name__ for spec in specs}


def test_what_a_clause_points_to_is_on_the_page(headings: list[str]) -> None:
    anchors = {heading.replace(".", "").lower() for heading in headings}
    pairs = [(suite, check) for suite in HOOKS["SUITES"] for check in dir(suite)]
    clauses = [clause for suite, check in pairs if (clause := clause_of(suite, check)) is not None]
    assert clauses
    for clause in clauses:
        _, page, anchor = re.split(r" \(|#", clause.documented.rstrip(")"))
        assert page == "docs/hooks.md"
        assert anchor in anchors
