"""The servers of these tests, and the documentation's list of calls."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import psutil

from tests.azure.cloud import Cloud
from tests.docs.pages import DOCS
from tests.fakes.azure.recording import PROMISED
from tests.fakes.process import listening_ports

VAULT = "vault.azure.net"
PERMISSION = re.compile(r"^\| `([A-Z]+ \w+)` \| `.+`", re.MULTILINE)


def test_nothing_listens_elsewhere(cloud: Cloud) -> None:
    cloud.blobs.assert_loopback_only()
    cloud.tokens.assert_loopback_only()
    ports = {urlsplit(vault.url).port for vault in cloud.vaults.values()}
    assert ports <= listening_ports(psutil.Process())


def test_the_documentation_lists_the_calls(cloud: Cloud, calls: list[str]) -> None:
    """After every test its calls are looked up among the promised; these are all made."""
    storage = cloud.open_storage("documented-calls", createContainer=True)
    storage.create_record("id", b"data")
    storage.delete_record("id", storage.load_record("id").revision)
    assert list(storage.list_dek_ids("")) == []
    kek = cloud.open_kek(cloud.vaults[VAULT].make_key("RSA"))
    kek.unwrap_dek(kek.wrap_dek(bytes(32), {}), {})
    rows = PERMISSION.findall((DOCS / "providers" / "azure.md").read_text("utf-8"))
    assert set(rows) == PROMISED == set(calls)
