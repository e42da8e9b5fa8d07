"""``storage://sql``: a record for each row of a table, in any database with SQLAlchemy.

Each hook is one statement of its own transaction; a second one only says why the first did nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

from kms_core import ConflictError, DekNotFoundError, StorageInfo
from kms_core.backend import MAX_RECORD_SIZE, StorageSpec, StoredRecord, check_dek_id, hookimpl
from sqlalchemy import ColumnElement, Connection, LargeBinary, func

from kms_sql.client import Database
from kms_sql.config import SqlStorageConfig
from kms_sql.table import make_table, new_revision

_PAGE = 200
"""How many ids are read at a time."""


class SqlStorage(StorageSpec):
    """The primary key decides who creates a record, and a random revision who replaces it."""

    Config = SqlStorageConfig

    def __init__(self, config: SqlStorageConfig) -> None:
        self._table = make_table(config.table)
        self._columns = self._table.c
        self._database = Database(config, self._table)

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        data = func.substr(self._columns.data, 1, MAX_RECORD_SIZE + 1, type_=LargeBinary)
        query = self._table.select().with_only_columns(data, self._columns.revision)
        with self._database.transaction() as connection:
            row = connection.execute(query.where(self._is(dek_id))).one_or_none()
        if row is None:
            raise _missing()
        return StoredRecord(row[0] or b"", row[1])  # SQLite's substr of no bytes is NULL

    @hookimpl
    def create_record(self, dek_id: str, data: bytes) -> str:
        key, revision = check_dek_id(dek_id), new_revision()
        statement = self._table.insert().values(dek_id=key, data=data, revision=revision)
        with self._database.transaction() as connection:
            connection.execute(statement)
        return revision

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        new = new_revision()
        statement = self._table.update().where(self._is(dek_id, revision))
        with self._database.transaction() as connection:
            done = connection.execute(statement.values(data=data, revision=new))
            if done.rowcount == 0:
                self._refuse(connection, dek_id)
        return new

    @hookimpl
    def delete_record(self, dek_id: str, revision: str) -> None:
        with self._database.transaction() as connection:
            done = connection.execute(self._table.delete().where(self._is(dek_id, revision)))
            if done.rowcount == 0:
                self._refuse(connection, dek_id)

    @hookimpl
    def list_dek_ids(self, prefix: str) -> Iterator[str]:
        column, start = self._columns.dek_id, prefix.encode()
        query = self._table.select().with_only_columns(column).order_by(column).limit(_PAGE)
        if start:  # up to the next bytes of this length; no byte of UTF-8 is 0xff
            query = query.where(column < start[:-1] + bytes([start[-1] + 1]))
        while True:
            with self._database.transaction() as connection:
                page = connection.scalars(query.where(column >= start)).all()
            yield from (dek_id.decode(errors="surrogateescape") for dek_id in page)
            if len(page) < _PAGE:
                return
            start = page[-1] + b"\0"  # the next id there can be

    @hookimpl
    def describe_storage(self) -> StorageInfo:
        return StorageInfo(self._database.location)

    @hookimpl
    def close(self) -> None:
        self._database.close()

    def _is(self, dek_id: str, revision: str | None = None) -> ColumnElement[bool]:
        is_id = self._columns.dek_id == check_dek_id(dek_id)
        return is_id if revision is None else is_id & (self._columns.revision == revision)

    def _refuse(self, connection: Connection, dek_id: str) -> NoReturn:
        """Say why no row was changed: the record is at another revision, or there is none."""
        query = self._table.select().with_only_columns(self._columns.revision)
        if connection.execute(query.where(self._is(dek_id))).one_or_none() is None:
            raise _missing()
        raise ConflictError("the record has changed since it was read; read it again")


def _missing() -> DekNotFoundError:
    return DekNotFoundError("no record of this dek_id is stored")
