"""What it takes to open a Kms."""

from __future__ import annotations

from pathlib import Path

import pluggy
import pytest

import kms_core


@pytest.fixture
def managers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The PluginManagers that are made."""
    made: list[str] = []
    real = pluggy.PluginManager.__init__

    def noted(manager: pluggy.PluginManager, project: str) -> None:
        made.append(project)
        real(manager, project)

    monkeypatch.setattr(pluggy.PluginManager, "__init__", noted)
    return made


def test_a_contract_is_checked_once(key_file: Path, tmp_path: Path, managers: list[str]) -> None:
    with kms_core.open_kms(f"kms://local?keyFile={key_file}", f"storage://file?path={tmp_path}"):
        assert managers == ["kms_core"] * 2


def test_derived_deks_are_not_listed_and_say_so_at_once() -> None:
    zeros = "A" * 43 + "="
    with (
        kms_core.open_kms(f"kms://cluster-kms?key={zeros}&salt={zeros}") as kms,
        pytest.raises(kms_core.ConfigError, match="derives its DEKs"),
    ):
        kms.list_dek_ids()
