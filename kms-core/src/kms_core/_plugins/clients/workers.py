"""Ends a call of a service at its deadline, whatever hangs.

Nothing in Python stops a thread that waits for a name server, a token or a byte of an answer. So
the call is made in a thread of its own while its caller waits. After the deadline the caller goes
on, and the thread is free for other calls once its call has ended.

To pass a call to another thread and back costs more CPU than all else of core's. So one thread may
make all calls of one operation, while its caller waits for each until that one's deadline.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Collection
from contextvars import ContextVar, copy_context
from math import inf
from queue import SimpleQueue
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from kms_core.errors import KmsError, UnavailableError

T = TypeVar("T")

OPERATION_END: ContextVar[float | None] = ContextVar("kms_core_operation_end", default=None)
"""When the operation ends that a call is part of, in seconds of time.monotonic, if it has to."""

Locate: TypeAlias = Callable[[KmsError], KmsError]

_here = threading.local()


def _operation_here() -> _Job[Any] | None:
    """The operation all of whose calls this thread makes, if there is one."""
    operation: _Job[Any] | None = getattr(_here, "operation", None)
    return operation


def _nowhere(error: KmsError) -> KmsError:
    return error


class Workers:
    """Threads that make the calls of one client.

    Args:
        limit: how many there are at most; that many calls are under way at once.
        deadline: seconds after which a caller waits no longer, or earlier at the operation's end.
    """

    def __init__(self, limit: int, deadline: float) -> None:
        self.limit, self.deadline = limit, deadline
        self._reset()

    def run(self, call: Callable[[], T], locate: Locate = _nowhere) -> T:
        """Return what the call returns, or raise what it raises.

        Args:
            call: is made in this thread if that makes all calls of an operation, these too.
            locate: says of an error at the deadline where that was.

        Raises:
            UnavailableError: it has not ended at the deadline; it may still do what it does.
        """
        operation = _operation_here()
        if operation is not None and self in operation.crew:
            operation.begin_step(self.deadline, locate)
            return call()
        return self._hand_over(_Job(call), locate)

    def run_together(self, call: Callable[[], T], crew: Collection[Workers]) -> T:
        """As :meth:`run`, in one thread with all calls that it makes of these workers."""
        return self._hand_over(_Job(call, crew), _nowhere)

    def _hand_over(self, job: _Job[T], locate: Locate) -> T:
        if self._process != os.getpid():  # a fork has none of its parent's threads
            self._reset()
        job.begin_step(self.deadline, locate)
        try:
            self._hire()
            self._jobs.put(job)
            in_time = job.wait()
        finally:
            job.left = True  # what has not begun by now never will
        if in_time:
            return job.outcome()
        raise job.too_late()

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
                if len(self._threads) < self.limit:
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


class _Step(NamedTuple):
    """A call that is waited for."""

    deadline: float
    seconds: float
    until: float
    locate: Locate


_NO_STEP = _Step(0.0, 0.0, -inf, _nowhere)


class _Job(Generic[T]):
    __slots__ = ("call", "context", "crew", "error", "has_ended", "left", "news", "result", "step")

    def __init__(self, call: Callable[[], T], crew: Collection[Workers] = ()) -> None:
        self.context = copy_context()  # so that what the call logs and traces is its caller's
        self.call, self.crew = call, crew
        self.news = threading.Lock()  # is free when the caller has to look
        self.news.acquire()
        self.has_ended = self.left = False
        self.step = _NO_STEP
        self.result: T
        self.error: BaseException | None = None

    def begin_step(self, deadline: float, locate: Locate) -> None:
        """Have the caller wait until this deadline from now on."""
        if self.left:
            raise UnavailableError("its caller waits no longer")
        seconds, before = seconds_left(deadline), self.step.until
        self.step = _Step(deadline, seconds, time.monotonic() + seconds, locate)
        if self.step.until < before:
            self._tell()

    def wait(self) -> bool:
        """Whether it ended in time."""
        while not self.has_ended:
            step = self.step
            in_time = self.news.acquire(timeout=max(0.0, step.until - time.monotonic()))
            if not in_time and self.step is step:
                return False
        return True

    def _tell(self) -> None:
        """Have the caller look. Nobody but the thread that makes the call tells."""
        if self.news.locked():
            self.news.release()

    def too_late(self) -> KmsError:
        step = self.step
        if step.seconds < step.deadline:
            return step.locate(_out_of_time())
        problem = (
            f"no answer within {step.deadline:g} seconds; check endpoint, network and proxy, or "
            "give a longer deadline"
        )
        return step.locate(UnavailableError(problem))

    def do(self) -> None:
        if self.left:
            return
        _here.operation = self if self.crew else None
        try:
            self.result = self.context.run(self.call)
        except BaseException as error:  # noqa: BLE001 -- it is the caller's
            self.error = error
        finally:
            _here.operation = None  # its result may be a DEK
        self.has_ended = True
        self._tell()

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
