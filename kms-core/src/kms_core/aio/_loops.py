"""The one thing that asyncio and trio do each in its own way: to wait for a thread."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any


def ended(
    future: Future[Any], events: dict[object, Any] | None = None
) -> Coroutine[Any, Any, object]:
    """Wait until a call has ended. Who waits no longer changes nothing about the call.

    Args:
        future: the call.
        events: what tells the others who wait for it, one for each loop: to tell each task alone
            would hold up the loop where they are many.
    """
    loop, new_event, soon = _of_the_loop()
    events = {} if events is None else events
    event = events.get(loop)
    if event is None:
        event = events[loop] = new_event()
        future.add_done_callback(partial(_tell, soon, event.set))
    waiting: Coroutine[Any, Any, object] = event.wait()
    return waiting


def _tell(
    soon: Callable[[Callable[[], None]], object], tell: Callable[[], None], _: object
) -> None:
    with suppress(RuntimeError):  # the loop is closed, so nobody waits
        soon(tell)


def _of_the_loop() -> tuple[object, Callable[[], Any], Callable[[Callable[[], None]], object]]:
    """The loop that runs in this thread, its kind of event, what has it call from any thread."""
    trio = sys.modules.get("trio")  # whoever runs it has imported it
    if trio is not None:
        with suppress(RuntimeError):  # it does not run here
            token = trio.lowlevel.current_trio_token()
            return token, trio.Event, token.run_sync_soon
    loop = asyncio.get_running_loop()
    return loop, asyncio.Event, loop.call_soon_threadsafe
