"""A mistake in this plugin is told as one, and nobody is told to try again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kms_core import BackendContractError, open_kms
from kms_core.testing import Client
from sqlalchemy import Connection, Engine

from kms_sql.storage import SqlStorage

MISTAKES = [AttributeError, KeyError, TypeError, ValueError]


class Oops:
    """Raises the mistake, whatever it is called as."""

    def __init__(self, mistake: type[Exception]) -> None:
        self.mistake = mistake

    def __call__(self, *_: object, **__: object) -> Any:
        raise self.mistake("oops")


@pytest.fixture(params=MISTAKES)
def oops(request: pytest.FixtureRequest) -> Oops:
    return Oops(request.param)


STEPS: dict[str, tuple[Any, str]] = {
    "begin": (Engine, "begin"),
    "call": (Connection, "execute"),
    "reply": ("kms_sql.storage.StoredRecord", ""),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_mistake_of_a_call_is_no_outage(
    storage: SqlStorage, step: str, oops: Oops, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.create_record("a", b"record")
    target, name = STEPS[step]
    if name:
        monkeypatch.setattr(target, name, oops)
    else:
        monkeypatch.setattr(target, oops)
    client = Client(storage, "storage")
    error = client.refuse(BackendContractError, "load_record", "with a mistake", dek_id="a")
    assert "kms_sql" in str(error)
    assert not error.retryable


@pytest.mark.parametrize("step", ["PerProcess", "CreateTable"])
def test_a_mistake_of_the_opening_is_no_outage(
    kek: dict[str, str], step: str, oops: Oops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"kms_sql.client.{step}", oops)
    storage = {"backend": "sql", "url": f"sqlite:///{tmp_path}/deks.db", "createTable": True}
    with pytest.raises(BackendContractError, match="kms-sql"):
        open_kms(kek, storage)
