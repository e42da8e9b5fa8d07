"""How fast many calls are made: never faster than asked for, and slower where the KMS refuses."""

from __future__ import annotations

import threading
import time
from collections import deque

_SLOWER = 0.8
"""What is left of the rate that was reached when the service refused."""

_GROWTH = 1.02
"""By which factor it grows again in each second."""

_PAUSE = 1.0
"""Seconds in which nobody begins after a refusal."""

_REMEMBERED = 256
"""How many calls that went well say which rate was reached."""

_SHORTEST = 0.01
"""Seconds below which they say nothing of a rate."""


class Pace:
    """Says when the next call may begin, to all threads of a bulk run.

    A quota is a rate that nobody tells. When the service refuses, the rate that was reached says
    where it is: all go on a little below it, and slowly faster, until it refuses again.

    Args:
        limit: calls in a second at most; None if the service alone says what is too fast.
    """

    def __init__(self, limit: float | None = None) -> None:
        self._limit = self._rate = limit
        self._lock = threading.Lock()
        self._well: deque[float] = deque(maxlen=_REMEMBERED)
        self._next = self._changed = self._since = time.monotonic()
        self._refusals = 0

    def wait(self) -> int:
        """Wait until a call may begin.

        Returns:
            A ticket, for :meth:`went_well` or :meth:`slow_down`.
        """
        with self._lock:
            now, ticket = time.monotonic(), self._refusals
            start = max(now, self._next)
            if self._rate is not None:
                self._rate = self._grown(self._rate, now)
                self._next = start + 1 / self._rate
        if start > now:
            time.sleep(start - now)
        return ticket

    def went_well(self, ticket: int) -> None:
        """Note a call that was not refused."""
        if ticket == self._refusals:
            self._well.append(time.monotonic())

    def slow_down(self, ticket: int) -> None:
        """Make all slower, unless the refused call was on its way when they were made so before."""
        with self._lock:
            if ticket != self._refusals:
                return
            self._refusals += 1
            self._changed = time.monotonic()
            self._rate = _SLOWER * self._reached()
            self._next = self._since = self._changed + _PAUSE
            self._well.clear()

    def _reached(self) -> float:
        """Calls in a second that went well of late, since all were made slower."""
        since = self._well[0] if len(self._well) == _REMEMBERED else self._since
        reached = max(len(self._well), 1) / max(self._changed - since, _SHORTEST)
        return min(reached, self._rate or reached)

    def _grown(self, rate: float, now: float) -> float:
        rate *= _GROWTH ** (now - self._changed)
        self._changed = now
        return rate if self._limit is None else min(rate, self._limit)
