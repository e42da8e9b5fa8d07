"""``storage://gcp``: a record for each object of a bucket of Google Cloud Storage."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

from google.api_core import exceptions as sdk
from google.cloud.storage import Blob
from google_crc32c import value as crc32c

from kms_core import ConflictError, StorageInfo, UnavailableError
from kms_core.backend import (
    MAX_RECORD_SIZE,
    ErrorTable,
    StorageSpec,
    StoredRecord,
    decode_object_name,
    encode_object_name,
    encode_object_prefix,
    hookimpl,
    translate_errors,
)
from kms_gcp.bucket import call_arguments, check_bucket, open_storage
from kms_gcp.client import muted
from kms_gcp.config import GcpStorageConfig
from kms_gcp.errors import DELETE, RECORD, REPLACE, STORAGE

_MISSING = "0"  # the generation of an object that is not there


class GcpStorage(StorageSpec):
    """The object's generation is the revision. Every write carries the generation it expects, so
    the SDK may safely try it again.
    """

    Config = GcpStorageConfig

    def __init__(self, config: GcpStorageConfig) -> None:
        self._config = config
        self._prefix = config.prefix or ""
        self._place = f"gs://{config.bucket}/{self._prefix}"
        self._client = open_storage(config)
        if config.create_bucket:
            check_bucket(self._client.get(), config)

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        blob = self._blob(dek_id)
        with (
            muted(),
            translate_errors(
                RECORD, "storage.objects.get", self._place + encode_object_name(dek_id)
            ),
        ):
            try:
                data = blob.download_as_bytes(
                    end=MAX_RECORD_SIZE,
                    raw_download=True,
                    checksum=None,
                    **call_arguments(self._config),
                )
            except sdk.RequestRangeNotSatisfiable:  # an empty object has no first byte
                blob.reload(**call_arguments(self._config))
                data = b""
        if len(data) <= MAX_RECORD_SIZE:
            _check(blob, data)
        return StoredRecord(data, _generation(blob))

    @hookimpl
    def create_record(self, dek_id: str, data: bytes) -> str:
        return self._upload(dek_id, data, _MISSING, STORAGE, "storage.objects.create")

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        action = "storage.objects.delete and .create"
        return self._upload(dek_id, data, revision, REPLACE, action)

    @hookimpl
    def delete_record(self, dek_id: str, revision: str) -> None:
        blob, place = self._blob(dek_id), self._place + encode_object_name(dek_id)
        with muted(), translate_errors(DELETE, "storage.objects.delete", place):
            blob.delete(if_generation_match=_parse(revision), **call_arguments(self._config))

    @hookimpl
    def list_dek_ids(self, prefix: str) -> Iterator[str]:
        start = self._prefix + encode_object_prefix(prefix)
        found = self._client.get().list_blobs(
            self._config.bucket,
            prefix=start,
            fields="items(name),nextPageToken",
            **call_arguments(self._config),
        )
        blobs = iter(found)
        while True:
            with muted(), translate_errors(STORAGE, "storage.objects.list", self._place):
                blob = next(blobs, None)
            if blob is None:
                return
            dek_id = decode_object_name(blob.name.removeprefix(self._prefix))
            if dek_id is not None and dek_id.startswith(prefix):  # "a." begins a.json as well
                yield dek_id

    @hookimpl
    def describe_storage(self) -> StorageInfo:
        at = f" at {self._config.endpoint}" if self._config.endpoint else ""
        return StorageInfo(self._place + at)

    @hookimpl
    def close(self) -> None:
        self._client.close()

    def _blob(self, dek_id: str) -> Blob:
        bucket = self._client.get().bucket(self._config.bucket)
        return bucket.blob(self._prefix + encode_object_name(dek_id))

    def _upload(
        self, dek_id: str, data: bytes, revision: str, table: ErrorTable, action: str
    ) -> str:
        blob = self._blob(dek_id)
        with muted(), translate_errors(table, action, self._place + encode_object_name(dek_id)):
            blob.upload_from_string(
                data,
                content_type="application/json",
                checksum="crc32c",
                if_generation_match=_parse(revision),
                **call_arguments(self._config),
            )
        _check(blob, data)
        return _generation(blob)


def _check(blob: Blob, data: bytes) -> None:
    """The SDK passes over a checksum that is missing, or that belongs to a part."""
    if blob.crc32c != b64encode(crc32c(data).to_bytes(4, "big")).decode():
        raise UnavailableError("the CRC32C of the record differs; try again")


def _generation(blob: Blob) -> str:
    if blob.generation is None:
        raise UnavailableError("the answer lacks the generation; check endpoint and proxy")
    return str(blob.generation)


def _parse(revision: str) -> int:
    if not (revision.isascii() and revision.isdigit()):
        raise ConflictError
    return int(revision)
