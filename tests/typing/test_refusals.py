"""Runs mypy as a plugin's author would, with nothing ignored."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest
from mypy import api

from kms_core._plugins.clients import kek, storage

CLAIM = re.compile(r"  # type: ignore\[(\S+)\]")
REPORT = re.compile(r"^[^:\n]*:(\d+): error: .*\[(\S+)\]$", re.MULTILINE)


def _reports(path: Path) -> set[tuple[int, str]]:
    out, crash, _ = api.run(["--strict", "--hide-error-context", "--no-pretty", str(path)])
    assert not crash
    return {(int(line), code) for line, code in REPORT.findall(out)}


@pytest.mark.parametrize(("name", "least"), [("refusals.py", 16), ("core.py", 7)])
def test_mypy_refuses_each_wrong_line(tmp_path: Path, name: str, least: int) -> None:
    claims: set[tuple[int, str]] = set()
    bare = tmp_path / "bare.py"
    lines = Path(__file__).with_name(name).read_text().splitlines()
    for number, line in enumerate(lines, 1):
        claims |= {(number, code) for code in CLAIM.findall(line)}
    bare.write_text("\n".join(CLAIM.sub("", line) for line in lines))
    assert len(claims) >= least
    assert _reports(bare) == claims


@pytest.mark.parametrize(
    ("module", "right", "misspelt"),
    [
        (kek, "self._hooks.wrap_dek,", "self._hooks.wrap_deck,"),
        (kek, "wrapped=wrapped, context=context", "wraped=wrapped, context=context"),
        (kek, 'offers("rewrap_dek")', 'offers("rewrap_deck")'),
        (storage, '_call("load_record"', '_call("load_recrod"'),
    ],
)
def test_mypy_refuses_a_misspelt_hook_in_core(
    tmp_path: Path, module: ModuleType, right: str, misspelt: str
) -> None:
    source = Path(str(module.__file__)).read_text()
    assert right in source
    copy = tmp_path / "client.py"
    copy.write_text(source.replace(right, misspelt, 1))
    assert _reports(copy)
