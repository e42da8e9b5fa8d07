"""Looks after a cache in the background: wipes what has had its time, and reads ahead."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from functools import partial
from math import inf
from typing import Protocol

from kms_core._plugins.clients.workers import Workers

AT_ONCE = 8
"""DEKs that are read ahead at the same time at most."""

_SHORTEST = 0.01
"""Seconds between two looks at least."""


class Cache(Protocol):
    """What is looked after."""

    def sweep(self) -> list[str]:
        """Wipe what has had its time; return the ids of what has to be read again."""

    def refresh(self, dek_id: str) -> None:
        """Read a DEK again."""


def start_keeper(cache: Cache, seconds: float) -> Callable[[], None]:
    """Look after a cache every few seconds, until it is gone.

    Returns:
        What ends it.
    """
    stopped, workers = threading.Event(), Workers(AT_ONCE, inf)
    look = partial(_look_after, weakref.ref(cache), workers)
    given = (look, max(seconds, _SHORTEST), stopped)
    # Where no more threads can be had, what is too old is given to nobody all the same.
    with suppress(RuntimeError):
        # In a context of its own: whoever reads first has a timeout, and observers of that call.
        threading.Thread(target=Context().run, args=(_repeat, *given), daemon=True).start()

    def stop() -> None:
        stopped.set()
        workers.dismiss()

    return stop


def _repeat(look: Callable[[], bool], seconds: float, stopped: threading.Event) -> None:
    while not stopped.wait(seconds) and look():
        pass


def _look_after(found: weakref.ref[Cache], workers: Workers) -> bool:
    """Whether there still is a cache."""
    cache = found()
    if cache is None:
        return False
    for dek_id in cache.sweep():
        workers.begin(partial(_refresh, found, dek_id))
    return True


def _refresh(found: weakref.ref[Cache], dek_id: str) -> None:
    cache = found()
    if cache is not None:
        cache.refresh(dek_id)
