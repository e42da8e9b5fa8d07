"""What awaiting a DEK costs, in one run: kms_core.aio against asyncio.to_thread.

Usage: python benchmarks/aio.py

The KEK is local and the store is memory, so that what is left is the way into a thread and back.
"""

from __future__ import annotations

import asyncio
import tempfile
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import kms_core.aio
from kms_core.builtin.local.key_file import new_key_file

CALLS, ROUNDS = 1000, 9


async def per_call(call: Callable[[], Awaitable[bytes]]) -> float:
    """Seconds of a call, the median of some rounds."""
    rounds = []
    for _ in range(ROUNDS):
        started = perf_counter()
        for _ in range(CALLS):
            await call()
        rounds.append((perf_counter() - started) / CALLS)
    return median(rounds)


async def plain(kms: kms_core.Kms) -> bytes:
    """A call that holds the loop up."""
    return kms.get_dek("a")


async def measure(kek: str) -> None:
    """Print a line for each way."""
    uris = (kek, "storage://memory")
    with kms_core.open_kms(*uris) as sync, kms_core.open_kms(*uris, cache={"ttl": 3600}) as kept:
        tasks, cached = kms_core.aio.Kms(sync), kms_core.aio.Kms(kept)
        for kms in (sync, kept):
            kms.create_dek("a")
            kms.get_dek("a")
        ways: dict[str, Callable[[], Awaitable[bytes]]] = {
            "get_dek, which holds the loop up": lambda: plain(sync),
            "asyncio.to_thread(kms.get_dek)": lambda: asyncio.to_thread(sync.get_dek, "a"),
            "kms_core.aio": lambda: tasks.get_dek("a"),
            "asyncio.to_thread(kms.get_dek), cached": lambda: asyncio.to_thread(kept.get_dek, "a"),
            "kms_core.aio, cached": lambda: cached.get_dek("a"),
        }
        for name, call in ways.items():
            print(f"{await per_call(call) * 1e6:8.1f} µs  {name}")
        await cached.close()
        await tasks.close()


def main() -> None:
    """Measure with a KEK of its own."""
    warnings.simplefilter("ignore", UserWarning)  # of storage://memory
    with tempfile.TemporaryDirectory() as folder:
        key_file = Path(folder, "kek.toml")
        key_file.touch(mode=0o600)
        key_file.write_text(new_key_file())
        asyncio.run(measure(f"kms://local?keyFile={key_file}"))


if __name__ == "__main__":
    main()
