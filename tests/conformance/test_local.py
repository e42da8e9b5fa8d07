from pathlib import Path

import pytest

from kms_core.builtin.local.kek import LocalKek
from kms_core.builtin.local.key_file import new_key_file
from kms_core.testing import KekConformance, KekHarness


def make_key_file(path: Path) -> Path:
    path.write_text(new_key_file())
    path.chmod(0o600)
    return path


def open_with(key_file: Path) -> LocalKek:
    return LocalKek(LocalKek.Config(key_file=key_file))


def rotate(key_file: Path) -> None:
    second_key = new_key_file().splitlines()[-1].replace("1", "2", 1)
    key_file.write_text(f"{key_file.read_text()}{second_key}\n")


def destroy(key_file: Path, version: str) -> None:
    lines = key_file.read_text().splitlines(keepends=True)
    key_file.write_text("".join(line for line in lines if not line.startswith(f"{version} ")))


class TestLocalKek(KekConformance):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> KekHarness:
        one, two = (make_key_file(tmp_path / name) for name in ("one.toml", "two.toml"))
        return KekHarness(
            open=lambda: open_with(one),
            open_other=lambda: open_with(two),
            open_missing=lambda: open_with(tmp_path / "missing.toml"),
            rotate=lambda: rotate(one),
            destroy=lambda version: destroy(one, version),
            secrets=one.read_text().split('"')[3::2],
        )
