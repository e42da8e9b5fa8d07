"""Keeps the client of an SDK safe inside of a library: one for each process, and a quiet log."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from functools import lru_cache
from typing import Generic, TypeVar

ClientT = TypeVar("ClientT")

_muted: ContextVar[bool] = ContextVar("_muted", default=False)

_CREDENTIAL = re.compile(
    r"""(?i)\bbearer\s|(authorization|secret|password|token|private.key|assertion|identity.header)"""
    r"""\w*['"]*\s*[:=>]"""
)
"""The name of a header, field or parameter that may hold a credential, before its value."""


class PerProcess(Generic[ClientT]):
    """A client for each process: one whose connections a fork shares could mix up answers.

    Args:
        open_client: opens a client; called at once, and again in a child after a fork.
        close_client: closes it.
    """

    def __init__(
        self, open_client: Callable[[], ClientT], close_client: Callable[[ClientT], None]
    ) -> None:
        self._open, self._close = open_client, close_client
        self._clients = {os.getpid(): open_client()}

    def get(self) -> ClientT:
        """The client of this process, the same for all its threads."""
        client = self._clients.get(os.getpid())
        return self._open_another() if client is None else client

    def close(self) -> None:
        """Close the client if it is this process's own."""
        client = self._clients.get(os.getpid())
        if client is not None:
            self._close(client)

    def _open_another(self) -> ClientT:
        # No lock: one that a thread of the parent held at the fork would never be released here.
        opened = self._open()
        client = self._clients.setdefault(os.getpid(), opened)
        if client is not opened:
            self._close(opened)
        return client


class mute_logging(AbstractContextManager[None]):  # noqa: N801 -- it is called like a function
    """Around a call of an SDK: drop what this call logs to these loggers, and nothing else.

    For the loggers of an SDK whose debug log holds whole calls, and so DEKs and tokens.

    Args:
        loggers: names of loggers; those below them that there are when the block begins are muted
            too.
        others: the name of the SDK's uppermost logger. It and those below it go on, but in place of
            a traceback, whose local variables a handler may show, they log the error's class. And
            from then on they drop, in every thread, since an SDK may have some of its own, what
            shows a field or a header with a credential.
    """

    # A class, because a generator costs twice that, on the path of every DEK.
    __slots__ = ("_loggers", "_others", "_token")

    def __init__(self, *loggers: str, others: str | None = None) -> None:
        self._loggers, self._others = loggers, others

    def __enter__(self) -> None:
        known = len(logging.root.manager.loggerDict)
        _add_filter(is_not_muted, self._loggers, known)
        if self._others is not None:
            _add_filter(_shows_no_secret, (self._others,), known)
        self._token = _muted.set(True)

    def __exit__(self, *_: object) -> None:
        _muted.reset(self._token)


@lru_cache
def _add_filter(
    condition: Callable[[logging.LogRecord], bool], names: tuple[str, ...], _known: int
) -> None:
    """Filter these and all below them, once: a parent's filter sees no record of a child.

    No logger ever goes, so how many are known tells whether one has come since.
    """
    below = tuple(f"{name}." for name in names)
    known = [*logging.root.manager.loggerDict.items()]
    children = [one for name, one in known if name.startswith(below)]
    for logger in (*map(logging.getLogger, names), *children):
        if isinstance(logger, logging.Logger):  # else only part of a name
            logger.addFilter(condition)  # which adds none twice


def is_not_muted(_record: logging.LogRecord) -> bool:
    """Whether a log record is of no call of an SDK."""
    return not _muted.get()


def _shows_no_secret(record: logging.LogRecord) -> bool:
    if _muted.get() and record.exc_info:
        kind = record.exc_info[0]
        record.exc_info, record.exc_text = None, kind.__qualname__ if kind else None
    args = record.args if isinstance(record.args, tuple) else ()
    # An error among the arguments may say more by str than by repr.
    return not _CREDENTIAL.search(" ".join(map(str, (record.msg, *args, vars(record)))))
