"""What it takes to open a Kms."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from pathlib import Path

import pluggy
import pytest

import kms_core
from kms_core._plugins.installed import Installed, find_installed
from kms_core._plugins.metadata import forget


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


def test_the_installed_metadata_is_read_once(
    key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[None] = []

    def counted() -> Iterable[Installed]:
        reads.append(None)
        return find_installed()

    monkeypatch.setattr("kms_core._plugins.metadata.find_installed", counted)
    forget()
    for _ in range(3):
        kms_core.open_kms(f"kms://local?keyFile={key_file}", f"storage://file?path={tmp_path}")
    assert len(reads) == 1
    with pytest.raises(kms_core.BackendNotFoundError):
        kms_core.open_kms("kms://not-installed", f"storage://file?path={tmp_path}")
    assert len(reads) == 2, "what is not there may have been installed since"


def test_it_stays_in_its_process(key_file: Path, tmp_path: Path) -> None:
    with (
        kms_core.open_kms(
            f"kms://local?keyFile={key_file}", f"storage://file?path={tmp_path}"
        ) as k,
        pytest.raises(TypeError, match="open it in the process that uses it"),
    ):
        pickle.dumps(k)
