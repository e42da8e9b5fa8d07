"""What a rewrap of a million DEKs holds in memory, beside one of ten thousand: minutes.

Usage: python -m benchmarks.memory, in the environment that `nox -s bench` made.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.bulk import join, keyset
from kms_core import Bulk
from kms_core._deks.records import Records
from kms_core._plugins.clients import Keyset, StorageClient, bind
from kms_core.backend import StoredRecord, hookimpl
from kms_core.builtin.local.kek import LocalKek
from kms_core.builtin.memory import MemoryStorage

FEW, MANY = 10_000, 1_000_000


class Endless(MemoryStorage):
    """Has as many records as it is told, each made when it is read and dropped when replaced."""

    def __init__(self, count: int, make: Records) -> None:
        super().__init__(MemoryStorage.Config())
        self.count, self.make = count, make

    @hookimpl
    def list_dek_ids(self, prefix: str) -> Iterator[str]:
        return (f"{prefix}{number}" for number in range(self.count))

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        return StoredRecord(self.make.make(dek_id, bytes(32), "2026-01-31T23:59:59Z"), "1")

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:  # noqa: ARG002 -- the hook's signature
        return "2"


def measure_memory() -> None:
    """The most that a process held, after a few DEKs and after many."""
    peaks = {}
    for count in (FEW, MANY):
        command = [sys.executable, "-m", "benchmarks.memory", str(count)]
        seen = subprocess.run(command, capture_output=True, check=True, text=True)
        peaks[count] = int(seen.stdout)
        print(f"{count:9,} DEKs: at most {peaks[count] / 1024:.1f} MiB")
    print(f"memory: {peaks[MANY] / peaks[FEW]:.2f} x")


def rewrap(folder: Path, count: int) -> None:
    """Rewrap, and print the most memory that was held, in KiB."""
    keks = keyset(folder, LocalKek)
    nowhere = bind("storage://memory", MemoryStorage(MemoryStorage.Config()), "a benchmark")
    assert isinstance(nowhere, StorageClient)
    kms = join(keks, Endless(count, Records(Keyset(keks[1:]), nowhere)))
    done = sum(outcome.outcome == "done" for outcome in kms.rewrap_deks(bulk=Bulk(4)))
    assert done == count
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def main(*count: str) -> None:
    """Measure memory and print; with a count, be the process that is measured."""
    warnings.simplefilter("ignore")  # that memory loses its DEKs
    with TemporaryDirectory() as folder:
        if count:
            rewrap(Path(folder), int(count[0]))
        else:
            measure_memory()


if __name__ == "__main__":
    main(*sys.argv[1:])
