from collections.abc import Callable
from pathlib import Path

import pytest

from kms_core.builtin.file.names import encode_name
from kms_core.builtin.file.storage import FileStorage
from kms_core.testing import StorageConformance


class TestFileStorage(StorageConformance):
    @pytest.fixture
    def open_storage(self, tmp_path: Path) -> Callable[[], FileStorage]:
        return lambda: FileStorage(FileStorage.Config(path=tmp_path))

    @pytest.fixture
    def open_missing(self, tmp_path: Path) -> Callable[[], FileStorage]:
        return lambda: FileStorage(FileStorage.Config(path=tmp_path / "missing"))

    @pytest.fixture
    def plant_record(self, tmp_path: Path) -> Callable[[str, bytes], int]:
        return lambda dek_id, data: (tmp_path / encode_name(dek_id)).write_bytes(data)

    @pytest.fixture
    def plant_name(self, tmp_path: Path) -> Callable[[str], None]:
        return lambda name: (tmp_path / name).touch()
