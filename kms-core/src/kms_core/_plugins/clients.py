"""Opened backends, a typed class for each kind. Each calls its hooks, checks what they return,
tells observers, and says where an error happened.
"""

from __future__ import annotations

import hmac
from abc import ABCMeta
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Generic, Literal, ParamSpec, TypeAlias, TypeVar, cast

import pluggy

from kms_core._events import Observer, Observers, observe
from kms_core._plugins.contract import register_class, register_object, spec_of
from kms_core._values import (
    CallStart,
    Context,
    Event,
    KekInfo,
    ListedRecord,
    StorageInfo,
    StoredRecord,
    WrappedDek,
)
from kms_core.backend.hookspecs import (
    BackendSpec,
    DeriverSpec,
    KekSpec,
    ObserverSpec,
    StorageSpec,
)
from kms_core.errors import (
    AccessDeniedError,
    BackendContractError,
    ClosedError,
    ConflictError,
    DekNotFoundError,
    KekNotFoundError,
    KmsError,
    UnavailableError,
    UnwrapError,
)

P = ParamSpec("P")
T = TypeVar("T")
SpecT = TypeVar("SpecT", bound=BackendSpec)

Operation: TypeAlias = Literal[
    "wrap_dek",
    "unwrap_dek",
    "derive_dek",
    "describe_kek",
    "rewrap_dek",
    "check_health",
    "load_record",
    "create_record",
    "replace_record",
    "delete_record",
    "list_dek_ids",
    "list_records",
    "describe_storage",
    "observe_start",
    "observe",
    "close",
]
"""The hooks' names, as errors and events tell them."""


_HARDLY_THERE = "kms-core asks for its health"
"""A dek_id to ask a store for that has no hook of its own to ask after its health."""


