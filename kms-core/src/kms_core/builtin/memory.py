"""``storage://memory``: records that are gone with the process, for tests."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator

from kms_core import ConflictError, DekExistsError, DekNotFoundError, StorageInfo
from kms_core.backend import BackendConfig, StorageSpec, StoredRecord, hookimpl


class MemoryStorage(StorageSpec):
    """A dictionary behind a lock. Each opening is a store of its own."""

    class Config(BackendConfig):
        """Takes no parameters."""

    def __init__(self, _config: Config) -> None:
        self._records: dict[str, StoredRecord] = {}
        self._lock = threading.Lock()
        self._changes = 0
        warnings.warn(
            "storage://memory loses every DEK when the process ends; use it in tests only",
            stacklevel=2,
        )

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        with self._lock:
            return self._find(dek_id)

    @hookimpl
    def create_record(self, dek_id: str, data: bytes) -> str:
        with self._lock:
            if dek_id in self._records:
                raise DekExistsError
            return self._put(dek_id, data)

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        with self._lock:
            self._check(dek_id, revision)
            return self._put(dek_id, data)

    @hookimpl
    def delete_record(self, dek_id: str, revision: str) -> None:
        with self._lock:
            self._check(dek_id, revision)
            del self._records[dek_id]

    @hookimpl
    def list_dek_ids(self, prefix: str) -> Iterator[str]:
        with self._lock:
            dek_ids = list(self._records)
        return (dek_id for dek_id in dek_ids if dek_id.startswith(prefix))

    @hookimpl
    def describe_storage(self) -> StorageInfo:
        return StorageInfo("the memory of this process")

    @hookimpl
    def close(self) -> None:
        """Keep the records: another client of this store may still read them."""

    def _find(self, dek_id: str) -> StoredRecord:
        record = self._records.get(dek_id)
        if record is None:
            raise DekNotFoundError
        return record

    def _check(self, dek_id: str, revision: str) -> None:
        if self._find(dek_id).revision != revision:
            raise ConflictError

    def _put(self, dek_id: str, data: bytes) -> str:
        self._changes += 1
        record = StoredRecord(bytes(data), str(self._changes))
        self._records[dek_id] = record
        return record.revision
