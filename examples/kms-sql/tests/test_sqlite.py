"""What is SQLite's own: one file, one writer, and commits that may stay in a cache."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from databases import Database, listening
from kms_core import AccessDeniedError, ConfigError, OperationError, UnavailableError
from sqlalchemy import Connection

EXTRA = 3


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deks.db"


@pytest.fixture
def database(path: Path) -> Database:
    return Database(f"sqlite:///{path}")


def test_each_commit_is_synchronised_with_its_folder(database: Database) -> None:
    seen: list[int] = []

    def ask(connection: Connection) -> None:
        seen.append(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())

    with listening("commit", ask):
        database.open_storage().create_record("volume-42", b"data")
    assert seen == [EXTRA, EXTRA]


def test_a_writer_that_stays_is_waited_for_and_reported(database: Database, path: Path) -> None:
    storage = database.open_storage(readTimeout=0.1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnavailableError, match="stayed locked by another writer"):
            storage.create_record("volume-42", b"data")
        other.execute("ROLLBACK")
    storage.create_record("volume-42", b"data")


def test_the_limit_of_the_url_wins(database: Database, path: Path) -> None:
    database.open_storage()
    storage = Database(f"{database.url}?timeout=0.1", database.table).open_storage(readTimeout=300)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UnavailableError):
            storage.load_record("volume-42")


def test_a_constraint_of_others_is_not_taken_for_an_existing_record(
    database: Database, path: Path
) -> None:
    storage = database.open_storage()
    storage.create_record("volume-42", b"data")
    with closing(sqlite3.connect(path)) as other:
        table = database.table
        other.execute(
            f"CREATE TRIGGER ours BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    with pytest.raises(ConfigError, match="a constraint of somebody else"):
        storage.create_record("volume-43", b"data")


def test_a_file_that_is_no_database_is_reported(database: Database, path: Path) -> None:
    path.write_text("no database, but a text that is longer than SQLite's header of 100 bytes" * 2)
    with pytest.raises(OperationError, match="damaged, or none"):
        database.open_storage()


def test_a_folder_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(AccessDeniedError, match="or correct url"):
        Database(f"sqlite:///{tmp_path}/nowhere/deks.db").open_storage()


def test_a_database_that_may_only_be_read_is_reported(database: Database, path: Path) -> None:
    database.open_storage()
    url = f"sqlite:///file:{path}?mode=ro&uri=true"
    storage = Database(url, database.table).open_storage(createTable=False)
    with pytest.raises(AccessDeniedError, match="let this process write"):
        storage.create_record("volume-42", b"data")


def test_no_connection_is_left_open(database: Database, path: Path) -> None:
    storage = database.open_storage()
    storage.create_record("volume-42", b"data")
    assert path not in {link.resolve() for link in Path("/proc/self/fd").iterdir()}
