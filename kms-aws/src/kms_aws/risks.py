"""What works with a bucket, and may do harm one day, as far as an answer to GetObject tells it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kms_aws.config import AwsStorageConfig
from kms_core.backend import Risk

_RACING = {"VERSITYGW": "versitygw before 1.8.0"}
"""What a store calls itself in the header Server → its releases that are known to race."""


def find_bucket_risks(config: AwsStorageConfig, reply: Mapping[str, Any]) -> Iterator[Risk]:
    """What the configuration and the answer tell.

    https://docs.aws.amazon.com/AmazonS3/latest/API/RESTCommonResponseHeaders.html
    """
    if config.endpoint is None and config.expected_bucket_owner is None:
        yield Risk(
            "STORE-ANY-OWNER",
            "a bucket of this name may be anybody's, if yours is deleted and its name taken",
            "give your account's id as expectedBucketOwner",
        )
    if config.allow_unconditional_create:
        yield Risk(
            "STORE-UNCONDITIONAL",
            "allowUnconditionalCreate=true: two clients that write at once may lose a DEK",
            "leave it out, and use a store that honours conditional writes",
        )
    if reply.get("VersionId") in {None, "null"}:
        yield Risk(
            "STORE-UNVERSIONED",
            "the bucket keeps no versions: a record that somebody deletes cannot be restored",
            "turn the bucket's versioning on, or back it up",
        )
    server = str(reply["ResponseMetadata"].get("HTTPHeaders", {}).get("server"))
    if server in _RACING:
        yield Risk(
            "STORE-KNOWN-TO-RACE",
            f"{_RACING[server]} is known to lose DEKs that two clients create at once",
            "use a newer release, and try it with `kms plugin check`",
        )
