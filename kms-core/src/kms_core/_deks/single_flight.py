"""One call at a time for each DEK: concurrent callers of a process share one answer."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeAlias, TypeVar

from kms_core.errors import KmsError

T = TypeVar("T")
ErrorT = TypeVar("ErrorT", bound=KmsError)

Key: TypeAlias = tuple[Hashable, ...]
"""A dek_id, and what else makes two calls differ."""


class _Flight(Generic[T]):
    """A call that may be under way.

    Its lock is held by whoever makes the call. It is one that a thread may take twice, so that an
    observer or a signal handler that asks for the same DEK makes a call of its own and does not
    wait for itself.
    """

    __slots__ = ("error", "lock", "result")

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.result: T | None = None
        self.error: KmsError | None = None


class SingleFlight(Generic[T]):
    """Runs one call per key at a time; callers that come meanwhile get its result or error."""

    def __init__(self) -> None:
        self._reset()

    def forget(self, dek_id: str) -> None:
        """Let later callers make a call of their own: what is under way may have read before."""
        for key in list(self._flights):  # atomic
            if key[0] == dek_id:
                self._flights.pop(key, None)

    def run(self, key: Key, call: Callable[[], T]) -> tuple[T, bool]:
        """Return what ``call`` returns, or what the call already under way for ``key`` does.

        The second value says whether it was this caller's own call.

        Raises:
            KmsError: the call's error; each caller gets one of its own.
        """
        if self._process != os.getpid():  # calls of the parent never end in a fork
            self._reset()
        flight = self._flights.setdefault(key, _Flight())  # atomic
        # CPython enters and leaves a lock's own `with` in one step, so that no exception of a
        # signal handler comes between: the lock is free once its holder is gone, however it went.
        with flight.lock:
            if flight.error is not None:
                raise copy_error(flight.error)
            if flight.result is not None:
                return flight.result, False
            # Nobody called before, or what did was interrupted, which is no answer for others.
            return self._lead(key, flight, call), True

    def _lead(self, key: Key, flight: _Flight[T], call: Callable[[], T]) -> T:
        try:
            result = call()
        except KmsError as error:
            self._end(key, flight)
            if not getattr(error, "own_timeout", False):  # others may wait longer
                flight.error = copy_error(error)
            raise
        self._end(key, flight)
        flight.result = result
        return result

    def _end(self, key: Key, flight: _Flight[T]) -> None:
        """Let later callers make a new call. It comes first: an answer that stayed would be old."""
        if self._flights.get(key) is flight:
            # Whoever forgets it may come between; then later callers join a later one no more.
            self._flights.pop(key, None)

    def _reset(self) -> None:
        self._flights: dict[Key, _Flight[T]] = {}
        self._process = os.getpid()  # last: until then other threads of a fork reset as well


def copy_error(error: ErrorT) -> ErrorT:
    """Return an equal error; its traceback, cause and context belong to another caller."""
    copied = type(error).__new__(type(error), *error.args)
    copied.__dict__.update(error.__dict__)
    copied.__dict__.pop("__notes__", None)
    return copied
