"""A correct storage, as small as it can be. The broken ones derive from it."""

from __future__ import annotations

from collections.abc import Iterator
from threading import RLock

from kms_core import (
    ConfigError,
    ConflictError,
    DekExistsError,
    DekNotFoundError,
    StorageInfo,
    ThrottledError,
)
from kms_core.backend import MAX_RECORD_SIZE, Risk, StorageSpec, StoredRecord, hookimpl
from tests.conformance.small_kms import Service, SmallBackend


class SmallStore(Service):
    """Records by name, behind a lock."""

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, StoredRecord] = {}
        self.foreign: set[str] = set()
        self.objects: dict[str, bytes] = {}
        self.lock = RLock()
        self.old: list[str] = []
        self.keeps_old = False
        self.writes = 0
        self.missing = False
        self.full = False


class SmallStorage(SmallBackend, StorageSpec):
    service: SmallStore

    def reach(self) -> None:
        super().reach()
        self.refuse_missing()

    def refuse_missing(self) -> None:
        if self.service.missing:
            raise self.error(ConfigError("there is no such store"))

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        return self.load(dek_id)

    @hookimpl
    def create_record(self, dek_id: str, data: bytes) -> str:
        with self.service.lock:
            self.refuse_existing(dek_id)
            self.refuse_without_room(dek_id, data)
            return self.put(dek_id, data)

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        with self.service.lock:
            self.refuse_stale(dek_id, revision)
            return self.put(dek_id, data)

    @hookimpl
    def delete_record(self, dek_id: str, revision: str) -> None:
        with self.service.lock:
            self.refuse_stale(dek_id, revision)
            self.remove(dek_id)

    @hookimpl
    def list_dek_ids(self, prefix: str) -> Iterator[str]:
        return self.ids(prefix)

    @hookimpl
    def count_old_records(self, prefix: str) -> int:
        self.reach()
        return self.count_old(prefix)

    def count_old(self, prefix: str) -> int:
        return sum(dek_id.startswith(prefix) for dek_id in self.service.old)

    @hookimpl
    def list_objects(self, prefix: str) -> Iterator[str]:
        self.reach()
        return (name for name in list(self.service.objects) if name.startswith(prefix))

    @hookimpl
    def load_object(self, name: str) -> bytes:
        self.reach()
        if name not in self.service.objects:
            raise self.error(DekNotFoundError("it is not there"))
        return self.service.objects[name]

    @hookimpl
    def check_health(self) -> None:
        self.reach()

    @hookimpl
    def find_risks(self, dek_id: str) -> list[Risk]:
        self.load(dek_id)
        return [Risk("STORE-SMALL", "it is small", "use a real one")]

    @hookimpl
    def describe_storage(self) -> StorageInfo:
        self.reach()
        return StorageInfo("a small store")

    def load(self, dek_id: str) -> StoredRecord:
        self.reach()
        record = self.service.records.get(self.key(dek_id))
        if record is None:
            raise self.error(DekNotFoundError("it is not there"))
        return StoredRecord(record.data[: MAX_RECORD_SIZE + 1], record.revision)

    def refuse_existing(self, dek_id: str) -> None:
        self.reach()
        if self.key(dek_id) in self.service.records:
            raise self.error(DekExistsError("it is there"))

    def refuse_without_room(self, dek_id: str, data: bytes) -> None:
        if self.service.full:
            raise self.error(ThrottledError("there is no room"))

    def refuse_stale(self, dek_id: str, revision: str) -> None:
        if self.load(dek_id).revision != revision:
            raise self.error(ConflictError("it is at another revision"))

    def put(self, dek_id: str, data: bytes) -> str:
        with self.service.lock:
            self.service.writes += 1
            self.keep_old(dek_id)
            record = StoredRecord(data, f"r{self.service.writes}")
            self.service.records[self.key(dek_id)] = record
        return record.revision

    def keep_old(self, dek_id: str) -> None:
        if self.service.keeps_old and self.key(dek_id) in self.service.records:
            self.service.old.append(dek_id)

    def remove(self, dek_id: str) -> None:
        self.keep_old(dek_id)
        del self.service.records[self.key(dek_id)]

    def ids(self, prefix: str) -> Iterator[str]:
        self.reach()
        return (i for i in list(self.service.records) if i.startswith(prefix))

    def key(self, dek_id: str) -> str:
        return dek_id
