"""Ends a whole operation in time: all of its calls, and its wait for others who make the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from math import inf
from threading import TIMEOUT_MAX
from typing import TypeVar

from kms_core._plugins.clients.workers import OPERATION_END, Workers
from kms_core.errors import ConfigError

T = TypeVar("T")

_MOST = 256
"""Operations with a timeout that are under way at once at most."""

_SHARE, _MARGIN = 0.05, 0.1
"""The part of the time, and the most seconds, by which calls end before their operation: so the
error tells which of them took too long."""


class TimeLimit:
    """Runs each operation that has a timeout in a thread, while its caller waits.

    Args:
        timeout: seconds for each operation that has none of its own; None for no limit.
    """

    def __init__(self, timeout: float | None) -> None:
        self._timeout = None if timeout is None else _checked(timeout)
        self._workers = Workers(_MOST, inf)

    def end(self, timeout: float | None = None) -> float | None:
        """When an operation ends that begins now; None if it may take as long as it takes.

        Raises:
            ConfigError: the timeout is not a number of seconds above 0.
        """
        seconds = self._timeout if timeout is None else _checked(timeout)
        if seconds is None or seconds > TIMEOUT_MAX:
            return None
        return time.monotonic() + seconds

    def run(self, end: float | None, call: Callable[[], T]) -> T:
        """Return what the call returns by then, or raise what it raises.

        Raises:
            UnavailableError: it has not ended; what it has begun may still happen.
        """
        outer = OPERATION_END.get()
        if end is None:
            return call()
        end = end if outer is None else min(end, outer)
        token = OPERATION_END.set(end)
        try:
            return self._workers.run(partial(_call_until, _earlier(end), call))
        finally:
            OPERATION_END.reset(token)

    def close(self) -> None:
        """End the threads, each when its operation has ended."""
        self._workers.dismiss()
        self._workers = Workers(_MOST, inf)


def _checked(timeout: float) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        raise ConfigError("timeout is a number of seconds above 0; give such a number, or none")
    return timeout


def _earlier(end: float) -> float:
    return end - min(_SHARE * (end - time.monotonic()), _MARGIN)


def _call_until(end: float, call: Callable[[], T]) -> T:
    OPERATION_END.set(end)  # in this thread's own copy of the context
    return call()
