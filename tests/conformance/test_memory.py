import pytest

from kms_core.builtin.memory import MemoryStorage
from kms_core.testing import StorageConformance, StorageHarness


class TestMemoryStorage(StorageConformance):
    @pytest.fixture
    def harness(self) -> StorageHarness:
        store = MemoryStorage(MemoryStorage.Config())
        return StorageHarness(open=lambda: store)
