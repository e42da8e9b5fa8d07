"""How long a loop is held up while a thousand tasks await DEKs of a KMS that takes its time.

A round is what the loop does between two looks for news: nothing else runs meanwhile. Its cost is
CPU of the loop's thread, for on a busy machine each round takes long. What as many tasks cost that
wait for an event of the loop's own is told apart.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

import trio

import kms_core.aio
from benchmarks.cache import DEK_ID, TASKS, open_slow
from benchmarks.rounds import Row

SECONDS, TIMES = 0.3, 5

Ask: TypeAlias = Callable[[Any], Awaitable[object]]
"""What each task does; it gets an event that is set after SECONDS."""


class Rounds(trio.abc.Instrument):
    """Seconds of CPU of each round."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._began = time.thread_time()

    def before_io_wait(self, timeout: float | None) -> None:  # noqa: ARG002 -- trio's signature
        """A round ends."""
        self.seconds.append(time.thread_time() - self._began)

    def after_io_wait(self, timeout: float | None) -> None:  # noqa: ARG002 -- likewise
        """A round begins."""
        self._began = time.thread_time()


class _Selector(selectors.DefaultSelector):
    def __init__(self, rounds: Rounds) -> None:
        super().__init__()
        self._rounds = rounds

    def select(self, timeout: float | None = None) -> Any:
        self._rounds.before_io_wait(timeout)
        found = super().select(timeout)
        self._rounds.after_io_wait(timeout)
        return found


def measure(folder: Path) -> Iterator[Row]:
    """How much longer the longest round is with kms-core than with an event."""
    question = (
        f"The longest round of a loop with {TASKS} tasks that await one DEK, beyond an event's"
    )
    with open_slow(folder, SECONDS) as (sync, _):
        kms = kms_core.aio.Kms(sync)

        async def ask(_event: object) -> None:
            await kms.get_dek(DEK_ID)

        for run in (in_asyncio, in_trio):
            for cancelled in (False, True):
                events = [run(wait, cancelled=cancelled) * 1000 for _ in range(TIMES)]
                ours = [run(ask, cancelled=cancelled) * 1000 for _ in range(TIMES)]
                who = f"{run.__name__[3:]}: they {'are cancelled' if cancelled else 'get a DEK'}"
                more = median(ours) - median(events)
                yield Row(question, who, more, "ms", aim="≤ 5")


async def wait(event: Any) -> None:
    """Wait for an event of the loop."""
    await event.wait()


def in_asyncio(ask: Ask, *, cancelled: bool) -> float:
    """The longest round under asyncio."""
    rounds = Rounds()

    async def main() -> None:
        event = asyncio.Event()
        tasks = [asyncio.ensure_future(ask(event)) for _ in range(TASKS)]
        await asyncio.sleep(0)
        rounds.seconds.clear()  # to make the tasks is not what is measured
        await asyncio.sleep(SECONDS / (3 if cancelled else 1))
        for task in tasks if cancelled else ():
            task.cancel()
        event.set()
        await asyncio.wait(tasks)

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(_Selector(rounds))) as loop:
        loop.run(main())
    return max(rounds.seconds)


def in_trio(ask: Ask, *, cancelled: bool) -> float:
    """The longest round under trio."""
    rounds = Rounds()

    async def main() -> None:
        event = trio.Event()
        async with trio.open_nursery() as nursery:
            for _ in range(TASKS):
                nursery.start_soon(ask, event)
            await trio.lowlevel.checkpoint()
            rounds.seconds.clear()
            await trio.sleep(SECONDS / (3 if cancelled else 1))
            if cancelled:
                nursery.cancel_scope.cancel()
            event.set()

    trio.run(main, instruments=[rounds])
    return max(rounds.seconds)
