"""Calls that start at the same moment, each in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from kms_core.errors import AccessDeniedError, KmsError

T = TypeVar("T")

RACERS = 16


def race(calls: Sequence[Callable[[], T]]) -> list[T | KmsError]:
    """What each call returned or which KmsError it raised, in the calls' order.

    Raises:
        AccessDeniedError: nobody wins or loses a race that he is not allowed to enter.
    """
    start = Barrier(len(calls))

    def run(call: Callable[[], T]) -> T | KmsError:
        start.wait()
        try:
            return call()
        except AccessDeniedError:
            raise
        except KmsError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))
