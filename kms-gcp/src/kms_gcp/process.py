"""One client for each process."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar

ClientT = TypeVar("ClientT")


class PerProcess(Generic[ClientT]):
    """Opens the client again in a child after a fork, where the parent's connections are dead."""

    def __init__(
        self, open_client: Callable[[], ClientT], close_client: Callable[[ClientT], None]
    ) -> None:
        self._open, self._close = open_client, close_client
        self._opened = (os.getpid(), open_client())

    def get(self) -> ClientT:
        """The client of this process."""
        process, client = self._opened
        if process != os.getpid():
            client = self._open()
            self._opened = (os.getpid(), client)
        return client

    def close(self) -> None:
        """Close the client if it is this process's own."""
        process, client = self._opened
        if process == os.getpid():
            self._close(client)
