"""Tells observers about calls: who was asked for what, and how it ended; never a key."""

from __future__ import annotations

import itertools
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Literal, TypeAlias, TypeVar

from kms_core._causes import ForeignError
from kms_core._interrupts import find_interrupt
from kms_core._values import CallStart, Event
from kms_core.errors import (
    AccessDeniedError,
    ConflictError,
    DekExistsError,
    DekNotFoundError,
    KmsError,
)

_log = logging.getLogger("kms_core")
_calls = itertools.count(1)

ToldT = TypeVar("ToldT", CallStart, Event)


@dataclass(frozen=True, slots=True)
class Observer:
    """Who is told of calls.

    Attributes:
        name: ``observer://NAME``, or what a callable calls itself.
        end: gets each call that has ended.
        start: gets each call that begins, if that is wanted.
    """

    name: str
    end: Callable[[Event], object]
    start: Callable[[CallStart], object] | None = None


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


@contextmanager
def observe(
    observers: Observers, operation: str, backend: str, dek_id: str | None
) -> Iterator[Observed]:
    """A block of whose beginning and end each observer is told.

    Those who are told of the beginning first are told of the end last, as blocks nest.
    """
    start = CallStart(next(_calls), operation, backend, dek_id)
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
        outcome = "declined" if _is_answer(operation, error) else "failed"
        failure = type(error).__name__
        raise
    finally:
        seconds = perf_counter() - started
        made = observed.made if outcome == "done" else None
        event = Event(start.call, operation, backend, dek_id, outcome, seconds, failure, made)
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
        # It cannot refuse, so its failure is not the caller's. Its message could show anything.
        cause = error.__cause__
        name = cause if isinstance(cause, ForeignError) else type(error).__name__
        _log.warning("%s failed with %s", observer.name, name)
