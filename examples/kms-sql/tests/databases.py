"""A database to test on, and what its admin does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

from postgresql import PostgreSql
from sqlalchemy import Engine, NullPool, create_engine, event, insert, text

from kms_sql.config import SqlStorageConfig
from kms_sql.storage import SqlStorage
from kms_sql.table import make_table

USERS_PASSWORD = "password-that-nobody-may-see"
BUSY = {"connectTimeout": 60, "readTimeout": 60, "deadline": 300}
"""How long a client waits for an answer that comes, however busy this machine is."""


@dataclass(frozen=True)
class Database:
    """A database, and a table of it that nobody else uses."""

    url: str
    table: str = field(default_factory=lambda: f"deks_{token_hex(6)}")

    @property
    def parameters(self) -> dict[str, Any]:
        """What the config says of this table."""
        return {"url": self.url, "table": self.table, **BUSY}

    def open_storage(self, **more: object) -> SqlStorage:
        """A client of the table, which it creates."""
        parameters = self.parameters | {"createTable": True} | more
        return SqlStorage(SqlStorageConfig.from_parameters(parameters))

    def plant_record(self, dek_id: str, data: bytes) -> None:
        """Store a record behind the backend's back."""
        self.open_storage().close()
        self.insert([{"dek_id": dek_id.encode(), "data": data, "revision": "planted"}])

    def insert(self, rows: list[dict[str, object]]) -> None:
        """Insert rows into the table."""
        with create_engine(self.url, poolclass=NullPool).begin() as connection:
            connection.execute(insert(make_table(self.table)), rows)

    def run(self, *statements: str) -> None:
        """Run statements as the admin of the database."""
        with create_engine(self.url, poolclass=NullPool).begin() as connection:
            for statement in statements:
                connection.execute(text(statement))


def make_user(server: PostgreSql, database: Database) -> Database:
    """The same table, as a new user who may do nothing yet."""
    database.open_storage().close()
    name = f"user_{token_hex(6)}"
    database.run(f"CREATE ROLE {name} LOGIN PASSWORD '{USERS_PASSWORD}'")
    return Database(server.url(name, USERS_PASSWORD), database.table)


@contextmanager
def listening(name: str, listener: Callable[..., None]) -> Iterator[None]:
    """Call the listener at each such event of any engine."""
    event.listen(Engine, name, listener)
    try:
        yield
    finally:
        event.remove(Engine, name, listener)
