"""``storage://aws``: a record for each object of a bucket, in S3 or an S3-compatible store."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing
from hashlib import md5, sha256
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from botocore.exceptions import ChecksumError
from botocore.response import StreamingBody

from kms_aws.bucket import create_bucket
from kms_aws.client import AwsClient, muted
from kms_aws.config import AwsStorageConfig
from kms_aws.errors import CALL, LOAD, REPLACE, VERSIONS
from kms_aws.permissions import HOOKS, write_policy
from kms_aws.probe import Probe
from kms_aws.risks import find_bucket_risks
from kms_aws.route import find_s3_route
from kms_core import ConflictError, DekNotFoundError, StorageInfo, UnavailableError
from kms_core.backend import (
    MAX_RECORD_SIZE,
    ErrorTable,
    Risk,
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

_RIGHTS = {"ACL": "s3:PutObjectAcl", "Tagging": "s3:PutObjectTagging"}


class _Listing(NamedTuple):
    call: str
    action: str
    errors: ErrorTable
    part: str
    mark: str
    """What a page has that is not the last one."""


_RECORDS = _Listing(
    "list_objects_v2", "s3:ListBucket", CALL, "Contents", mark="NextContinuationToken"
)
_VERSIONS = _Listing(
    "list_object_versions", "s3:ListBucketVersions", VERSIONS, "Versions", mark="NextKeyMarker"
)


class AwsStorage(StorageSpec):
    """Creates with ``If-None-Match: *`` and replaces with ``If-Match``; the ETag is the revision.

    A store that ignores these conditions would lose DEKs, so each of them is tried out before it
    is first relied upon, unless the store is Amazon's own.
    """

    Config = AwsStorageConfig
    permissions = HOOKS
    write_policy = staticmethod(write_policy)
    find_route = staticmethod(find_s3_route)

    def __init__(self, config: AwsStorageConfig) -> None:
        self._config = config
        self._prefix = config.prefix or ""
        self._client: AwsClient[S3Client] = AwsClient("s3", config)
        self._arn = config.access_point or f"arn:{self._client.partition}:s3:::{config.bucket}"
        self._place, self._written = _place(config), _written(config)
        is_trusted = config.endpoint is None or config.allow_unconditional_create
        self._probe = None if is_trusted else Probe(self._arn, self._put)
        if config.create_bucket:
            create_bucket(self._client.get(), config, self._arn)

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        return self._load(encode_object_name(dek_id))

    @hookimpl
    def create_record(self, dek_id: str, data: bytes) -> str:
        if self._probe:
            self._probe.require_create()
        return self._store(dek_id, data, CALL, IfNoneMatch="*")

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        if self._probe:
            self._probe.require_replace()
        return self._store(dek_id, data, REPLACE, IfMatch=revision)

    @hookimpl
    def delete_record(self, dek_id: str, revision: str) -> None:
        # To delete what is not there is no error in S3, and not every store knows If-Match here.
        if self.load_record(dek_id).revision != revision:
            raise ConflictError
        name, client = encode_object_name(dek_id), self._client.get()
        with muted(), translate_errors(REPLACE, "s3:DeleteObject", self._resource(name)):
            client.delete_object(**self._place, Key=self._key(name), IfMatch=revision)

    @hookimpl
    def list_dek_ids(self, prefix: str) -> Iterator[str]:
        return (dek_id for dek_id, _ in self._list_ids(_RECORDS, prefix))

    @hookimpl
    def count_old_records(self, prefix: str) -> int:
        found = self._list_ids(_VERSIONS, prefix)
        return sum(not read_part(version, "IsLatest", bool) for _, version in found)

    @hookimpl
    def list_objects(self, prefix: str) -> Iterator[str]:
        return (name for name, _ in self._list(_RECORDS, prefix))

    @hookimpl
    def load_object(self, name: str) -> bytes:
        return self._load(name).data

    @hookimpl
    def find_risks(self, dek_id: str) -> list[Risk]:
        return [*find_bucket_risks(self._config, self._get(encode_object_name(dek_id))[0])]

    @hookimpl
    def describe_storage(self) -> StorageInfo:
        at = self._config.endpoint or self._config.region
        return StorageInfo(f"s3://{self._config.bucket}/{self._prefix} at {at}")

    @hookimpl
    def close(self) -> None:
        self._client.close()

    def _key(self, name: str) -> str:
        return self._prefix + name

    def _resource(self, name: str) -> str:
        """The object as a policy names it."""
        return f"{self._arn}{'/object' if self._config.access_point else ''}/{self._key(name)}"

    def _load(self, name: str) -> StoredRecord:
        reply, data = self._get(name)
        return StoredRecord(data, read_part(reply, "ETag", str))

    def _get(self, name: str) -> tuple[Mapping[str, Any], bytes]:
        client = self._client.get()
        with muted(), translate_errors(LOAD, "s3:GetObject", self._resource(name)):
            reply = client.get_object(**self._place, Key=self._key(name))
            data = _read(reply)
            _require_intact(reply, data)
        return reply, data

    def _list_ids(self, listing: _Listing, prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Each dek_id with the prefix, and what the store lists of it."""
        for name, found in self._list(listing, encode_object_prefix(prefix)):
            dek_id = decode_object_name(name)
            if dek_id is not None and dek_id.startswith(prefix):  # "a." begins a.json as well
                yield dek_id, found

    def _list(self, listing: _Listing, prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Each name with the prefix, below the folder, and what the store lists of it."""
        client: Any = self._client.get()
        pages, start = client.get_paginator(listing.call), self._key(prefix)
        replies = iter(pages.paginate(**self._place, Prefix=start))
        while True:
            self._client.get()  # a listing may outlive its credentials
            with muted(), translate_errors(listing.errors, listing.action, self._arn):
                reply = next(replies, None)
            if reply is None:
                return
            if read_part(reply, "IsTruncated", bool):  # a page that lacks it is no answer of S3's
                read_part(reply, listing.mark, str)  # or the rest would be missing
            for found in read_part({listing.part: [], **reply}, listing.part, list):
                key = read_part(found, "Key", str)
                if key.startswith(start):  # not every store looks at what is asked for
                    yield key.removeprefix(self._prefix), found

    def _store(self, dek_id: str, data: bytes, table: ErrorTable, **condition: str) -> str:
        """Write, and do not believe that it was done before the store has shown the bytes."""
        revision = self._put(encode_object_name(dek_id), data, table, **condition)
        if not _is_digest(revision, data) and not self._is_stored(dek_id, data, revision):
            raise UnavailableError(
                f"{self._arn}: the store answered that it keeps the record, and keeps something "
                "else or nothing; try again, and check endpoint and what stands before the store"
            )
        return revision

    def _is_stored(self, dek_id: str, data: bytes, revision: str) -> bool:
        try:
            return self.load_record(dek_id) == StoredRecord(data, revision)
        except DekNotFoundError:
            return False

    def _put(self, name: str, data: bytes, table: ErrorTable = CALL, **condition: Any) -> str:
        rights = (right for name, right in _RIGHTS.items() if name in self._written)
        action = " and ".join(["s3:PutObject", *rights])
        client = self._client.get()
        with muted(), translate_errors(table, action, self._resource(name)):
            reply = client.put_object(
                **self._place,
                **condition,
                **self._written,
                Key=self._key(name),
                Body=data,
                ContentType="application/json",
                ChecksumSHA256=_checksum(data),
            )
        return read_part(reply, "ETag", str)


def _place(config: AwsStorageConfig) -> dict[str, Any]:
    """What every call says of the bucket."""
    place = {"Bucket": config.bucket, "ExpectedBucketOwner": config.expected_bucket_owner}
    place["RequestPayer"] = "requester" if config.requester_pays else None
    return {name: text for name, text in place.items() if text is not None}


def _written(config: AwsStorageConfig) -> dict[str, Any]:
    """What every write says of the object."""
    written = {
        "ACL": config.acl,
        "ServerSideEncryption": config.sse,
        "SSEKMSKeyId": config.sse_kms_key_id,
        "Tagging": urlencode(config.tags or {}) or None,
    }
    return {name: text for name, text in written.items() if text is not None}


def _read(reply: Mapping[str, Any]) -> bytes:
    """Read the object's content, as part of the call: the connection may still fail."""
    content = b""
    with closing(read_part(reply, "Body", StreamingBody)) as body:
        # Only what is read to its end is checked for completeness, so read on until nothing comes,
        # but no more than shows that it is too long for a record.
        while more := body.read(MAX_RECORD_SIZE + 1 - len(content)):
            content += more
    return content


def _require_intact(reply: Mapping[str, Any], data: bytes) -> None:
    """Raise ChecksumError if the store tells another checksum than the content has.

    The SDK would check it too, but then fails at errors that carry one, as some stores send them.
    """
    told = reply.get("ChecksumSHA256")
    if told is not None and "-" not in told and told != (made := _checksum(data)):  # "-": of parts
        raise ChecksumError(checksum_type="SHA-256", expected_checksum=told, actual_checksum=made)


def _checksum(data: bytes) -> str:
    return b64encode(sha256(data).digest()).decode()


def _is_digest(etag: str, data: bytes) -> bool:
    """Whether it is the MD5 of the data, which only who has received the data can tell.

    Amazon S3 makes the ETag so unless the bucket encrypts by a key of KMS.
    """
    try:
        return etag.strip('"').lower() == md5(data, usedforsecurity=False).hexdigest()
    except ValueError:  # FIPS
        return False
