"""The servers of these tests, and the documentation's list of calls."""

from __future__ import annotations

import psutil

from tests.azure.cloud import Cloud
from tests.fakes.azure.recording import documented_calls
from tests.fakes.process import listening_ports

VAULT = "vault.azure.net"


def test_nothing_listens_elsewhere(cloud: Cloud) -> None:
    cloud.blobs.assert_loopback_only()
    cloud.tokens.assert_loopback_only()
    ports = {vault.port for vault in cloud.vaults.values()}
    assert ports <= listening_ports(psutil.Process())


def test_documented_calls_are_all_made(cloud: Cloud, calls: set[str]) -> None:
    """The other half of the check after every test: nothing is documented that is not done."""
    storage = cloud.open_storage("documented-calls", createContainer=True)
    storage.create_record("id", b"data")
    storage.delete_record("id", storage.load_record("id").revision)
    assert list(storage.list_dek_ids("")) == []
    kek = cloud.open_kek(cloud.vaults[VAULT].make_key("RSA"))
    kek.unwrap_dek(kek.wrap_dek(bytes(32), {}), {})
    assert calls == documented_calls()
