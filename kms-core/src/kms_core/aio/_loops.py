"""The one thing that asyncio and trio do each in its own way: to wait for a thread."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any


async def ended(future: Future[Any]) -> None:
    """Wait until a call has ended. Who waits no longer changes nothing about the call."""
    event, soon = _of_the_loop()

    def tell(_: object) -> None:
        with suppress(RuntimeError):  # the loop is closed, so nobody waits
            soon(event.set)

    future.add_done_callback(tell)
    await event.wait()


def _of_the_loop() -> tuple[Any, Callable[[Callable[[], None]], object]]:
    """An event of the loop that runs in this thread, and what has it call from any thread."""
    trio = sys.modules.get("trio")  # whoever runs it has imported it
    if trio is not None and trio.lowlevel.in_trio_run():
        return trio.Event(), trio.lowlevel.current_trio_token().run_sync_soon
    return asyncio.Event(), asyncio.get_running_loop().call_soon_threadsafe
