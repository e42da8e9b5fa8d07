"""The page about ``kms doctor`` has each code that there is, and no other."""

from __future__ import annotations

import re

from kms_core._doctor.report import _SUFFIXES
from tests.docs.pages import DOCS, ROOT

PAGE = (DOCS / "cli-doctor.md").read_text("utf-8")
TOLD_BY_CORE = re.compile(r'\.find\(\s*(?:"[^"]+"|step),\s*"([A-Z-]+)"')
TOLD_BY_LAYERS = re.compile(r'(?:_holds\("\w+", |code=)"([A-Z]+)"')
TOLD_BY_BACKENDS = re.compile(r'Risk\(\s*"([A-Z-]+)"')


def sources(pattern: str) -> str:
    return "".join(path.read_text("utf-8") for path in ROOT.glob(pattern))


def test_every_code_is_on_the_page() -> None:
    core = {
        *_SUFFIXES.values(),
        *TOLD_BY_CORE.findall(sources("kms-core/src/kms_core/_doctor/*.py")),
        *TOLD_BY_LAYERS.findall(sources("kms-*/src/**/*.py")),
    }
    backends = {*TOLD_BY_BACKENDS.findall(sources("kms-*/src/**/*.py"))}
    assert len(backends) > 5
    rows = re.findall(r"^\| `([A-Z…-]+)` \|", PAGE, re.MULTILINE)
    assert len(rows) == len({*rows})
    of_core = {row.partition("-")[2] for row in rows} - {b.partition("-")[2] for b in backends}
    assert of_core == core
    assert {*rows} >= backends
