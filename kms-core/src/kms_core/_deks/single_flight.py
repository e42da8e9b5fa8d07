"""One call at a time for each DEK: concurrent callers of a process share one answer."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class _Call(Generic[T]):
    __slots__ = ("error", "landing", "result")

    def __init__(self) -> None:
        self.landing = threading.Lock()  # held until it is over; an Event would cost ten times that
        self.landing.acquire()
        self.result: T | None = None
        self.error: Exception | None = None


class SingleFlight(Generic[T]):
    """Runs one call per key at a time; callers that come meanwhile get its result or error."""

    def __init__(self) -> None:
        self._reset()

    def run(self, key: Hashable, call: Callable[[], T]) -> tuple[T, bool]:
        """Return what ``call`` returns, or what the call already under way for ``key`` does.

        The second value says whether it was this caller's own call.
        """
        own: _Call[T] = _Call()
        while True:
            if self._process != os.getpid():  # calls of the parent never end in a fork
                self._reset()
            running = self._calls.setdefault(key, own)  # atomic
            if running is own:
                return self._lead(key, own, call), True
            with running.landing:
                pass
            if running.error is not None:
                raise running.error
            if running.result is not None:
                return running.result, False
            # The leader was interrupted (say, by Ctrl-C), which is no answer for us: try again.

    def _lead(self, key: Hashable, own: _Call[T], call: Callable[[], T]) -> T:
        try:
            own.result = call()
            return own.result
        except Exception as error:
            own.error = error
            raise
        finally:
            self._calls.pop(key, None)  # a reset after a fork may have dropped it
            own.landing.release()

    def _reset(self) -> None:
        self._calls: dict[Hashable, _Call[T]] = {}
        self._process = os.getpid()  # last: until then other threads of a fork reset as well
