"""The kit of kms_core.testing, on each database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest
from databases import USERS_PASSWORD, Database, listening, make_user
from kms_core.testing import StorageConformance, StorageHarness
from postgresql import PASSWORD, PostgreSql

import kms_sql.storage
from kms_sql.storage import SqlStorage


class SqlStorageConformance(StorageConformance):
    page_size = 20

    @pytest.fixture(autouse=True)
    def _small_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(kms_sql.storage, "_PAGE", self.page_size)


def _give_no_page(connection: sqlite3.Connection, _record: object) -> None:
    """More pages than there are, a full disk does not give either."""
    connection.execute("PRAGMA max_page_count = 1")


class TestOnSqlite(SqlStorageConformance):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Iterator[StorageHarness]:
        path = tmp_path / "deks.db"
        database, nowhere = (Database(f"sqlite:///{p}") for p in (path, tmp_path / "no/deks.db"))
        with closing(sqlite3.connect(path, isolation_level=None)) as other, ExitStack() as full:

            def open_locked() -> SqlStorage:
                other.execute("BEGIN EXCLUSIVE")
                return database.open_storage(createTable=False, readTimeout=0.01)

            def open_full() -> SqlStorage:
                full.enter_context(listening("connect", _give_no_page))
                return database.open_storage(createTable=False)

            yield StorageHarness(
                open=database.open_storage,
                open_full=open_full,
                open_unreachable=open_locked,
                open_forbidden=lambda: nowhere.open_storage(createTable=False),
                plant_record=database.plant_record,
            )


class TestOnPostgresql(SqlStorageConformance):
    wire_deadline = 1  # libpq waits for an answer without an end

    @pytest.fixture
    def harness(self, postgresql: PostgreSql) -> StorageHarness:
        database = Database(postgresql.url())

        def open_at(url: str) -> SqlStorage:
            return replace(database, url=url).open_storage(
                createTable=False, connectTimeout=1, readTimeout=1
            )

        return StorageHarness(
            open=database.open_storage,
            open_forbidden=lambda: make_user(postgresql, database).open_storage(createTable=False),
            endpoint=database.url,
            open_at=open_at,
            plant_record=database.plant_record,
            secrets=[PASSWORD, USERS_PASSWORD],
        )
