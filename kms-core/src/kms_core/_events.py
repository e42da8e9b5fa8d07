"""Tells observers about calls: who was asked for what, and how it ended; never a key."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import perf_counter
from typing import Literal, TypeAlias

from kms_core._values import Event
from kms_core.errors import KmsError

Observer: TypeAlias = Callable[[Event], None]

_log = logging.getLogger("kms_core")


_unobserved = nullcontext()


def observe(
    observers: Sequence[Observer], operation: str, backend: str, dek_id: str | None
) -> AbstractContextManager[None]:
    """A block whose outcome each observer is told of."""
    # Most programs have no observers, and this is on the path of every DEK.
    return _observing(observers, operation, backend, dek_id) if observers else _unobserved


@contextmanager
def _observing(
    observers: Sequence[Observer], operation: str, backend: str, dek_id: str | None
) -> Iterator[None]:
    outcome: Literal["done", "failed"] = "done"
    failure: str | None = None
    started = perf_counter()
    try:
        yield
    except BaseException as error:
        outcome, failure = "failed", type(error).__name__
        raise
    finally:
        seconds = perf_counter() - started
        event = Event(operation, backend, dek_id, outcome, seconds, failure)
        for observer in observers:
            _notify(observer, event)


def _notify(observer: Observer, event: Event) -> None:
    try:
        observer(event)
    except KmsError as error:  # an observer cannot refuse, so its failure is not the caller's
        cause = error.__cause__ or error
        _log.warning("%s failed with %s", error.backend, type(cause).__name__)
