"""``kms doctor`` on Google Cloud: what works, and what only it finds."""

from __future__ import annotations

from tests.gcp.cloud import Cloud
from tests.gcp.test_mistakes import gcp
from tests.mistakes import Setup

__all__ = ["gcp"]


def test_what_works_has_no_finding_and_leaves_nothing(
    gcp: Setup, cloud: Cloud, bucket: str
) -> None:
    report = gcp.examined()
    assert report.works
    assert [row for row in report.rows if row.outcome != "ok"] == []
    assert [*cloud.open_storage(bucket).list_objects("")] == []


def test_pinned_version(gcp: Setup) -> None:
    report = gcp.but(kek={"keyVersion": 1}).examined()
    assert [row.code for row in report.rows if row.code] == ["KEK-PINNED"]
    assert report.works


def test_quick_makes_one_call_of_each(gcp: Setup, cloud: Cloud) -> None:
    assert gcp.examined(quick=True).works
    assert cloud.kms.seen == ["Encrypt"]
    assert cloud.accounts.used == {
        "cloudkms.cryptoKeyVersions.useToEncrypt",
        "storage.objects.get",
    }
