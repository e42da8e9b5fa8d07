"""The suites on a backend as it is configured: pytest runs this module for ``kms plugin check``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from kms_core.testing._harness.harness import (
    DeriverHarness,
    KekHarness,
    ObserverHarness,
    StorageHarness,
)
from kms_core.testing._live.live import Leftovers, Live
from kms_core.testing._live.own_ids import OwnIds, on_own_ids
from kms_core.testing.checks.deriver import DeriverConformance
from kms_core.testing.checks.kek import KekConformance
from kms_core.testing.checks.observer import ObserverConformance
from kms_core.testing.checks.storage import StorageConformance


class TestKek(KekConformance):
    """A KEK. Nothing is stored."""

    flip_step = 8  # each costs a call

    @pytest.fixture
    def harness(self, live: Live) -> KekHarness:
        """The backend, and the one of --other."""
        return KekHarness(open=live.open, open_other=live.open_other, secrets=live.secrets())


class TestDeriver(DeriverConformance):
    """A deriver."""

    @pytest.fixture
    def harness(self, live: Live) -> DeriverHarness:
        """The backend, and the one of --other."""
        return DeriverHarness(open=live.open, open_other=live.open_other, secrets=live.secrets())


class TestStorage(StorageConformance):
    """A storage, on ids of its own, which are removed again."""

    @pytest.fixture
    def many_ids(self, live: Live) -> None:
        """Skips what creates many records, unless it is asked for."""
        if not live.pages:
            pytest.skip("give --pages to check this clause: it creates 1006 records")

    @pytest.fixture
    def harness(self, live: Live, left: Leftovers) -> Iterator[StorageHarness]:
        """The backend, as if it were empty."""
        ids = OwnIds()
        yield StorageHarness(open=lambda: on_own_ids(live.open(), ids), secrets=live.secrets())
        with closing(live.open()) as store:
            left.records[ids.prefix] = ids.remove_all(store)


class TestObserver(ObserverConformance):
    """An observer. Its notes stay."""

    @pytest.fixture
    def harness(self, live: Live) -> ObserverHarness:
        """The backend."""
        return ObserverHarness(open=live.open, secrets=live.secrets())
