"""The façade for tasks."""

# ruff: noqa: SLF001 -- it uses what the façade has for itself

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from functools import partial

import kms_core.kms
from kms_core._deks.got import Got
from kms_core._deks.single_flight import copy_error
from kms_core._events import observe
from kms_core._lifecycle import AS_USUAL
from kms_core._tracebacks import without_locals as guarded_in_its_thread
from kms_core._values import (
    DEFAULT_DEK_SIZE,
    Bulk,
    Outcome,
    StorageInfo,
    check_dek_id,
    check_dek_size,
)
from kms_core.aio._facade import MAX_THREADS
from kms_core.aio._flights import Flights
from kms_core.aio._moving import Moves
from kms_core.aio._threads import without_locals
from kms_core.errors import KmsError


class Kms(Moves):
    """An opened KEK with its storage, for the tasks of an event loop.

    Get one from :func:`kms_core.aio.open_kms`, or make one for a :class:`kms_core.Kms` that
    threads use as well, which is then closed with it.

    Each method does what the one of :class:`kms_core.Kms` does, in a thread and in the context of
    the task that awaits it. A task that is cancelled waits no longer; what a thread has begun goes
    on in it. Tasks that ask for the same DEK at once are one call, and each is told to observers.

    Args:
        sync: an opened Kms.
        max_threads: how many calls are under way at once at most. What does many DEKs at once has
            the threads that its :class:`~kms_core.Bulk` says besides.
    """

    def __init__(self, sync: kms_core.kms.Kms, *, max_threads: int = MAX_THREADS) -> None:
        super().__init__(sync, max_threads=max_threads)
        self._flights: Flights[Got] = Flights(self._threads)

    @without_locals
    async def get_dek(
        self,
        dek_id: str,
        *,
        size: int | None = None,
        create: bool = False,
        timeout: float | None = None,
    ) -> bytes:
        """As :meth:`kms_core.Kms.get_dek`; a DEK in the cache is returned at once.

        With observers it is looked up in a thread as well, where they are told of it.
        """
        check_dek_id(dek_id)
        if size is not None:
            check_dek_size(size)
        sync = self.sync
        dek = None if sync._observers else sync._find_cached(dek_id, size)
        if dek is not None:
            return dek
        end = sync._limit.end(timeout)
        read = partial(_read, sync, dek_id, size, create=create, end=end)
        key = (dek_id, size, create, timeout, sync._era)
        future, own = await self._flights.run(key, read, end)
        if own:
            return future.result().dek
        if not sync._observers:
            return _of_another(future).dek
        return (await self._threads.run(_told, sync, dek_id, future)).dek

    def get_deks(
        self,
        dek_ids: Iterable[str],
        *,
        size: int | None = None,
        timeout: float | None = None,
        bulk: Bulk = AS_USUAL,
    ) -> AsyncGenerator[Outcome]:
        """As :meth:`kms_core.Kms.get_deks`; what it raises comes with the first step."""
        read = self.sync.get_deks
        return self._threads.each(partial(read, dek_ids, size=size, timeout=timeout, bulk=bulk))

    @asynccontextmanager
    async def borrow_dek(
        self,
        dek_id: str,
        *,
        size: int | None = None,
        create: bool = False,
        timeout: float | None = None,
    ) -> AsyncGenerator[bytearray]:
        """As :meth:`kms_core.Kms.borrow_dek`."""
        buffer = bytearray(await self.get_dek(dek_id, size=size, create=create, timeout=timeout))
        try:
            yield buffer
        finally:
            buffer[:] = bytes(len(buffer))

    @without_locals
    async def forget_dek(self, dek_id: str) -> None:
        """As :meth:`kms_core.Kms.forget_dek`."""
        await self._threads.run(self.sync.forget_dek, dek_id)

    @without_locals
    async def create_dek(
        self, dek_id: str, *, size: int = DEFAULT_DEK_SIZE, timeout: float | None = None
    ) -> bytes:
        """As :meth:`kms_core.Kms.create_dek`."""
        return await self._threads.run(self.sync.create_dek, dek_id, size=size, timeout=timeout)

    @without_locals
    async def describe_storage(self) -> StorageInfo:
        """As :meth:`kms_core.Kms.describe_storage`."""
        return await self._threads.run(self.sync.describe_storage)


@guarded_in_its_thread
def _read(
    sync: kms_core.kms.Kms, dek_id: str, size: int | None, *, create: bool, end: float | None
) -> Got:
    return sync._get_told(dek_id, size, create=create, end=end)


def _told(sync: kms_core.kms.Kms, dek_id: str, future: Future[Got]) -> Got:
    """The answer to another task, of which observers are told as of this one's."""
    with observe(sync._observers, "get_dek", sync._described.backend, dek_id) as call:
        got, call.made = _of_another(future), False
        call.note_kek(got.wrapped_by)
        return got


def _of_another(future: Future[Got]) -> Got:
    error = future.exception()
    if isinstance(error, KmsError):
        raise copy_error(error)
    return future.result()
