"""The pages of broken set-ups: what ``kms doctor`` says of each, as the tests see it.

``pytest -n 0 --write-pages tests/aws/test_mistakes.py tests/aws/test_doctor.py`` writes AWS's.
"""

from __future__ import annotations

import re
from typing import Any

from kms_core._doctor.report import Row
from tests.docs.pages import DOCS

FOLDER = DOCS / "broken"
CLOUDS = {"aws": "AWS", "azure": "Azure", "gcp": "Google Cloud"}
_HEAD = """# Broken set-ups: {cloud}

<!-- Written by the tests of kms-{name}: pytest -n 0 --write-pages. -->

Each set-up works but for one mistake, and is run by the tests.
[`kms doctor`](../cli-doctor.md#kms-doctor) names the mistake by a code, its cause and its cure.
The error of `get_dek` says the same. `…` stands for what differs: ids, ports, paths.

| About | What is wrong | Code | Cause | Cure |
|---|---|---|---|---|
"""
_VARYING = re.compile(
    r"(?<!\S)(?!AADSTS)\S*(?:\d{4,}|/tmp/|[0-9a-f]{8}|127\.0\.0\.1|localhost:)[^\s;,:]*"
)
"""Ids, ports and paths."""
_begun: set[str] = set()


def compare(test: Any, row: Row) -> None:
    """The page has this row, or gets it."""
    name = test.path.parent.name
    page, line = FOLDER / f"{name}.md", _line(test, row)
    if test.config.getoption("--write-pages"):
        head = _HEAD.format(cloud=CLOUDS[name], name=name)
        if name not in _begun or not page.exists():
            page.write_text(head, "utf-8")
        _begun.add(name)
        lines = {*page.read_text("utf-8").removeprefix(head).splitlines(), line}
        page.write_text(head + "".join(f"{line}\n" for line in sorted(lines)), "utf-8")
    assert line in page.read_text("utf-8").splitlines(), "pytest --write-pages writes it"


def rows(name: str) -> list[list[str]]:
    """The cells of the page's rows."""
    _, _, table = (FOLDER / f"{name}.md").read_text("utf-8").partition("|---|---|---|---|---|\n")
    return [line.strip("| ").split(" | ") for line in table.splitlines()]


def title(name: str) -> str:
    """What a test tries, in words."""
    return name.removeprefix("test_").replace("_", " ")


def _line(test: Any, row: Row) -> str:
    function = getattr(test, "originalname", test.name)
    about = test.cls.__name__.removeprefix("Test") if getattr(test, "cls", None) else "Storage"
    cells = (about, title(function), f"`{row.code}`", row.text, row.cure)
    return f"| {' | '.join(_VARYING.sub('…', cell).replace('|', '/') for cell in cells)} |"
