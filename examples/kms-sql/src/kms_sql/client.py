"""The database: commits are durable, waits have an end, and no log or error shows a parameter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from math import ceil
from typing import Any

from kms_core import ConfigError, ConflictError, DekExistsError, KmsError
from kms_core.backend import PerProcess, translate_errors
from sqlalchemy import URL, Connection, Engine, NullPool, Table, create_engine, event
from sqlalchemy.schema import CreateTable

from kms_sql.config import SqlStorageConfig
from kms_sql.errors import error_table

_DURABLE = {
    # FULL leaves the folder out: after a power failure the journal may undo the last commit.
    "sqlite": "PRAGMA synchronous = EXTRA",
    "postgresql": "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') = 'off'",
}
"""By dialect, what makes a connection wait until a commit is on disk, and weakens nothing."""

_LIBPQ = {
    "connect_timeout": "{connect}",
    "tcp_user_timeout": "{ms}",
    "options": "-c statement_timeout={ms} -c lock_timeout={ms}",
}
_LIMITS = {"psycopg": _LIBPQ, "psycopg2": _LIBPQ, "pysqlite": {"timeout": "{s}"}}
"""By driver, how a URL limits what it waits for. What the configured URL says itself wins.

libpq waits without an end for the answer of a server that is there: core's deadline ends that call.
"""


class Database:
    """One client of a database, and of its table of records."""

    def __init__(self, config: SqlStorageConfig, table: Table) -> None:
        url = config.parsed_url
        place = URL.create(url.get_backend_name(), None, None, url.host, url.port, url.database)
        self.location = f"table {table.name} of {place.render_as_string()}"
        self._engine = PerProcess(partial(_open, config), Engine.dispose)
        ddl = CreateTable(table).compile(dialect=self._engine.get().dialect)
        self._errors = error_table(" ".join(str(ddl).split()))
        self._place = ("a transaction", self.location)
        if config.create_table:
            self._create(table)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield a connection, and commit at the end of the block.

        Raises:
            KmsError: what the database's error means.
        """
        with translate_errors(self._errors, *self._place), self._engine.get().begin() as connection:
            yield connection

    def close(self) -> None:
        """Close the connections of this process."""
        self._engine.close()

    def _create(self, table: Table) -> None:
        try:
            # In PostgreSQL two processes may both see that there is none. One of them is refused,
            # because the table's name, its type or a row of the catalogue is there already.
            with suppress(DekExistsError, ConflictError), self.transaction() as connection:
                connection.execute(CreateTable(table, if_not_exists=True))
        except KmsError:
            self.close()  # nobody else will, since the storage is not opened
            raise


def _open(config: SqlStorageConfig) -> Engine:
    """Make an engine; it connects when it is first used."""
    url = config.parsed_url
    times = {
        "connect": ceil(config.connect_timeout),
        "s": ceil(config.read_timeout),
        "ms": ceil(config.read_timeout * 1000),
    }
    limits = _LIMITS.get(url.get_driver_name(), {})
    limited = {name: value.format(**times) for name, value in limits.items()}
    pool: dict[str, Any] = {
        "pool_pre_ping": True,
        "pool_size": config.max_connections,
        "max_overflow": 0,
        "pool_timeout": config.connect_timeout,
    }
    if url.get_backend_name() == "sqlite":  # whose connections may not be carried across a fork
        pool = {"poolclass": NullPool}
    try:
        engine = create_engine(
            url.set(query={**limited, **url.query}), hide_parameters=True, **pool
        )
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the driver {error.name} of {url.drivername} is not installed; install it, for "
            "PostgreSQL by: pip install 'kms-sql[postgresql]'"
        ) from error
    except ValueError:
        raise ConfigError(
            f"an option in url is of no type that {url.drivername} takes; correct url"
        ) from None  # the error shows the option's value, and the URL is secret as a whole
    if engine.dialect.name in _DURABLE:
        event.listen(engine, "connect", partial(_run, _DURABLE[engine.dialect.name]))
    return engine


def _run(statement: str, connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute(statement)
    cursor.close()
    connection.commit()
