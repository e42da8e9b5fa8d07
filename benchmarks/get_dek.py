"""What kms-core itself costs, as ratios from one run on one machine.

Usage: python benchmarks/get_dek.py

Prints how get_dek of the cluster KMS compares with bare HKDF of `cryptography`, the façade's own
share of a get_dek (memory storage, a KEK that does nothing), what observing adds, and how long
`import kms_core` takes beside `import json` and, where it is installed, `import boto3`.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import timeit
import warnings
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import ExitStack
from statistics import median
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

import kms_core
from kms_core import KekInfo
from kms_core._deks.stored import StoredDeks
from kms_core._events import Observer
from kms_core._plugins.clients import Keyset, bind
from kms_core.backend import BackendConfig, Context, KekSpec, WrappedDek, hookimpl
from kms_core.builtin.log import LogObserver
from kms_core.builtin.memory import MemoryStorage

SECRET = bytes(range(32))
SECONDS, ROUNDS = 0.1, 7


class NoopKek(KekSpec):
    """Wraps nothing, so that what is left is the façade."""

    class Config(BackendConfig):
        """Takes no parameters."""

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:  # noqa: ARG002 -- wraps nothing
        return WrappedDek(dek, "noop", "1", "none")

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:  # noqa: ARG002 -- likewise
        return wrapped.ciphertext

    @hookimpl
    def describe_kek(self) -> KekInfo:
        return KekInfo("noop", "1", "none")

    @hookimpl
    def close(self) -> None:
        return None


def microseconds(call: Callable[[], object]) -> float:
    """The median of several rounds, each the mean of as many calls as fit into it."""
    timer = timeit.Timer(call)
    once = min(timer.repeat(ROUNDS, 1))
    calls = max(1, round(SECONDS / once))
    return median(timer.repeat(ROUNDS, calls)) / calls * 1e6


def open_noop(*observers: Observer) -> kms_core.Kms:
    """A façade with nothing behind it."""
    kek: Any = bind("kms://noop", NoopKek(), "benchmarks", observers)
    memory = MemoryStorage(MemoryStorage.Config())
    storage: Any = bind("storage://memory", memory, "benchmarks", observers)
    return kms_core.Kms(StoredDeks(Keyset([kek]), storage), ExitStack(), observers)


def import_milliseconds(module: str) -> float:
    """The median of fresh interpreters' own account of an import."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {module}"]
    found = []
    for _ in range(ROUNDS):
        trace = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        [total] = re.findall(rf"\| +(\d+) \| {module}$", trace, re.MULTILINE)
        found.append(int(total) / 1000)
    return median(found)


def show(name: str, cost: float, bare: float) -> None:
    """Print one line about get_dek."""
    print(f"get_dek, {name:<24} {cost:6.1f} µs   {cost / bare:5.2f} x bare HKDF")


def main() -> None:
    """Measure and print."""
    warnings.simplefilter("ignore", UserWarning)
    secret = urlsafe_b64encode(SECRET).decode()
    cluster = kms_core.open_kms(f"kms://cluster-kms?key={secret}&salt={secret}")
    bare = microseconds(lambda: HKDF(SHA256(), 32, SECRET, b"volume-42").derive(SECRET))
    derived = microseconds(lambda: cluster.get_dek("volume-42"))
    show("cluster-kms", derived, bare)
    print(f"bare HKDF of cryptography         {bare:6.1f} µs")

    stored = open_noop()
    log = LogObserver(LogObserver.Config())
    observer: Any = bind("observer://log", log, "benchmarks")
    watched = open_noop(observer.hears)
    for kms, name in ((stored, "façade's own share"), (watched, "with observer log")):
        kms.get_dek("volume-42", create=True)
        cost = microseconds(lambda kms=kms: kms.get_dek("volume-42"))  # type: ignore[misc]
        show(name, cost, bare)

    own = import_milliseconds("kms_core")
    print(f"import kms_core   {own:8.1f} ms")
    for peer in ("json", "boto3"):
        if importlib.util.find_spec(peer):
            other = import_milliseconds(peer)
            print(f"import {peer:<11}{other:8.1f} ms   kms_core takes {own / other:.2f} x that")


if __name__ == "__main__":
    main()
