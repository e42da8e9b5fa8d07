"""Tells what somebody else raised while a hook ran from what the hook raised itself.

A job queue ends a job that takes too long by an exception: out of a signal handler (Celery, RQ,
``signal.alarm``), or set from another thread by ``PyThreadState_SetAsyncExc`` (RQ's timers). It
comes out of whatever runs at that moment, and is not its failure.
"""

from __future__ import annotations

import dis
import signal
import sys
from collections.abc import Iterator
from types import CodeType

from kms_core._tracebacks import error_chain
from kms_core.errors import KmsError

_NO_HANDLERS = {"kms_core", "pluggy"}
"""Packages none of whose functions handles a signal."""


def find_interrupt(
    error: BaseException, handled: BaseException | None = None
) -> BaseException | None:
    """Return what interrupted the block that raised ``error``, if something did.

    Args:
        error: what came out; it may have been raised from the interrupt.
        handled: what was being handled when the block began, which did not happen in it.
    """
    if _was_set_from_outside(error):
        return error
    foreign = [(e, _foreign_code(e)) for e in error_chain(error, handled)]
    if not any(codes for _, codes in foreign):
        return None  # as where a store says that it has no such record: to look further is slow
    handlers = set(_handlers())
    return next((e for e, codes in foreign if not codes.isdisjoint(handlers)), None)


def _foreign_code(error: BaseException) -> set[CodeType]:
    """The code that the error came through, but for what no program has for a signal handler."""
    codes, step = set(), error.__traceback__
    while step is not None:  # walk_tb() would find each line's number as well
        frame, step = step.tb_frame, step.tb_next
        if _package(frame.f_globals.get("__name__")) not in _NO_HANDLERS:
            codes.add(frame.f_code)
    return codes


def _package(module: object) -> str:
    return str(module).partition(".")[0]


def _handlers() -> Iterator[CodeType]:
    for number in range(1, signal.NSIG):
        handler = signal.getsignal(number)
        if callable(handler):
            function = getattr(handler, "func", handler)  # of a functools.partial
            code = getattr(function, "__code__", None) or getattr(
                type(function).__call__, "__code__", None
            )
            if code is not None:
                yield code


def _was_set_from_outside(error: BaseException) -> bool:
    """Whether another thread set it: of a class from elsewhere, bare, where Python looks for it.

    The class alone was set, so it has no arguments. Native code raises that way as well, but the
    errors of Python, of cryptography and of this library are known.
    """
    package = _package(type(error).__module__)
    if error.args or isinstance(error, KmsError):
        return False
    if package in {"kms_core", "cryptography"} or package in sys.stdlib_module_names:
        return False
    return _last_instruction(error).startswith(("CALL", "JUMP_BACKWARD", "RESUME"))


def _last_instruction(error: BaseException) -> str:
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None:
        return ""
    code = last.tb_frame.f_code.co_code  # of Cython's frames it is empty
    return dis.opname[code[last.tb_lasti]] if 0 <= last.tb_lasti < len(code) else ""
