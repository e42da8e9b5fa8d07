"""The kit of kms_core.testing, on each database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from databases import USERS_PASSWORD, Database, make_user
from kms_core.testing import StorageConformance, StorageHarness
from postgresql import PASSWORD, PostgreSql

from kms_sql.storage import SqlStorage


class SqlStorageConformance(StorageConformance):
    page_size = 200


class TestOnSqlite(SqlStorageConformance):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Iterator[StorageHarness]:
        path = tmp_path / "deks.db"
        database, nowhere = (Database(f"sqlite:///{p}") for p in (path, tmp_path / "no/deks.db"))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:

            def open_locked() -> SqlStorage:
                other.execute("BEGIN EXCLUSIVE")
                return database.open_storage(createTable=False, timeout=0.01)

            yield StorageHarness(
                open=database.open_storage,
                open_unreachable=open_locked,
                open_forbidden=lambda: nowhere.open_storage(createTable=False),
                plant_record=database.plant_record,
            )


class TestOnPostgresql(SqlStorageConformance):
    @pytest.fixture
    def harness(self, postgresql: PostgreSql, request: pytest.FixtureRequest) -> StorageHarness:
        if request.node.name in {"test_faulty_wire[hangs]", "test_late_answer"}:
            reason = "libpq waits for an answer without an end"
            request.node.add_marker(pytest.mark.xfail(reason=reason, strict=True))
        database = Database(postgresql.url())

        def open_at(url: str) -> SqlStorage:
            return replace(database, url=url).open_storage(createTable=False, timeout=1)

        return StorageHarness(
            open=database.open_storage,
            open_forbidden=lambda: make_user(postgresql, database).open_storage(createTable=False),
            endpoint=database.url,
            open_at=open_at,
            plant_record=database.plant_record,
            secrets=[PASSWORD, USERS_PASSWORD],
        )
