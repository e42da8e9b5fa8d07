"""A mistake in this plugin is told as one, and nobody is told to try again."""

from __future__ import annotations

from typing import Any

import pytest
from kms_core import BackendContractError
from kms_core.testing import Client
from sqlalchemy import Connection, Engine

from kms_sql.storage import SqlStorage


def oops(*_: object, **__: object) -> Any:
    nothing: Any = None
    return nothing.oops


@pytest.mark.parametrize(("kind", "method"), [(Engine, "begin"), (Connection, "execute")])
def test_a_mistake_is_no_outage(
    storage: SqlStorage, monkeypatch: pytest.MonkeyPatch, kind: type, method: str
) -> None:
    monkeypatch.setattr(kind, method, oops)
    client = Client(storage, "storage")
    error = client.refuse(BackendContractError, "load_record", "with a mistake", dek_id="a")
    assert "kms_sql" in str(error)
    assert not error.retryable
