"""Runs mypy as a plugin's author would, with nothing ignored."""

from __future__ import annotations

import re
from pathlib import Path

from mypy import api

CLAIM = re.compile(r"  # type: ignore\[(\S+)\]")
REPORT = re.compile(r"^[^:\n]*:(\d+): error: .*\[(\S+)\]$", re.MULTILINE)


def _reports(path: Path) -> set[tuple[int, str]]:
    out, crash, _ = api.run(["--strict", "--hide-error-context", "--no-pretty", str(path)])
    assert not crash
    return {(int(line), code) for line, code in REPORT.findall(out)}


def test_mypy_refuses_each_wrong_backend(tmp_path: Path) -> None:
    claims: set[tuple[int, str]] = set()
    bare = tmp_path / "bare.py"
    lines = Path(__file__).with_name("refusals.py").read_text().splitlines()
    for number, line in enumerate(lines, 1):
        claims |= {(number, code) for code in CLAIM.findall(line)}
    bare.write_text("\n".join(CLAIM.sub("", line) for line in lines))
    assert len(claims) >= 16
    assert _reports(bare) == claims
