"""Storages with one defect each, about single records and races."""

from __future__ import annotations

import time
from collections.abc import Iterator

from kms_core import ConflictError, DekExistsError, StorageInfo, UnavailableError
from kms_core.backend import StoredRecord, hookimpl
from tests.conformance.small_store import SmallStorage, SmallStore


class KeepsInClient(SmallStorage):
    breaks = ("test_created_record",)

    def __init__(self, service: SmallStore) -> None:
        super().__init__(SmallStore())


class AddsNewline(SmallStorage):
    breaks = ("test_created_record",)

    def put(self, dek_id: str, data: bytes) -> str:
        return super().put(dek_id, data + b"\n")


class MakesUpRevision(SmallStorage):
    breaks = ("test_created_record",)

    def put(self, dek_id: str, data: bytes) -> str:
        return super().put(dek_id, data) + "0"


class Overwrites(SmallStorage):
    breaks = ("test_create_existing",)

    def refuse_existing(self, dek_id: str) -> None: ...


class OverwritesWhatIsEmpty(SmallStorage):
    breaks = ("test_create_existing",)

    def refuse_existing(self, dek_id: str) -> None:
        if self.service.records.get(dek_id, StoredRecord(b"", "")).data:
            super().refuse_existing(dek_id)


class TakesNoRoomForExisting(SmallStorage):
    breaks = ("test_full_store",)

    def refuse_without_room(self, dek_id: str, data: bytes) -> None:
        if self.service.full:
            raise DekExistsError


class KeepsWhatHasRoom(SmallStorage):
    breaks = ("test_full_store",)

    def refuse_without_room(self, dek_id: str, data: bytes) -> None:
        if self.service.full:
            self.put(dek_id, data[:4096])
        super().refuse_without_room(dek_id, data)


class WritesBeforeItLooks(SmallStorage):
    breaks = ("test_create_existing",)

    @hookimpl
    def create_record(self, dek_id: str, data: bytes) -> str:
        there = dek_id in self.service.records
        revision = self.put(dek_id, data)
        if there:
            self.refuse_existing(dek_id)
        return revision


class ReturnsOldRevision(SmallStorage):
    breaks = ("test_replaced_record",)

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        super().replace_record(dek_id, data, revision)
        return revision


class IgnoresRevision(SmallStorage):
    breaks = ("test_stale_replace", "test_stale_delete")

    def refuse_stale(self, dek_id: str, revision: str) -> None:
        self.load(dek_id)


class WritesWhatConflicts(SmallStorage):
    breaks = ("test_stale_replace", "test_stale_delete")

    def refuse_stale(self, dek_id: str, revision: str) -> None:
        if self.load(dek_id).revision != revision:
            self.put(dek_id, b"overwritten")
            raise ConflictError("too late")


class MissesAsUnavailable(SmallStorage):
    breaks = ("test_load_missing",)

    def load(self, dek_id: str) -> StoredRecord:
        if dek_id not in self.service.records:
            raise UnavailableError("no answer")
        return super().load(dek_id)


class MissesAsEmpty(SmallStorage):
    breaks = ("test_load_missing",)

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        return self.service.records.get(dek_id) or StoredRecord(b"", "")


class ReplacesMissing(SmallStorage):
    breaks = ("test_replace_missing",)

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        return self.put(dek_id, data)


class DeletesMissing(SmallStorage):
    breaks = ("test_delete_missing",)

    @hookimpl
    def delete_record(self, dek_id: str, revision: str) -> None:
        self.service.records.pop(dek_id, None)


class DeletesNothing(SmallStorage):
    breaks = ("test_deleted_record",)

    def remove(self, dek_id: str) -> None: ...


class ListsDeleted(SmallStorage):
    breaks = ("test_deleted_record",)
    deleted: tuple[str, ...] = ()

    def remove(self, dek_id: str) -> None:
        super().remove(dek_id)
        type(self).deleted += (dek_id,)

    def ids(self, prefix: str) -> Iterator[str]:
        yield from super().ids(prefix)
        yield from self.deleted


