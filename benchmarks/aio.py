"""What awaiting a DEK costs: kms_core.aio against asyncio.to_thread.

The KEK is local and the store is memory, so that what is left is the way into a thread and back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import kms_core.aio
from benchmarks.local import make_key_file
from benchmarks.rounds import Round, Row, compare, take_turns

CALLS, DEK_ID = 200, "volume-42"
BESIDE = "`asyncio.to_thread(kms.get_dek, …)`"


def measure(folder: Path) -> Iterator[Row]:
    """Time, not CPU: most of it is the way between threads."""
    uris = (f"kms://local?keyFile={make_key_file(folder / 'aio.toml')}", "storage://memory")
    with kms_core.open_kms(*uris) as sync, kms_core.open_kms(*uris, cache={"ttl": 3600}) as kept:
        tasks, cached = kms_core.aio.Kms(sync), kms_core.aio.Kms(kept)
        for kms in (sync, kept):
            kms.create_dek(DEK_ID)
            kms.get_dek(DEK_ID)
        with asyncio.Runner() as runner:
            ways: dict[str, Round] = {
                BESIDE: _awaiting(runner, lambda: asyncio.to_thread(sync.get_dek, DEK_ID)),
                "`await kms.get_dek(…)`": _awaiting(runner, lambda: tasks.get_dek(DEK_ID)),
                "the same, cached": _awaiting(runner, lambda: cached.get_dek(DEK_ID)),
            }
            costs = take_turns(ways, CALLS)
    yield from compare("Awaiting a DEK, no KMS behind it", costs, BESIDE, "µs")


def _awaiting(runner: asyncio.Runner, call: Callable[[], Awaitable[bytes]]) -> Round:
    """A round of calls one after the other, in one loop."""

    async def make(calls: int) -> float:
        started = asyncio.get_running_loop().time()
        for _ in range(calls):
            await call()
        return asyncio.get_running_loop().time() - started

    return lambda calls: runner.run(make(calls))
