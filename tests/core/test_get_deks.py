"""Many reads at once, and a DEK in a buffer."""

from __future__ import annotations

from typing import Any

import pytest

import kms_core
from kms_core import Bulk, Kms, Outcome
from kms_core._config.cache import CacheSettings
from kms_core._deks.cache import DekCache


def test_deks_come_in_order(kms: Kms) -> None:
    deks = {f"{number}": kms.create_dek(f"{number}") for number in range(100)}
    outcomes = [*kms.get_deks(iter(deks), bulk=Bulk(concurrency=4))]
    assert [(outcome.dek_id, outcome.value) for outcome in outcomes] == [*deks.items()]
    assert {outcome.outcome for outcome in outcomes} == {"done"}


def test_each_failure_is_its_own(kms: Kms, kek: Any) -> None:
    kms.create_dek("a")
    kms.create_dek("small", size=16)
    outcomes = [*kms.get_deks(["a", "none", "", "small", "a"], size=32)]
    errors = [type(outcome.error) for outcome in outcomes]
    none = type(None)
    missing, no_id, small = kms_core.DekNotFoundError, kms_core.DekIdError, kms_core.DekSizeError
    assert errors == [none, missing, no_id, small, none]
    assert [outcome.outcome == "failed" for outcome in outcomes] == [e is not none for e in errors]
    assert outcomes[0].value == outcomes[4].value == kms.get_dek("a")
    with pytest.raises(kms_core.DekSizeError):
        kms.get_deks([], size=0)


def test_a_refusal_for_the_rate_is_asked_again(kms: Kms, storage: Any) -> None:
    def refuse() -> None:
        raise kms_core.ThrottledError("no")

    dek = kms.create_dek("a")
    storage.before_load = [refuse]
    assert [*kms.get_deks(["a"])] == [Outcome("a", "done", value=dek)]


def test_ids_are_taken_as_they_are_needed(kms: Kms) -> None:
    kms.create_dek("a")
    taken = []

    def ids() -> Any:
        for number in range(1000):
            taken.append(number)
            yield "a"

    reading = kms.get_deks(ids(), bulk=Bulk(concurrency=2))
    next(reading)
    assert len(taken) < 10


def test_what_the_cache_has_needs_no_call(kms: Kms, storage: Any) -> None:
    kms._cache = DekCache(kms._deks, CacheSettings(ttl=1000), keeper=lambda *_: lambda: None)
    deks = [kms.get_dek(dek_id, create=True) for dek_id in "abc"]
    loads = storage.loads
    assert [outcome.value for outcome in kms.get_deks("abc")] == deks
    assert storage.loads == loads


def test_no_outcome_shows_its_dek(kms: Kms) -> None:
    dek = kms.create_dek("a")
    [outcome] = kms.get_deks(["a"])
    assert outcome.value == dek
    assert repr(dek) not in repr(outcome)


def test_a_derived_dek_is_read_as_well() -> None:
    zeros = "A" * 43 + "="
    with kms_core.open_kms(f"kms://cluster-kms?key={zeros}&salt={zeros}", cache={"ttl": 9}) as kms:
        [outcome] = kms.get_deks(["a"], timeout=60)
        assert outcome.value == kms.get_dek("a")
        assert kms._cache is None
        kms.forget_dek("a")


@pytest.mark.parametrize("fails", [True, False])
def test_a_borrowed_dek_is_wiped(kms: Kms, *, fails: bool) -> None:
    dek = kms.create_dek("a")

    def use() -> None:
        with kms.borrow_dek("a", size=32) as buffer:
            kept.append(buffer)
            assert buffer == dek
            if fails:
                raise ZeroDivisionError

    kept: list[bytearray] = []
    if fails:
        with pytest.raises(ZeroDivisionError):
            use()
    else:
        use()
    assert kept == [bytearray(32)]


def test_what_cannot_be_borrowed(kms: Kms) -> None:
    with pytest.raises(kms_core.DekNotFoundError), kms.borrow_dek("a"):
        pass
    with kms.borrow_dek("a", create=True, timeout=60) as buffer:
        assert kms.get_dek("a") == buffer
