"""DEKs of an external KMS: made here, wrapped by the KEK, kept as records in a store."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

from kms_core._deks.checks import check_unwrapped_size
from kms_core._deks.record import Record, decode_record, record_context
from kms_core._deks.single_flight import SingleFlight
from kms_core._plugins.clients import KekClient, StorageClient
from kms_core._values import check_dek_id
from kms_core.errors import (
    AccessDeniedError,
    BackendContractError,
    ConflictError,
    DekExistsError,
    DekNotFoundError,
    DekSizeError,
    KekNotFoundError,
    RecordError,
    UnavailableError,
)

_ATTEMPTS = 5
"""How often a create that met a conflict starts again before the conflict is the caller's."""


class StoredDeks:
    """Reads and creates DEKs so that all callers, in all processes, get the one that is stored."""

    def __init__(self, kek: KekClient, storage: StorageClient, provider: str) -> None:
        self.kek = kek
        self.storage = storage
        self._provider = provider
        self._flights = SingleFlight()

    def get_dek(self, dek_id: str, size: int, *, create: bool) -> bytes:
        """Return the stored DEK, or store a new one first."""
        check_dek_id(dek_id)
        call = self._get_or_create if create else self._read
        return self._flights.run((dek_id, size, create), partial(call, dek_id, size))

    def list_dek_ids(self, prefix: str) -> Iterator[str]:
        """Yield the ids of the stored DEKs that start with ``prefix``."""
        try:
            prefix.encode()
        except UnicodeEncodeError:  # a lone surrogate, which no dek_id holds
            return iter(())
        return self.storage.list_dek_ids(prefix)

    def _get_or_create(self, dek_id: str, size: int) -> bytes:
        for attempt in range(1, _ATTEMPTS + 1):
            hidden = False
            try:
                return self._read(dek_id, size)
            except DekNotFoundError:
                pass
            except AccessDeniedError as error:
                if attempt > 1 or not error.maybe_missing:
                    raise
                hidden = True
            dek, data = self._make(dek_id, size)
            try:
                self.storage.create_record(dek_id, data)
                if not hidden:
                    return dek
                # Stored, but perhaps readable by nobody: the next attempt has to read it.
            except UnavailableError as failure:
                return self._read_after_lost_reply(dek_id, size, failure)
            except (DekExistsError, ConflictError):
                continue  # what is stored now is the truth: read it
        raise ConflictError(
            f"others created and deleted DEK {dek_id!r} {_ATTEMPTS} times in a row; try again"
        )

    def _read_after_lost_reply(self, dek_id: str, size: int, failure: UnavailableError) -> bytes:
        """The create may or may not have landed, here or at a rival: what is stored decides."""
        try:
            return self._read(dek_id, size)
        except (DekNotFoundError, AccessDeniedError):
            raise failure from failure.__cause__

    def _read(self, dek_id: str, size: int) -> bytes:
        stored = self.storage.load_record(dek_id)
        with self.storage.only_kms_errors("load_record", dek_id):
            record = self._check(decode_record(stored.data, dek_id), size)
        dek = self.kek.unwrap_dek(record.wrapped, record.context)
        check_unwrapped_size(self.kek, dek, size)
        return dek

    def _check(self, record: Record, size: int) -> Record:
        if record.provider != self._provider:
            raise KekNotFoundError(
                f"it is wrapped by a kms://{record.provider} KEK, and {self.kek.backend} is "
                "configured; open it with the KEK that wrapped it"
            )
        if record.size != size:
            raise DekSizeError(
                f"it has {record.size} bytes, not the {size} asked for; "
                f"ask for size={record.size}, or use another dek_id"
            )
        return record

    def _make(self, dek_id: str, size: int) -> tuple[bytes, bytes]:
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        context = record_context(dek_id, size, created)
        dek = secrets.token_bytes(size)
        wrapped = self.kek.wrap_dek(dek, context)
        try:
            data = Record(dek_id, size, created, self._provider, wrapped).encode()
            decode_record(data, dek_id)  # what could not be read again must not be stored
        except (RecordError, ValueError) as error:
            raise BackendContractError(
                f"{self.kek.distribution}: wrap_dek returned what no record can hold; "
                "report it to the plugin's author"
            ) from error
        return dek, data
