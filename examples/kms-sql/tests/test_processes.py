"""Many processes on one table: one DEK for each id, and a fork shares no connection."""

from __future__ import annotations

from typing import Any

import pytest
from databases import Database
from kms_core.testing import assert_forks_share_no_connection, assert_one_winner


@pytest.fixture
def config(database: Database, kek: dict[str, str]) -> dict[str, Any]:
    storage = {
        "backend": "sql",
        "createTable": True,
        **database.parameters,
    }
    return {"kek": kek, "storage": storage}


def test_all_processes_get_the_winners_dek(config: dict[str, Any]) -> None:
    assert_one_winner(**config)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # forking with threads is the point
def test_forks_share_no_connection(config: dict[str, Any]) -> None:
    assert_forks_share_no_connection(**config)
