"""What works with a bucket, and may do harm one day."""

from __future__ import annotations

from collections.abc import Iterator

from google.cloud.storage import Bucket

from kms_core.backend import Risk


def find_bucket_risks(bucket: Bucket) -> Iterator[Risk]:
    """What the bucket's own description tells.

    https://cloud.google.com/storage/docs/json_api/v1/buckets#resource
    """
    kept = bucket.soft_delete_policy.retention_duration_seconds
    if not (bucket.versioning_enabled or kept):
        yield Risk(
            "STORE-UNVERSIONED",
            "the bucket keeps no versions and has no soft delete: a record that somebody deletes "
            "cannot be restored",
            "turn the bucket's versioning or its soft delete on, or back it up",
        )
