"""`kms plugin check` sees a store through ids of its own, with the hooks that it has."""

from __future__ import annotations

from kms_core.builtin.memory import MemoryStorage
from kms_core.testing._harness.client import Client
from kms_core.testing._live.own_ids import OwnIds, on_own_ids
from tests.conformance.small_store import SmallStorage, SmallStore


def test_optional_hooks_are_checked_where_they_are() -> None:
    store = SmallStorage(SmallStore())
    store.create_record("foreign", b"data")
    store.service.keeps_old = True
    store.put("foreign", b"more")
    seen = Client(on_own_ids(store, OwnIds()), "storage")
    for dek_id in ("a", "b"):
        seen.answer("create_record", dek_id=dek_id, data=dek_id.encode())
    seen.answer("check_health")
    store.put(next(iter(store.list_dek_ids("kms-check-"))), b"more")
    assert seen.answer("count_old_records", prefix="") == 1
    assert seen.bound.offers("check_health")
    assert seen.bound.offers("count_old_records")


def test_optional_hooks_are_not_made_up() -> None:
    store = MemoryStorage(MemoryStorage.Config())
    seen = Client(on_own_ids(store, OwnIds()), "storage")
    assert not seen.bound.offers("check_health")
    assert not seen.bound.offers("count_old_records")
