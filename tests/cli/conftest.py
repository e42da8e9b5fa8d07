from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kms_core.cli.main import main
from tests.cli.running import Done, Kms


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Kms:
    """``main()`` as the installed command calls it."""

    def kms(*arguments: str, **environment: str) -> Done:
        capfdbinary.readouterr()
        with monkeypatch.context() as outside:
            outside.setattr(sys, "argv", ["kms", *arguments])
            for name, value in environment.items():
                outside.setenv(name, value)
            with pytest.raises(SystemExit) as end:
                main()
        raw, errors = capfdbinary.readouterr()
        return Done(int(end.value.code or 0), raw, errors.decode())

    return kms
