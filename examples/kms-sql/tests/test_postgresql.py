"""What is PostgreSQL's own: users and grants, locks, and settings of a session."""

from __future__ import annotations

import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg
import pytest
from databases import USERS_PASSWORD, Database, listening, make_user
from kms_core import (
    AccessDeniedError,
    ConfigError,
    ConflictError,
    Kms,
    KmsError,
    UnavailableError,
    open_kms,
)
from postgresql import PostgreSql
from sqlalchemy import Connection

GET_DEK = "SELECT, INSERT"  # what README.md says that it needs


@pytest.fixture
def database(postgresql: PostgreSql) -> Database:
    return Database(postgresql.url())


@pytest.fixture
def user(database: Database, postgresql: PostgreSql) -> Database:
    return make_user(postgresql, database)


def grant(database: Database, what: str, user: Database) -> None:
    database.run(f"GRANT {what} ON {database.table} TO {name_of(user)}")


def set_for(database: Database, user: Database, setting: str) -> None:
    database.run(f"ALTER ROLE {name_of(user)} SET {setting}")


def name_of(user: Database) -> str:
    return user.url.partition("://")[2].partition(":")[0]


def opened(kek: dict[str, str], database: Database, **more: object) -> Kms:
    return open_kms(kek, {"backend": "sql", **database.parameters, **more})


def test_select_and_insert_are_enough_to_get_deks(
    kek: dict[str, str], database: Database, user: Database
) -> None:
    grant(database, GET_DEK, user)
    with opened(kek, user) as kms:
        dek = kms.get_dek("volume-42", create=True)
        assert kms.get_dek("volume-42", create=True) == dek
        assert list(kms.list_dek_ids()) == ["volume-42"]


@pytest.mark.parametrize("granted", ["SELECT", "INSERT", "UPDATE, DELETE"])
def test_what_is_missing_is_named(
    kek: dict[str, str], database: Database, user: Database, granted: str
) -> None:
    grant(database, granted, user)
    with (
        opened(kek, user) as kms,
        pytest.raises(AccessDeniedError, match="grant SELECT and INSERT"),
    ):
        kms.get_dek("volume-42", create=True)


def test_update_and_delete_need_their_own(database: Database, user: Database) -> None:
    grant(database, GET_DEK, user)
    with closing(user.open_storage(createTable=False)) as storage:
        revision = storage.create_record("volume-42", b"data")
        with pytest.raises(AccessDeniedError):
            storage.replace_record("volume-42", b"data", revision)
        with pytest.raises(AccessDeniedError):
            storage.delete_record("volume-42", revision)
        grant(database, "UPDATE, DELETE", user)
        storage.delete_record("volume-42", storage.replace_record("volume-42", b"", revision))


def test_to_create_the_table_needs_its_own(kek: dict[str, str], user: Database) -> None:
    with pytest.raises(AccessDeniedError, match="CREATE on the schema"):
        opened(kek, Database(user.url), createTable=True)


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        ((USERS_PASSWORD, f"{USERS_PASSWORD}-not"), AccessDeniedError, "correct url"),
        (("user_", "nobody_"), AccessDeniedError, "correct url"),
        (("/postgres", "/nowhere"), AccessDeniedError, "correct url"),
        (("127.0.0.1", "127.0.0.1:1,127.0.0.1"), ConfigError, "url is not DIALECT"),
        (("/postgres", "/postgres?no_option=1"), ConfigError, "an option of url"),
        (("127.0.0.1", "host.invalid"), UnavailableError, "was not reached"),
    ],
)
def test_a_wrong_url_is_told_what_is_wrong(
    kek: dict[str, str], user: Database, change: tuple[str, str], kind: type[KmsError], says: str
) -> None:
    url = user.url.replace(*change)
    with pytest.raises(kind, match=says) as raised, opened(kek, Database(url)) as kms:
        kms.get_dek("volume-42", create=True)
    assert USERS_PASSWORD not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    ("before", "after"), [("off", "on"), ("local", "local"), ("remote_apply", "remote_apply")]
)
def test_each_commit_is_durable(
    database: Database, user: Database, before: str, after: str
) -> None:
    grant(database, GET_DEK, user)
    set_for(database, user, f"synchronous_commit = {before}")
    seen: list[str] = []

    def ask(connection: Connection) -> None:
        seen.append(connection.exec_driver_sql("SHOW synchronous_commit").scalar_one())

    with listening("commit", ask), closing(user.open_storage(createTable=False)) as storage:
        storage.create_record("volume-42", b"data")
    assert seen == [after]


def test_a_constraint_of_others_is_not_taken_for_an_existing_record(
    kek: dict[str, str], database: Database
) -> None:
    database.open_storage().close()
    database.run(f"ALTER TABLE {database.table} ADD CHECK (length(data) < 10)")
    with opened(kek, database) as kms, pytest.raises(ConfigError, match="remove it"):
        kms.get_dek("volume-42", create=True)


def test_a_standby_is_told_apart(kek: dict[str, str], database: Database, user: Database) -> None:
    grant(database, GET_DEK, user)
    set_for(database, user, "default_transaction_read_only = on")
    with opened(kek, user) as kms, pytest.raises(ConfigError, match="name the primary"):
        kms.get_dek("volume-42", create=True)


def test_a_locked_table_is_waited_for_and_reported(database: Database) -> None:
    database.open_storage().close()
    hasty = database.open_storage(createTable=False, readTimeout=0.2)
    with closing(hasty) as storage, connected(database) as other:
        other.execute(f"LOCK TABLE {database.table} IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(UnavailableError, match="raise readTimeout"):
            storage.load_record("volume-42")


def connected(database: Database) -> psycopg.Connection[Any]:
    """Another client, without SQLAlchemy."""
    return psycopg.connect(database.url.replace("+psycopg", ""))


def test_serializable_transactions_lose_nothing(
    kek: dict[str, str], database: Database, user: Database
) -> None:
    grant(database, GET_DEK, user)
    set_for(database, user, "default_transaction_isolation = serializable")
    clients = [opened(kek, user) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(lambda kms: kms.get_dek("volume-42", create=True), clients))
    for kms in clients:
        kms.close()
    assert len(seen) == 1


def test_a_stale_snapshot_is_a_conflict(database: Database, user: Database) -> None:
    grant(database, "SELECT, INSERT, UPDATE", user)
    set_for(database, user, "default_transaction_isolation = 'repeatable read'")
    with (
        closing(user.open_storage(createTable=False)) as storage,
        connected(database) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        revision = storage.create_record("volume-42", b"first")
        other.execute(f"UPDATE {database.table} SET revision = 'second'")
        replacing = pool.submit(storage.replace_record, "volume-42", b"third", revision)
        wait_for_lock(other, database.table)
        other.commit()
        with pytest.raises(ConflictError):
            replacing.result()


def wait_for_lock(other: psycopg.Connection[Any], table: str) -> None:
    """Until somebody's update waits for our lock."""
    query = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
    while other.execute(query, [f"UPDATE {table}%"]).fetchone() is None:
        other.execute("SELECT pg_stat_clear_snapshot(), pg_sleep(0.01)")
