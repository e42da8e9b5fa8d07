"""For backends: what keeps an SDK's client safe inside of a library."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Generic, TypeVar

ClientT = TypeVar("ClientT")

_ours: ContextVar[bool] = ContextVar("_ours", default=False)


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


def hush(*loggers: str) -> None:
    """Make these loggers drop what is logged inside :func:`unlogged`, and nothing else.

    For the loggers of an SDK whose debug log holds whole calls, and so DEKs and tokens.
    """
    for name in loggers:
        logging.getLogger(name).addFilter(_is_not_ours)  # a second time changes nothing


@contextmanager
def unlogged() -> Iterator[None]:
    """Around a call of the SDK: keeps it out of the log of the loggers that are hushed."""
    token = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(token)


def _is_not_ours(_record: logging.LogRecord) -> bool:
    return not _ours.get()
