"""Keeps key bytes and credentials out of the local variables that a traceback carries.

Error reporters print the locals of every frame below the caller. What leaves the façade
therefore keeps its line numbers and loses its locals.
"""

from __future__ import annotations

import functools
import gc
import opcode
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_YIELD = opcode.opmap["YIELD_VALUE"]


def error_chain(
    error: BaseException, handled: BaseException | None = None
) -> Iterator[BaseException]:
    """Yield the error and all that led to it, but nothing that led to ``handled``."""
    seen = {id(handled)}
    pending: list[BaseException | None] = [error]
    while pending:
        link = pending.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        pending += (link.__cause__, link.__context__)
        if isinstance(link, BaseExceptionGroup):
            pending += link.exceptions


def clear_locals(error: BaseException, handled: BaseException | None = None) -> None:
    """Clear the locals of all finished frames of the error and of what caused it.

    Args:
        error: what leaves the library.
        handled: what the caller was handling when it called us; its frames are the caller's.
    """
    for link in error_chain(error, handled):
        for frame, _ in traceback.walk_tb(link.__traceback__):
            if not _is_suspended(frame):
                with suppress(RuntimeError):  # it is running
                    frame.clear()


def _is_suspended(frame: FrameType) -> bool:
    """Whether a generator or coroutine waits in this frame; to clear it would end it.

    That happens where a plugin raises one error object twice, and a caller's coroutine has met it
    before. From Python 3.13 such a frame refuses to be cleared (cpython#79932).
    """
    if frame.f_code.co_code[frame.f_lasti] != _YIELD:  # or all objects would be looked through
        return False
    kinds = (GeneratorType, CoroutineType, AsyncGeneratorType)
    return any(type(owner) in kinds for owner in gc.get_referrers(frame))


def without_locals(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate an entry to the library so that no error that leaves it carries locals."""

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        handled = sys.exception()
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            del args, kwargs  # this frame is still running, so it is not among those cleared
            clear_locals(error, handled)
            raise

    return guarded


class IteratorWithoutLocals(Iterator[T]):
    """Guards each step of an iterator as an entry to the library."""

    def __init__(self, iterator: Iterator[T]) -> None:
        self._iterator = iterator

    @without_locals
    def __next__(self) -> T:
        return next(self._iterator)
