"""From a DEK to its record and back, through the KEK."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from kms_core._deks.record import CURE, Record, decode_record, record_context
from kms_core._plugins.clients import Client, Keyset, StorageClient
from kms_core._plugins.clients.workers import Workers
from kms_core._values import DekInfo, KekInfo, WrappedDek, check_dek_id
from kms_core.errors import (
    BackendContractError,
    DekSizeError,
    KekNotFoundError,
    KmsError,
    RecordError,
    UnwrapError,
    show_name,
)

T = TypeVar("T")

_TIME = "%Y-%m-%dT%H:%M:%SZ"


class Records:
    """Makes and opens the records of one store.

    Args:
        keks: the first wraps the DEKs, all of them unwrap.
        storage: keeps the records.
    """

    def __init__(self, keks: Keyset, storage: StorageClient) -> None:
        self.keks = keks
        self.kek = keks.first
        self.storage = storage
        self._crew = _crew(storage, *keks)

    def in_one_thread(self, operation: Callable[[], T]) -> T:
        """Have one thread make all calls of an operation, if each call has a deadline.

        It is a thread of whoever has the fewest, so that no KMS gets more calls at once for that.
        """
        if not self._crew:
            return operation()
        return self._crew[0].run_together(operation, self._crew)

    def make(self, dek_id: str, dek: bytes, created: str, newest: KekInfo | None = None) -> bytes:
        """Wrap the DEK and prove that it unwraps; return the record's bytes.

        Args:
            dek_id: the DEK's id.
            dek: the DEK.
            created: when it was made, as the record says it.
            newest: what the KMS said of the KEK a moment ago.

        Raises:
            BackendContractError: the backend returned what no record can hold.
            OperationError: the KMS refused or failed.
        """
        context = record_context(dek_id, len(dek), created)
        wrapped = self.kek.wrap(dek, context, newest)
        data = self._encode(dek_id, len(dek), created, wrapped)
        self.kek.prove_wrapped(wrapped, context, dek)
        return data

    def make_inside(self, record: Record) -> bytes:
        """Have the KMS wrap a record's DEK again; return the new record's bytes.

        Raises:
            ConfigError: the backend cannot have that done.
            KekNotFoundError: another KEK wrapped it.
            UnwrapError: it was altered.
            OperationError: the KMS refused or failed.
        """
        try:
            self.kek.check_provider(record.kek.provider)
            wrapped = self.kek.rewrap(record.wrapped, record.context)
        except KekNotFoundError:
            if len([*self.keks]) == 1:
                raise
            raise self.locate(_not_inside(), "rewrap_dek", record.dek_id) from None
        return self._encode(record.dek_id, record.size, record.created, wrapped)

    def load(self, dek_id: str) -> tuple[Record, DekInfo]:
        """Read what is stored for the dek_id now, without the KMS.

        Raises:
            RecordError: it is not a record of this DEK.
            OperationError: the store refused or failed, or has none.
        """
        check_dek_id(dek_id)
        stored = self.storage.load_record(dek_id)
        record = self.read(dek_id, stored.data)
        return record, self.describe(record, stored.revision)

    def describe(self, record: Record, revision: str = "") -> DekInfo:
        """What a record says; it has no revision outside of a store.

        Raises:
            RecordError: it names no time.
        """
        try:
            created = parse_time(record.created)
        except RecordError as error:
            self.locate(error, "load_record", record.dek_id)
            raise
        return DekInfo(
            dek_id=record.dek_id,
            size=record.size,
            created=created,
            provider=record.kek.provider,
            kek_id=record.kek.kek_id,
            kek_version=record.kek.kek_version,
            algorithm=record.algorithm,
            revision=revision,
        )

    def read(self, dek_id: str, data: bytes) -> Record:
        """Read what is stored for the dek_id, without the KMS.

        Raises:
            RecordError: it is not a record of this DEK.
        """
        try:
            return decode_record(data, dek_id)
        except RecordError as error:
            self.locate(error, "load_record", dek_id)
            raise

    def open(self, record: Record, size: int | None = None) -> bytes:
        """Unwrap a record's DEK.

        Raises:
            DekSizeError: it does not have the size, where one is given.
            KekNotFoundError: a KEK wrapped it that is not configured.
            UnwrapError: it was altered.
            OperationError: the KMS refused or failed.
        """
        try:
            self._check(record, size)
        except (KekNotFoundError, DekSizeError) as error:
            self.locate(error, "load_record", record.dek_id)
            raise
        dek = self.keks.unwrap(record.kek.provider, record.wrapped, record.context)
        if len(dek) != record.size:
            raise UnwrapError
        return dek

    def locate(self, error: KmsError, operation: str, dek_id: str | None) -> KmsError:
        """Say of an error that it happened at the store."""
        error.locate(backend=self.storage.backend, operation=operation, dek_id=dek_id)
        return error

    def _encode(self, dek_id: str, size: int, created: str, wrapped: WrappedDek) -> bytes:
        try:
            data = Record.make(dek_id, size, created, self.kek.provider, wrapped).encode()
            decode_record(data, dek_id)  # what could not be read again must not be stored
        except (RecordError, ValueError) as error:
            raise BackendContractError(
                f"{self.kek.distribution}: the backend returned what no record can hold; "
                "report it to the plugin's author"
            ) from error
        return data

    def _check(self, record: Record, size: int | None) -> None:
        self.keks.check_provider(record.kek.provider)
        if size is not None and record.size != size:
            raise DekSizeError(
                f"it has {record.size} bytes, not the {size} asked for; "
                f"ask for size={record.size} or for no size, or use another dek_id"
            )


def _crew(*clients: Client[Any]) -> list[Workers]:
    """Those who make the calls of all clients, the fewest first; none where one has no deadline."""
    found = {client.workers for client in clients}
    crew = [workers for workers in found if workers is not None]
    if len(crew) < 2 or len(crew) < len(found):  # noqa: PLR2004 -- one call needs no such thing
        return []
    return sorted(crew, key=lambda workers: workers.limit)


def _not_inside() -> KekNotFoundError:
    return KekNotFoundError(
        "the first KEK did not wrap it, and inside the KMS only what that one wrapped is wrapped "
        "again; rewrap it with verify=unwrap"
    )


def now() -> str:
    """The time of a record that is made now."""
    return datetime.now(UTC).strftime(_TIME)


def parse_time(created: str) -> datetime:
    """The moment that a record names.

    Raises:
        RecordError: it names none.
    """
    try:
        return datetime.strptime(created, _TIME).replace(tzinfo=UTC)
    except ValueError:
        raise RecordError(f"the record says {show_name(created)} for a time; {CURE}") from None
