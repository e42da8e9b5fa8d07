from pathlib import Path

import pytest

from kms_core.builtin.file.names import encode_name
from kms_core.builtin.file.storage import FileStorage
from kms_core.testing import StorageConformance, StorageHarness


def open_in(folder: Path) -> FileStorage:
    return FileStorage(FileStorage.Config(path=folder))


def open_looping(folder: Path) -> FileStorage:
    """A client whose folder has become a link to itself, which nobody may follow."""
    folder.mkdir()
    storage = open_in(folder)
    folder.rmdir()
    folder.symlink_to(folder)
    return storage


class TestFileStorage(StorageConformance):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> StorageHarness:
        deks = tmp_path / "deks"
        deks.mkdir()
        return StorageHarness(
            open=lambda: open_in(deks),
            open_forbidden=lambda: open_looping(tmp_path / "loop"),
            open_missing=lambda: open_in(tmp_path / "missing"),
            plant_record=lambda dek_id, data: (deks / encode_name(dek_id)).write_bytes(data),
            plant_name=lambda name: (deks / name).touch(),
        )
