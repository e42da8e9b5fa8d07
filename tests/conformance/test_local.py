from collections.abc import Callable
from pathlib import Path

import pytest

from kms_core.builtin.local.kek import LocalKek
from kms_core.builtin.local.key_file import new_key_file
from kms_core.testing import KekConformance


def _kek(path: Path) -> Callable[[], LocalKek]:
    path.write_text(new_key_file())
    path.chmod(0o600)
    return lambda: LocalKek(LocalKek.Config(key_file=path))


def _rotate(path: Path) -> None:
    second_key = new_key_file().splitlines()[-1].replace("1", "2", 1)
    path.write_text(f"{path.read_text()}{second_key}\n")


class TestLocalKek(KekConformance):
    @pytest.fixture
    def open_kek(self, tmp_path: Path) -> Callable[[], LocalKek]:
        return _kek(tmp_path / "one.toml")

    @pytest.fixture
    def open_other_kek(self, tmp_path: Path) -> Callable[[], LocalKek]:
        return _kek(tmp_path / "two.toml")

    @pytest.fixture
    def open_missing_kek(self, tmp_path: Path) -> Callable[[], LocalKek]:
        return lambda: LocalKek(LocalKek.Config(key_file=tmp_path / "missing.toml"))

    @pytest.fixture
    def rotate_kek(self, open_kek: object, tmp_path: Path) -> Callable[[], None]:
        return lambda: _rotate(tmp_path / "one.toml")

    @pytest.fixture
    def secrets(self, open_kek: object, tmp_path: Path) -> list[str]:
        return (tmp_path / "one.toml").read_text().split('"')[3::2]
