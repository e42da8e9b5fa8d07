from pathlib import Path

import pytest

from kms_core.builtin.file.names import encode_name
from kms_core.builtin.file.storage import FileStorage
from kms_core.testing import StorageConformance, StorageHarness


def open_in(folder: Path) -> FileStorage:
    return FileStorage(FileStorage.Config(path=folder))


class TestFileStorage(StorageConformance):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> StorageHarness:
        return StorageHarness(
            open=lambda: open_in(tmp_path),
            open_missing=lambda: open_in(tmp_path / "missing"),
            plant_record=lambda dek_id, data: (tmp_path / encode_name(dek_id)).write_bytes(data),
            plant_name=lambda name: (tmp_path / name).touch(),
        )