class Client(Generic[SpecT]):
    """What all kinds share.

    Args:
        backend: ``kms://NAME``, ``storage://NAME`` or ``observer://NAME``.
        distribution: name and version of the distribution that ships it.
        hooks: what pluggy calls the backend's methods through.
        observers: who is told of each call.
    """

    def __init__(
        self,
        backend: str,
        distribution: str,
        hooks: pluggy.HookRelay,
        observers: Observers = (),
    ) -> None:
        self.backend = backend
        self.distribution = distribution
        # pluggy's relay is untyped; it has the hooks of the spec, and nothing else.
        self._hooks = cast("SpecT", hooks)
        self._observers = observers
        self._closed = False

    def offers(self, operation: Operation) -> bool:
        """Whether the backend has this hook, which is optional."""
        return bool(getattr(self._hooks, operation).get_hookimpls())

    def close(self) -> None:
        """Close the backend; a second time does nothing."""
        if not self._closed:
            try:
                self._call("close", self._hooks.close, type(None), None)
            finally:
                self._closed = True

    @contextmanager
    def only_kms_errors(self, operation: Operation, dek_id: str | None) -> Iterator[None]:
        """Let nothing out of the block but a KmsError that says where it happened."""
        try:
            yield
        except KmsError as error:
            self._located(error, operation, dek_id)
            raise
        except Exception as error:
            raise self._violation(error, operation, dek_id) from error

    def _call(
        self,
        operation: Operation,
        hook: Callable[P, T],
        kind: type[T],
        dek_id: str | None,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Call a hook.

        Raises:
            KmsError: what the backend raised, located.
            BackendContractError: it raised anything else, or returned another type.
            ClosedError: it was closed.
        """
        if not self._observers:  # as in most programs, and this is on the path of every DEK
            return self._answer(operation, hook, kind, dek_id, *args, **kwargs)
        with observe(self._observers, operation, self.backend, dek_id):
            return self._answer(operation, hook, kind, dek_id, *args, **kwargs)

    def _answer(
        self,
        operation: Operation,
        hook: Callable[P, T],
        kind: type[T],
        dek_id: str | None,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        if self._closed:
            raise self._located(ClosedError("it is closed; open it again"), operation, dek_id)
        # As in only_kms_errors, which would be slow here.
        try:
            result = hook(*args, **kwargs)
        except KmsError as error:
            self._located(error, operation, dek_id)
            raise
        except Exception as error:
            raise self._violation(error, operation, dek_id) from error
        if not isinstance(result, kind):
            raise self._wrong_type(result, kind, operation, dek_id)
        return result

    def _violation(self, error: Exception, operation: Operation, dek_id: str | None) -> KmsError:
        problem = f"it raised {type(error).__name__}, which is not a KmsError"
        return self._broken(problem, operation, dek_id)

    def _wrong_type(
        self, result: object, kind: type, operation: Operation, dek_id: str | None
    ) -> KmsError:
        problem = f"{operation} returned {type(result).__name__} instead of {kind.__name__}"
        return self._broken(problem, operation, dek_id)

    def _broken(self, problem: str, operation: Operation, dek_id: str | None) -> KmsError:
        message = f"{self.distribution}: {problem}; report it to the plugin's author"
        return self._located(BackendContractError(message), operation, dek_id)

    def _located(self, error: KmsError, operation: Operation, dek_id: str | None) -> KmsError:
        error.locate(backend=self.backend, operation=operation, dek_id=dek_id)
        return error


class KekClient(Client[KekSpec]):
    """An opened KEK."""

    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        """Wrap a DEK under the newest version of the KEK."""
        hook, dek_id = self._hooks.wrap_dek, context.get("dek_id")
        return self._call("wrap_dek", hook, WrappedDek, dek_id, dek=dek, context=context)

    def prove_wrapped(self, wrapped: WrappedDek, context: Context, dek: bytes) -> None:
        """Have the KEK unwrap what it has just wrapped, before anybody relies on it.

        An answer may be damaged on its way, or come from something that is not the KMS. Such a
        wrapped DEK would be stored, and what is encrypted under the DEK be lost.

        Raises:
            UnavailableError: it does not unwrap to the same bytes.
        """
        try:
            proven = hmac.compare_digest(self.unwrap_dek(wrapped, context), dek)
        except (UnwrapError, KekNotFoundError):
            proven = False
        if not proven:
            # Not from the error above, which says that a record is to be restored.
            problem = UnavailableError(
                "what the KMS wrapped does not unwrap, so it was not used; check endpoint and "
                "proxy, and try again"
            )
            raise self._located(problem, "wrap_dek", context.get("dek_id")) from None

    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        """Unwrap what the KEK wrapped under an equal context."""
        hook, dek_id = self._hooks.unwrap_dek, context.get("dek_id")
        return self._call("unwrap_dek", hook, bytes, dek_id, wrapped=wrapped, context=context)

    def describe_kek(self) -> KekInfo:
        """Ask the KMS for the KEK."""
        return self._call("describe_kek", self._hooks.describe_kek, KekInfo, None)

    def rewrap_dek(self, wrapped: WrappedDek, context: Context, new_context: Context) -> WrappedDek:
        """Wrap again, inside the KMS if the backend can have that done."""
        hook, dek_id = self._hooks.rewrap_dek, context.get("dek_id")
        if not self.offers("rewrap_dek"):
            return self.wrap_dek(self.unwrap_dek(wrapped, context), new_context)
        return self._call(
            "rewrap_dek",
            hook,
            WrappedDek,
            dek_id,
            wrapped=wrapped,
            context=context,
            new_context=new_context,
        )

    def check_health(self) -> None:
        """Ask whether the KMS would serve a call now."""
        if not self.offers("check_health"):
            self.describe_kek()
            return
        self._call("check_health", self._hooks.check_health, type(None), None)


class DeriverClient(Client[DeriverSpec]):
    """An opened KEK that derives DEKs."""

    def derive_dek(self, dek_id: str, size: int) -> bytes:
        """Derive a DEK of ``size`` bytes."""
        hook = self._hooks.derive_dek
        return self._call("derive_dek", hook, bytes, dek_id, dek_id=dek_id, size=size)

    def describe_kek(self) -> KekInfo:
        """Name the secret's kind."""
        return self._call("describe_kek", self._hooks.describe_kek, KekInfo, None)

    def check_health(self) -> None:
        """Do nothing: the secret is in this process."""


class StorageClient(Client[StorageSpec]):
    """An opened storage."""

    def load_record(self, dek_id: str) -> StoredRecord:
        """Read a record."""
        hook = self._hooks.load_record
        return self._call("load_record", hook, StoredRecord, dek_id, dek_id=dek_id)

    def create_record(self, dek_id: str, data: bytes) -> str:
        """Store a new record."""
        hook = self._hooks.create_record
        return self._call("create_record", hook, str, dek_id, dek_id=dek_id, data=data)

    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        """Store new data if the record is still at ``revision``."""
        hook = self._hooks.replace_record
        try:
            return self._call(
                "replace_record", hook, str, dek_id, dek_id=dek_id, data=data, revision=revision
            )
        except ConflictError:
            stored = self._load_replaced(dek_id)
            if stored.data == data:  # an SDK that lost the answer tried again, and met our own
                return stored.revision
            raise

    def _load_replaced(self, dek_id: str) -> StoredRecord:
        try:
            return self.load_record(dek_id)
        except DekNotFoundError as missing:  # some stores call that a conflict
            missing.operation = "replace_record"
            raise

    def delete_record(self, dek_id: str, revision: str) -> None:
        """Delete the record if it is still at ``revision``."""
        hook = self._hooks.delete_record
        self._call("delete_record", hook, type(None), dek_id, dek_id=dek_id, revision=revision)

    def list_dek_ids(self, prefix: str) -> Iterator[str]:
        """Return ids; each step is guarded like a call."""
        hook = self._hooks.list_dek_ids
        kind: type[Any] = Iterator
        found: Iterator[str] = self._call("list_dek_ids", hook, kind, None, prefix=prefix)
        return self._read_on(found, str, "list_dek_ids")

    def list_records(self, prefix: str, after: str) -> Iterator[ListedRecord]:
        """Return records behind ``after``; each step is guarded like a call."""
        hook = self._hooks.list_records
        if not self.offers("list_records"):
            return self._load_each(sorted(i for i in self.list_dek_ids(prefix) if i > after))
        kind: type[Any] = Iterator
        found: Iterator[ListedRecord] = self._call(
            "list_records", hook, kind, None, prefix=prefix, after=after
        )
        return self._read_on(found, ListedRecord, "list_records")

    def _load_each(self, dek_ids: list[str]) -> Iterator[ListedRecord]:
        for dek_id in dek_ids:
            with suppress(DekNotFoundError):  # deleted since it was listed
                stored = self.load_record(dek_id)
                yield ListedRecord(dek_id, stored.revision, stored.data)

    def _read_on(self, found: Iterator[T], kind: type[T], operation: Operation) -> Iterator[T]:
        while True:
            with self.only_kms_errors(operation, None):
                try:
                    item = next(found)
                except StopIteration:
                    return
                if not isinstance(item, kind):
                    raise self._wrong_type(item, kind, operation, None)
            yield item

    def check_health(self) -> None:
        """Ask whether the store would serve a call now."""
        if self.offers("check_health"):
            self._call("check_health", self._hooks.check_health, type(None), None)
            return
        try:
            self.load_record(_HARDLY_THERE)
        except DekNotFoundError:
            pass
        except AccessDeniedError as error:
            if not error.maybe_missing:
                raise

    def describe_storage(self) -> StorageInfo:
        """Say where the records are."""
        return self._call("describe_storage", self._hooks.describe_storage, StorageInfo, None)


class ObserverClient(Client[ObserverSpec]):
    """An opened observer."""

    @property
    def hears(self) -> Observer:
        """What it is told."""
        start = self.observe_start if self.offers("observe_start") else None
        return Observer(self.backend, self.observe, start)

    def observe_start(self, start: CallStart) -> None:
        """Tell it of a call that begins."""
        self._call("observe_start", self._hooks.observe_start, type(None), None, start=start)

    def observe(self, event: Event) -> None:
        """Tell it of a call that has ended."""
        self._call("observe", self._hooks.observe, type(None), None, event=event)


AnyClient: TypeAlias = KekClient | DeriverClient | StorageClient | ObserverClient
CLIENTS: Mapping[ABCMeta, type[AnyClient]] = {
    KekSpec: KekClient,
    DeriverSpec: DeriverClient,
    StorageSpec: StorageClient,
    ObserverSpec: ObserverClient,
}
"""Hookspec → the class that calls its hooks."""


def bind(
    backend: str, opened: BackendSpec, distribution: str, observers: Observers = ()
) -> AnyClient:
    """Check the class of an opened backend against its hookspec, and call it through core.

    Args:
        backend: ``kms://NAME``, ``storage://NAME`` or ``observer://NAME``.
        opened: the backend.
        distribution: who ships it.
        observers: who is told of each call.

    Raises:
        BackendContractError: it breaks its hookspec.
    """
    spec = spec_of(backend.partition("://")[0], type(opened))
    manager = register_class(type(opened), spec, distribution)
    return CLIENTS[spec](backend, distribution, register_object(manager, opened), observers)
