"""``storage://aws``: a record for each object of a bucket, in S3 or an S3-compatible store."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from botocore.response import StreamingBody

from kms_aws.bucket import create_bucket
from kms_aws.client import AwsClient, muted
from kms_aws.config import AwsStorageConfig
from kms_aws.errors import CALL, LOAD, REPLACE
from kms_core import ConfigError, ConflictError, DekExistsError, DekNotFoundError, StorageInfo
from kms_core.backend import (
    MAX_RECORD_SIZE,
    ErrorTable,
    StorageSpec,
    StoredRecord,
    decode_object_name,
    encode_object_name,
    encode_object_prefix,
    hookimpl,
    read_part,
    translate_errors,
)

if TYPE_CHECKING:  # stubs, which only type checkers need
    from mypy_boto3_s3 import S3Client

_PROBE = "kms-core.conditional-write-probe"  # no record's key: those end in .json
_PROBE_TEXT = b"kms-core finds out here whether the store honours conditional writes.\n"
_ANY, _NO_SUCH_ETAG = "*", f'"{"0" * 32}"'


class AwsStorage(StorageSpec):
    """Creates with ``If-None-Match: *`` and replaces with ``If-Match``; the ETag is the revision.

    A store that ignores these conditions would lose DEKs, so each of them is tried out on an
    object of our own before it is first relied upon.
    """

    Config = AwsStorageConfig

    def __init__(self, config: AwsStorageConfig) -> None:
        self._config = config
        self._prefix = config.prefix or ""
        self._honoured: set[str] = set()
        self._client: AwsClient[S3Client] = AwsClient("s3", config)
        self._arn = f"arn:{self._client.partition}:s3:::{config.bucket}"
        self._place: dict[str, Any] = {"Bucket": config.bucket}
        self._tagging: dict[str, Any] = {"Tagging": urlencode(config.tags)} if config.tags else {}
        if config.expected_bucket_owner is not None:
            self._place["ExpectedBucketOwner"] = config.expected_bucket_owner
        if config.create_bucket:
            create_bucket(self._client.get(), config, self._arn)

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        key = self._key(encode_object_name(dek_id))
        client = self._client.get()
        with muted(), translate_errors(LOAD, "s3:GetObject", f"{self._arn}/{key}"):
            reply = client.get_object(**self._place, Key=key)
            data = _read(reply)
        return StoredRecord(data, read_part(reply, "ETag", str))

    @hookimpl
    def create_record(self, dek_id: str, data: bytes) -> str:
        self._require_condition("If-None-Match")
        return self._put(encode_object_name(dek_id), data, IfNoneMatch=_ANY)

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        self._require_condition("If-Match")
        return self._put(encode_object_name(dek_id), data, REPLACE, IfMatch=revision)

    @hookimpl
    def delete_record(self, dek_id: str, revision: str) -> None:
        # To delete what is not there is no error in S3, and not every store knows If-Match here.
        if self.load_record(dek_id).revision != revision:
            raise ConflictError
        key, client = self._key(encode_object_name(dek_id)), self._client.get()
        with muted(), translate_errors(REPLACE, "s3:DeleteObject", f"{self._arn}/{key}"):
            client.delete_object(**self._place, Key=key, IfMatch=revision)

    @hookimpl
    def list_dek_ids(self, prefix: str) -> Iterator[str]:
        start = self._key(encode_object_prefix(prefix))
        pages = self._client.get().get_paginator("list_objects_v2")
        replies = iter(pages.paginate(**self._place, Prefix=start))
        while True:
            self._client.get()  # a listing may outlive its credentials
            with muted(), translate_errors(CALL, "s3:ListBucket", self._arn):
                reply = next(replies, None)
            if reply is None:
                return
            read_part(reply, "IsTruncated", bool)  # a page that lacks it is no answer of S3's
            for found in reply.get("Contents", ()):
                name = read_part(found, "Key", str).removeprefix(self._prefix)
                dek_id = decode_object_name(name)
                if dek_id is not None and dek_id.startswith(prefix):  # "a." begins a.json as well
                    yield dek_id

    @hookimpl
    def describe_storage(self) -> StorageInfo:
        at = self._config.endpoint or self._config.region
        return StorageInfo(f"s3://{self._config.bucket}/{self._prefix} at {at}")

    @hookimpl
    def close(self) -> None:
        self._client.close()

    def _key(self, name: str) -> str:
        return self._prefix + name

    def _put(self, name: str, data: bytes, table: ErrorTable = CALL, **condition: Any) -> str:
        action = "s3:PutObject and s3:PutObjectTagging" if self._tagging else "s3:PutObject"
        client = self._client.get()
        with muted(), translate_errors(table, action, f"{self._arn}/{self._key(name)}"):
            reply = client.put_object(
                **self._place,
                **condition,
                **self._tagging,
                Key=self._key(name),
                Body=data,
                ContentType="application/json",
                ChecksumSHA256=b64encode(sha256(data).digest()).decode(),
            )
        return read_part(reply, "ETag", str)

    def _require_condition(self, condition: str) -> None:
        """Raise :class:`ConfigError` if the store ignores the condition."""
        if condition in self._honoured or self._config.allow_unconditional_create:
            return
        for _ in range(2):  # the first may put the object there, the second must not
            if self._is_refused(condition):
                self._honoured.add(condition)
                return
        raise ConfigError(
            f"{self._arn}: the store ignores {condition}, so two clients that write at once would "
            "lose a DEK; use a store that honours conditional writes, or accept the risk with "
            "allowUnconditionalCreate=true"
        )

    def _is_refused(self, condition: str) -> bool:
        try:
            if condition == "If-None-Match":
                self._put(_PROBE, _PROBE_TEXT, IfNoneMatch=_ANY)
            else:
                self._put(_PROBE, _PROBE_TEXT, IfMatch=_NO_SUCH_ETAG)
        except (DekExistsError, DekNotFoundError, ConflictError):
            return True
        return False


def _read(reply: Mapping[str, Any]) -> bytes:
    """Read the object's content, as part of the call: the connection may still fail."""
    body, length = read_part(reply, "Body", StreamingBody), read_part(reply, "ContentLength", int)
    with closing(body):  # StreamingBody's own __enter__ returns the raw stream, unchecked
        # Only what is read to its end is checked for completeness, so read no less than all of a
        # record, and no more than shows that it is too long for one.
        too_long = length > MAX_RECORD_SIZE
        content: bytes = body.read(MAX_RECORD_SIZE + 1 if too_long else None)
        return content
