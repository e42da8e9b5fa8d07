"""What both façades share, as in ``kms_core._facade``."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Generic, NoReturn, TypeVar

from kms_core._values import KekInfo
from kms_core.aio._loops import ended
from kms_core.aio._threads import Threads, without_locals
from kms_core.kek import Kek
from kms_core.kms import Kms

MAX_THREADS = 16
"""Threads of a façade, if nobody says how many."""

SyncT = TypeVar("SyncT", Kms, Kek)


class Facade(Generic[SyncT]):
    """An opened façade, whose calls are made in threads.

    Args:
        sync: the façade, which threads may go on to use.
        max_threads: how many calls are under way at once at most.
    """

    sync: SyncT
    """The façade itself, for threads; closed with this one."""

    def __init__(self, sync: SyncT, *, max_threads: int = MAX_THREADS) -> None:
        self.sync = sync
        self._threads = Threads(max_threads)
        self._closing: Future[None] | None = None

    @without_locals
    async def describe_kek(self) -> KekInfo:
        """As :meth:`kms_core.Kms.describe_kek`."""
        return await self._threads.run(self.sync.describe_kek)

    @without_locals
    async def check_health(self) -> None:
        """As :meth:`kms_core.Kms.check_health`."""
        await self._threads.run(self.sync.check_health)

    @without_locals
    async def close(self) -> None:
        """Close the backends once the calls under way have ended; a second time does nothing.

        It goes on if this task is cancelled. Calls that come later raise
        :class:`~kms_core.ClosedError`.
        """
        if self._closing is not None:
            await ended(self._closing)
            return None
        self._closing = self._threads.close(self.sync.close)
        await ended(self._closing)
        return self._closing.result()

    def __repr__(self) -> str:
        return f"<kms_core.aio {self.sync!r}>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled, as :class:`kms_core.Kms` does."""
        self.sync.__reduce__()
        raise AssertionError
