"""What leaves core in place of what a backend raised."""

from __future__ import annotations

from collections.abc import Callable

from kms_core._causes import hide_foreign_errors
from kms_core._interrupts import find_interrupt
from kms_core.errors import KmsError


def find_failure(
    error: Exception,
    handled: BaseException | None,
    when: str,
    broken: Callable[[str], KmsError],
) -> BaseException:
    """Return what to raise of an error: an interrupt as it is, and else an error of ours.

    Args:
        error: what came out of the backend.
        handled: what was being handled when the backend was called.
        when: ends the phrase "it raised X", with a space before it.
        broken: makes the error of a problem that is the backend's mistake.
    """
    interrupt = find_interrupt(error, handled)
    if interrupt is not None:
        return interrupt
    if isinstance(error, KmsError):
        failure = error
    else:
        failure = broken(f"it raised {type(error).__name__}{when}, which is not a KmsError")
        failure.__cause__ = error
    hide_foreign_errors(failure, handled)
    return failure
