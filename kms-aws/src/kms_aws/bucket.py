"""The bucket itself: in the configured region, and ours."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kms_aws.client import muted
from kms_aws.config import AwsStorageConfig
from kms_aws.errors import CALL
from kms_core.backend import translate_errors

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
    ours = client.exceptions.BucketAlreadyOwnedByYou
    with muted(), translate_errors(CALL, "s3:CreateBucket", arn), suppress(ours):
        client.create_bucket(Bucket=config.bucket, **where)
