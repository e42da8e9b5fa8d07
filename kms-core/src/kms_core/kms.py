"""The façade: all that most users see."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from kms_core._events import observe
from kms_core._reading import Reads
from kms_core._tracebacks import IteratorWithoutLocals, without_locals
from kms_core._values import DEFAULT_DEK_SIZE, StorageInfo, check_dek_size
from kms_core.errors import ConfigError


class Kms(Reads):
    """An opened KEK with its storage. Get one from :func:`kms_core.open_kms`.

    One Kms may be used by many threads, and by a child after a fork. Every error is a
    :class:`~kms_core.KmsError`, and carries no local variables of the frames below the caller's.
    """

    @without_locals
    def create_dek(
        self, dek_id: str, *, size: int = DEFAULT_DEK_SIZE, timeout: float | None = None
    ) -> bytes:
        """Make a DEK of an id that has none, and return it once it is stored.

        Args:
            dek_id: as for :meth:`get_dek`.
            size: the DEK's size, 1 to 8160 bytes.
            timeout: as for :meth:`get_dek`.

        Raises:
            DekExistsError: there is one already, and it is as before.
            ConfigError: the configuration lets no DEK be made, or the KEK derives its DEKs.
            DekSizeError: the size is out of range.
            DekIdError: the dek_id is not one.
            OperationError: the KMS or the store refused or failed; see ``retryable``.
        """
        check_dek_size(size)
        end, create = self._limit.end(timeout), partial(self._deks.create_dek, dek_id, size)
        with observe(self._observers, "create_dek", self._deks.kek.backend, dek_id) as call:
            with self._forgotten(dek_id):
                got = self._within(end, "create_dek", dek_id, create)
            call.made = True
            call.note_kek(got.wrapped_by)
            return got.dek

    @without_locals
    def list_dek_ids(self, prefix: str = "") -> Iterator[str]:
        """Return the id of each stored DEK that starts with ``prefix``, in any order.

        Raises:
            ConfigError: the KEK derives its DEKs, so none is stored.
            OperationError: the store refused or failed.
        """
        return IteratorWithoutLocals(self._deks.list_dek_ids(prefix))

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
    def check_health(self) -> None:
        """Ask each KMS and the store whether they would serve a call now. Nothing is changed.

        Raises:
            OperationError: one of them would not; see ``retryable``.
        """
        self._within(None, "check_health", None, self._deks.check_health)

    def __repr__(self) -> str:
        storage = self._deks.storage.backend if self._deks.storage else "storage://no-store"
        return f"<Kms {self._deks.kek.backend} {storage}>"
