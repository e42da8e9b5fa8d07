"""Tasks that ask for one DEK at once share one call, and only one thread waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from kms_core.aio._loops import ended
from kms_core.aio._threads import Threads
from kms_core.errors import KmsError

T = TypeVar("T")


class _Flight(Generic[T]):
    """A call that is under way, or waits for a thread."""

    def __init__(self) -> None:
        self.future: Future[T]
        self.waiters: set[object] = set()
        self.events: dict[object, Any] = {}


class Flights(Generic[T]):
    """Makes one call per key at a time; tasks that come meanwhile wait for it."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._flights: dict[Hashable, _Flight[T]] = {}
        self._lock = threading.Lock()

    async def run(
        self, key: Hashable, call: Callable[[], T], end: float | None = None
    ) -> tuple[Future[T], bool]:
        """Make the call, or wait for the one under way, and return it when it has ended.

        The second value says whether it is this task's own. Whose time is over at ``end`` begins no
        other call.
        """
        while True:
            flight = self._flights.get(key)
            own = flight is None
            if flight is None:
                flight = self._begin(key, call)
            waiter = object()
            flight.waiters.add(waiter)
            try:
                await ended(flight.future, flight.events)
            except BaseException:
                flight.waiters.remove(waiter)
                if not flight.waiters and flight.future.cancel():
                    self._end(key, flight)
                raise
            if own or _is_answer(flight.future, end):
                return flight.future, own

    def _begin(self, key: Hashable, call: Callable[[], T]) -> _Flight[T]:
        flight: _Flight[T] = _Flight()

        def fly() -> T:
            try:
                return call()
            finally:
                self._end(key, flight)  # before the answer is known: one that stayed would be old

        with self._lock:  # a call that ends at once waits until it is known
            flight.future = self._threads.submit(fly)
            self._flights[key] = flight
        return flight

    def _end(self, key: Hashable, flight: _Flight[T]) -> None:
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]


def _is_answer(future: Future[Any], end: float | None) -> bool:
    """Whether it is one for others: not if it was dropped or interrupted, or had less time."""
    if future.cancelled():
        return False
    error = future.exception()
    had_less = getattr(error, "own_timeout", False) and (end is None or time.monotonic() < end)
    return isinstance(error, KmsError | None) and not had_less
