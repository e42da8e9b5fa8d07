"""Takes note of the threads that a backend begins."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def threads_begun() -> Iterator[list[threading.Thread]]:
    """Yield a list of the threads that this one begins in the block, and that these begin.

    A server in the same process begins its threads elsewhere; what a library in C begins is not
    seen.
    """
    begun: list[threading.Thread] = []
    family = {threading.get_ident()}
    start = threading.Thread.start

    def noting(thread: threading.Thread) -> None:
        start(thread)
        if threading.get_ident() in family:
            begun.append(thread)
            family.add(thread.ident or 0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", noting)
        yield begun
