from collections.abc import Callable

import pytest

from kms_core.builtin.memory import MemoryStorage
from kms_core.testing import StorageConformance


class TestMemoryStorage(StorageConformance):
    @pytest.fixture
    def open_storage(self) -> Callable[[], MemoryStorage]:
        store = MemoryStorage(MemoryStorage.Config())
        return lambda: store
