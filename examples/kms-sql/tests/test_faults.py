"""A PostgreSQL server that goes away, and commits whose answer is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import psycopg
import pytest
from databases import Database
from kms_core import Kms, UnavailableError, open_kms
from postgresql import PostgreSql
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg


@pytest.fixture
def database(postgresql: PostgreSql) -> Database:
    return Database(postgresql.url())


@pytest.fixture
def kms(kek: dict[str, str], database: Database) -> Iterator[Kms]:
    storage = {"backend": "sql", "createTable": True, **database.parameters}
    with open_kms(kek, storage) as kms:
        yield kms


def test_a_server_that_crashes_loses_no_dek_that_was_returned(
    kms: Kms, postgresql: PostgreSql
) -> None:
    deks = {dek_id: kms.get_dek(dek_id, create=True) for dek_id in ("one", "two", "three")}
    postgresql.stop("immediate")
    try:
        for dek_id in ("one", "four"):
            with pytest.raises(UnavailableError):
                kms.get_dek(dek_id, create=True)
    finally:
        postgresql.start()
    assert {dek_id: kms.get_dek(dek_id, create=False) for dek_id in deks} == deks
    kms.get_dek("four", create=True)


def test_a_restart_between_two_calls_goes_unnoticed(kms: Kms, postgresql: PostgreSql) -> None:
    dek = kms.get_dek("volume-42", create=True)
    postgresql.stop("immediate")
    postgresql.start()
    assert kms.get_dek("volume-42", create=False) == dek


def test_a_commit_that_did_not_arrive_gives_no_dek(
    kms: Kms, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(connection: Any) -> None:
        database.run(f"SELECT pg_terminate_backend({connection.info.backend_pid})")
        connection.commit()

    with pytest.raises(UnavailableError), losing_create(lose, monkeypatch):
        kms.get_dek("volume-42", create=True)
    assert list(kms.list_dek_ids()) == []


def test_a_commit_whose_answer_was_lost_gives_the_stored_dek(
    kms: Kms, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(connection: Any) -> None:
        connection.commit()
        connection.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    with losing_create(lose, monkeypatch):
        dek = kms.get_dek("volume-42", create=True)
    assert kms.get_dek("volume-42", create=False) == dek


@contextmanager
def losing_create(lose: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Commit the second transaction of get_dek, which creates the record, in another way."""
    commits = count(1)
    commit: Callable[..., None] = PGDialect_psycopg.do_commit

    def do_commit(dialect: PGDialect_psycopg, connection: Any) -> None:
        if next(commits) == 2:
            lose(connection.driver_connection)
        else:
            commit(dialect, connection)

    with monkeypatch.context() as patch:
        patch.setattr(PGDialect_psycopg, "do_commit", do_commit)
        yield
