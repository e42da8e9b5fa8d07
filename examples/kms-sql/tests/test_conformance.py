"""The kit of kms_core.testing, on each database."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from databases import USERS_PASSWORD, Database, make_user
from kms_core.testing import StorageConformance
from postgresql import PASSWORD, PostgreSql

from kms_sql.storage import SqlStorage

Open = Callable[[], SqlStorage]


class SqlStorageConformance(StorageConformance):
    page_size = 200

    @pytest.fixture
    def open_storage(self, database: Database) -> Open:
        return database.open_storage

    @pytest.fixture
    def plant_record(self, database: Database) -> Callable[[str, bytes], object]:
        return database.plant_record

    @pytest.fixture
    def secrets(self) -> list[str]:
        return [PASSWORD, USERS_PASSWORD]


class TestOnSqlite(SqlStorageConformance):
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "deks.db"

    @pytest.fixture
    def database(self, path: Path) -> Database:
        return Database(f"sqlite:///{path}")

    @pytest.fixture
    def open_unreachable(self, database: Database, path: Path) -> Iterator[Open]:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:

            def open_locked() -> SqlStorage:
                other.execute("BEGIN EXCLUSIVE")
                return database.open_storage(createTable=False, timeout=0.01)

            yield open_locked

    @pytest.fixture
    def open_forbidden(self, tmp_path: Path) -> Open:
        nowhere = Database(f"sqlite:///{tmp_path}/nowhere/deks.db")
        return lambda: nowhere.open_storage(createTable=False)


class TestOnPostgresql(SqlStorageConformance):
    @pytest.fixture
    def database(self, postgresql: PostgreSql) -> Database:
        return Database(postgresql.url())

    @pytest.fixture
    def open_unreachable(self, database: Database, postgresql: PostgreSql) -> Iterator[Open]:
        with socket.socket() as reserved:  # nobody listens there
            reserved.bind(("127.0.0.1", 0))
            port = reserved.getsockname()[1]
            away = Database(database.url.replace(f":{postgresql.port}", f":{port}"))
            yield lambda: away.open_storage(createTable=False)

    @pytest.fixture
    def open_forbidden(self, database: Database, postgresql: PostgreSql) -> Open:
        user = make_user(postgresql, database)
        return lambda: user.open_storage(createTable=False)
