"""What a rewrap of many DEKs costs: time against the ideal, refusals, CPU, memory.

Usage: python -m benchmarks.bulk [time|quota|cpu|dask|memory], with the dependency groups `servers`
and `test` installed. `memory` takes minutes: it rewraps a million DEKs.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
import warnings
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from hashlib import sha256
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Lock

from distributed import LocalCluster

import kms_core
from kms_core import Bulk, Kms, ThrottledError
from kms_core._deks.record import decode_record
from kms_core._deks.records import Records
from kms_core._deks.stored import StoredDeks
from kms_core._on_dask import rewrap_on_dask
from kms_core._plugins.clients import KekClient, Keyset, StorageClient, bind
from kms_core.backend import (
    Context,
    StoredRecord,
    WrappedDek,
    encode_object_name,
    hookimpl,
)
from kms_core.builtin.local.kek import LocalKek
from kms_core.builtin.local.key_file import new_key_file
from kms_core.builtin.memory import MemoryStorage
from tests.aws.cloud import Cloud
from tests.fakes.aws.servers import start_moto

LATENCY, CALLS = 0.02, 5  # seconds of each call; load, unwrap, wrap, unwrap, replace
OF_EACH = 40  # DEKs for each that is under way at once
FEW, MANY = 10_000, 1_000_000
ROUNDS = 200
QUOTA_DEKS, SETTLED_AFTER = 6000, 500
DASK_DEKS = 8000


class SlowKek(LocalKek):
    """Takes its time."""

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        time.sleep(LATENCY)
        return LocalKek.wrap_dek(self, dek, context)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        time.sleep(LATENCY)
        return LocalKek.unwrap_dek(self, wrapped, context)


class Metered(LocalKek):
    """Has a quota of wraps: a bucket of tokens that fills at a rate."""

    rate, size = 100.0, 20.0

    def __init__(self, config: LocalKek.Config) -> None:
        super().__init__(config)
        self.lock, self.tokens, self.seen = Lock(), self.size, time.monotonic()
        self.asked = self.refused = 0

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        time.sleep(LATENCY)
        with self.lock:
            now = time.monotonic()
            self.tokens = min(self.size, self.tokens + (now - self.seen) * self.rate)
            self.seen = now
            self.asked += 1
            if self.tokens < 1:
                self.refused += 1
                raise ThrottledError("too many")
            self.tokens -= 1
        return LocalKek.wrap_dek(self, dek, context)


class SlowStorage(MemoryStorage):
    """Takes its time."""

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        time.sleep(LATENCY)
        return MemoryStorage.load_record(self, dek_id)

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        time.sleep(LATENCY)
        return MemoryStorage.replace_record(self, dek_id, data, revision)


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


def keyset(folder: Path, kind: type[LocalKek]) -> list[KekClient]:
    """Two KEKs, each with a client: a new one, and the old one that wrapped."""
    keks = []
    for name in ("new", "old"):
        path = folder / f"{name}.toml"
        path.touch(mode=0o600)
        path.write_text(new_key_file())
        client = bind("kms://local", kind(kind.Config(key_file=path)), "a benchmark")
        assert isinstance(client, KekClient)
        keks.append(client)
    return keks


def join(keks: list[KekClient], storage: MemoryStorage) -> Kms:
    """A façade over backends that no distribution registers."""
    store = bind("storage://memory", storage, "a benchmark")
    assert isinstance(store, StorageClient)
    return Kms(StoredDeks(Keyset(keks), store), ExitStack())


def measure_time(folder: Path) -> None:
    """How near a run comes to threads that only wait."""
    keks = keyset(folder, SlowKek)
    for concurrency in (1, 16, 64):
        storage, count = SlowStorage(MemoryStorage.Config()), OF_EACH * concurrency
        old = join(keks[1:], storage)
        list(ThreadPoolExecutor(64).map(old.create_dek, map(str, range(count))))
        kms, started = join(keks, storage), time.perf_counter()
        outcomes = Counter(o.outcome for o in kms.rewrap_deks(bulk=Bulk(concurrency)))
        seconds = time.perf_counter() - started
        assert outcomes == {"done": count}, outcomes
        ideal = _only_waiting(count, concurrency)
        print(
            f"{concurrency:3} at once: {count / seconds:6.1f} DEKs/s, {ideal / seconds:.2f} ideal"
        )


def _only_waiting(count: int, concurrency: int) -> float:
    """Seconds of as many threads that do nothing but wait as long as the calls take."""

    def wait(_: int) -> None:
        for _call in range(CALLS):
            time.sleep(LATENCY)

    started = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as executor:
        list(executor.map(wait, range(count)))
    return time.perf_counter() - started


def measure_quota(folder: Path) -> None:
    """How often a service with a quota that nobody told refuses, once a run has settled."""
    keks, storage = keyset(folder, LocalKek), MemoryStorage(MemoryStorage.Config())
    old = join(keks[1:], storage)
    for number in range(QUOTA_DEKS):
        old.create_dek(str(number))
    metered = Metered(LocalKek.Config(key_file=folder / "new.toml"))
    client = bind("kms://local", metered, "a benchmark")
    assert isinstance(client, KekClient)
    settled = (0, 0, 0.0)
    kms = join([client, keks[1]], storage)
    for number, outcome in enumerate(kms.rewrap_deks(bulk=Bulk(64))):
        assert outcome.outcome == "done", outcome
        if number == SETTLED_AFTER:
            settled = (metered.asked, metered.refused, time.perf_counter())
    asked, refused = metered.asked - settled[0], metered.refused - settled[1]
    reached = asked / (time.perf_counter() - settled[2])
    print(f"quota: {refused / asked:.2%} refused, at {reached / Metered.rate:.0%} of the quota")


def measure_cpu() -> None:
    """CPU of this process for each DEK, beside the same five calls of bare boto3."""
    with start_moto() as server:
        cloud = Cloud(server)
        bucket, old, new = cloud.make_bucket(), cloud.make_key(), cloud.make_key()
        storage = {"backend": "aws", "bucket": bucket, **cloud.parameters}
        keks = [{"backend": "aws", "keyName": key, **cloud.parameters} for key in (new, old)]
        with kms_core.open_kms(keks[1], storage) as kms:
            for number in range(ROUNDS * 2):
                kms.create_dek(str(number))
        ours, theirs = [], []
        with kms_core.open_kms(keks, storage) as kms:
            bare = bare_rewrap(cloud, bucket, old, new)
            kms.rewrap_dek("0")
            bare("1")
            for number in range(2, ROUNDS * 2, 20):
                ids = [str(n) for n in range(number, number + 20) if n < ROUNDS * 2]
                started = time.process_time()
                for outcome in kms.rewrap_deks(dek_ids=ids[::2], bulk=Bulk(1)):
                    assert outcome.outcome == "done", outcome
                between = time.process_time()
                for dek_id in ids[1::2]:
                    bare(dek_id)
                ours.append(between - started)
                theirs.append(time.process_time() - between)
    ratio = median(one / other for one, other in zip(ours, theirs, strict=True))
    print(f"CPU for each DEK: {ratio:.3f} x bare boto3")


def bare_rewrap(cloud: Cloud, bucket: str, old: str, new: str) -> Callable[[str], None]:
    """The same five calls by boto3 alone."""
    s3, kms = cloud.admin("s3"), cloud.admin("kms")

    def rewrap(dek_id: str) -> None:
        name = encode_object_name(dek_id)
        found = s3.get_object(Bucket=bucket, Key=name)
        record = decode_record(found["Body"].read(), dek_id)
        context = dict(record.context)
        ciphertext = record.wrapped_dek[32:]  # behind the commitment
        bound = kms.decrypt(KeyId=old, CiphertextBlob=ciphertext, EncryptionContext=context)
        dek = bound["Plaintext"]
        again = kms.encrypt(KeyId=new, Plaintext=dek, EncryptionContext=context)["CiphertextBlob"]
        proof = kms.decrypt(KeyId=new, CiphertextBlob=again, EncryptionContext=context)
        assert proof["Plaintext"] == dek
        s3.put_object(
            Bucket=bucket,
            Key=name,
            Body=record.encode(),
            IfMatch=found["ETag"],
            ContentType="application/json",
            ChecksumSHA256=b64encode(sha256(record.encode()).digest()).decode(),
        )

    return rewrap


def measure_dask(folder: Path) -> None:
    """How much faster two workers are than one, on files of this machine."""
    keyset(folder, LocalKek)
    new, old = (f"kms://local?keyFile={folder}/{name}.toml" for name in ("new", "old"))
    storage = f"storage://file?path={folder}/deks&createFolder=true"
    config = folder / "kms.toml"
    config.write_text(f'kek = ["{new}", "{old}"]\nstorage = "{storage}"\n')
    one, two = (_rewrap_on(workers, config, old, storage) for workers in (1, 2))
    print(f"Dask: two workers are {one / two:.2f} x as fast as one")


def _rewrap_on(workers: int, config: Path, old: str, storage: str) -> float:
    """Make new DEKs, and rewrap them; return the seconds of the latter."""
    dek_ids = [str(number) for number in range(DASK_DEKS)]
    with kms_core.open_kms(old, storage) as kms:
        for dek_id in list(kms.list_dek_ids()):
            kms.delete_dek(dek_id)
        for dek_id in dek_ids:
            kms.create_dek(dek_id)
    with LocalCluster(  # type: ignore[no-untyped-call] # it lacks types
        n_workers=workers,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        local_directory=str(config.parent),
    ) as cluster:
        rewrap = partial(
            rewrap_on_dask, cluster.scheduler_address, (str(config), None), bulk=Bulk(1)
        )
        list(rewrap(dek_ids=[]))  # it has imported all
        started = time.perf_counter()
        outcomes = Counter(outcome.outcome for outcome in rewrap(dek_ids=dek_ids))
        assert outcomes == {"done": DASK_DEKS}, outcomes
        return time.perf_counter() - started


def measure_memory() -> None:
    """The most that a process held, after a few DEKs and after many."""
    peaks = {}
    for count in (FEW, MANY):
        command = [sys.executable, "-m", "benchmarks.bulk", "rewrap", str(count)]
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


def main(what: str, *more: str) -> None:
    """Measure and print."""
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    warnings.simplefilter("ignore")  # that memory loses its DEKs
    with TemporaryDirectory() as folder:
        if what == "rewrap":
            rewrap(Path(folder), int(more[0]))
        if what in {"time", "all"}:
            measure_time(Path(folder))
        if what in {"quota", "all"}:
            measure_quota(Path(folder))
        if what in {"cpu", "all"}:
            measure_cpu()
        if what in {"dask", "all"}:
            measure_dask(Path(folder))
        if what in {"memory", "all"}:
            measure_memory()


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["all"]))
