"""What is felt of a cache: hits beside a peer's, an expiry, and many who ask for a cold DEK."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import kms_core.aio
from benchmarks.local import make_key_file
from benchmarks.rounds import Row, compare, cpu_of, take_turns
from benchmarks.servers import serve_aws
from benchmarks.workers import Environments

DEK_ID, CALLS = "volume-42", 200
TTL, SECONDS, KMS_SECONDS = 5.0, 10.0, 0.010
THREADS, TASKS = 64, 1000
OURS, ESDK, CONFLUENT = "kms-core", "AWS Encryption SDK", "Confluent's client"


@contextmanager
def open_slow(
    folder: Path, seconds: float = KMS_SECONDS, **options: Any
) -> Iterator[tuple[kms_core.Kms, list[int]]]:
    """A KEK that takes its time and counts its unwraps, and a DEK in memory."""
    path = folder / "cache.toml"
    key_file = path if path.exists() else make_key_file(path)
    calls: list[int] = []

    def slow(unwrap: Callable[..., bytes], **arguments: object) -> bytes:
        calls.append(1)
        time.sleep(seconds)
        return unwrap(**arguments)

    with kms_core.open_kms(f"kms://local?keyFile={key_file}", "storage://memory", **options) as kms:
        kms.create_dek(DEK_ID)
        client: Any = kms._deks.kek  # noqa: SLF001 -- a hook below it is slowed down
        hooks = client._hooks  # noqa: SLF001 -- likewise
        hooks.unwrap_dek = partial(slow, hooks.unwrap_dek)
        yield kms, calls


def measure(environments: Environments, folder: Path) -> Iterator[Row]:
    """Hits, expiry, and cold reads."""
    yield from _hits(environments, folder)
    for threads in (1, THREADS):
        yield from _expiry(folder, threads)
    yield from _tasks(folder)
    yield from _cold(folder)


def _hits(environments: Environments, folder: Path) -> Iterator[Row]:
    """The peers open 32 bytes with what their caches keep; we return the DEK, and open with it."""
    with serve_aws(folder) as place, open_slow(folder, cache={"ttl": 3600}) as (kms, _):
        start = partial(environments.start, settings=place.settings, variables=place.variables)
        with start("esdk", "esdk") as esdk, start("confluent", "confluent") as confluent:
            rounds = {
                OURS: cpu_of(lambda: kms.get_dek(DEK_ID)),
                f"{ESDK}, hierarchical keyring": esdk.round_of("cached"),
                CONFLUENT: confluent.round_of("cached"),
            }
            costs = take_turns(rounds, CALLS)
    yield from compare("A read from the cache", costs, OURS, "µs")


def _expiry(folder: Path, threads: int) -> Iterator[Row]:
    """What an expiry adds to the latency: the same threads read a dict and two caches in turn."""
    question = f"Expiry every {TTL:g} s; the KMS takes {KMS_SECONDS * 1000:g} ms"
    readers = f"{threads} thread{'s' * (threads > 1)}"
    with (
        open_slow(folder, cache={"ttl": 3600}) as (kept, _),
        open_slow(folder, cache={"ttl": TTL}) as (expiring, calls),
    ):
        deks = {DEK_ID: bytearray(kept.get_dek(DEK_ID))}
        expiring.get_dek(DEK_ID)
        calls.clear()
        found = _read_for_a_while(
            {
                "a dict and a copy": lambda: bytes(deks[DEK_ID]),
                "no expiry": lambda: kept.get_dek(DEK_ID),
                "expiry": lambda: expiring.get_dek(DEK_ID),
            },
            threads,
        )
        count = len(calls)
    for what, latencies in found.items():
        middle, tail = latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.999)]
        aim = "≤ 3" if what == "expiry" else ""
        who = f"{readers}, {what}: p99.9, beside its median"
        yield Row(question, who, tail * 1e6, "µs", tail / middle, "its median", aim)
    who = f"{readers}: calls for each TTL"
    yield Row(question, who, count * TTL / SECONDS, "calls", aim="≤ 1")


def _read_for_a_while(
    ways: dict[str, Callable[[], object]], threads: int
) -> dict[str, list[float]]:
    """The seconds of each read, sorted; of many threads each does also something else."""
    latencies: dict[str, list[float]] = {way: [] for way in ways}
    end = time.monotonic() + SECONDS

    def run() -> None:
        for way, read in cycle(ways.items()):
            before = time.perf_counter()
            read()
            latencies[way].append(time.perf_counter() - before)
            if threads > 1:
                time.sleep(0.0005 * threads)
            if time.monotonic() > end:
                return

    readers = [threading.Thread(target=run) for _ in range(threads)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return {way: sorted(each) for way, each in latencies.items()}


def _tasks(folder: Path) -> Iterator[Row]:
    """Calls of the KMS while many tasks go on to ask."""
    with open_slow(folder, cache={"ttl": TTL}) as (kms, calls):
        kms.get_dek(DEK_ID)
        calls.clear()

        async def ask(tasks: kms_core.aio.Kms, end: float) -> None:
            while time.monotonic() < end:
                await tasks.get_dek(DEK_ID)
                await asyncio.sleep(0.0005 * TASKS)

        async def run() -> None:
            tasks, end = kms_core.aio.Kms(kms), time.monotonic() + SECONDS
            await asyncio.gather(*(ask(tasks, end) for _ in range(TASKS)))

        asyncio.run(run())
        question = f"Expiry every {TTL:g} s; the KMS takes {KMS_SECONDS * 1000:g} ms"
        who = f"{TASKS} tasks: calls for each TTL"
        yield Row(question, who, len(calls) * TTL / SECONDS, "calls", aim="≤ 1")


def _cold(folder: Path) -> Iterator[Row]:
    """Calls of the KMS and CPU when many ask at once for a DEK that is not there yet."""
    for who, ask in ((f"{THREADS} threads", _in_threads), (f"{TASKS} tasks", _in_tasks)):
        with open_slow(folder, cache={"ttl": 3600}) as (kms, calls):
            kms.forget_dek(DEK_ID)
            calls.clear()
            started = time.process_time()
            ask(kms)
            cpu = time.process_time() - started
        question = "Many ask at once for one cold DEK"
        yield Row(question, f"{who}: calls of the KMS", len(calls), "calls", aim="≤ 1")
        yield Row(question, f"{who}: CPU of all", cpu * 1000, "ms")


def _in_threads(kms: kms_core.Kms) -> None:
    threads = [threading.Thread(target=kms.get_dek, args=(DEK_ID,)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _in_tasks(kms: kms_core.Kms) -> None:
    async def run() -> None:
        tasks = kms_core.aio.Kms(kms)
        await asyncio.gather(*(tasks.get_dek(DEK_ID) for _ in range(TASKS)))

    asyncio.run(run())
