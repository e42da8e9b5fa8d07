"""What a rewrap of many DEKs costs: time against the ideal, refusals, CPU, workers of Dask."""

from __future__ import annotations

import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from hashlib import sha256
from itertools import islice
from pathlib import Path
from threading import Lock

from distributed import LocalCluster
from kms_benchmarks_slow import LATENCY, SlowKek

import kms_core
from benchmarks.local import make_key_file
from benchmarks.rounds import Costs, Row, compare
from kms_core import Bulk, Kms, ThrottledError
from kms_core._deks.record import decode_record
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
from kms_core.builtin.memory import MemoryStorage
from tests.aws.cloud import Cloud
from tests.fakes.aws.servers import start_moto

CALLS = 5  # load, unwrap, wrap, unwrap, replace
OF_EACH = 40  # DEKs for each that is under way at once
QUOTA_DEKS, SETTLED_AFTER = 2000, 500
EACH, TIMES = 10, 9  # DEKs of a round, and rounds
DASK_DEKS, DASK_CONCURRENCY = 1600, 8


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


def keyset(folder: Path, kind: type[LocalKek]) -> list[KekClient]:
    """Two KEKs, each with a client: a new one, and the old one that wrapped."""
    keks = []
    for name in ("new", "old"):
        path = make_key_file(folder / f"{name}.toml")
        client = bind("kms://local", kind(kind.Config(key_file=path)), "a benchmark")
        assert isinstance(client, KekClient)
        keks.append(client)
    return keks


def join(keks: list[KekClient], storage: MemoryStorage) -> Kms:
    """A façade over backends that no distribution registers."""
    store = bind("storage://memory", storage, "a benchmark")
    assert isinstance(store, StorageClient)
    return Kms(StoredDeks(Keyset(keks), store), ExitStack())


def measure(folder: Path) -> Iterator[Row]:
    """All but memory, which takes minutes."""
    for part in (measure_time, measure_quota, measure_cpu, measure_dask):
        (within := folder / part.__name__).mkdir()
        yield from part(within)


def measure_time(folder: Path) -> Iterator[Row]:
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
        question = f"Rewrap, {LATENCY * 1000:g} ms a call, beside threads that only wait"
        who, share = f"{concurrency} at once", ideal / seconds
        yield Row(question, who, count / seconds, "DEKs/s", share, "only waiting", "≥ 0.9")


def _only_waiting(count: int, concurrency: int) -> float:
    """Seconds of as many threads that do nothing but wait as long as the calls take."""

    def wait(_: int) -> None:
        for _call in range(CALLS):
            time.sleep(LATENCY)

    started = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as executor:
        list(executor.map(wait, range(count)))
    return time.perf_counter() - started


def measure_quota(folder: Path) -> Iterator[Row]:
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
    question = f"Rewrap at a KMS that admits {Metered.rate:g} wraps a second"
    yield Row(question, "refused, once settled", refused / asked * 100, "%", aim="≤ 1")
    yield Row(question, "of the quota used", reached / Metered.rate * 100, "%")


def measure_cpu(_: Path) -> Iterator[Row]:
    """CPU of this process for each DEK, beside the same five calls of bare boto3."""
    with start_moto() as server:
        cloud = Cloud(server)
        bucket, old, new = cloud.make_bucket(), cloud.make_key(), cloud.make_key()
        storage = {"backend": "aws", "bucket": bucket, **cloud.parameters}
        keks = [{"backend": "aws", "keyName": key, **cloud.parameters} for key in (new, old)]
        with kms_core.open_kms(keks[1], storage) as kms:
            for number in range(EACH * TIMES * 2 + 2):
                kms.create_dek(str(number))
        with kms_core.open_kms(keks, storage) as kms:
            costs = _costs(kms, bare_rewrap(cloud, bucket, old, new))
    question, aims = "Rewrap on AWS, CPU for each DEK", {"kms-core": "≤ 1.15"}
    yield from compare(question, costs, "boto3", "ms", aims)


def _costs(kms: Kms, bare: Callable[[str], None]) -> Costs:
    """Each DEK is rewrapped by the one or by the other."""
    kms.rewrap_dek("0")
    bare("1")
    found: dict[str, list[float]] = {"boto3": [], "kms-core": []}
    numbers = iter(range(2, EACH * TIMES * 2 + 2))
    for _ in range(TIMES):
        started = time.process_time()
        for dek_id in map(str, islice(numbers, EACH)):
            bare(dek_id)
        between = time.process_time()
        for outcome in kms.rewrap_deks(dek_ids=map(str, islice(numbers, EACH)), bulk=Bulk(1)):
            assert outcome.outcome == "done", outcome
        found["boto3"].append((between - started) / EACH)
        found["kms-core"].append((time.process_time() - between) / EACH)
    return found


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


def measure_dask(folder: Path) -> Iterator[Row]:
    """How much faster two workers are than one, where each call only waits."""
    keyset(folder, LocalKek)
    new, old = (f"kms://slow?keyFile={folder}/{name}.toml" for name in ("new", "old"))
    storage = f"storage://slow?path={folder}/deks&createFolder=true"
    config = folder / "kms.toml"
    config.write_text(f'kek = ["{new}", "{old}"]\nstorage = "{storage}"\n')
    one, two = (_rewrap_on(workers, config, old, storage) for workers in (1, 2))
    question = f"Rewrap by Dask, {LATENCY * 1000:g} ms a call"
    yield Row(question, "1 worker", DASK_DEKS / one, "DEKs/s", 1.0, "1 worker")
    yield Row(question, "2 workers", DASK_DEKS / two, "DEKs/s", one / two, "1 worker", "≥ 1.8")


def _rewrap_on(workers: int, config: Path, old: str, storage: str) -> float:
    """Make new DEKs, and rewrap them; return the seconds of the latter."""
    dek_ids, bulk = [str(number) for number in range(DASK_DEKS)], Bulk(DASK_CONCURRENCY)
    with kms_core.open_kms(old, storage) as kms, ThreadPoolExecutor(64) as executor:
        list(executor.map(kms.delete_dek, list(kms.list_dek_ids())))
        list(executor.map(kms.create_dek, dek_ids))
    with LocalCluster(  # type: ignore[no-untyped-call] # it lacks types
        n_workers=workers,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        local_directory=str(config.parent),
    ) as cluster:
        named = (str(config), None)
        rewrap = partial(rewrap_on_dask, cluster.scheduler_address, named, bulk=bulk)
        list(rewrap(dek_ids=[]))  # it has imported all
        started = time.perf_counter()
        outcomes = Counter(outcome.outcome for outcome in rewrap(dek_ids=dek_ids))
        assert outcomes == {"done": DASK_DEKS}, outcomes
        return time.perf_counter() - started
