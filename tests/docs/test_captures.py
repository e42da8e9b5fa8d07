"""The pictures of commands show what these commands write."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

import kms_core
from kms_core.cli.main import kms
from kms_core.cli.session import Session
from tests.captures import compare

_STYLES, _CONTROLS = re.compile(r"\x1b\[[0-9;]*m"), re.compile(r"(\x1b\[[0-9;?]*[A-Za-z]|\r)+")
_FRAME = re.compile(r"DEKs .* +\d+/40 +\d+/s +[0-9:-]+")


class Terminal(io.StringIO):
    """What a progress bar is drawn on."""

    def isatty(self) -> bool:
        return True


@dataclass
class Screen:
    """Runs ``kms`` as on a terminal."""

    patch: pytest.MonkeyPatch
    errors: str = ""

    def run(self, *words: str) -> str:
        """Standard output."""
        output, errors = io.TextIOWrapper(io.BytesIO(), "utf-8"), Terminal()
        with self.patch.context() as patch:
            patch.setattr(sys, "stdout", output)
            patch.setattr(sys, "stderr", errors)
            with suppress(SystemExit):
                kms.main([*words], obj=Session(), standalone_mode=False)
        self.errors = _STYLES.sub("", errors.getvalue())
        output.seek(0)
        return _STYLES.sub("", output.read())


@pytest.fixture
def screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Screen:
    """Where there is a key file of two versions and 40 DEKs, 9 of the newer one."""
    monkeypatch.chdir(tmp_path)
    for name, value in {"COLUMNS": "100", "TERM": "xterm", "TTY_COMPATIBLE": "1"}.items():
        monkeypatch.setenv(name, value)
    screen = Screen(monkeypatch)
    screen.run("init")
    _create(range(31))
    screen.run("kek", "rotate")
    _create(range(31, 40))
    return screen


def _create(numbers: Iterable[int]) -> None:
    with kms_core.open_kms(config="kms.toml") as opened:
        for number in numbers:
            opened.create_dek(f"volume-{number}")


def test_inventory(screen: Screen, request: pytest.FixtureRequest) -> None:
    told = screen.run("dek", "inventory")
    key = re.search(r"local (\S+)", told)
    assert key
    shown = told.replace(key[1], "5d0c1f8e7a3b9264"[: len(key[1])].ljust(len(key[1]), "0"))
    shown = shown.replace(f"{datetime.now(UTC):%Y-%m-%d}", "2026-11-26")
    lines = [line.rstrip() for line in shown.splitlines()]
    title = "kms dek inventory: a row for each version of the KEK, with how many DEKs it wraps"
    compare(request.config, "inventory", title, "\n".join(["$ kms dek inventory", *lines]))


def test_progress_of_a_rewrap(screen: Screen, request: pytest.FixtureRequest) -> None:
    """The bar at any moment; how far and how fast differs from run to run."""
    slowly = ["--rate", "40"] if request.config.getoption("--write-pages") else []
    done = screen.run("dek", "rewrap", *slowly)
    frames = _FRAME.findall(_CONTROLS.sub("\n", screen.errors))
    assert frames
    text = "\n".join(["$ kms dek rewrap", frames[len(frames) // 2], done])
    title = "kms dek rewrap: a bar with how many DEKs are done, how fast, and how long it takes"
    compare(request.config, "rewrap", title, text, varying=_FRAME.pattern)
