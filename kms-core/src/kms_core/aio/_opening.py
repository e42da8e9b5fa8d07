"""Opens a façade for tasks, in a thread: it imports an SDK, and may ask for credentials."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kms_core import _opening
from kms_core._values import UriOrMapping
from kms_core.aio._facade import MAX_THREADS, Facade, SyncT
from kms_core.aio._kek import Kek
from kms_core.aio._kms import Kms
from kms_core.aio._loops import ended
from kms_core.aio._threads import Threads, without_locals

if TYPE_CHECKING:
    from kms_core._opening import ChosenObserver

FacadeT = TypeVar("FacadeT", bound=Facade[Any])


def open_kms(  # noqa: PLR0913 -- each is a choice of its own
    kek: UriOrMapping | Sequence[UriOrMapping] | None = None,
    storage: UriOrMapping | None = None,
    *,
    observers: Sequence[ChosenObserver] = (),
    cache: Mapping[str, object] | None = None,
    timeout: float | None = None,
    config: str | os.PathLike[str] | None = None,
    profile: str | None = None,
    max_threads: int = MAX_THREADS,
) -> AbstractAsyncContextManager[Kms]:
    """Open a KEK and its storage, for an ``async with`` block at whose end both are closed.

    Args:
        kek: as for :func:`kms_core.open_kms`.
        storage: likewise.
        observers: likewise; they are called in threads.
        cache: likewise.
        timeout: likewise.
        config: likewise.
        profile: likewise.
        max_threads: how many calls are under way at once at most.

    Raises:
        ConfigError: ``max_threads`` is below 1; or as :func:`kms_core.open_kms`, as all others,
            when the block is entered.
    """
    given = partial(_opening.open_kms, kek, storage, observers=observers, cache=cache)
    begin = partial(given, timeout=timeout, config=config, profile=profile)
    return _Opening(begin, partial(Kms, max_threads=max_threads))


def open_kek(
    kek: UriOrMapping | Sequence[UriOrMapping] | None = None,
    *,
    observers: Sequence[ChosenObserver] = (),
    config: str | os.PathLike[str] | None = None,
    profile: str | None = None,
    max_threads: int = MAX_THREADS,
) -> AbstractAsyncContextManager[Kek]:
    """Open a KEK alone, for an ``async with`` block at whose end it is closed.

    Args:
        kek: as for :func:`kms_core.open_kek`.
        observers: likewise; they are called in threads.
        config: likewise.
        profile: likewise.
        max_threads: how many calls are under way at once at most.

    Raises:
        ConfigError: ``max_threads`` is below 1; or as :func:`kms_core.open_kek`, as all others,
            when the block is entered.
    """
    given = partial(_opening.open_kek, kek, observers=observers)
    begin = partial(given, config=config, profile=profile)
    return _Opening(begin, partial(Kek, max_threads=max_threads))


class _Opening(AbstractAsyncContextManager[FacadeT], Generic[SyncT, FacadeT]):
    """Opens when the block is entered. What opens after nobody waits for it is closed again."""

    def __init__(self, begin: Callable[[], SyncT], for_tasks: Callable[[SyncT], FacadeT]) -> None:
        self._begin: Callable[[], SyncT] = begin
        self._for_tasks: Callable[[SyncT], FacadeT] = for_tasks

    @without_locals
    async def __aenter__(self) -> FacadeT:
        threads = Threads(1)
        opening = threads.submit(self._begin)
        try:
            await ended(opening)
            self._opened = self._for_tasks(opening.result())
        except BaseException:
            threads.close(partial(_close, opening))
            raise
        threads.close(lambda: None)
        return self._opened

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._opened.close()


def _close(opening: Future[Any]) -> None:
    if opening.exception() is None:
        opening.result().close()
