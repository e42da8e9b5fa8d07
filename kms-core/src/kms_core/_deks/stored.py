"""DEKs of an external KMS: made here, wrapped by the KEK, kept as records in a store."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from functools import partial

from kms_core._deks.got import Got
from kms_core._deks.records import Records, now
from kms_core._deks.single_flight import SingleFlight
from kms_core._plugins.clients import Keyset, StorageClient
from kms_core._values import DEFAULT_DEK_SIZE, check_dek_id
from kms_core.errors import (
    AccessDeniedError,
    ConfigError,
    ConflictError,
    DekExistsError,
    DekNotFoundError,
    KmsError,
    UnavailableError,
)

_ATTEMPTS = 5
"""How often a create that met a conflict starts again before the conflict is the caller's."""


class StoredDeks:
    """Reads and creates DEKs so that all callers, in all processes, get the one that is stored.

    Args:
        keks: the first wraps them, all of them unwrap.
        storage: keeps their records.
        may_create: whether the configuration lets a DEK be made.
    """

    def __init__(self, keks: Keyset, storage: StorageClient, *, may_create: bool = True) -> None:
        self.records = Records(keks, storage)
        self.kek = keks.first
        self.storage = storage
        self._may_create = may_create
        self._flights: SingleFlight[Got] = SingleFlight()

    def get_dek(self, dek_id: str, size: int | None, *, create: bool) -> Got:
        """Return the stored DEK; make it if there is none and ``create`` lets it."""
        check_dek_id(dek_id)
        call = self._get_or_create if create else self._get
        got, led = self._flights.run(
            (dek_id, size, create), partial(self.records.in_one_thread, partial(call, dek_id, size))
        )
        return got if led else got.by_another_call()

    def forget(self, dek_id: str) -> None:
        """Let later callers read what is stored now, and wait for nobody who began before."""
        self._flights.forget(dek_id)

    def create_dek(self, dek_id: str, size: int) -> Got:
        """Store a new DEK, of an id that has none."""
        check_dek_id(dek_id)
        if not self._may_create:
            problem = (
                "createDeks=false forbids making a DEK; allow it in the storage's parameters, "
                "or in KMS_CREATE_DEKS if that says so"
            )
            raise self.records.locate(ConfigError(problem), "create_record", dek_id)
        return self.records.in_one_thread(partial(self._create, dek_id, size))

    def list_dek_ids(self, prefix: str) -> Iterator[str]:
        """Yield the ids of the stored DEKs that start with ``prefix``."""
        try:
            prefix.encode()
        except UnicodeEncodeError:  # a lone surrogate, which no dek_id holds
            return iter(())
        return self.storage.list_dek_ids(prefix)

    def check_health(self) -> None:
        """Ask the KMS and the store whether they would serve a call now."""
        self.records.keks.check_health()
        self.storage.check_health()

    def _create(self, dek_id: str, size: int) -> Got:
        dek, data = self._make(dek_id, size)
        try:
            self.storage.create_record(dek_id, data)
        except (DekExistsError, UnavailableError) as failure:
            # An SDK that lost the answer and tried again meets our own record.
            if self._load_after_lost_reply(dek_id, failure) != data:
                raise self.records.locate(DekExistsError(), "create_record", dek_id) from failure
        return self._made(dek_id, dek, data)

    def _get(self, dek_id: str, size: int | None) -> Got:
        return self._open(dek_id, self.storage.load_record(dek_id).data, size)

    def _get_or_create(self, dek_id: str, size: int | None) -> Got:
        for attempt in range(1, _ATTEMPTS + 1):
            hidden = False
            try:
                stored = self.storage.load_record(dek_id).data
            except DekNotFoundError as error:
                self._refuse_to_create(error)
            except AccessDeniedError as error:
                if attempt > 1 or not error.maybe_missing or not self._may_create:
                    raise
                hidden = True
            else:  # a KEK may hide what is missing as well, but then the record is there
                return self._open(dek_id, stored, size)
            dek, data = self._make(dek_id, size or DEFAULT_DEK_SIZE)
            try:
                self.storage.create_record(dek_id, data)
                if not hidden:
                    return self._made(dek_id, dek, data)
                # Stored, but perhaps readable by nobody: the next attempt has to read it.
            except UnavailableError as failure:
                stored = self._load_after_lost_reply(dek_id, failure)
                return self._open(dek_id, stored, size, made=stored == data)
            except (DekExistsError, ConflictError):
                continue  # what is stored now is the truth: read it
        raise ConflictError(
            f"others created and deleted DEK {dek_id!r} {_ATTEMPTS} times in a row; try again"
        )

    def _refuse_to_create(self, missing: DekNotFoundError) -> None:
        if not self._may_create:
            problem = (
                "no record of this dek_id is stored, and createDeks=false forbids making a DEK; "
                "look at the dek_id and at the storage"
            )
            found = DekNotFoundError(problem)
            raise self.records.locate(found, "load_record", missing.dek_id) from missing

    def _load_after_lost_reply(self, dek_id: str, failure: KmsError) -> bytes:
        """The create may or may not have landed, here or at a rival: what is stored decides."""
        try:
            return self.storage.load_record(dek_id).data
        except (DekNotFoundError, AccessDeniedError):
            raise failure from failure.__cause__

    def _open(self, dek_id: str, data: bytes, size: int | None, *, made: bool = False) -> Got:
        record = self.records.read(dek_id, data)
        return Got(self.records.open(record, size), made, record.kek)

    def _made(self, dek_id: str, dek: bytes, data: bytes) -> Got:
        return Got(dek, made=True, wrapped_by=self.records.read(dek_id, data).kek)

    def _make(self, dek_id: str, size: int) -> tuple[bytes, bytes]:
        dek = secrets.token_bytes(size)
        return dek, self.records.make(dek_id, dek, now())
