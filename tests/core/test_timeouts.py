"""A timeout bounds a whole operation, and costs nobody else their answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from math import inf, nan
from typing import Any

import pytest

import kms_core
from kms_core import Kms
from kms_core._deks.time_limit import TimeLimit
from kms_core._plugins.clients.workers import OPERATION_END, Workers

LONG, SHORT = 60.0, 0.05


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    gate = threading.Event()
    yield gate
    gate.set()  # so that no thread is left that waits


def meet_and_hang(met: threading.Event, gate: threading.Event) -> Callable[[], None]:
    def wait() -> None:
        met.set()
        gate.wait(LONG)

    return wait


def hang(gate: threading.Event) -> Callable[[], None]:
    def wait() -> None:
        gate.wait(LONG)

    return wait


def test_a_read_that_hangs_ends_in_time(kms: Kms, storage: Any, gate: threading.Event) -> None:
    kms.create_dek("a")
    storage.before_load = [hang(gate)]
    with pytest.raises(kms_core.UnavailableError, match="give a longer timeout") as caught:
        kms.get_dek("a", timeout=SHORT)
    error = caught.value
    # On a busy machine the time may be over before the first hook begins, which is told then.
    located = {("kms://local", "get_dek"), ("storage://memory", "load_record")}
    assert (error.backend, error.operation) in located
    assert error.dek_id == "a"
    assert error.retryable


def test_nothing_begins_after_it(kms: Kms, storage: Any, gate: threading.Event) -> None:
    storage.before_load, before = [hang(gate)], {*threading.enumerate()}
    with pytest.raises(kms_core.UnavailableError):
        kms.get_dek("a", create=True, timeout=SHORT)
    own = {*threading.enumerate()} - before
    gate.set()
    kms._limit.close()
    for thread in own:
        thread.join(LONG)
    assert storage.creates == 0


def test_waiting_for_another_caller_is_bounded(
    kms: Kms, storage: Any, gate: threading.Event
) -> None:
    kms.create_dek("a")
    met = threading.Event()
    storage.before_load = [meet_and_hang(met, gate)]
    with ThreadPoolExecutor(1) as pool:
        leading = pool.submit(kms.get_dek, "a")
        assert met.wait(LONG)
        with pytest.raises(kms_core.UnavailableError):
            kms.get_dek("a", timeout=SHORT)
        gate.set()
        assert leading.result(LONG)


def test_an_impatient_caller_is_no_answer_for_others(
    kms: Kms, kek: Any, storage: Any, gate: threading.Event
) -> None:
    dek, met = kms.create_dek("a"), threading.Event()
    storage.before_load = [meet_and_hang(met, gate)]
    with ThreadPoolExecutor(2) as pool:
        for seconds in (SHORT, 1, LONG):  # a busy machine may have no time to begin
            impatient = pool.submit(kms.get_dek, "a", timeout=seconds)
            if met.wait(seconds):
                break
        patient = pool.submit(kms.get_dek, "a")
        with pytest.raises(kms_core.UnavailableError):
            impatient.result(LONG)
        gate.set()
        assert patient.result(LONG) == dek


def test_a_create_that_timed_out_is_found(kms: Kms, storage: Any, gate: threading.Event) -> None:
    storage.after_create = [hang(gate)]
    with pytest.raises(kms_core.UnavailableError):
        kms.create_dek("a", timeout=SHORT)
    found = kms.get_dek("a", create=True)
    gate.set()
    assert kms.get_dek("a") == found
    with pytest.raises(kms_core.DekExistsError):
        kms.create_dek("a")


def test_the_end_reaches_a_backend_that_waits_longer(gate: threading.Event) -> None:
    workers = Workers(1, LONG)
    token = OPERATION_END.set(time.monotonic() + SHORT)
    try:
        with pytest.raises(kms_core.UnavailableError, match="give a longer timeout"):
            workers.run(lambda: gate.wait(LONG))
    finally:
        OPERATION_END.reset(token)


def test_calls_end_before_their_operation() -> None:
    limit, end = TimeLimit(None), time.monotonic() + LONG
    inner = limit.run(end, OPERATION_END.get)
    assert inner is not None
    assert end - 1 < inner < end
    assert OPERATION_END.get() is None
    limit.close()


def test_an_operation_within_another_ends_with_that() -> None:
    limit, outer = TimeLimit(None), time.monotonic() + LONG
    token = OPERATION_END.set(outer)
    try:
        inner = limit.run(outer + LONG, OPERATION_END.get)
    finally:
        OPERATION_END.reset(token)
    limit.close()
    assert inner is not None
    assert inner < outer


def test_a_backend_with_less_time_tells_of_its_own(gate: threading.Event) -> None:
    workers = Workers(1, SHORT)
    token = OPERATION_END.set(time.monotonic() + LONG)
    try:
        with pytest.raises(kms_core.UnavailableError, match="give a longer deadline") as caught:
            workers.run(lambda: gate.wait(LONG))
    finally:
        OPERATION_END.reset(token)
    assert not caught.value.own_timeout


@pytest.mark.parametrize("timeout", [0, -1, nan, True, "5"])
def test_what_is_no_timeout(kms: Kms, key_file: Any, timeout: Any) -> None:
    with pytest.raises(kms_core.ConfigError, match="seconds above 0"):
        kms.get_dek("a", timeout=timeout)
    with pytest.raises(kms_core.ConfigError, match="seconds above 0"):
        kms_core.open_kms(f"kms://local?keyFile={key_file}", "storage://memory", timeout=timeout)


@pytest.mark.parametrize("timeout", [LONG, 1e300, inf])
def test_an_answer_in_time(kms: Kms, timeout: float) -> None:
    dek = kms.get_dek("a", create=True, timeout=timeout)
    assert kms.get_dek("a", timeout=timeout) == dek
    with pytest.raises(kms_core.DekNotFoundError):
        kms.get_dek("b", timeout=timeout)


def test_a_kms_has_one_for_each_of_its_calls(
    key_file: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = []

    def late(end: float | None, _call: object) -> None:
        ends.append(end)
        raise kms_core.UnavailableError("late")

    kek = f"kms://local?keyFile={key_file}"
    with kms_core.open_kms(kek, "storage://memory", timeout=LONG) as kms:
        monkeypatch.setattr(kms._limit, "run", late)
        calls: list[Callable[[], object]] = [
            lambda: kms.get_dek("a"),
            lambda: kms.create_dek("b"),
            lambda: kms.describe_dek("a"),
            lambda: kms.delete_dek("a"),
            lambda: kms.rewrap_dek("a"),
            kms.check_health,
        ]
        for call in calls:
            with pytest.raises(kms_core.UnavailableError, match="late"):
                call()
        assert [outcome.outcome for outcome in kms.get_deks(["a"])] == ["failed"]
    assert len(ends) == len(calls) + 1
    assert None not in ends


def test_many_reads_end_together(kms: Kms, storage: Any, gate: threading.Event) -> None:
    ids = [str(number) for number in range(20)]
    for dek_id in ids:
        kms.create_dek(dek_id)
    storage.before_load = [hang(gate)] * len(ids)
    outcomes = [*kms.get_deks(ids, timeout=SHORT, bulk=kms_core.Bulk(concurrency=2))]
    assert [outcome.dek_id for outcome in outcomes] == ids
    assert {type(outcome.error) for outcome in outcomes} == {kms_core.UnavailableError}


def test_its_threads_end_with_the_kms(kms: Kms) -> None:
    before = {*threading.enumerate()}
    kms.get_dek("a", create=True, timeout=LONG)
    own = {*threading.enumerate()} - before
    assert own
    kms.close()
    for thread in own:
        thread.join(LONG)
        assert not thread.is_alive()
