"""The façade: all that most users see."""

from __future__ import annotations

from collections.abc import Iterator

from kms_core._events import observe
from kms_core._moving import Moves
from kms_core._tracebacks import IteratorWithoutLocals, without_locals
from kms_core._values import DEFAULT_DEK_SIZE, StorageInfo, check_dek_size
from kms_core.errors import ConfigError


class Kms(Moves):
    """An opened KEK with its storage. Get one from :func:`kms_core.open_kms`.

    One Kms may be used by many threads, and by a child after a fork. Every error is a
    :class:`~kms_core.KmsError`, and carries no local variables of the frames below the caller's.
    """

    @without_locals
    def get_dek(self, dek_id: str, *, size: int | None = None, create: bool = False) -> bytes:
        """Return the DEK of this id; with ``create`` make it if there is none.

        Whoever asks for an id, in whatever process, gets the same bytes. They are returned only
        once the DEK is known to be stored. A KEK that derives its DEKs has one for every id.

        Args:
            dek_id: 1 to 255 bytes in UTF-8, without control characters. Never a path.
            size: the size that the DEK must have, 1 to 8160 bytes; a new one gets 32 without it.
            create: whether a DEK that is not there is made.

        Raises:
            DekNotFoundError: there is none, and ``create`` or the configuration lets none be made.
            DekSizeError: the size is out of range, or the stored DEK has another one.
            DekIdError: the dek_id is not one.
            KekNotFoundError: a KEK wrapped the DEK that is not configured, or a version that is
                gone.
            KekDisabledError: the KEK may not be used, or the configuration retired its version.
            UnwrapError: the record was altered.
            RecordError: what is stored is not a record of this DEK; it is left as it is.
            OperationError: the KMS or the store refused or failed; see ``retryable``.
        """
        if size is not None:
            check_dek_size(size)
        deks = self._deks
        if not self._observers:
            return deks.get_dek(dek_id, size, create=create).dek
        with observe(self._observers, "get_dek", deks.kek.backend, dek_id) as call:
            got = deks.get_dek(dek_id, size, create=create)
            call.made = got.made
            call.note_kek(got.wrapped_by)
            return got.dek

    @without_locals
    def create_dek(self, dek_id: str, *, size: int = DEFAULT_DEK_SIZE) -> bytes:
        """Make a DEK of an id that has none, and return it once it is stored.

        Args:
            dek_id: as for :meth:`get_dek`.
            size: the DEK's size, 1 to 8160 bytes.

        Raises:
            DekExistsError: there is one already, and it is as before.
            ConfigError: the configuration lets no DEK be made, or the KEK derives its DEKs.
            DekSizeError: the size is out of range.
            DekIdError: the dek_id is not one.
            OperationError: the KMS or the store refused or failed; see ``retryable``.
        """
        check_dek_size(size)
        with observe(self._observers, "create_dek", self._deks.kek.backend, dek_id) as call:
            got = self._deks.create_dek(dek_id, size)
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
        self._deks.check_health()

    def __repr__(self) -> str:
        storage = self._deks.storage.backend if self._deks.storage else "storage://no-store"
        return f"<Kms {self._deks.kek.backend} {storage}>"