class KeepsTombstones(SmallStorage):
    breaks = ("test_create_after_delete",)

    def remove(self, dek_id: str) -> None:
        self.put(dek_id, b"deleted")


class DeletesAll(SmallStorage):
    breaks = ("test_other_records_stay",)

    def remove(self, dek_id: str) -> None:
        self.service.records.clear()


class ReplacesAll(SmallStorage):
    breaks = ("test_other_records_stay",)

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        return [self.put(other, data) for other in self.service.records][-1]


class ReadsItAll(SmallStorage):
    breaks = ("test_oversized_record",)

    def load(self, dek_id: str) -> StoredRecord:
        return self.service.records[dek_id]


class SharesItsState(SmallStorage):
    breaks = ("test_threads",)

    @hookimpl
    def create_record(self, dek_id: str, data: bytes) -> str:
        self.data = data
        time.sleep(0.05)
        return super().create_record(dek_id, self.data)


class LoadsThroughItsState(SmallStorage):
    breaks = ("test_threads",)

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        self.wanted = dek_id
        time.sleep(0.05)
        return self.load(self.wanted)


class RemembersItsListing(SmallStorage):
    breaks = ("test_list_again",)
    listed_ids: tuple[str, ...] | None = None

    def ids(self, prefix: str) -> Iterator[str]:
        if self.listed_ids is None:
            self.listed_ids = tuple(super().ids(""))
        return (dek_id for dek_id in self.listed_ids if dek_id.startswith(prefix))


class LooksThenWrites(SmallStorage):
    breaks = ("test_racing_creates", "test_racing_replaces", "test_racing_deletes")

    @hookimpl
    def create_record(self, dek_id: str, data: bytes) -> str:
        self.refuse_existing(dek_id)
        time.sleep(0.001)
        return self.put(dek_id, data)

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        self.refuse_stale(dek_id, revision)
        time.sleep(0.05)
        return self.put(dek_id, data)

    @hookimpl
    def delete_record(self, dek_id: str, revision: str) -> None:
        self.refuse_stale(dek_id, revision)
        time.sleep(0.05)
        self.service.records.pop(dek_id, None)


class LooksThenDeletes(SmallStorage):
    breaks = ("test_deletes_race_replaces",)

    @hookimpl
    def delete_record(self, dek_id: str, revision: str) -> None:
        self.refuse_stale(dek_id, revision)
        time.sleep(0.01)
        with self.service.lock:
            self.load(dek_id)
            self.remove(dek_id)


class AlwaysConflicts(SmallStorage):
    breaks = ("test_racing_creates",)

    def refuse_existing(self, dek_id: str) -> None:
        raise ConflictError("try again")


class ReservesThenWrites(SmallStorage):
    breaks = ("test_losers_read_the_winner",)

    @hookimpl
    def create_record(self, dek_id: str, data: bytes) -> str:
        with self.service.lock:
            self.refuse_existing(dek_id)
            self.put(dek_id, b"")
        time.sleep(0.05)
        return self.put(dek_id, data)


class DescribesCredential(SmallStorage):
    breaks = ("test_description_shows_no_secret",)

    @hookimpl
    def describe_storage(self) -> StorageInfo:
        return StorageInfo(f"https://{self.service.credential}@store")


class DescribesNothing(SmallStorage):
    breaks = ("test_description",)

    @hookimpl
    def describe_storage(self) -> StorageInfo:
        return StorageInfo("")


class DescribesItself(SmallStorage):
    breaks = ("test_description",)

    @hookimpl
    def describe_storage(self) -> StorageInfo:
        return StorageInfo(f"store {id(self)}")


class ReplacesInTwoSteps(SmallStorage):
    breaks = ("test_loads_while_replaced",)

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        self.refuse_stale(dek_id, revision)
        self.remove(dek_id)
        time.sleep(0.001)
        return self.put(dek_id, data)
