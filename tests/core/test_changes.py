"""Who asks after a change gets what is stored then, and not what another is about to get."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import Any

import anyio
import pytest

import kms_core
from kms_core import Kms, aio
from kms_core._config.cache import CacheSettings
from kms_core._deks.cache import DekCache
from kms_core.backend import StoredRecord, hookimpl
from kms_core.builtin.memory import MemoryStorage
from tests.core.conftest import FaultyKek

Open = Callable[..., Kms]


class Slow(MemoryStorage):
    """Its first load has read the record, and does not return it before it is let."""

    def __init__(self) -> None:
        super().__init__(MemoryStorage.Config())
        self.has_read, self.may_return = Event(), Event()

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        first = not self.has_read.is_set()
        try:
            return super().load_record(dek_id)
        finally:
            if first:
                self.has_read.set()
                assert self.may_return.wait(120)


@pytest.fixture
def storage() -> Slow:
    return Slow()


@pytest.fixture(params=["no cache", "cache"])
def kms(request: pytest.FixtureRequest, kek: FaultyKek, storage: Slow, open_with: Open) -> Kms:
    kms = open_with(kek, storage)
    if request.param == "cache":
        kms._cache = DekCache(kms._deks, CacheSettings(60), keeper=lambda *_: lambda: None)
    return kms


def ask_early(pool: ThreadPoolExecutor, kms: Kms, storage: Slow) -> Future[Any]:
    """Begin a call that has read the store by now."""
    asked = pool.submit(kms.get_dek, "a", create=True)
    assert storage.has_read.wait(120)
    return asked


def test_a_deleted_dek_is_given_to_nobody(kms: Kms, storage: Slow) -> None:
    deleted = kms.create_dek("a")
    with ThreadPoolExecutor(1) as pool:
        early = ask_early(pool, kms, storage)
        try:
            kms.delete_dek("a")
            new = kms.get_dek("a", create=True)
        finally:
            storage.may_return.set()
        assert early.result() == deleted
    assert new != deleted
    assert kms.get_dek("a") == new


def test_tasks_get_no_deleted_dek(kms: Kms, storage: Slow) -> None:
    deleted = kms.create_dek("a")

    async def main() -> None:
        tasks = aio.Kms(kms)
        async with anyio.create_task_group() as group:
            group.start_soon(partial(tasks.get_dek, "a", create=True))
            await anyio.to_thread.run_sync(storage.has_read.wait, 120)
            try:
                await tasks.delete_dek("a")
                with anyio.fail_after(120):
                    assert await tasks.get_dek("a", create=True) != deleted
            finally:
                storage.may_return.set()

    anyio.run(main)


def test_a_dek_that_was_created_is_missed_by_nobody(kms: Kms, storage: Slow) -> None:
    with ThreadPoolExecutor(1) as pool:
        early = pool.submit(kms.get_dek, "a")
        assert storage.has_read.wait(120)
        try:
            dek = kms.create_dek("a")
            assert kms.get_dek("a") == dek
        finally:
            storage.may_return.set()
        with pytest.raises(kms_core.DekNotFoundError):
            early.result()
