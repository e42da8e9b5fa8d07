"""``storage://gcp``: a record for each object of a bucket of Google Cloud Storage."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from itertools import chain
from typing import Any

from google.api_core.exceptions import BadRequest
from google.cloud.storage import Blob
from google_crc32c import value as crc32c

from kms_core import ConflictError, StorageInfo, UnavailableError
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
    translate_errors,
)
from kms_gcp.bucket import call_arguments, check_bucket, find_bucket, open_storage
from kms_gcp.client import muted
from kms_gcp.config import GcpStorageConfig
from kms_gcp.errors import DELETE, DESCRIBE, METADATA, RECORD, REPLACE, STORAGE
from kms_gcp.permissions import HOOKS, write_policy
from kms_gcp.risks import find_bucket_risks
from kms_gcp.route import find_storage_route

_MISSING = "0"  # the generation of an object that is not there
_NO_SOFT_DELETE = "Soft delete policy is required"  # what a bucket without one answers to a listing


class GcpStorage(StorageSpec):
    """The object's generation is the revision. Every write carries the generation it expects, so
    the SDK may safely try it again.
    """

    Config = GcpStorageConfig
    permissions = HOOKS
    write_policy = staticmethod(write_policy)
    find_route = staticmethod(find_storage_route)

    def __init__(self, config: GcpStorageConfig) -> None:
        self._config = config
        self._prefix = config.prefix or ""
        self._place = f"gs://{config.bucket}/{self._prefix}"
        self._client = open_storage(config)
        if config.create_bucket:
            check_bucket(self._client.get(), config)

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        return self._load(encode_object_name(dek_id))

    @hookimpl
    def create_record(self, dek_id: str, data: bytes) -> str:
        return self._upload(dek_id, data, _MISSING, STORAGE, "storage.objects.create")

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        action = "storage.objects.delete and .create"
        return self._upload(dek_id, data, revision, REPLACE, action)

    @hookimpl
    def delete_record(self, dek_id: str, revision: str) -> None:
        name = encode_object_name(dek_id)
        blob, place = self._blob(name), self._place + name
        with muted(), translate_errors(DELETE, "storage.objects.delete", place):
            blob.delete(if_generation_match=_parse(revision), **call_arguments(self._config))

    @hookimpl
    def list_dek_ids(self, prefix: str) -> Iterator[str]:
        return (dek_id for dek_id, _ in self._list_ids(prefix))

    @hookimpl
    def count_old_records(self, prefix: str) -> int:
        noncurrent = self._list_ids(prefix, "timeDeleted", versions=True)
        deleted = self._list_ids(prefix, "softDeleteTime", soft_deleted=True)
        return sum(time is not None for _, time in chain(noncurrent, deleted))

    @hookimpl
    def list_objects(self, prefix: str) -> Iterator[str]:
        return (name for name, _ in self._list(prefix))

    @hookimpl
    def load_object(self, name: str) -> bytes:
        return self._load(name).data

    @hookimpl
    def find_risks(self, dek_id: str) -> list[Risk]:  # noqa: ARG002 -- the hook has it
        client, place = self._client.get(), f"gs://{self._config.bucket}"
        with muted(), translate_errors(DESCRIBE, "storage.buckets.get", place):
            bucket = find_bucket(client, self._config)
            bucket.reload(**call_arguments(self._config))
        return [*find_bucket_risks(bucket)]

    @hookimpl
    def describe_storage(self) -> StorageInfo:
        at = f" at {self._config.endpoint}" if self._config.endpoint else ""
        return StorageInfo(self._place + at)

    @hookimpl
    def close(self) -> None:
        self._client.close()

    def _blob(self, name: str) -> Blob:
        bucket = find_bucket(self._client.get(), self._config)
        return bucket.blob(self._prefix + name)

    def _load(self, name: str) -> StoredRecord:
        blob, sink, place = self._blob(name), _Sink(), self._place + name
        # Not a range: Cloud Storage gives no hash with a part of an object.
        with (
            muted(),
            translate_errors(RECORD, "storage.objects.get", place),
            suppress(_SinkIsFullError),
        ):
            blob.download_to_file(
                sink, raw_download=True, checksum=None, **call_arguments(self._config)
            )
        if sink.is_full or blob.crc32c is None or blob.generation is None:
            # As after a download that was resumed, which gives none either.
            with muted(), translate_errors(METADATA, "storage.objects.get", place):
                blob.reload(**call_arguments(self._config))
        data = sink.getvalue()
        if not sink.is_full:
            _check(blob, data)
        return StoredRecord(data, _generation(blob))

    def _list_ids(
        self, prefix: str, field: str = "name", **which: bool
    ) -> Iterator[tuple[str, Any]]:
        """Each dek_id with the prefix, and this field of its object."""
        for name, told in self._list(encode_object_prefix(prefix), field, **which):
            dek_id = decode_object_name(name)
            if dek_id is not None and dek_id.startswith(prefix):  # "a." begins a.json as well
                yield dek_id, told

    def _list(self, prefix: str, field: str = "name", **which: bool) -> Iterator[tuple[str, Any]]:
        """Each name with the prefix, below the folder, and this field of its object."""
        client = self._client.get()
        found = client.list_blobs(
            find_bucket(client, self._config),
            prefix=self._prefix + prefix,
            fields=f"kind,items(name,{field}),nextPageToken",
            **which,
            **call_arguments(self._config),
        )
        blobs = iter(found)
        while True:
            with muted(), translate_errors(STORAGE, "storage.objects.list", self._place):
                blob = _next(blobs)
            if blob is None:
                return
            told = blob._properties.get(field)  # noqa: SLF001 -- its own name parses times
            yield blob.name.removeprefix(self._prefix), told

    def _upload(
        self, dek_id: str, data: bytes, revision: str, table: ErrorTable, action: str
    ) -> str:
        name = encode_object_name(dek_id)
        blob = self._blob(name)
        with muted(), translate_errors(table, action, self._place + name):
            blob.upload_from_string(
                data,
                content_type="application/json",
                checksum="crc32c",
                if_generation_match=_parse(revision),
                **call_arguments(self._config),
            )
        if blob.crc32c is None:
            raise UnavailableError("the answer lacks the CRC32C; check endpoint and proxy")
        if blob._properties.get("name") != blob.name:  # noqa: SLF001 -- what the SDK asked for is all that it shows
            raise UnavailableError("the record was stored under another name; try again")
        _check(blob, data)
        return _generation(blob)


def _next(blobs: Iterator[Blob]) -> Blob | None:
    try:
        return next(blobs, None)
    except BadRequest as error:
        if _NO_SOFT_DELETE in str(error):
            return None
        raise


class _SinkIsFullError(Exception):
    """More bytes came than a record has."""


class _Sink(BytesIO):
    """Takes what shows that an object is too long for a record, and no more."""

    is_full = False

    def write(self, data: Any) -> int:
        """Take bytes, or stop the download."""
        taken = super().write(memoryview(data)[: MAX_RECORD_SIZE + 1 - self.tell()])
        self.is_full = self.tell() > MAX_RECORD_SIZE
        if self.is_full:
            raise _SinkIsFullError
        return taken


def _check(blob: Blob, data: bytes) -> None:
    """The SDK passes over a checksum that belongs to a part. One that is missing proves nothing."""
    if (
        blob.crc32c is not None
        and blob.crc32c != b64encode(crc32c(data).to_bytes(4, "big")).decode()
    ):
        raise UnavailableError("the CRC32C of the record differs; try again")


def _generation(blob: Blob) -> str:
    if blob.generation is None:
        raise UnavailableError("the answer lacks the generation; check endpoint and proxy")
    return str(blob.generation)


def _parse(revision: str) -> int:
    if not (revision.isascii() and revision.isdigit()):
        raise ConflictError
    return int(revision)
