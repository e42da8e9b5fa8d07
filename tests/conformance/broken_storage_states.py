"""Storages with one defect each, about the states of a record and the bytes in it."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import replace

from kms_core import DekNotFoundError
from kms_core.backend import StoredRecord, hookimpl
from tests.conformance.small_store import SmallStorage, SmallStore


class TakesAMissingStoreForAnEmptyOne(SmallStorage):
    breaks = ("test_missing_store",)

    def refuse_missing(self) -> None: ...


class RemembersRecords(SmallStorage):
    breaks = ("test_load_again",)

    def __init__(self, service: SmallStore) -> None:
        super().__init__(service)
        self.known: dict[str, StoredRecord] = {}

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        if dek_id not in self.known:
            self.known[dek_id] = self.load(dek_id)
        return self.known[dek_id]


class RemembersWhatIsMissing(SmallStorage):
    breaks = ("test_load_again",)

    def __init__(self, service: SmallStore) -> None:
        super().__init__(service)
        self.missing: set[str] = set()

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        if dek_id in self.missing:
            raise DekNotFoundError
        try:
            return self.load(dek_id)
        except DekNotFoundError:
            self.missing.add(dek_id)
            raise


class CountsEachRecordsStates(SmallStorage):
    """So a record that was deleted and made again begins at the same revision."""

    breaks: tuple[str, ...] = ("test_revision_of_a_former_record",)

    def revision(self, dek_id: str, data: bytes) -> str:
        former = self.service.records.get(dek_id)
        return f"r{int(former.revision[1:]) + 1}" if former else "r1"

    def put(self, dek_id: str, data: bytes) -> str:
        record = StoredRecord(data, self.revision(dek_id, data))
        self.service.records[dek_id] = record
        return record.revision


class TakesSizeForRevision(CountsEachRecordsStates):
    breaks = ("test_stale_replace", "test_stale_delete", "test_revision_of_a_former_record")

    def revision(self, dek_id: str, data: bytes) -> str:
        return str(len(data))


class TakesTimeForRevision(CountsEachRecordsStates):
    breaks = ("test_stale_replace", "test_stale_delete", "test_revision_of_a_former_record")

    def revision(self, dek_id: str, data: bytes) -> str:
        return str(time.time() // 100_000)


class TakesMillisecondsForRevision(CountsEachRecordsStates):
    breaks = ("test_fast_replaces",)

    def revision(self, dek_id: str, data: bytes) -> str:
        return str(time.time_ns() // 1_000_000)


class Changes(SmallStorage):
    """Changes what it stores."""

    breaks: tuple[str, ...] = ("test_odd_data",)

    def put(self, dek_id: str, data: bytes) -> str:
        return super().put(dek_id, self.changed(data))

    def changed(self, data: bytes) -> bytes:
        return data.strip()


class EndsLinesItsWay(Changes):
    breaks = ("test_odd_data",)

    def changed(self, data: bytes) -> bytes:
        return data.replace(b"\r\n", b"\n")


class KeepsText(Changes):
    breaks = ("test_odd_data",)

    def changed(self, data: bytes) -> bytes:
        return data.decode(errors="replace").encode()


class KeepsJson(Changes):
    breaks = ("test_odd_data",)

    def changed(self, data: bytes) -> bytes:
        with suppress(ValueError):
            return json.dumps(json.loads(data)).encode()
        return data


class KeepsJsonNull(Changes):
    breaks = ("test_odd_data",)

    def changed(self, data: bytes) -> bytes:
        return b"" if data == b"null" else data


class EndsAtZero(Changes):
    breaks = ("test_odd_data",)

    def changed(self, data: bytes) -> bytes:
        return data.rstrip(b"\0")


class Unescapes(Changes):
    breaks = ("test_odd_data",)

    def changed(self, data: bytes) -> bytes:
        return data.replace(b"\\'", b"'")


class ReplacesTheBeginning(SmallStorage):
    """Writes over what is there, and leaves what goes on behind."""

    breaks = ("test_replaced_by_the_largest",)

    def put(self, dek_id: str, data: bytes) -> str:
        former = self.service.records.get(dek_id)
        revision = super().put(dek_id, data)
        if former and len(former.data) > 10:
            record = self.service.records[dek_id]
            whole = record.data + former.data[len(data) :]
            self.service.records[dek_id] = replace(record, data=whole)
        return revision


class CutsWhatReplaces(SmallStorage):
    breaks = ("test_replaced_by_the_largest",)

    def put(self, dek_id: str, data: bytes) -> str:
        return super().put(dek_id, data[:4096] if dek_id in self.service.records else data)


class ReadsItsRevisionAfterwards(SmallStorage):
    breaks = ("test_racing_counts",)

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        super().replace_record(dek_id, data, revision)
        time.sleep(0.001)
        return self.load(dek_id).revision
