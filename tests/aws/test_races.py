"""Many processes ask for the same new DEKs at once, and a process forks: one DEK for each id."""

from __future__ import annotations

from typing import Any

import pytest

from kms_core.testing import assert_forks_share_no_connection, assert_one_winner
from tests.aws.cloud import Cloud
from tests.fakes.aws.recording import PROMISED


@pytest.fixture
def config(moto: Cloud) -> dict[str, Any]:
    more = {"backend": "aws", **moto.parameters, "connectTimeout": 60, "readTimeout": 60}
    kek, storage = {"keyName": moto.make_key()}, {"bucket": moto.make_bucket()}
    return {"kek": more | kek, "storage": more | storage}


@pytest.mark.rest
def test_one_winner_among_processes(config: dict[str, Any], *, long: bool) -> None:
    processes = 64 if long else 16
    around = "tests.fakes.aws.recording:record_calls"
    noted = assert_one_winner(**config, processes=processes, ids=3, around=around)
    calls = {call for one in noted for call in one}
    assert {"kms:Encrypt", "s3:PutObject"} <= calls <= PROMISED


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # pytest-xdist has threads
def test_forks_share_no_connection(config: dict[str, Any]) -> None:
    assert_forks_share_no_connection(**config)
