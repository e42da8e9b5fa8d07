"""A bounded number of threads that make the calls of one façade."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import partial
from itertools import islice
from typing import Any, Generic, NoReturn, ParamSpec, TypeAlias, TypeVar
from weakref import WeakSet

from kms_core.aio._loops import ended
from kms_core.errors import ClosedError, ConfigError

P = ParamSpec("P")
T = TypeVar("T")
Async: TypeAlias = Callable[P, Coroutine[Any, Any, T]]


def without_locals(function: Async[P, T]) -> Async[P, T]:
    """Decorate a method as the function of this name in ``_tracebacks`` does.

    What a thread ran has been cleared there. So only frames of this package are, of which none
    waits with an error at hand; to find that out would take longer than a loop may be held up.
    """

    @functools.wraps(function)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await function(*args, **kwargs)
        except BaseException as error:
            del args, kwargs
            _clear_own_frames(error)
            raise

    return guarded


def _clear_own_frames(error: BaseException) -> None:
    step = error.__traceback__
    while step is not None:
        frame = step.tb_frame
        if frame.f_globals.get("__name__", "").startswith("kms_core.aio."):
            try:  # noqa: SIM105 -- suppress() costs as much as all else, and many end at once
                frame.clear()
            except RuntimeError:  # it is running
                pass
        step = step.tb_next


class Threads:
    """Makes calls in threads of its own, each in the context of the task that asks for it.

    A thread is a place: the next call begins in it when its call has ended, whether or not
    anybody still waits for that.
    """

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ConfigError(f"max_threads is at least 1, and not {limit}")
        self._pool = ThreadPoolExecutor(limit, "kms_core.aio")
        self._under_way: set[Future[Any]] = set()
        self._streams: WeakSet[_Stream[Any]] = WeakSet()
        self._closed = False

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Make a call as soon as a thread is free.

        Raises:
            ClosedError: no more calls are taken.
        """
        if self._closed:
            raise ClosedError("it is closed; open it again")
        future = self._pool.submit(copy_context().run, call)
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        return future

    async def run(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the call returns, or raise what it raises.

        If the task is cancelled, a call that has begun goes on, and one that has not is dropped.
        """
        future = self.submit(partial(call, *args, **kwargs))
        try:
            await ended(future)
        except BaseException:
            future.cancel()
            raise
        return future.result()

    async def each(self, begin: Callable[[], Iterator[T]], size: int = 1) -> AsyncGenerator[T]:
        """Yield what an iterator does, of which a thread takes up to ``size`` at a time."""
        stream = _Stream(begin, size)
        del begin
        self._streams.add(stream)
        try:
            while await without_locals(self.run)(stream.fill):
                while stream.ready:
                    yield stream.ready.popleft()
        except BaseException as error:
            if not self._closed:
                emptied = self.submit(stream.empty)
                if isinstance(error, GeneratorExit):
                    await ended(emptied)
            del self, stream
            raise

    def close(self, last: Callable[[], None]) -> Future[None]:
        """Take no more calls, and make the last one when all others have ended."""
        earlier = set(self._under_way)

        def close() -> None:
            wait(earlier)
            for stream in list(self._streams):
                stream.empty()
            last()

        closing = self.submit(close)
        self._closed = True
        self._pool.shutdown(wait=False)  # what was submitted is still made
        return closing


class _Stream(Generic[T]):
    """An iterator that is begun, used and given up in threads, since each of it may take long."""

    def __init__(self, begin: Callable[[], Iterator[T]], size: int) -> None:
        self.ready: deque[T] = deque()
        self._rest, self._size = _lazily(begin), size

    def fill(self) -> bool:
        """Make the next ones ready, if there are more."""
        try:
            self.ready.extend(islice(self._rest, self._size))
        except BaseException as error:
            if not self.ready:
                raise
            self._rest = map(_throw, [error])  # after those that came before it
        return bool(self.ready)

    def empty(self) -> None:
        """Give the rest up. A generator waits here for the calls that it has under way."""
        self.ready.clear()
        self._rest = iter(())


def _lazily(begin: Callable[[], Iterator[T]]) -> Iterator[T]:
    yield from begin()


def _throw(error: BaseException) -> NoReturn:
    raise error
