"""What a read out of the cache costs, and what is felt when entries expire, in one run.

Usage: python benchmarks/cache.py

Prints how a cached get_dek compares with bare HKDF of `cryptography` and with a copy out of a
dict; and of readers while entries expire and while they do not, over a KEK that takes 10 ms: how
many calls the KMS got, and the latency's median, 99.9th percentile and maximum.
"""

from __future__ import annotations

import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from timeit import repeat
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

import kms_core
from kms_core.backend import Context, WrappedDek
from kms_core.builtin.local.kek import LocalKek
from kms_core.builtin.local.key_file import new_key_file

SECRET = bytes(range(32))
TTL, SECONDS, KMS_SECONDS = 0.5, 5.0, 0.010


def microseconds(call: Callable[[], object], number: int = 50_000) -> float:
    """The median of several rounds."""
    return median(repeat(call, number=number, repeat=7)) / number * 1e6


def open_cached(folder: str, ttl: float) -> kms_core.Kms:
    """A local KEK and a store in memory, with a cache."""
    key_file = Path(folder) / "kek.toml"
    if not key_file.exists():
        key_file.touch(mode=0o600)
        key_file.write_text(new_key_file())
    kek = f"kms://local?keyFile={key_file}"
    return kms_core.open_kms(kek, "storage://memory", cache={"ttl": ttl})


def compare(kms: kms_core.Kms) -> None:
    """Print what a hit costs."""
    dek = kms.get_dek("volume-42", create=True)
    kept = {"volume-42": bytearray(dek)}
    hkdf = microseconds(lambda: HKDF(SHA256(), 32, SECRET, b"volume-42").derive(SECRET))
    copy = microseconds(lambda: bytes(kept["volume-42"]))
    hit = microseconds(lambda: kms.get_dek("volume-42"))
    print(f"cached get_dek        {hit:6.2f} µs  {hit / hkdf:5.2f} x bare HKDF")
    print(f"bare HKDF             {hkdf:6.2f} µs")
    print(f"dict lookup and copy  {copy:6.2f} µs")


def watch(kms: kms_core.Kms, threads: int, calls: list[int], what: str) -> None:
    """Print what readers feel: one that only reads, or many that also do something else."""
    kms.get_dek("volume-42", create=True)
    calls.clear()
    latencies: list[float] = []
    end = time.monotonic() + SECONDS

    def read() -> None:
        while time.monotonic() < end:
            before = time.perf_counter()
            kms.get_dek("volume-42")
            latencies.append(time.perf_counter() - before)
            if threads > 1:
                time.sleep(0.0005 * threads)

    readers = [threading.Thread(target=read) for _ in range(threads)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    latencies.sort()
    middle, tail = latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.999)]
    print(
        f"{threads:2} threads, {what:10} {len(latencies):8} reads, {len(calls):2} of the KMS; "
        f"median {middle * 1e6:4.1f} µs, p99.9 {tail * 1e6:6.1f} µs ({tail / middle:5.1f} x), "
        f"at most {latencies[-1] * 1e3:.2f} ms"
    )


def main() -> None:
    """Measure and print."""
    warnings.simplefilter("ignore", UserWarning)
    calls: list[int] = []
    unwrap = LocalKek.unwrap_dek

    def slow_unwrap(self: LocalKek, wrapped: WrappedDek, context: Context) -> bytes:
        calls.append(1)
        time.sleep(KMS_SECONDS)
        return unwrap(self, wrapped, context)

    print(
        f"in {SECONDS:g} s, where entries expire after {TTL:g} s, or not; the KMS takes "
        f"{KMS_SECONDS * 1000:g} ms"
    )
    with tempfile.TemporaryDirectory() as folder:
        with open_cached(folder, 300) as kms:
            compare(kms)
        for threads in (1, 64):
            for ttl, what in ((300.0, "no expiry"), (TTL, "expiry")):
                with open_cached(folder, ttl) as kms:
                    client: Any = kms._deks.kek  # noqa: SLF001 -- a hook below it is slowed down
                    hook = client._hooks.unwrap_dek.get_hookimpls()[0]  # noqa: SLF001 -- likewise
                    hook.function = partial(slow_unwrap, hook.plugin)
                    watch(kms, threads, calls, what)


if __name__ == "__main__":
    main()
