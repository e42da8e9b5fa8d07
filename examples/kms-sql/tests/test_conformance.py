"""The kit of kms_core.testing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from databases import Database
from kms_core.testing import StorageConformance
from postgresql import PASSWORD

from kms_sql.storage import SqlStorage


class TestSqlStorage(StorageConformance):
    page_size = 200

    @pytest.fixture
    def open_storage(self, database: Database) -> Callable[[], SqlStorage]:
        return database.open_storage

    @pytest.fixture
    def plant_record(self, database: Database) -> Callable[[str, bytes], object]:
        return database.plant_record

    @pytest.fixture
    def secrets(self) -> list[str]:
        return [PASSWORD]
