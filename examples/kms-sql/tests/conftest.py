from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from databases import Database
from kms_core.testing import new_key_file
from postgresql import PostgreSql, start_postgresql

from kms_sql.storage import SqlStorage


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSql]:
    with start_postgresql() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """A database of each kind, with no table in it that a test may use."""
    if request.param == "sqlite":
        return Database(f"sqlite:///{tmp_path}/deks.db")
    server: PostgreSql = request.getfixturevalue("postgresql")
    return Database(server.url())


@pytest.fixture
def storage(database: Database) -> Iterator[SqlStorage]:
    with closing(database.open_storage()) as storage:
        yield storage


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("KMS_", "PG")):
            monkeypatch.delenv(name)


@pytest.fixture
def kek(tmp_path: Path) -> dict[str, str]:
    """A KEK that every kms-core has."""
    path = tmp_path / "kek.toml"
    path.touch(mode=0o600)
    path.write_text(new_key_file())
    return {"backend": "local", "keyFile": str(path)}
