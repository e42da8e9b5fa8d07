"""Many tasks of asyncio that try again on a store that is away: all of them end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

import kms_core
from kms_core import Kms
from kms_core.backend import StoredRecord, hookimpl
from kms_core.builtin.memory import MemoryStorage

TASKS = 64


class AwayStorage(MemoryStorage):
    """Fails for some time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(MemoryStorage.Config())
        self.back = time.monotonic() + seconds

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        if time.monotonic() < self.back:
            raise kms_core.UnavailableError("the store is away")
        return super().load_record(dek_id)


async def keep_trying(kms: Kms) -> bytes:
    while True:
        try:
            return await asyncio.to_thread(kms.get_dek, "a", create=True)
        except kms_core.UnavailableError:
            await asyncio.sleep(0.001)  # suspended, with the error's traceback in hand


async def all_of_them(kms: Kms) -> list[bytes]:
    tasks = [asyncio.create_task(keep_trying(kms)) for _ in range(TASKS)]
    return await asyncio.wait_for(asyncio.gather(*tasks), 300)


@pytest.mark.timeout(3600)  # of the long form
def test_every_task_ends(kek: Any, open_with: Callable[..., Kms], *, long: bool) -> None:
    for _ in range(200 if long else 10):
        kms = open_with(kek, AwayStorage(1 if long else 0.1))
        assert len(set(asyncio.run(all_of_them(kms)))) == 1
