"""Ends a call of a service at its deadline, whatever hangs.

Nothing in Python stops a thread that waits for a name server, a token or a byte of an answer. So
the call is made in a thread of its own while its caller waits. After the deadline the caller goes
on, and the thread is free for other calls once its call has ended.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from queue import SimpleQueue
from typing import Any, Generic, TypeAlias, TypeVar

from kms_core.errors import UnavailableError

T = TypeVar("T")

OPERATION_END: ContextVar[float | None] = ContextVar("kms_core_operation_end", default=None)
"""When the operation ends that a call is part of, in seconds of time.monotonic, if it has to."""


class Workers:
    """Threads that make the calls of one client.

    Args:
        limit: how many there are at most; that many calls are under way at once.
        deadline: seconds after which a caller waits no longer, or earlier at the operation's end.
    """

    def __init__(self, limit: int, deadline: float) -> None:
        self._limit, self._deadline = limit, deadline
        self._reset()

    def run(self, call: Callable[[], T]) -> T:
        """Return what the call returns, or raise what it raises.

        Raises:
            UnavailableError: it has not ended at the deadline; it may still do what it does.
        """
        if self._process != os.getpid():  # a fork has none of its parent's threads
            self._reset()
        seconds = seconds_left(self._deadline)
        job = _Job(call)
        try:
            self._hire()
            self._jobs.put(job)
            in_time = job.ended.acquire(timeout=seconds)
        finally:
            job.call = None  # if it has not begun by now, it never will
        if in_time:
            return job.outcome()
        if seconds < self._deadline:
            raise _out_of_time()
        raise UnavailableError(
            f"no answer within {self._deadline:g} seconds; check endpoint, network and "
            "proxy, or give a longer deadline"
        )

    def begin(self, call: Callable[[], object]) -> None:
        """Have the call made, and wait for nothing."""
        if self._process != os.getpid():
            self._reset()
        self._hire()
        self._jobs.put(_Job(call))

    def dismiss(self) -> None:
        """End the threads, each when its call has ended."""
        self._dismiss()

    def _hire(self) -> None:
        """Start a thread, unless one is idle or there are enough."""
        try:
            self._idle.pop()  # atomic
        except IndexError:
            with self._hiring:
                if len(self._threads) < self._limit:
                    given = (self._jobs, self._idle)
                    thread = threading.Thread(target=_work, args=given, daemon=True)
                    thread.start()
                    self._threads.append(thread)

    def _reset(self) -> None:
        self._jobs: _Jobs = SimpleQueue()
        self._idle: deque[None] = deque()
        self._hiring = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._dismiss = weakref.finalize(self, _dismiss, self._jobs, self._threads)
        self._process = os.getpid()


def seconds_left(most: float) -> float:
    """Seconds until the operation's end, if it has one; ``most`` at most.

    Raises:
        UnavailableError: there are none.
    """
    end = OPERATION_END.get()
    if end is None:
        return most
    left = end - time.monotonic()
    if left <= 0:
        raise _out_of_time()
    return min(left, most)


def _out_of_time() -> UnavailableError:
    error = UnavailableError(
        "not done within the timeout; what was begun may still happen; try again, check endpoint, "
        "network and proxy, or give a longer timeout"
    )
    error.own_timeout = True
    return error


class _Job(Generic[T]):
    __slots__ = ("call", "ended", "error", "result")

    def __init__(self, call: Callable[[], T]) -> None:
        context = copy_context()  # so that what the call logs and traces belongs to its caller
        self.call: Callable[[], T] | None = lambda: context.run(call)
        self.ended = threading.Lock()
        self.ended.acquire()
        self.result: T
        self.error: BaseException | None = None

    def do(self) -> None:
        call = self.call
        if call is not None:
            try:
                self.result = call()
            except BaseException as error:  # noqa: BLE001 -- it is the caller's
                self.error = error
            self.ended.release()

    def outcome(self) -> T:
        if self.error is None:
            return self.result
        try:
            raise self.error
        finally:
            self.error = None  # it holds this frame, and so would hold itself


_Jobs: TypeAlias = "SimpleQueue[_Job[Any] | None]"


def _work(jobs: _Jobs, idle: deque[None]) -> None:
    while (job := jobs.get()) is not None:
        job.do()
        del job  # its result may be a DEK
        idle.append(None)


def _dismiss(jobs: _Jobs, threads: list[threading.Thread]) -> None:
    for _ in threads:
        jobs.put(None)
