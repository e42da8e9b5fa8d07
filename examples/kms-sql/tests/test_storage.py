"""What the kit cannot know, on each database."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from databases import Database, listening
from kms_core import ConfigError, ConflictError, open_kms

from kms_sql.storage import SqlStorage

DATA = b"data-of-a-record"


def test_a_missing_table_comes_with_the_statement_that_makes_it(
    database: Database, storage: SqlStorage
) -> None:
    database.run(f"DROP TABLE {database.table}")
    with pytest.raises(ConfigError, match="createTable=true once, or create it") as raised:
        storage.load_record("volume-42")
    statement = str(raised.value).partition("create it: ")[2]
    assert statement.startswith(f"CREATE TABLE {database.table} (")
    database.run(statement)
    revision = storage.create_record("volume-42", DATA)
    assert storage.load_record("volume-42").revision == revision


def test_a_table_of_another_shape_is_a_config_error(
    database: Database, storage: SqlStorage
) -> None:
    database.run(f"ALTER TABLE {database.table} RENAME COLUMN revision TO version")
    with pytest.raises(ConfigError, match="no such table of this backend"):
        storage.load_record("volume-42")


@pytest.mark.parametrize("number", range(10))  # what refuses the losers varies
def test_many_may_create_the_table_at_once(database: Database, number: int) -> None:
    def use(_: int) -> None:
        with closing(database.open_storage()) as storage:
            assert list(storage.list_dek_ids(str(number))) == []

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(use, range(16)))


def test_a_revision_does_not_come_back_with_its_data(storage: SqlStorage) -> None:
    first = storage.create_record("volume-42", DATA)
    storage.delete_record("volume-42", first)
    storage.create_record("volume-42", DATA)
    with pytest.raises(ConflictError):
        storage.replace_record("volume-42", b"", first)
    with pytest.raises(ConflictError):
        storage.delete_record("volume-42", first)


def test_a_listing_reads_page_after_page(database: Database, storage: SqlStorage) -> None:
    row = {"data": DATA, "revision": "planted"}
    database.insert([{"dek_id": f"id-{n}".encode(), **row} for n in range(1001)])
    read: list[int] = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        read.append(statement.count("LIMIT"))

    with listening("after_cursor_execute", count):
        listing = storage.list_dek_ids("id-")
        assert next(listing) == "id-0"
        assert sum(read) == 1
        assert len(list(listing)) == 1000
    assert sum(read) == 6


def test_a_row_of_somebody_else_does_not_end_a_listing(
    database: Database, storage: SqlStorage
) -> None:
    others = [b"\xff", b"line\nbreak"]
    database.insert([{"dek_id": key, "data": DATA, "revision": "planted"} for key in others])
    storage.create_record("volume-42", DATA)
    assert set(storage.list_dek_ids("")) == {"volume-42", "line\nbreak", "\udcff"}


def test_no_log_shows_a_record(
    database: Database, kek: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sqlalchemy")
    parameters = {"backend": "sql", "createTable": True, **database.parameters}
    with open_kms(kek, parameters) as kms:
        kms.get_dek("volume-42", create=True)
    assert "INSERT INTO" in caplog.text
    assert "kms-core.dek" not in caplog.text  # how a record begins
