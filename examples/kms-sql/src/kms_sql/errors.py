"""What a database says, in the words of kms-core.

Messages are ours alone: the driver's text stays in the chained error, which hides the parameters.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

from kms_core import (
    AccessDeniedError,
    ConfigError,
    ConflictError,
    DekExistsError,
    KmsError,
    OperationError,
    ThrottledError,
    UnavailableError,
)
from sqlalchemy import exc as sql
from sqlalchemy.exc import SQLAlchemyError

_LOGIN = "the server refuses this user or this database; correct url"
_GRANT = (
    "the user may not do this; grant SELECT and INSERT on the table, UPDATE and DELETE as well to "
    "replace and delete records, and CREATE on the schema for createTable=true"
)
_FILE = "let this process write the database's file and its folder"
_TABLE = "there is no such table of this backend; set createTable=true once, or create it: {ddl}"
_SETUP = "the driver or the database refuses an option of url, or the table; correct url or table"
_READ_ONLY = "the database is read only, as a standby is; name the primary in url"
_CONSTRAINT = "the table has a constraint of somebody else; remove it, or give another table"
_EXISTS = "a record of this dek_id is already stored"
_TURN = "somebody else writes to the table now, and nothing was stored; try again"
_LOCKED = "the database stayed locked by another writer; try again, or raise timeout"
_SLOW = "the database took too long; try again, or raise timeout"
_FULL = "the database has no connection, memory or disk space left; free some, or try again later"
_AWAY = "the database was not reached, or its answer was lost; check url and network, or try again"
_BROKEN = "the database is damaged, or none; restore it from a backup, or correct url"

_Clue: TypeAlias = str | int | type[BaseException]
_ERRORS: dict[_Clue, tuple[type[KmsError], str]] = {
    # SQLSTATEs and their classes, in PostgreSQL's documentation, appendix A
    "08": (UnavailableError, _AWAY),
    "23": (ConfigError, _CONSTRAINT),
    "23505": (DekExistsError, _EXISTS),
    "25006": (ConfigError, _READ_ONLY),
    "28": (AccessDeniedError, _LOGIN),
    "3D000": (ConfigError, _LOGIN),
    "40": (ConflictError, _TURN),
    "40003": (UnavailableError, _AWAY),
    "42501": (AccessDeniedError, _GRANT),
    "42703": (ConfigError, _TABLE),
    "42710": (ConflictError, _TURN),
    "42P07": (ConflictError, _TURN),
    "42P01": (ConfigError, _TABLE),
    "53": (ThrottledError, _FULL),
    "55P03": (UnavailableError, _LOCKED),
    "57": (UnavailableError, _AWAY),
    "57014": (UnavailableError, _SLOW),
    "58": (UnavailableError, _AWAY),
    # SQLite's primary result codes, sqlite.org/rescode.html
    sqlite3.SQLITE_ERROR: (ConfigError, _TABLE),
    sqlite3.SQLITE_PERM: (AccessDeniedError, _FILE),
    sqlite3.SQLITE_BUSY: (UnavailableError, _LOCKED),
    sqlite3.SQLITE_LOCKED: (UnavailableError, _LOCKED),
    sqlite3.SQLITE_READONLY: (AccessDeniedError, _FILE),
    sqlite3.SQLITE_IOERR: (UnavailableError, _AWAY),
    sqlite3.SQLITE_CORRUPT: (OperationError, _BROKEN),
    sqlite3.SQLITE_FULL: (ThrottledError, _FULL),
    sqlite3.SQLITE_CANTOPEN: (AccessDeniedError, f"{_FILE}, or correct url"),
    sqlite3.SQLITE_CONSTRAINT: (DekExistsError, _EXISTS),
    sqlite3.SQLITE_NOTADB: (OperationError, _BROKEN),
    # What any driver has to tell apart (PEP 249)
    sql.IntegrityError: (DekExistsError, _EXISTS),
    sql.ProgrammingError: (ConfigError, _SETUP),
    sql.InterfaceError: (UnavailableError, _AWAY),
    sql.OperationalError: (UnavailableError, _AWAY),
    sql.TimeoutError: (ThrottledError, "all connections of this process are busy; try again"),
    SQLAlchemyError: (OperationError, "the database refused; see the chained error"),
}


@contextmanager
def explained(ddl: str) -> Iterator[None]:
    """Around calls of SQLAlchemy: raises what its error means in kms-core."""
    try:
        yield
    except SQLAlchemyError as error:
        clue = next(clue for clue in _clues(error) if clue in _ERRORS)
        kind, message = _ERRORS[clue]
        code = clue.__name__ if isinstance(clue, type) else clue
        _forget_connection(error)
        raise kind(f"{message.format(ddl=ddl)} ({code})") from error


def _clues(error: SQLAlchemyError) -> Iterator[_Clue]:
    """What the error may be looked up by, from the most to the least telling."""
    said = getattr(error, "orig", None)
    state = getattr(said, "sqlstate", None) or getattr(said, "pgcode", None) or ""
    yield from (state, state[:2])
    yield getattr(said, "sqlite_errorcode", -1) & 0xFF
    if getattr(getattr(said, "pgconn", None), "used_password", False):
        yield "28"  # libpq has no SQLSTATE of a refused connection; here a password was asked for
    yield from type(error).__mro__


def _forget_connection(error: BaseException | None) -> None:
    """An error of psycopg that could not connect has all parameters, and so the password, for
    whoever shows attributes.
    """
    while error is not None:
        if hasattr(error, "_pgconn"):
            vars(error)["_pgconn"] = None
        error = error.__cause__ or error.__context__
