"""Many DEKs: each has an outcome, memory is flat, and a throttled service slows all down."""

from __future__ import annotations

import gc
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import kms_core
from kms_core import Bulk, Kms
from kms_core._deks import pace
from kms_core._deks.bulk import in_threads, run_each
from kms_core._deks.pace import Pace
from kms_core.backend import Context, WrappedDek, hookimpl
from kms_core.builtin.local.kek import LocalKek
from tests.core.conftest import FaultyKek, FaultyStorage
from tests.core.test_upkeep import Raising, rotate

IDS = [f"volume-{number}" for number in range(100)]
Open = Callable[..., Kms]


@pytest.fixture
def deks(kms: Kms) -> dict[str, bytes]:
    return {dek_id: kms.create_dek(dek_id) for dek_id in IDS}


@pytest.fixture
def newer(key_file: Path) -> FaultyKek:
    rotate(key_file)
    return FaultyKek(LocalKek.Config(key_file=key_file))


def count(outcomes: Iterator[kms_core.Outcome]) -> Counter[str]:
    return Counter(outcome.outcome for outcome in outcomes)


def test_all_are_rewrapped_once(
    deks: dict[str, bytes], newer: FaultyKek, storage: FaultyStorage, open_with: Open
) -> None:
    kms = open_with(newer, storage)
    assert count(kms.rewrap_deks(dry_run=True)) == {"done": 100}
    assert newer.wraps == 0
    assert count(kms.rewrap_deks("volume-1")) == {"done": 11}
    assert count(kms.rewrap_deks(only_kek_version="1")) == {"done": 89, "unchanged": 11}
    assert count(kms.rewrap_deks()) == {"unchanged": 100}
    assert {dek_id: kms.get_dek(dek_id) for dek_id in IDS} == deks
    assert {o.dek.kek_version for o in kms.describe_deks() if o.dek} == {"2"}


def test_only_older_ones(
    deks: dict[str, bytes], newer: FaultyKek, storage: FaultyStorage, open_with: Open
) -> None:
    kms = open_with(newer, storage)
    assert count(kms.rewrap_deks(older_than=timedelta(days=1))) == {"unchanged": 100}
    assert count(kms.rewrap_deks(older_than=timedelta(seconds=-2))) == {"done": 100}


def test_one_that_fails_stops_no_other(
    deks: dict[str, bytes], newer: FaultyKek, storage: FaultyStorage, open_with: Open
) -> None:
    kms = open_with(newer, storage)
    storage.create_record("other", b"no record")
    storage.before_load.append(Raising(kms_core.DekNotFoundError()))
    outcomes = list(kms.rewrap_deks(bulk=Bulk(concurrency=1)))
    assert count(iter(outcomes)) == {"done": 99, "failed": 1, "gone": 1}
    [failed] = [outcome for outcome in outcomes if outcome.outcome == "failed"]
    assert failed.dek_id == "other"
    assert isinstance(failed.error, kms_core.RecordError)
    trace = failed.error.__traceback__
    while trace is not None:
        assert "data" not in trace.tb_frame.f_locals
        trace = trace.tb_next


def test_who_stops_early_leaves_nothing_behind(
    deks: dict[str, bytes], newer: FaultyKek, storage: FaultyStorage, open_with: Open
) -> None:
    kms, before = open_with(newer, storage), {*threading.enumerate()}
    for _ in kms.rewrap_deks(bulk=Bulk(concurrency=4)):
        break
    gc.collect()
    assert {*threading.enumerate()} <= before, "others' may end meanwhile"
    assert newer.wraps <= 1 + 2 * 4
    assert {dek_id: kms.get_dek(dek_id) for dek_id in IDS} == deks


def test_some_ids_without_a_listing(deks: dict[str, bytes], kms: Kms) -> None:
    outcomes = list(kms.describe_deks("volume-", dek_ids=["volume-7", "none", "volume-none"]))
    assert {o.dek_id: o.outcome for o in outcomes} == {"volume-7": "done", "volume-none": "gone"}


def test_an_executor_of_the_caller(deks: dict[str, bytes], kms: Kms) -> None:
    with ThreadPoolExecutor(2, "mine") as executor:
        assert count(kms.describe_deks(bulk=Bulk(executor=executor))) == {"done": 100}
        assert executor.submit(lambda: threading.current_thread().name).result()[:4] == "mine"


def test_items_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1_000_000):
            taken.append(number)
            yield number

    with ThreadPoolExecutor(4) as executor:
        results = run_each(items(), in_threads(executor, lambda number: -number), 8)
        assert {next(results) for _ in range(100)} <= {-number for number in taken}
        assert len(taken) <= 108
        results.close()  # type: ignore[attr-defined] # it is a generator


def test_the_callers_context_is_seen() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="")
    variable.set("seen")
    with ThreadPoolExecutor(2) as executor:
        see = in_threads(executor, lambda _: variable.get())
        assert set(run_each(range(10), see, 4)) == {"seen"}


@pytest.mark.parametrize(
    "wrong", [{"concurrency": 0}, {"rate": 0}, {"rate": -1.0}], ids=lambda wrong: next(iter(wrong))
)
def test_what_is_no_way_to_run(wrong: Any) -> None:
    with pytest.raises(kms_core.ConfigError):
        Bulk(**wrong)


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pace, "time", clock)
    return clock


def test_a_rate_is_kept(clock: Clock) -> None:
    pace = Pace(20)
    for _ in range(101):
        pace.went_well(pace.wait())
    assert clock.now == pytest.approx(105)


def test_a_refusal_slows_all_down_once(clock: Clock) -> None:
    pace = Pace(100)
    tickets = [pace.wait() for _ in range(50)]
    for ticket in tickets:
        pace.went_well(ticket)
    for ticket in tickets:  # all of them had begun before anybody knew
        pace.slow_down(ticket)
    before = clock.now
    for _ in range(81):
        pace.wait()
    assert clock.now - before == pytest.approx(1 + 80 / 80, rel=0.1)


class Bucket(FaultyKek):
    """A KMS with a quota: a bucket of tokens that fills at a rate, in the clock's time."""

    clock: Clock
    rate, size = 50.0, 10.0

    def __init__(self, config: LocalKek.Config) -> None:
        super().__init__(config)
        self.tokens, self.seen = self.size, 0.0
        self.asked = self.refused = 0

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        self.asked += 1
        passed, self.seen = self.clock.now - (self.seen or self.clock.now), self.clock.now
        self.tokens = min(self.size, self.tokens + passed * self.rate)
        if self.tokens < 1:
            self.refused += 1
            raise kms_core.ThrottledError("too many")
        self.tokens -= 1
        return super().wrap_dek(dek, context)


def test_a_quota_that_nobody_told_is_found(
    key_file: Path, kms: Kms, storage: FaultyStorage, open_with: Open, clock: Clock
) -> None:
    """One thread, in time that only the pace makes pass: what is refused is the pace's alone."""
    for number in range(5000):
        kms.create_dek(str(number))
    rotate(key_file)
    kek = Bucket(LocalKek.Config(key_file=key_file))
    kek.clock = clock
    outcomes = open_with(kek, storage).rewrap_deks(bulk=Bulk(concurrency=1, rate=200))
    for number, outcome in enumerate(outcomes):
        assert outcome.outcome == "done"
        if number == 500:
            settled = kek.asked, kek.refused, clock.now
    asked, refused = kek.asked - settled[0], kek.refused - settled[1]
    assert refused / asked < 0.01
    assert asked / (clock.now - settled[2]) > 0.75 * kek.rate
