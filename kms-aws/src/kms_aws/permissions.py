"""What kms-aws has to be allowed: the calls of each purpose, and the policy that allows them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import UnknownRegionError
from botocore.session import Session

from kms_aws.config import AwsKekConfig, AwsStorageConfig
from kms_core import ConfigError
from kms_core.backend import BackendConfig

CALLS: Mapping[str, tuple[str, ...]] = {
    "kms:DescribeKey": ("kms:DescribeKey",),
    "kms:Encrypt": ("kms:Encrypt",),
    "kms:Decrypt": ("kms:Decrypt",),
    "kms:ReEncrypt": ("kms:ReEncryptFrom", "kms:ReEncryptTo"),
    "s3:GetObject": ("s3:GetObject",),
    "s3:PutObject": ("s3:PutObject",),
    "s3:DeleteObject": ("s3:DeleteObject",),
    "s3:ListObjectsV2": ("s3:ListBucket",),
    "s3:ListObjectVersions": ("s3:ListBucketVersions",),
    "s3:CreateBucket": ("s3:CreateBucket",),
}
"""Every call that this distribution makes → the actions that it has to be allowed."""

HOOKS: Mapping[str, tuple[str, ...]] = {
    "describe_kek": ("kms:DescribeKey",),
    "wrap_dek": ("kms:Encrypt",),
    "unwrap_dek": ("kms:Decrypt",),
    "load_record": ("s3:GetObject",),
    "create_record": ("s3:PutObject",),
    "replace_record": ("s3:PutObject",),
    "list_dek_ids": ("s3:ListBucket",),
    "delete_record": ("s3:DeleteObject",),
}
"""Hook → the actions that it takes."""

_GET = ("kms:DescribeKey", "kms:Decrypt", "s3:GetObject")
_CREATE = ("kms:DescribeKey", "kms:Encrypt", "kms:Decrypt", "s3:GetObject", "s3:PutObject")
PURPOSES: Mapping[str, tuple[str, ...]] = {
    "get": _GET,
    "create": _CREATE,
    "rewrap": (*_CREATE, "s3:ListObjectsV2", "s3:ListObjectVersions"),
    "migrate": (*_CREATE, "s3:ListObjectsV2"),
    "doctor": (*_CREATE, "s3:ListObjectsV2", "s3:DeleteObject"),
}
"""Purpose → the calls that it takes."""

_OF_BUCKETS = ("s3:ListBucket", "s3:ListBucketVersions", "s3:CreateBucket")
_KEY = "arn:aws:kms:REGION:ACCOUNT:key/KEY_ID"
_BUCKET = "arn:aws:s3:::BUCKET"


def write_policy(purpose: str, configs: Sequence[BackendConfig], form: str = "policy") -> str:
    """The IAM policy, as JSON, that allows what the purpose takes and nothing more.

    Args:
        purpose: ``get``, ``create``, ``rewrap``, ``migrate`` or ``doctor``.
        configs: of the KEKs and storages that it is for; without any, it has placeholders.
        form: ``policy``; or ``bucket-policy``, which allows nobody anything, and refuses writes
            that overwrite whatever is there.

    Raises:
        ConfigError: there is no such form, or nothing that it could be for.
    """
    if form == "bucket-policy":
        return _write_bucket_policy(configs)
    if form != "policy":
        raise ConfigError(f"AWS has no {form}; leave --as out, or say bucket-policy")
    keks = [config for config in configs if isinstance(config, AwsKekConfig)]
    stores = [config for config in configs if isinstance(config, AwsStorageConfig)]
    allowed = [action for call in PURPOSES[purpose] for action in CALLS[call]]
    statements = [*_of_keks(keks, allowed, placeholder=not configs)]
    statements += _of_stores(stores, allowed, placeholder=not configs)
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)


def _write_bucket_policy(configs: Sequence[BackendConfig]) -> str:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html."""
    stores = [config for config in configs if isinstance(config, AwsStorageConfig)]
    places = [_objects(store) for store in stores] if configs else [f"{_BUCKET}/*"]
    if not places:
        raise ConfigError("no bucket of AWS is configured; configure storage://aws")
    refused = {
        "Sid": "RefuseUnconditionalWrites",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": places[0],
        "Condition": {"Null": {"s3:if-none-match": "true", "s3:if-match": "true"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [refused]}, indent=2)


def _allow(actions: Sequence[str], resources: Sequence[str]) -> dict[str, Any]:
    resource = resources[0] if len(resources) == 1 else [*resources]
    return {"Effect": "Allow", "Action": [*actions], "Resource": resource}


def _of_keks(
    keks: Sequence[AwsKekConfig], allowed: Sequence[str], *, placeholder: bool
) -> Iterator[dict[str, Any]]:
    keys = [kek.key_arn or _guess_arn(kek) for kek in keks] or [_KEY] * placeholder
    if keys:
        yield _allow([a for a in allowed if a.startswith("kms:")], keys)


def _guess_arn(kek: AwsKekConfig) -> str:
    """A policy names the key itself: one that names an alias allows nothing."""
    account = kek.key_name.split(":")[4] if kek.key_name.startswith("arn:") else "ACCOUNT"
    key = "KEY_ID" if "alias/" in kek.key_name else kek.key_name
    return f"arn:{_partition(kek.region)}:kms:{kek.region}:{account}:key/{key}"


def _of_stores(
    stores: Sequence[AwsStorageConfig], allowed: Sequence[str], *, placeholder: bool
) -> Iterator[dict[str, Any]]:
    s3 = [action for action in allowed if action.startswith("s3:")]
    of_objects = [action for action in s3 if action not in _OF_BUCKETS]
    of_buckets = [action for action in s3 if action in _OF_BUCKETS]
    for store in stores:
        yield _allow([*of_objects, *_of_settings(store, s3)], [_objects(store)])
        creates = ["s3:CreateBucket"] * store.create_bucket
        if of_buckets or creates:
            yield _allow([*of_buckets, *creates], [_bucket(store)])
        if store.sse_kms_key_id:
            actions = ["kms:Decrypt", *["kms:GenerateDataKey"] * ("s3:PutObject" in s3)]
            yield _allow(actions, [store.sse_kms_key_id])
    if placeholder:
        yield _allow(of_objects, [f"{_BUCKET}/*"])
        if of_buckets:
            yield _allow(of_buckets, [_BUCKET])


def _of_settings(store: AwsStorageConfig, allowed: Sequence[str]) -> Iterator[str]:
    """What the parameters of a write take besides."""
    if "s3:PutObject" in allowed:
        yield from ["s3:PutObjectTagging"] * bool(store.tags)
        yield from ["s3:PutObjectAcl"] * (store.acl is not None)


def _bucket(store: AwsStorageConfig) -> str:
    return store.access_point or f"arn:{_partition(store.region)}:s3:::{store.bucket}"


def _partition(region: str) -> str:
    try:
        return str(Session().get_partition_for_region(region))
    except UnknownRegionError:  # another store's
        return "aws"


def _objects(store: AwsStorageConfig) -> str:
    inside = "/object" if store.access_point else ""
    return f"{_bucket(store)}{inside}/{store.prefix or ''}*"
