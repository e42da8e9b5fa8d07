"""One flight at a time for each DEK: concurrent callers of a process share one answer."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable


class _Flight:
    __slots__ = ("dek", "error", "landed")

    def __init__(self) -> None:
        self.landed = threading.Event()
        self.dek: bytes | None = None
        self.error: Exception | None = None


class SingleFlight:
    """Runs one call per key at a time; callers that come meanwhile get its result or error."""

    def __init__(self) -> None:
        self._reset()

    def fly(self, key: Hashable, call: Callable[[], bytes]) -> bytes:
        """Return what ``call`` returns, or what the call already under way for ``key`` does."""
        while True:
            if self._process != os.getpid():  # flights of the parent never land in a fork
                self._reset()
            with self._lock:
                flight = self._flights.get(key)
                leads = flight is None
                if flight is None:
                    flight = self._flights[key] = _Flight()
            if leads:
                return self._lead(key, flight, call)
            flight.landed.wait()
            if flight.error is not None:
                raise flight.error
            if flight.dek is not None:
                return flight.dek
            # The leader was interrupted (say, by Ctrl-C), which is no answer for us: fly again.

    def _lead(self, key: Hashable, flight: _Flight, call: Callable[[], bytes]) -> bytes:
        try:
            flight.dek = call()
            return flight.dek
        except Exception as error:
            flight.error = error
            raise
        finally:
            with self._lock:
                self._flights.pop(key, None)  # a reset after a fork may have dropped it
            flight.landed.set()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[Hashable, _Flight] = {}
        self._process = os.getpid()  # last: until then other threads of a fork reset as well
