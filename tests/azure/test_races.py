"""Many processes ask for the same new DEKs at once, and a process forks: one DEK for each id."""

from __future__ import annotations

from typing import Any

import pytest

from kms_core.testing import assert_forks_share_no_connection, assert_one_winner
from tests.azure.cloud import Cloud
from tests.fakes.azure.recording import PROMISED


@pytest.fixture
def config(cloud: Cloud) -> dict[str, Any]:
    patient = {"connectTimeout": 60, "readTimeout": 60}
    kek = cloud.kek_parameters(cloud.vaults["vault.azure.net"].make_key("RSA")) | patient
    return {"kek": kek, "storage": cloud.storage_parameters(cloud.make_container()) | patient}


def test_one_winner_among_processes(config: dict[str, Any], *, long: bool) -> None:
    processes = 64 if long else 8
    around = "tests.fakes.azure.recording:record_calls"
    noted = assert_one_winner(**config, processes=processes, ids=3, around=around)
    calls = {call for one in noted for call in one}
    assert {"POST wrapkey", "PUT blob"} <= calls <= PROMISED


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the servers have threads
def test_forks_share_no_connection(config: dict[str, Any]) -> None:
    assert_forks_share_no_connection(**config)
