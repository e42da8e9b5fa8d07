"""What a database says, in the words of kms-core.

Messages are ours alone: the driver's text may repeat parameters.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator

from kms_core import (
    AccessDeniedError,
    AuthenticationError,
    ConfigError,
    ConflictError,
    DekExistsError,
    OperationError,
    ThrottledError,
    UnavailableError,
)
from kms_core.backend import Clue, ErrorTable, Meaning
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
_LOCKED = "the database stayed locked by another writer; try again, or raise readTimeout"
_SLOW = "the database took too long; try again, or raise readTimeout"
_FULL = "the database has no connection, memory or disk space left; free some, or try again later"
_AWAY = "the database was not reached, or its answer was lost; check url and network, or try again"
_NOBODY_LISTENS = "nobody listens there; correct url, or start the database"
_BROKEN = "the database is damaged, or none; restore it from a backup, or correct url"

_MEANINGS: dict[Clue, Meaning] = {
    # SQLSTATEs and their classes, in PostgreSQL's documentation, appendix A
    "08": Meaning(UnavailableError, _AWAY),
    "23": Meaning(ConfigError, _CONSTRAINT),
    "23505": Meaning(DekExistsError, _EXISTS),
    "25006": Meaning(ConfigError, _READ_ONLY),
    "28": Meaning(AuthenticationError, _LOGIN),
    "3D000": Meaning(ConfigError, _LOGIN),
    "40": Meaning(ConflictError, _TURN),
    "40003": Meaning(UnavailableError, _AWAY),
    "42501": Meaning(AccessDeniedError, _GRANT),
    "42703": Meaning(ConfigError, _TABLE),
    "42710": Meaning(ConflictError, _TURN),
    "42P07": Meaning(ConflictError, _TURN),
    "42P01": Meaning(ConfigError, _TABLE),
    "53": Meaning(ThrottledError, _FULL),
    "55P03": Meaning(UnavailableError, _LOCKED),
    "57": Meaning(UnavailableError, _AWAY),
    "57014": Meaning(UnavailableError, _SLOW),
    "58": Meaning(UnavailableError, _AWAY),
    # SQLite's result codes, sqlite.org/rescode.html
    sqlite3.SQLITE_ERROR: Meaning(ConfigError, _TABLE),
    sqlite3.SQLITE_PERM: Meaning(AccessDeniedError, _FILE),
    sqlite3.SQLITE_BUSY: Meaning(UnavailableError, _LOCKED),
    sqlite3.SQLITE_LOCKED: Meaning(UnavailableError, _LOCKED),
    sqlite3.SQLITE_READONLY: Meaning(AccessDeniedError, _FILE),
    sqlite3.SQLITE_IOERR: Meaning(UnavailableError, _AWAY),
    sqlite3.SQLITE_CORRUPT: Meaning(OperationError, _BROKEN),
    sqlite3.SQLITE_FULL: Meaning(ThrottledError, _FULL),
    sqlite3.SQLITE_CANTOPEN: Meaning(AccessDeniedError, f"{_FILE}, or correct url"),
    sqlite3.SQLITE_CONSTRAINT: Meaning(ConfigError, _CONSTRAINT),
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: Meaning(DekExistsError, _EXISTS),
    sqlite3.SQLITE_CONSTRAINT_UNIQUE: Meaning(DekExistsError, _EXISTS),
    sqlite3.SQLITE_NOTADB: Meaning(OperationError, _BROKEN),
    # What any driver has to tell apart (PEP 249)
    sql.IntegrityError: Meaning(DekExistsError, _EXISTS),
    sql.ProgrammingError: Meaning(ConfigError, _SETUP),
    sql.InterfaceError: Meaning(UnavailableError, _AWAY),
    sql.OperationalError: Meaning(UnavailableError, _AWAY),
    ConnectionRefusedError: Meaning(UnavailableError, _NOBODY_LISTENS),
    sql.TimeoutError: Meaning(
        ThrottledError, "all connections of this process are busy; try again"
    ),
    SQLAlchemyError: Meaning(OperationError, "the database refused; look into its log"),
}


def _find_clues(error: SQLAlchemyError) -> Iterator[Clue]:
    """What the error may be looked up by, from the most to the least telling."""
    said = getattr(error, "orig", None)
    state = getattr(said, "sqlstate", None) or getattr(said, "pgcode", None) or ""
    if state:
        yield from (state, state[:2])
    if (code := getattr(said, "sqlite_errorcode", None)) is not None:
        yield from (code, code & 0xFF)  # the primary code; the other bits say more than that
    if getattr(getattr(said, "pgconn", None), "used_password", False) and "FATAL" in str(said):
        # libpq has no SQLSTATE of a refused connection. Here the server asked for a password, and
        # refused it in words, which a connection that ends has none of.
        yield "28"
    if os.strerror(errno.ECONNREFUSED) in str(said):  # of a driver that keeps no more than that
        yield ConnectionRefusedError
    yield from type(error).__mro__


def error_table(ddl: str) -> ErrorTable:
    """What a database's errors mean; ``ddl`` creates the table, where the cure is to create it."""
    missing = Meaning(ConfigError, _TABLE.format(ddl=ddl))
    named = {clue: missing for clue, meaning in _MEANINGS.items() if meaning.cure == _TABLE}
    return ErrorTable((SQLAlchemyError,), {**_MEANINGS, **named}, _find_clues)
