"""Records in a service over HTTP, which has conditional requests (RFC 9110, section 13)."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

from kms_core import StorageInfo
from kms_core.backend import (
    MAX_RECORD_SIZE,
    StorageSpec,
    StoredRecord,
    decode_object_name,
    encode_object_name,
    encode_object_prefix,
    hookimpl,
    parse_json,
    read_part,
)
from tests.conformance.http_pair.client import HttpClient, Reply, Request
from tests.conformance.http_pair.config import HttpStorageConfig
from tests.conformance.http_pair.errors import STORAGE


class HttpStorage(StorageSpec):
    """A record's revision is its strong ETag, of which the service makes no two."""

    Config = HttpStorageConfig

    def __init__(self, config: HttpStorageConfig) -> None:
        self._path = f"/folders/{config.folder}"
        self._info = StorageInfo(f"{config.endpoint}{self._path}")
        self._client = HttpClient(config)

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        request = Request("GET", self._url(dek_id), most=MAX_RECORD_SIZE + 1)
        reply = self._client.call(STORAGE, request)
        return StoredRecord(reply.body, _revision(reply))

    @hookimpl
    def create_record(self, dek_id: str, data: bytes) -> str:
        return self._put(dek_id, data, {"If-None-Match": "*"})

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        return self._put(dek_id, data, {"If-Match": revision})

    @hookimpl
    def delete_record(self, dek_id: str, revision: str) -> None:
        request = Request("DELETE", self._url(dek_id), headers={"If-Match": revision})
        self._client.call(STORAGE, request)

    @hookimpl
    def list_dek_ids(self, prefix: str) -> Iterator[str]:
        after = ""
        while True:
            query = urlencode({"prefix": encode_object_prefix(prefix), "after": after})
            request = Request("GET", f"{self._path}?{query}")
            page = parse_json(self._client.call(STORAGE, request).body)
            names = read_part(page, "names", list)
            ids = filter(None, map(decode_object_name, names))
            yield from (dek_id for dek_id in ids if dek_id.startswith(prefix))
            if not read_part(page, "more", bool):
                return
            after = names[-1]

    @hookimpl
    def describe_storage(self) -> StorageInfo:
        return self._info

    @hookimpl
    def close(self) -> None:
        self._client.close()

    def _url(self, dek_id: str) -> str:
        return f"{self._path}/{encode_object_name(dek_id)}"

    def _put(self, dek_id: str, data: bytes, condition: dict[str, str]) -> str:
        request = Request("PUT", self._url(dek_id), data, condition)
        return _revision(self._client.call(STORAGE, request))


def _revision(reply: Reply) -> str:
    return read_part(reply.headers, "ETag", str)
