"""``kms doctor`` on Azure: what works, and what only it finds."""

from __future__ import annotations

import time

import pytest

from tests.azure.cloud import Cloud
from tests.azure.test_policies import make
from tests.fakes.proxy import Exchange, Proxy, Reply
from tests.mistakes import Setup, tell_permissions

VAULT_TYPE = "vault.azure.net"


@pytest.fixture
def azure(cloud: Cloud) -> Setup:
    return make(cloud)


def test_permissions_that_are_there(azure: Setup) -> None:
    assert tell_permissions(azure.examined()) == {
        "kms://azure": "keys/get, keys/wrapKey, keys/unwrapKey",
        "storage://azure": "blobs/read, blobs/write, blobs/add/action; beyond what get_dek needs: "
        "blobs/delete",
    }


def codes(azure: Setup) -> list[str]:
    report = azure.examined()
    assert report.works
    return [row.code for row in report.rows if row.code]


def test_what_works_leaves_nothing(azure: Setup, cloud: Cloud) -> None:
    assert codes(azure) == ["KEK-NO-AUTH-KEY", "STORE-UNVERSIONED"]
    assert [*cloud.admin(str(azure.storage["container"])).list_blob_names()] == []


def test_account_that_keeps_versions(cloud: Cloud, blob_proxy: Proxy) -> None:
    """Azurite keeps none: https://learn.microsoft.com/rest/api/storageservices/get-blob."""
    formed = blob_proxy.live

    def with_version(exchange: Exchange, reply: Reply) -> Reply:
        reply = formed(exchange, reply)
        reply.headers.append(("x-ms-version-id", "2026-11-26T22:11:26.0000000Z"))
        return reply

    blob_proxy.live = with_version
    assert codes(make(cloud.reached_at({"azurite": blob_proxy.url}))) == ["KEK-NO-AUTH-KEY"]


def test_risks_of_a_key(azure: Setup, cloud: Cloud) -> None:
    key = cloud.vaults[VAULT_TYPE].keys[str(azure.kek["keyName"])][-1]
    key.exp = time.time() + 29 * 24 * 3600
    pinned = azure.but(kek={"keyVersion": key.name})
    assert {"KEK-EXPIRES", "KEK-PINNED"} < {*codes(pinned)}
    key.exp += 2 * 24 * 3600
    assert "KEK-EXPIRES" not in codes(pinned)


def test_quick_makes_one_call_of_each(azure: Setup, calls: list[str]) -> None:
    """Before the first, its SDK asks the vault whose tokens it takes, by a request without one."""
    assert azure.examined(quick=True).works
    assert calls == ["GET key", "GET blob"]
