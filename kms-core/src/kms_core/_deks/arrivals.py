"""What comes into a store from elsewhere: it never takes the place of what is there."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import TypeAlias

from kms_core._deks.record import Record, WrappedBy
from kms_core._deks.records import Records
from kms_core._values import KekInfo, check_dek_id
from kms_core.errors import (
    AccessDeniedError,
    ConflictError,
    DekExistsError,
    DekNotFoundError,
    UnavailableError,
)

Arrived: TypeAlias = tuple[bool, WrappedBy | None]

_ATTEMPTS = 5
"""How often one that met a conflict looks again before the conflict is the caller's."""


class Arrivals:
    """Takes DEKs and records into one store.

    Args:
        records: of the store.
        newest: its KEK as it wraps now; not needed for records.
        dry_run: whether only to say what would be done.
    """

    def __init__(
        self, records: Records, newest: KekInfo | None = None, *, dry_run: bool = False
    ) -> None:
        self._records = records
        self._storage = records.storage
        self._newest = newest
        self._dry_run = dry_run

    def take_dek(self, dek_id: str, dek: bytes, created: str) -> Arrived:
        """Wrap a DEK and store it, unless it is there already.

        Returns:
            Whether it was stored, or would be; and what names the KEK that wraps it there now.

        Raises:
            DekExistsError: another DEK of this id is there, and stays.
        """

        def make() -> bytes:
            return self._records.make(dek_id, dek, created, self._newest)

        return self._take(dek_id, make, lambda stored: self._opens_to(dek_id, stored, dek))

    def take_record(self, record: Record) -> Arrived:
        """Store a record as it is, unless it or another of the same DEK is there already.

        The KMS is asked only about two records that differ.

        Returns:
            As :meth:`take_dek`.

        Raises:
            DekExistsError: a record of another DEK is there, and stays.
        """
        data = record.encode()

        def is_same(stored: bytes) -> bool:
            return stored == data or self._opens_to(
                record.dek_id, stored, self._records.open(record)
            )

        return self._take(record.dek_id, lambda: data, is_same)

    def _take(
        self, dek_id: str, make: Callable[[], bytes], is_same: Callable[[bytes], bool]
    ) -> Arrived:
        check_dek_id(dek_id)
        for _ in range(_ATTEMPTS):
            stored = self._find(dek_id)
            if stored is not None:
                if is_same(stored):
                    return False, self._records.read(dek_id, stored).kek
                raise self._records.locate(_other(), "create_record", dek_id)
            if self._dry_run:
                return True, None
            data = make()
            if self._create(dek_id, data):
                self._check_kept(dek_id, is_same)
                return True, self._records.read(dek_id, data).kek
        raise ConflictError(f"others changed DEK {dek_id!r} {_ATTEMPTS} times in a row; try again")

    def _find(self, dek_id: str) -> bytes | None:
        try:
            return self._storage.load_record(dek_id).data
        except DekNotFoundError:
            return None
        except AccessDeniedError as error:
            if not error.maybe_missing:
                raise
            return None  # a create tells, which only succeeds if there is none

    def _create(self, dek_id: str, data: bytes) -> bool:
        """Store the record; False if what is there now must be looked at again."""
        try:
            self._storage.create_record(dek_id, data)
        except ConflictError:
            return False
        except (DekExistsError, UnavailableError) as failure:
            # An SDK that lost the answer and tried again meets our own record.
            try:
                return self._storage.load_record(dek_id).data == data
            except (DekNotFoundError, AccessDeniedError):
                raise failure from failure.__cause__
        return True

    def _check_kept(self, dek_id: str, is_same: Callable[[bytes], bool]) -> None:
        """Read what was stored, before anybody gives up where it came from."""
        try:
            kept = is_same(self._storage.load_record(dek_id).data)
        except DekNotFoundError:
            kept = False
        if not kept:
            problem = UnavailableError(
                "the store answered that it keeps the record, and keeps something else or nothing; "
                "check endpoint and what stands before the store, and try again"
            )
            raise self._records.locate(problem, "create_record", dek_id)

    def _opens_to(self, dek_id: str, stored: bytes, dek: bytes) -> bool:
        return hmac.compare_digest(self._records.open(self._records.read(dek_id, stored)), dek)


def _other() -> DekExistsError:
    return DekExistsError(
        "another DEK of this dek_id is stored there, and stays as it is; find out which of the two "
        "your data needs, and give one of them another dek_id or delete it"
    )
