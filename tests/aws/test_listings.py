"""Listings that S3-compatible stores give, and S3 does not: none hides a record."""

from __future__ import annotations

import pytest

from kms_aws.storage import AwsStorage
from kms_core import UnavailableError
from tests.aws.cloud import Cloud, FaultProxy
from tests.aws.faults import fails
from tests.fakes.proxy import say

LISTING = "<ListBucketResult><IsTruncated>{}</IsTruncated>{}</ListBucketResult>"
FOUND = "<Contents><Key>id.json</Key></Contents>"


@pytest.mark.parametrize(
    "listing",
    [
        LISTING.format("true", FOUND),  # s3ninja#251: the rest would be missing
        LISTING.format("false", "<Contents>text</Contents>"),
        LISTING.format("false", "<Contents><Key/></Contents>").replace("<Key/>", ""),
        LISTING.format("", FOUND).replace("<IsTruncated></IsTruncated>", ""),
    ],
)
def test_malformed_listings(proxy: FaultProxy, store: AwsStorage, listing: str) -> None:
    proxy.spoil("GET", say(200, listing.encode()))
    fails(UnavailableError, lambda: list(store.list_dek_ids("")))


def test_listing_that_goes_round(proxy: FaultProxy, store: AwsStorage) -> None:
    more = FOUND + "<NextContinuationToken>same</NextContinuationToken>"
    proxy.spoil("GET", say(200, LISTING.format("true", more).encode()))
    fails(UnavailableError, lambda: list(store.list_dek_ids("")))


def test_listing_of_more_than_was_asked_for(moto: Cloud, proxy: FaultProxy) -> None:
    inside = proxy.cloud.open_storage(moto.make_bucket(), prefix="inside")
    text = FOUND + FOUND.replace("id.json", "inside/id-2.json")
    proxy.spoil("GET", say(200, LISTING.format("false", text).encode()))
    assert list(inside.list_dek_ids("")) == ["id-2"]
