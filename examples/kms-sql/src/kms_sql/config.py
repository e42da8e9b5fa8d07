"""What ``storage://sql`` takes."""

from __future__ import annotations

from typing import Annotated

from kms_core.backend import SecretStr, ServiceConfig
from msgspec import Meta
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError


class DatabaseUrl(SecretStr):
    """A database URL of SQLAlchemy; secret as a whole, because it may hold a password."""

    def __init__(self, text: str) -> None:
        _check_url(text)
        super().__init__(text)


def _check_url(text: str) -> None:
    try:
        url = make_url(text)
        dialect = url.get_dialect()
    except (ArgumentError, ValueError):
        raise ValueError(
            "is not DIALECT+DRIVER://USER:PASSWORD@HOST/DATABASE with a dialect that is installed; "
            "percent-encode what is special in the password"
        ) from None  # a ValueError may hold a piece of the password
    if dialect.is_async:
        raise ValueError("names a driver for asyncio; name another, as in postgresql+psycopg://")
    if dialect.name == "sqlite" and _is_in_memory(url):
        raise ValueError("is a database in memory, which loses every DEK; name a file")


def _is_in_memory(url: URL) -> bool:
    database = url.database or ":memory:"
    return ":memory:" in database or "mode=memory" in database or url.query.get("mode") == "memory"


class SqlStorageConfig(ServiceConfig):
    """Which table of which database. How long to wait for it, every ServiceConfig says.

    Attributes:
        url: the database.
        table: the table with the records, of this backend alone.
        create_table: create the table, if there is none, when the storage is opened.
    """

    url: DatabaseUrl
    table: Annotated[
        str,
        Meta(
            pattern=r"^[a-z_][a-z0-9_]{0,62}\Z",
            description="is no table's name: lower-case letters, digits and '_'",
        ),
    ] = "kms_records"
    create_table: bool = False

    @property
    def parsed_url(self) -> URL:
        """The URL. It holds the password."""
        return make_url(self.url.get_secret_value())
