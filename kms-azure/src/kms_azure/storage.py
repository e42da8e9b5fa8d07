"""``storage://azure``: a record for each blob of a container."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import lru_cache
from hashlib import md5
from http import HTTPStatus
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobClient, BlobProperties, ContainerClient, ContentSettings

from kms_azure.client import Credential, service_options
from kms_azure.config import AzureStorageConfig
from kms_azure.errors import call_table, strange_reply
from kms_azure.permissions import HOOKS, write_policy
from kms_azure.risks import UNVERSIONED
from kms_azure.route import find_route
from kms_core import ConflictError, StorageInfo, UnavailableError
from kms_core.backend import (
    MAX_RECORD_SIZE,
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

_SCOPE = "https://storage.azure.com/.default"  # in every cloud
_ERRORS = call_table(
    "Storage Blob Data Contributor on the container or the account", "account or endpoint"
)
_MOST_CLIENTS = 32  # of blobs: to make one costs a good part of a read
_ENOUGH = MAX_RECORD_SIZE + 1  # to see that it is too long
_PAGE_SIZE = 1000
_OLD = ["snapshots", "versions", "deleted"]
_PROBE = "kms-core.container-probe"  # no record's name: those end in .json
_NO_BLOB, _NO_CONTAINER = "BlobNotFound", "ContainerNotFound"
_CONTAINER_EXISTS = "ContainerAlreadyExists"
_LISTING, _BEGINNING = b"<EnumerationResults", 512
_JSON = ContentSettings(content_type="application/json")


class AzureStorage(StorageSpec):
    """Creates with ``If-None-Match: *``, replaces with ``If-Match``; the ETag is the revision."""

    Config = AzureStorageConfig
    permissions = HOOKS
    write_policy = staticmethod(write_policy)
    find_route = staticmethod(find_route)

    def __init__(self, config: AzureStorageConfig) -> None:
        self._config = config
        self._prefix = config.prefix or ""
        self._location = f"{config.account_url}/{config.container}/{self._prefix}"
        self._credential = Credential(config, _SCOPE)
        with self._translated("open a client"):
            self._container = ContainerClient(
                config.account_url,
                config.container,
                credential=self._credential,
                max_single_get_size=_ENOUGH,
                **service_options(config),
            )
        self._get_client = lru_cache(_MOST_CLIENTS)(self._container.get_blob_client)
        if config.create_container:
            self._create_container()

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        return self._load(encode_object_name(dek_id))

    @hookimpl
    def create_record(self, dek_id: str, data: bytes) -> str:
        with self._translated("blobs/add/action and blobs/write", encode_object_name(dek_id)):
            reply = self._blob(encode_object_name(dek_id)).upload_blob(
                data, overwrite=False, **_content(data)
            )
        return _check_kept(reply, data)

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        name = encode_object_name(dek_id)
        with self._translated("blobs/write", name):
            reply = self._blob(name).upload_blob(
                data,
                overwrite=True,
                etag=revision,
                match_condition=MatchConditions.IfNotModified,
                **_content(data),
            )
        return _check_kept(reply, data)

    @hookimpl
    def delete_record(self, dek_id: str, revision: str) -> None:
        try:
            with self._translated("blobs/delete", encode_object_name(dek_id)):
                self._blob(encode_object_name(dek_id)).delete_blob(
                    etag=revision, match_condition=MatchConditions.IfNotModified
                )
        except ConflictError:
            self.load_record(dek_id)  # likewise
            raise

    @hookimpl
    def list_dek_ids(self, prefix: str) -> Iterator[str]:
        return self._find_ids(self._list_names(encode_object_prefix(prefix)), prefix)

    @hookimpl
    def count_old_records(self, prefix: str) -> int:
        found = self._list(self._container.list_blobs, encode_object_prefix(prefix), include=_OLD)
        names = (self._find_name(blob.name) for blob in found if _is_old(blob))
        return sum(1 for _ in self._find_ids(names, prefix))

    @hookimpl
    def list_objects(self, prefix: str) -> Iterator[str]:
        return self._list_names(prefix)

    @hookimpl
    def load_object(self, name: str) -> bytes:
        return self._load(name).data

    @hookimpl
    def find_risks(self, dek_id: str) -> list[Risk]:
        _, known = self._download(encode_object_name(dek_id))
        return [UNVERSIONED] if known.version_id is None else []

    @hookimpl
    def describe_storage(self) -> StorageInfo:
        return StorageInfo(self._location)

    @hookimpl
    def close(self) -> None:
        self._container.close()
        self._credential.close()

    def _blob(self, name: str) -> BlobClient:
        return self._get_client(self._prefix + name)

    def _download(self, name: str) -> tuple[bytes, BlobProperties]:
        with self._translated("blobs/read", name):
            found = self._blob(name).download_blob()
            return found.read(_ENOUGH), found.properties

    def _load(self, name: str) -> StoredRecord:
        data, known = self._download(name)
        if len(data) < _ENOUGH:
            _check_md5(data, known.content_settings.content_md5)
        return StoredRecord(data, read_part({"ETag": known.etag}, "ETag", str))

    def _list(self, call: Callable[..., Any], prefix: str, **what: Any) -> Iterator[Any]:
        """What the call lists, page by page."""
        pages = call(
            name_starts_with=self._prefix + prefix,
            results_per_page=_PAGE_SIZE,
            raw_response_hook=_require_listing,
            **what,
        ).by_page()
        while True:
            with self._translated("blobs/read"):
                page = next(pages, None)
                if page is None:
                    return
                found = [*page]
            yield from found

    def _list_names(self, prefix: str) -> Iterator[str]:
        return map(self._find_name, self._list(self._container.list_blob_names, prefix))

    def _find_name(self, found: object) -> str:
        """The name below the folder."""
        return read_part({"Name": found}, "Name", str).removeprefix(self._prefix)

    @staticmethod
    def _find_ids(names: Iterator[str], prefix: str) -> Iterator[str]:
        for dek_id in map(decode_object_name, names):
            if dek_id is not None and dek_id.startswith(prefix):  # "a." begins a.json as well
                yield dek_id

    def _create_container(self) -> None:
        """Create the container if it is missing, which a look at any blob of it tells."""
        with self._translated("blobs/read", _PROBE):
            found = _failure(self._blob(_PROBE).get_blob_properties, _NO_BLOB, _NO_CONTAINER)
        if found == _NO_CONTAINER:
            with self._translated("containers/write"):
                _failure(self._container.create_container, _CONTAINER_EXISTS)

    def _translated(self, action: str, name: str = "") -> AbstractContextManager[None]:
        return translate_errors(_ERRORS, action, self._location + name)


def _content(data: bytes) -> dict[str, Any]:
    """What goes with the bytes: Blob Storage compares the MD5, and refuses others.

    https://learn.microsoft.com/rest/api/storageservices/put-blob
    The SDK's own ``validate_content`` fails on a machine that keeps to FIPS 140.
    """
    return {
        "length": len(data),
        "content_settings": _JSON,
        "transactional_content_md5": md5(data, usedforsecurity=False).digest(),
    }


def _check_kept(reply: dict[str, Any], data: bytes) -> str:
    """The revision, which only the store knows; and its own MD5 of what it keeps, if it says."""
    _check_md5(data, reply.get("content_md5"))
    return read_part(reply, "etag", str)


def _check_md5(data: bytes, told: bytearray | None) -> None:
    if told is not None and told != md5(data, usedforsecurity=False).digest():
        raise UnavailableError("the record was altered on its way; check the proxy, or try again")


def _is_old(blob: BlobProperties) -> bool:
    is_version = blob.version_id is not None and not blob.is_current_version
    return bool(blob.deleted or blob.snapshot or is_version)


def _require_listing(reply: Any) -> None:
    """Refuse a page that is no answer to List Blobs, which the SDK would stumble over or not see.

    https://learn.microsoft.com/rest/api/storageservices/list-blobs
    """
    response = reply.http_response
    if response.status_code == HTTPStatus.OK and _LISTING not in response.body()[:_BEGINNING]:
        raise strange_reply("is no list of blobs")


def _failure(call: Callable[[], object], *expected: str) -> str | None:
    """With which of the expected codes the call failed, if it did."""
    try:
        call()
    except HttpResponseError as error:
        code: str = getattr(error, "error_code", "")
        if code in expected:
            return code
        raise
    return None
