"""Keeps DEKs and session tokens out of the SDK's debug log, which holds whole calls and answers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_TALKATIVE = ("botocore.auth", "botocore.endpoint", "botocore.parsers")

_unlogged: ContextVar[bool] = ContextVar("_unlogged", default=False)


def _is_others(_record: logging.LogRecord) -> bool:
    return not _unlogged.get()


def hush() -> None:
    """Make the SDK's loggers drop what is logged during our calls, and only that."""
    for name in _TALKATIVE:
        logging.getLogger(name).addFilter(_is_others)  # adding it twice adds it once


@contextmanager
def unlogged() -> Iterator[None]:
    """Around a call of ours."""
    token = _unlogged.set(True)
    try:
        yield
    finally:
        _unlogged.reset(token)
