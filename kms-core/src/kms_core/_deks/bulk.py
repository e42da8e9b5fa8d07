"""One call for each of many ids, on an executor, in flat memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from itertools import islice
from queue import SimpleQueue
from typing import TypeVar

from kms_core._deks.pace import Pace
from kms_core._tracebacks import clear_locals
from kms_core._values import Bulk, Outcome
from kms_core.errors import DekNotFoundError, KmsError, ThrottledError

R = TypeVar("R")
T = TypeVar("T")

_ATTEMPTS = 10
"""How often a call that the service refused for its rate is made, each time at a slower one."""


def run_each(items: Iterable[T], submit: Callable[[T], Future[R]], under_way: int) -> Iterator[R]:
    """Yield the result of each item, as soon as it is there, in any order.

    Items are taken as they are needed, so a million of them need no more memory than a few. When
    the caller stops, calls that have not begun are dropped, and those under way are waited for.

    Args:
        items: what to call with.
        submit: begins the call of an item, which raises nothing.
        under_way: how many are begun and not ended at most.
    """
    ended: SimpleQueue[Future[R]] = SimpleQueue()
    running: set[Future[R]] = set()
    rest = iter(items)

    def begin(count: int) -> None:
        for item in islice(rest, count):
            future = submit(item)
            running.add(future)
            future.add_done_callback(ended.put)

    try:
        begin(under_way)
        while running:
            future = ended.get()
            running.remove(future)
            begin(1)
            yield future.result()
    finally:
        _leave(running)


def run_in_order(
    items: Iterable[T], submit: Callable[[T], Future[R]], under_way: int
) -> Iterator[R]:
    """Yield the result of each item as :func:`run_each` does, but in the order of the items."""
    running: deque[Future[R]] = deque()
    try:
        for item in items:
            running.append(submit(item))
            if len(running) == under_way:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        _leave(running)


def _leave(running: Iterable[Future[R]]) -> None:
    waited = [future for future in running if not future.cancel()]
    for future in waited:
        future.exception()


@contextmanager
def bulk_threads(bulk: Bulk) -> Iterator[Executor]:
    """The threads of a bulk run: those of the caller, or of its own."""
    if bulk.executor is not None:
        yield bulk.executor
        return
    with ThreadPoolExecutor(bulk.concurrency) as executor:
        yield executor


def in_threads(executor: Executor, call: Callable[[T], R]) -> Callable[[T], Future[R]]:
    """Begins calls in an executor's threads, each in the context of whoever begins it."""

    def submit(item: T) -> Future[R]:
        return executor.submit(partial(copy_context().run, call, item))

    return submit


def ended(result: R) -> Future[R]:
    """A call that has ended already."""
    future: Future[R] = Future()
    future.set_result(result)
    return future


def attempt(dek_id: str, call: Callable[[], Outcome], pace: Pace) -> Outcome:
    """Make the call at the pace, and say what became of it."""
    for left in reversed(range(_ATTEMPTS)):
        ticket = pace.wait()
        try:
            outcome = call()
        except ThrottledError as error:
            pace.slow_down(ticket)
            if left == 0:
                return failed(dek_id, error)
        except DekNotFoundError:
            return Outcome(dek_id, "gone")
        except KmsError as error:
            return failed(dek_id, error)
        else:
            pace.went_well(ticket)
            return outcome
    raise AssertionError  # the last attempt returns


def failed(dek_id: str, error: KmsError) -> Outcome:
    """What became of a DEK of which the error was raised."""
    clear_locals(error)
    return Outcome(dek_id, "failed", error=error)
