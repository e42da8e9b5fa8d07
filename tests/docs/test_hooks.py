"""The page about the hooks is the hookspecs, and has what the kit's messages point to."""

from __future__ import annotations

import re
import runpy
from typing import Any

import pytest

from kms_core.testing._harness.clauses import clause_of
from tests.docs.pages import DOCS

PAGE = DOCS / "hooks.md"
HOOKS: dict[str, Any] = runpy.run_path(str(DOCS / "hooks.py"))


@pytest.fixture(scope="module")
def headings() -> list[str]:
    return re.findall(r"^##+ (\S+)$", PAGE.read_text("utf-8"), re.MULTILINE)


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == HOOKS["page"](), "run: python docs/hooks.py"


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
    assert len(clauses) > 60
    for clause in clauses:
        _, page, anchor = re.split(r" \(|#", clause.documented.rstrip(")"))
        assert page == "docs/hooks.md"
        assert anchor in anchors
