"""The bucket itself: in the configured region, and ours."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kms_aws.config import AwsStorageConfig
from kms_aws.errors import explained

if TYPE_CHECKING:  # stubs, which only type checkers need
    from mypy_boto3_s3 import S3Client

_FIRST_REGION = "us-east-1"  # S3 refuses a LocationConstraint that names it, and needs all others


def create_bucket(client: S3Client, config: AwsStorageConfig, arn: str) -> None:
    """Create the bucket unless it is ours already.

    Only CreateBucket tells whose bucket it is, so it is called also when the bucket exists.

    Raises:
        ConfigError: the bucket is somebody else's.
    """
    where: Any = (
        {}
        if config.region == _FIRST_REGION
        else {"CreateBucketConfiguration": {"LocationConstraint": config.region}}
    )
    with explained("s3:CreateBucket", arn), suppress(client.exceptions.BucketAlreadyOwnedByYou):
        client.create_bucket(Bucket=config.bucket, **where)


def stay_in_region(client: S3Client) -> None:
    """Keep the client from following a bucket into another region than the configured one.

    The SDK would ask HeadBucket for the region, which needs a permission, and send records there.
    """
    client.meta.events.register("before-call.s3", _mark_as_redirected)


def _mark_as_redirected(context: dict[str, Any], **_: object) -> None:
    context.get("s3_redirect", {})["redirected"] = True
