"""The contract of a backend: subclass one of these, and mark each method with ``@hookimpl``.

Core calls every hook with all its arguments by name, checks the type of what comes back, fills
in where an error happened, observes and closes. A backend only talks to its service: it keeps no
cache, locks nothing but what its SDK cannot share, and retries nothing beyond what its SDK does by
itself. All hooks may be called from several threads at once.

A hook raises the errors that it lists, always ``from`` the SDK's own. Whatever the hook: no
permission is :class:`AccessDeniedError`, a quota :class:`ThrottledError`, and a time-out, a lost
connection or a failing service :class:`UnavailableError`. What only another configuration can cure
is :class:`ConfigError`. No message may hold key bytes or a credential.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import pluggy

from kms_core._values import Context, Event, KekInfo, StorageInfo, StoredRecord, WrappedDek

if TYPE_CHECKING:  # pydantic is loaded only when a backend is opened
    from kms_core.backend.parameters import BackendConfig

PROJECT = "kms_core"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class BackendSpec(ABC):
    """What all backends share: a ``Config`` model, ``__init__(self, config)`` and ``close``.

    ``__init__`` opens a client of the service; the KEK or the store need not be reached yet. If it
    raises, it has freed what it had opened, because core then has nothing to close.
    """

    Config: ClassVar[type["BackendConfig"]]

    @hookspec(firstresult=True)
    @abstractmethod
    def close(self) -> None:
        """Free what this client holds, and nothing that another client of the same service
        uses. Core calls it once, and no other hook after it.
        """


class KekSpec(BackendSpec):
    """A key encryption key in a key management service (entry-point group ``kms.kek``)."""

    @hookspec(firstresult=True)
    @abstractmethod
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        """Wrap a DEK of 1 to 8160 bytes under the newest version of the KEK.

        Post: ``unwrap_dek`` with an equal context returns the same bytes, from a fresh client in
        another process too, also after the KEK was rotated; under any other context it fails.

        Raises: KekNotFoundError, KekDisabledError; DekSizeError if the KMS takes no such size.
        """

    @hookspec(firstresult=True)
    @abstractmethod
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        """Unwrap what ``wrap_dek`` of the same KEK returned under an equal context.

        ``wrapped`` comes from a store that others may write: its ``kek_id`` is compared with the
        configured KEK and never used as an address; every field must be as ``wrap_dek`` made it.

        Raises: UnwrapError if anything about it does not match; KekNotFoundError if the KEK is
        gone from the KMS, KekDisabledError if its version is disabled.
        """

    @hookspec(firstresult=True)
    @abstractmethod
    def describe_kek(self) -> KekInfo:
        """Ask the KMS for the configured KEK. ``wrap_dek`` now would use what this returns.

        Raises: KekNotFoundError, KekDisabledError.
        """


class DeriverSpec(BackendSpec):
    """A KEK that derives DEKs and stores none (entry-point group ``kms.kek`` as well)."""

    @hookspec(firstresult=True)
    @abstractmethod
    def derive_dek(self, dek_id: str, size: int) -> bytes:
        """Derive the DEK of ``size`` bytes, 1 to 8160, for this dek_id.

        Post: the same arguments give the same bytes in every process that has the same secret;
        another dek_id or another secret gives unrelated bytes. The DEK is not kept.

        Raises: DekSizeError for a size out of range, DekIdError for an empty dek_id.
        """

    @hookspec(firstresult=True)
    @abstractmethod
    def describe_kek(self) -> KekInfo:
        """Name the secret's kind without telling anything about its value."""


class StorageSpec(BackendSpec):
    """A place for records (entry-point group ``kms.storage``).

    A dek_id is any text of 1 to 255 UTF-8 bytes without control characters: two that differ in
    anything, even in case, are two records, and none is ever a path. ``data`` is opaque, at most
    64 KiB. A revision is the store's own token of one state of one record.
    """

    @hookspec(firstresult=True)
    @abstractmethod
    def load_record(self, dek_id: str) -> StoredRecord:
        """Read the record as it is now; at most ``MAX_RECORD_SIZE + 1`` bytes of it.

        Post: what is returned is durable: it would be there after a power failure.

        Raises: DekNotFoundError; AccessDeniedError with ``maybe_missing=True`` where the service
        does not tell these credentials whether there is such a record.
        """

    @hookspec(firstresult=True)
    @abstractmethod
    def create_record(self, dek_id: str, data: bytes) -> str:
        """Store a new record, atomically, and return its revision.

        Post: of all clients that ever create this dek_id exactly one succeeds; the record is
        durable and every client sees it whole.

        Raises: DekExistsError, and the record is as before; ConflictError if nothing was stored
        and nothing is known; UnavailableError if it may or may not have been stored.
        """

    @hookspec(firstresult=True)
    @abstractmethod
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        """Store new data if the record is still at ``revision``; return the new revision.

        Raises: ConflictError if it is at another revision; DekNotFoundError.
        """

    @hookspec(firstresult=True)
    @abstractmethod
    def delete_record(self, dek_id: str, revision: str) -> None:
        """Delete the record if it is still at ``revision``.

        Raises: ConflictError if it is at another revision; DekNotFoundError.
        """

    @hookspec(firstresult=True)
    @abstractmethod
    def list_dek_ids(self, prefix: str) -> Iterator[str]:
        """Yield each dek_id that starts with ``prefix`` once, in any order, reading on as it is
        asked, so that memory does not grow with the store. Ids created meanwhile may be missed.
        The prefix is any text that has a UTF-8 form, also none and one that no dek_id can have.
        """

    @hookspec(firstresult=True)
    @abstractmethod
    def describe_storage(self) -> StorageInfo:
        """Say where the records are, without a credential."""


class ObserverSpec(BackendSpec):
    """Somebody who hears of each DEK asked for and each hook called (group ``kms.observer``)."""

    @hookspec(firstresult=True)
    @abstractmethod
    def observe(self, event: Event) -> None:
        """Take note of a call. What this raises is logged by its class name, and changes nothing
        about the call: an observer cannot refuse.
        """
