"""The servers of these tests, and the documentation's list of calls."""

from __future__ import annotations

from ipaddress import ip_address

import psutil

from tests.azure.cloud import Cloud
from tests.azure.recording import documented_calls

VAULT = "vault.azure.net"


def test_nothing_listens_elsewhere(cloud: Cloud) -> None:
    cloud.blobs.assert_loopback_only()
    cloud.tokens.assert_loopback_only()
    listening = [c.laddr for c in psutil.Process().net_connections() if c.status == "LISTEN"]
    ports = {vault.port for vault in cloud.vaults.values()}
    assert ports <= {address.port for address in listening}
    assert all(ip_address(address.ip).is_loopback for address in listening), listening


def test_documented_calls_are_all_made(cloud: Cloud, calls: set[str]) -> None:
    """The other half of the check after every test: nothing is documented that is not done."""
    storage = cloud.open_storage("documented-calls", createContainer=True)
    storage.create_record("id", b"data")
    storage.delete_record("id", storage.load_record("id").revision)
    assert list(storage.list_dek_ids("")) == []
    kek = cloud.open_kek(cloud.vaults[VAULT].make_key("RSA"))
    kek.unwrap_dek(kek.wrap_dek(bytes(32), {}), {})
    assert calls == documented_calls()
