"""The façade: all that most users see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from kms_core._events import Observer, observe
from kms_core._tracebacks import IteratorWithoutLocals, without_locals
from kms_core._values import KekInfo, StorageInfo, check_dek_size
from kms_core.errors import ConfigError

if TYPE_CHECKING:  # loaded when a backend is opened, not by `import kms_core`
    from kms_core._deks.derived import DerivedDeks
    from kms_core._deks.stored import StoredDeks


class Kms:
    """An opened KEK with its storage. Get one from :func:`kms_core.open_kms`.

    One Kms may be used by many threads, and by a child after a fork. Every error is a
    :class:`~kms_core.KmsError`, and carries no local variables of the frames below the caller's.
    """

    def __init__(
        self,
        deks: StoredDeks | DerivedDeks,
        resources: ExitStack,
        observers: Sequence[Observer] = (),
    ) -> None:
        self._deks = deks
        self._observers = observers
        self._resources = resources

    @without_locals
    def get_dek(self, dek_id: str, *, size: int = 32, create: bool = True) -> bytes:
        """Return the DEK of this id; make it if there is none.

        Whoever asks for an id, in whatever process, gets the same bytes. They are returned only
        once the DEK is known to be stored.

        Args:
            dek_id: 1 to 255 bytes in UTF-8, without control characters. Never a path.
            size: the DEK's size, 1 to 8160 bytes.
            create: False to raise instead of making a new DEK.

        Raises:
            DekNotFoundError: there is none, and ``create`` is False.
            DekSizeError: the size is out of range, or the stored DEK has another one.
            DekIdError: the dek_id is not one.
            UnwrapError: the record was altered, or wrapped by another KEK.
            RecordError: what is stored is not a record of this DEK; it is left as it is.
            OperationError: the KMS or the store refused or failed; see ``retryable``.
        """
        with observe(self._observers, "get_dek", self._deks.kek.backend, dek_id):
            check_dek_size(size)
            return self._deks.get_dek(dek_id, size, create=create)

    @without_locals
    def list_dek_ids(self, prefix: str = "") -> Iterator[str]:
        """Return the id of each stored DEK that starts with ``prefix``, in any order.

        Raises:
            ConfigError: the KEK derives its DEKs, so none is stored.
            OperationError: the store refused or failed.
        """
        return IteratorWithoutLocals(self._deks.list_dek_ids(prefix))

    @without_locals
    def describe_kek(self) -> KekInfo:
        """Ask the KMS for the KEK: its name, its newest version and how it wraps.

        Raises:
            OperationError: the KMS refused or failed, or has no such KEK.
        """
        return self._deks.kek.describe_kek()

    @without_locals
    def describe_storage(self) -> StorageInfo:
        """Say where the records are.

        Raises:
            ConfigError: the KEK derives its DEKs, so there is no storage.
        """
        if self._deks.storage is None:
            raise ConfigError(f"{self._deks.kek.backend} derives its DEKs; there is no storage")
        return self._deks.storage.describe_storage()

    @without_locals
    def close(self) -> None:
        """Close the backends; a second time does nothing."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        storage = self._deks.storage.backend if self._deks.storage else "storage://no-store"
        return f"<Kms {self._deks.kek.backend} {storage}>"
