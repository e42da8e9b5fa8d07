"""Tells observers about calls: who was asked for what, and how it ended; never a key."""

from __future__ import annotations

import itertools
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from kms_core._causes import ForeignError
from kms_core._interrupts import find_interrupt
from kms_core._values import CallStart, Event, KekInfo, WrappedDek, caller
from kms_core.errors import (
    AccessDeniedError,
    BackendContractError,
    ConflictError,
    DekExistsError,
    DekNotFoundError,
    KmsError,
)

if TYPE_CHECKING:  # loaded when a backend is opened, not by `import kms_core`
    from kms_core._deks.record import WrappedBy

_log = logging.getLogger("kms_core")
_calls = itertools.count(1)
_parent: ContextVar[int | None] = ContextVar("_parent", default=None)
"""The call of the façade that is under way."""

ToldT = TypeVar("ToldT", CallStart, Event)


@dataclass(frozen=True, slots=True)
class Observer:
    """Who is told of calls.

    Attributes:
        name: ``observer://NAME``, or what a callable calls itself.
        end: gets each call that has ended.
        start: gets each call that begins, if that is wanted.
        reported: the kinds of its own failures that were logged.
    """

    name: str
    end: Callable[[Event], object]
    start: Callable[[CallStart], object] | None = None
    reported: dict[str, object] = field(default_factory=dict, compare=False, repr=False)


Observers: TypeAlias = Sequence[Observer]

_ANSWERS: Mapping[str, tuple[type[KmsError], ...]] = {
    "load_record": (DekNotFoundError,),
    "create_record": (DekExistsError, ConflictError),
    "replace_record": (ConflictError, DekNotFoundError),
    "delete_record": (ConflictError, DekNotFoundError),
}
"""The errors by which a hook answers a question of core."""


@dataclass(slots=True)
class Observed:
    """What only the block knows of its call."""

    made: bool | None = None
    cached: bool | None = None
    kek_id: str | None = None
    kek_version: str | None = None

    def note_kek(self, names: WrappedDek | WrappedBy | KekInfo | None) -> None:
        """Note which KEK it was, if that is known."""
        if names is not None:
            self.kek_id, self.kek_version = names.kek_id, names.kek_version


@contextmanager
def observe_hook(
    observers: Observers, operation: str, backend: str, dek_id: str | None
) -> Iterator[Observed]:
    """A block of whose beginning and end each observer is told.

    Those who are told of the beginning first are told of the end last, as blocks nest.
    """
    start = CallStart(next(_calls), operation, backend, dek_id, _parent.get())
    with _told(observers, start) as observed:
        yield observed


@contextmanager
def observe(
    observers: Observers, operation: str, backend: str, dek_id: str | None
) -> Iterator[Observed]:
    """The same around a call of the façade, whose hooks are told as parts of it."""
    if not observers:
        yield Observed()
        return
    start = CallStart(next(_calls), operation, backend, dek_id)
    with _told(observers, start) as observed:
        token: Token[int | None] | None = None
        try:
            token = _parent.set(start.call)
            yield observed
        finally:
            if token is not None:
                _parent.reset(token)


@contextmanager
def _told(observers: Observers, start: CallStart) -> Iterator[Observed]:
    for observer in observers:
        if observer.start is not None:
            _tell(observer, observer.start, start)
    observed = Observed()
    outcome: Literal["done", "declined", "failed"] = "done"
    failure: str | None = None
    started = perf_counter()
    try:
        yield observed
    except BaseException as error:
        outcome = "declined" if _is_answer(start.operation, error) else "failed"
        failure = type(error).__name__
        raise
    finally:
        seconds = perf_counter() - started
        known = observed if outcome == "done" else Observed()
        event = Event(
            call=start.call,
            operation=start.operation,
            backend=start.backend,
            dek_id=start.dek_id,
            outcome=outcome,
            seconds=seconds,
            error=failure,
            made=known.made,
            cached=known.cached,
            kek_id=known.kek_id,
            kek_version=known.kek_version,
            caller=caller.get(),
            parent=start.parent,
        )
        for observer in reversed(observers):
            _tell(observer, observer.end, event)


def _is_answer(operation: str, error: BaseException) -> bool:
    if isinstance(error, KmsError) and error.other_kek:
        return operation == "unwrap_dek"
    if isinstance(error, AccessDeniedError):
        return operation == "load_record" and error.maybe_missing
    return isinstance(error, _ANSWERS.get(operation, ()))


def _tell(observer: Observer, hear: Callable[[ToldT], object], told: ToldT) -> None:
    handled = sys.exception()
    try:
        hear(told)
    except Exception as error:
        if find_interrupt(error, handled) is error:
            raise
        # It cannot refuse, so its failure is not the caller's.
        _report(observer, error)


def _report(observer: Observer, error: Exception) -> None:
    """Log that an observer failed: once for each class, for it may fail at every call.

    Only messages of our own errors are written to hold no secret, so others show their class.
    """
    cause = error.__cause__
    is_ours = isinstance(error, KmsError) and not isinstance(error, BackendContractError)
    is_foreign = isinstance(cause, ForeignError) and not is_ours
    kind = str(cause) if is_foreign else type(error).__name__
    first = object()
    if observer.reported.setdefault(kind, first) is first:  # atomic
        _log.warning(
            "%s failed with %s, and misses calls; further failures of this kind are not logged",
            observer.name,
            f"{kind} ({error})" if is_ours else kind,
        )
