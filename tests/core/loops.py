"""Holds hooks until a task lets them go."""

from __future__ import annotations

import threading

from anyio.lowlevel import checkpoint


class Gate:
    """A place in a hook where threads wait until a task opens it."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.inside = 0
        self.most = 0
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        try:
            assert self._open.wait(110), "no task came to open it: the loop is blocked"
        finally:
            with self._lock:
                self.inside -= 1

    async def reached(self, threads: int = 1) -> None:
        """Wait, as a task does, until threads wait here."""
        while self.inside < threads:
            await checkpoint()

    def open(self) -> None:
        self._open.set()
