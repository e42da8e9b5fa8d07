"""What becomes of a stored DEK after it was made: it is shown, wrapped again, deleted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias

from kms_core._deks.record import Record
from kms_core._deks.records import Records
from kms_core._values import DekInfo, KekInfo, WrappedDek, check_dek_id
from kms_core.errors import (
    AccessDeniedError,
    ConflictError,
    DekNotFoundError,
    RecordError,
    UnavailableError,
)

_ATTEMPTS = 5
"""How often a rewrap that met a conflict reads again before the conflict is the caller's."""

Verify: TypeAlias = Literal["unwrap", "kms"]


@dataclass(frozen=True, slots=True)
class Rewrap:
    """Which DEKs are wrapped again, and how.

    Attributes:
        newest: the KEK as it wraps now.
        only_kek_version: only what this version wrapped.
        created_before: only DEKs that were made before.
        dry_run: whether only to say what would be done.
        verify: ``unwrap`` unwraps, wraps, and unwraps again to compare; ``kms`` leaves it to the
            KMS, so that the DEK is never in this process.
    """

    newest: KekInfo
    only_kek_version: str | None = None
    created_before: datetime | None = None
    dry_run: bool = False
    verify: Verify = "unwrap"


class Upkeep:
    """Looks after the records of one store."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._kek, self._storage = records.kek, records.storage

    def describe(self, dek_id: str, *, deep: bool = False) -> DekInfo:
        """What the record says of the DEK; with ``deep`` also what only the KMS knows."""
        record, info = self._records.load(dek_id)
        if deep and not info.kek_version:
            return replace(info, key_material=self._find_material(record))
        return info

    def delete(self, dek_id: str, revision: str | None) -> None:
        """Delete the record at this revision, or as it is now, be it readable or not.

        That the store says so is not believed before the record is gone: a page of a gateway may
        look like the empty answer of a store, and somebody relies on it that the DEK is destroyed.
        """
        check_dek_id(dek_id)
        seen, created, failure = revision, None, None
        if seen is None:
            stored = self._storage.load_record(dek_id)
            seen, created = stored.revision, self._created(dek_id, stored.data)
        try:
            self._storage.delete_record(dek_id, seen)
        except DekNotFoundError:
            if revision is not None:
                raise
            return  # it was there a moment ago: an SDK that lost the answer has asked again
        except UnavailableError as error:
            failure = error
        if self._is_still_there(dek_id, seen, created, unless_told=failure is not None):
            problem = UnavailableError(
                "the store answered that it deleted the record, and still has it; try again, and "
                "check endpoint and what stands before the store"
            )
            raise failure or self._records.locate(problem, "delete_record", dek_id)

    def count_old(self, prefix: str) -> int | None:
        """How many earlier states of records the store keeps; None if it does not tell."""
        return self._storage.count_old_records(prefix)

    def rewrap(self, dek_id: str, how: Rewrap) -> tuple[bool, DekInfo, WrappedDek]:
        """Wrap the DEK again if the newest version did not.

        What is stored is replaced at once, by what has been proven, and only as it was read. So
        the DEK can be read at every moment, and whoever is interrupted may begin again.

        Returns:
            Whether the record was replaced, or would be; what it said before; and what names the
            KEK that wraps now.
        """
        return self._records.in_one_thread(lambda: self._rewrap(dek_id, how))

    def _rewrap(self, dek_id: str, how: Rewrap) -> tuple[bool, DekInfo, WrappedDek]:
        for _ in range(_ATTEMPTS):
            record, info = self._records.load(dek_id)
            if not self._is_due(record, info, how):
                return False, info, record.wrapped
            if how.dry_run and how.verify == "unwrap":
                return True, info, record.wrapped
            data = self._wrap_again(record, how)
            if data == record.encode():  # only the KMS knew that its newest version had wrapped it
                return False, info, record.wrapped
            if how.dry_run:
                return True, info, record.wrapped
            if self._replace(dek_id, data, info.revision):
                return True, info, self._records.read(dek_id, data).wrapped
        raise ConflictError(f"others changed DEK {dek_id!r} {_ATTEMPTS} times in a row; try again")

    def _is_due(self, record: Record, info: DekInfo, how: Rewrap) -> bool:
        if how.created_before is not None and info.created >= how.created_before:
            return False
        newest, kek = how.newest, record.kek
        if how.verify == "unwrap" and newest.key_material and kek.provider == self._kek.provider:
            # Only the material tells: one KEK may have a name in each region.
            material = self._find_material(record)
            return material != newest.key_material and how.only_kek_version in {None, material}
        says = (kek.provider, kek.kek_id, kek.kek_version, record.algorithm)
        wraps = (self._kek.provider, newest.kek_id, newest.kek_version, newest.algorithm)
        # Where only the material tells, the KMS compares that by itself.
        may_be_due = says != wraps or bool(newest.key_material)
        return may_be_due and how.only_kek_version in {None, kek.kek_version}

    def _find_material(self, record: Record) -> str:
        provider, wrapped = record.kek.provider, record.wrapped
        return self._records.keks.find_material(provider, wrapped, record.context)

    def _wrap_again(self, record: Record, how: Rewrap) -> bytes:
        if how.verify == "kms":
            return self._records.make_inside(record)
        dek = self._records.open(record)
        return self._records.make(record.dek_id, dek, record.created, how.newest)

    def _replace(self, dek_id: str, data: bytes, revision: str) -> bool:
        """Store new data; False if somebody was first, and what is stored must be read again."""
        try:
            self._storage.replace_record(dek_id, data, revision)
        except ConflictError:
            return False
        except UnavailableError as failure:  # it may be stored all the same
            if self._storage.load_record(dek_id).data != data:
                raise failure from failure.__cause__
        return True

    def _is_still_there(
        self, dek_id: str, revision: str, created: str | None, *, unless_told: bool
    ) -> bool:
        """Whether the DEK may be there; ``unless_told`` where the store does not say.

        At another revision it is another DEK, made since, or the same that was wrapped again.
        """
        try:
            stored = self._storage.load_record(dek_id)
        except DekNotFoundError:
            return False
        except AccessDeniedError as error:
            # Who could read it before, and may not now, was told so by a gateway, or lost a right.
            return unless_told or (created is not None and not error.maybe_missing)
        same = created is None or self._created(dek_id, stored.data) == created
        return same or stored.revision == revision

    def _created(self, dek_id: str, data: bytes) -> str:
        """When the DEK was made, which a rewrap keeps; empty where the record does not tell."""
        try:
            return self._records.read(dek_id, data).created
        except RecordError:
            return ""
