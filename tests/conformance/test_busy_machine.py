"""Where a machine is busy: short limits are for what hangs, and what has to succeed has time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

from kms_core import UnavailableError
from kms_core.backend import hookimpl
from kms_core.testing import FaultyWire
from kms_core.testing._harness.client import Client
from kms_core.testing._harness.wire import ANY_JSON
from tests.conformance.small_kms import SmallKek, SmallKms
from tests.conformance.small_store import SmallStorage, SmallStore
from tests.conformance.suites import StorageSuite


class TakesItsTimeToClose(SmallKek):
    @hookimpl
    def close(self) -> None:
        time.sleep(0.1)


def test_a_closing_has_time() -> None:
    Client(TakesItsTimeToClose(SmallKms(), "one"), "kms", deadline=0.01).close()


class ListsTheSecondTime(SmallStorage):
    """As where a short limit ended a sound call."""

    is_late = True

    def ids(self, prefix: str) -> Iterator[str]:
        if self.is_late:
            self.is_late = False
            raise UnavailableError("no answer in time")
        return super().ids(prefix)


def test_a_sound_listing_has_time() -> None:
    store = ListsTheSecondTime(SmallStore())
    store.create_record("page/1", b"data")
    with closing(FaultyWire()) as wire:
        StorageSuite().test_lost_page(wire, lambda: Client(store, "storage"), ["page/1"], ANY_JSON)
