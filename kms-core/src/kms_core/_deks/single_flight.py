"""One call at a time for each DEK: concurrent callers of a process share one answer."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable


class _Call:
    __slots__ = ("dek", "done", "error")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.dek: bytes | None = None
        self.error: Exception | None = None


class SingleFlight:
    """Runs one call per key at a time; callers that come meanwhile get its result or error."""

    def __init__(self) -> None:
        self._reset()

    def run(self, key: Hashable, call: Callable[[], bytes]) -> bytes:
        """Return what ``call`` returns, or what the call already under way for ``key`` does."""
        while True:
            if self._process != os.getpid():  # calls of the parent never end in a fork
                self._reset()
            with self._lock:
                running = self._calls.get(key)
                leads = running is None
                if running is None:
                    running = self._calls[key] = _Call()
            if leads:
                return self._lead(key, running, call)
            running.done.wait()
            if running.error is not None:
                raise running.error
            if running.dek is not None:
                return running.dek
            # The leader was interrupted (say, by Ctrl-C), which is no answer for us: try again.

    def _lead(self, key: Hashable, running: _Call, call: Callable[[], bytes]) -> bytes:
        try:
            running.dek = call()
            return running.dek
        except Exception as error:
            running.error = error
            raise
        finally:
            with self._lock:
                self._calls.pop(key, None)  # a reset after a fork may have dropped it
            running.done.set()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._calls: dict[Hashable, _Call] = {}
        self._process = os.getpid()  # last: until then other threads of a fork reset as well
