"""``kms doctor`` on Google Cloud: what works, and what only it finds."""

from __future__ import annotations

from typing import Any

import pytest
from google.cloud.storage import Bucket

from kms_core._doctor.report import Row
from kms_gcp.config import GcpKekConfig, GcpStorageConfig
from kms_gcp.risks import find_bucket_risks
from kms_gcp.route import find_kms_route, find_storage_route
from tests.gcp.cloud import KEK_PERMISSIONS, RECORD_PERMISSIONS, Cloud
from tests.gcp.test_mistakes import gcp
from tests.mistakes import Setup, tell_permissions

__all__ = ["gcp"]


def _odd(rows: list[Row]) -> list[Row]:
    """What is not as it should be; our server of gRPC speaks no HTTP/1.1, and so tells no time."""
    return [row for row in rows if row.outcome != "ok" and row.step != "clock"]


def test_no_proxy_gets_to_see_plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does doctor look for one; see test_emulators.py."""
    for name in ("HTTP_PROXY", "http_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    place = {"projectID": "p", "endpoint": "http://127.0.0.1:8", "anonymous": True}
    key = {"location": "global", "keyRing": "deks", "keyName": "kek"}
    kek = GcpKekConfig.from_parameters(place | key)
    storage = GcpStorageConfig.from_parameters(place | {"bucket": "deks"})
    assert find_kms_route(kek).proxy is None
    assert find_storage_route(storage).proxy is None


@pytest.mark.parametrize(
    ("proxy", "passed"), [("http://proxy:9", True), ("proxy:9", False), ("https://proxy:9", False)]
)
def test_proxy_that_grpc_ignores(
    monkeypatch: pytest.MonkeyPatch, proxy: str, *, passed: bool
) -> None:
    """As tried with a proxy that is not there: by those with another scheme the call succeeds."""
    monkeypatch.setenv("https_proxy", proxy)
    place = {"projectID": "p", "location": "global", "keyRing": "deks", "keyName": "kek"}
    assert find_kms_route(GcpKekConfig.from_parameters(place)).proxy == (proxy if passed else None)


VERSIONS = {"versioning": {"enabled": True}}


def test_what_works_has_no_finding_and_leaves_nothing(gcp: Setup, cloud: Cloud) -> None:
    bucket = cloud.make_bucket(**VERSIONS)
    report = gcp.but(storage={"bucket": bucket}).examined()
    assert report.works
    assert _odd(report.rows) == []
    assert [*cloud.open_storage(bucket).list_objects("")] == []
    assert tell_permissions(report) == {
        "kms://gcp": "cloudkms.cryptoKeyVersions.get, cloudkms.cryptoKeyVersions.useToEncrypt, "
        "cloudkms.cryptoKeyVersions.useToDecrypt",
        "storage://gcp": "storage.objects.get, storage.objects.create; beyond what get_dek needs: "
        "storage.objects.delete, storage.objects.list",
    }


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, ["STORE-UNVERSIONED"]),
        ({"versioning": {"enabled": False}}, ["STORE-UNVERSIONED"]),
        ({"softDeletePolicy": {"retentionDurationSeconds": "0"}}, ["STORE-UNVERSIONED"]),
        ({"softDeletePolicy": {"retentionDurationSeconds": "604800"}}, []),
        (VERSIONS, []),
    ],
)
def test_what_the_bucket_tells(settings: dict[str, object], found: list[str]) -> None:
    """fake-gcs-server forgets a policy of soft delete."""
    nobody: Any = None
    bucket = Bucket(nobody, "deks")
    bucket._properties = settings
    assert [risk.code for risk in find_bucket_risks(bucket)] == found


def test_bucket_that_these_credentials_may_not_describe(gcp: Setup, cloud: Cloud) -> None:
    account = cloud.accounts.make(*KEK_PERMISSIONS, *RECORD_PERMISSIONS)
    report = gcp.but(both={"credentialsPath": str(account.file)}).examined()
    [skipped] = [row for row in report.rows if row.step == "find_risks"]
    assert skipped.outcome == "skipped"
    assert "storage.buckets.get on gs://" in skipped.text


def test_pinned_version(gcp: Setup, cloud: Cloud) -> None:
    versioned = {"bucket": cloud.make_bucket(**VERSIONS)}
    report = gcp.but(kek={"keyVersion": 1}, storage=versioned).examined()
    assert [row.code for row in report.rows if row.code] == ["KEK-PINNED"]
    assert report.works


def test_quick_makes_one_call_of_each(gcp: Setup, cloud: Cloud) -> None:
    assert gcp.examined(quick=True).works
    assert cloud.kms.seen == ["Encrypt"]
    assert cloud.accounts.used == {
        "cloudkms.cryptoKeyVersions.useToEncrypt",
        "storage.objects.get",
    }
