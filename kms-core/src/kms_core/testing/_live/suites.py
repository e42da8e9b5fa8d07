"""The suites on a backend as it is configured: pytest runs this module for ``kms plugin check``."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest
from msgspec.structs import asdict

from kms_core._plugins.prepared import PreparedBackend
from kms_core._tracebacks import error_chain
from kms_core.backend.secret import SecretBytes, SecretStr
from kms_core.errors import AccessDeniedError
from kms_core.testing._harness.clauses import ONLY_MAINTENANCE
from kms_core.testing._harness.leaks import Secret
from kms_core.testing._live.own_ids import OwnIds, OwnIdsStorage
from kms_core.testing.checks.deriver import DeriverConformance
from kms_core.testing.checks.kek import KekConformance
from kms_core.testing.checks.observer import ObserverConformance
from kms_core.testing.checks.storage import StorageConformance

Open: TypeAlias = Callable[[], Any]

_SHORTEST_SECRET = 8


@dataclass(eq=False)  # pytest keeps its plugins in sets
class Live:
    """What is under test: a plugin of pytest that hands it to the suites.

    Attributes:
        backend: the configured backend.
        other: another KEK of the same provider, for the clauses about two.
        pages: whether to create the 1006 records that it takes to see a second page of ids.
        left: of each prefix, how many records could not be removed.
    """

    backend: PreparedBackend
    other: PreparedBackend | None = None
    pages: bool = False
    left: dict[str, int] = field(default_factory=dict)

    @pytest.fixture
    def live(self) -> Live:
        """Itself."""
        return self

    @pytest.fixture
    def open_live(self) -> Open:
        """Opens the backend."""
        return self.backend.open_bare

    @pytest.fixture
    def open_other(self) -> Open:
        """Opens the other KEK."""
        if self.other is None:
            pytest.skip("name another KEK of this provider by --other to check this clause")
        return self.other.open_bare

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Skip what failed because the credentials need not be allowed to do it."""
        report = yield
        denied = _denial(call.excinfo.value) if call.excinfo else None
        if denied:
            report.outcome, report.longrepr = "skipped", ("", 0, f"not allowed: {denied}")
        return report


class _OfLive:
    @pytest.fixture
    def secrets(self, live: Live) -> Sequence[Secret]:
        return [s for one in (live.backend, live.other) if one for s in _secrets(one)]


class TestKek(_OfLive, KekConformance):
    """A KEK. Nothing is stored."""

    flip_step = 8  # each costs a call

    @pytest.fixture
    def open_kek(self, open_live: Open) -> Open:
        """The backend."""
        return open_live

    @pytest.fixture
    def open_other_kek(self, open_other: Open) -> Open:
        """The one of --other."""
        return open_other


class TestDeriver(_OfLive, DeriverConformance):
    """A deriver."""

    @pytest.fixture
    def open_deriver(self, open_live: Open) -> Open:
        """The backend."""
        return open_live

    @pytest.fixture
    def open_other_deriver(self, open_other: Open) -> Open:
        """The one of --other."""
        return open_other


class TestStorage(_OfLive, StorageConformance):
    """A storage, on ids of its own, which are removed again."""

    @pytest.fixture
    def many_ids(self, live: Live) -> None:
        """Skips what creates many records, unless it is asked for."""
        if not live.pages:
            pytest.skip("give --pages to check this clause: it creates 1006 records")

    @pytest.fixture
    def open_storage(self, live: Live, open_live: Open) -> Iterator[Open]:
        """The backend, as if it were empty."""
        ids = OwnIds()
        yield lambda: OwnIdsStorage(open_live(), ids)
        with closing(open_live()) as store:
            left = ids.remove_all(store)
        if left:
            live.left[ids.prefix] = left


class TestObserver(_OfLive, ObserverConformance):
    """An observer. Its notes stay."""

    @pytest.fixture
    def open_observer(self, open_live: Open) -> Open:
        """The backend."""
        return open_live


def _secrets(prepared: PreparedBackend) -> Iterator[Secret]:
    for value in asdict(prepared.config).values():
        if isinstance(value, (SecretStr, SecretBytes)):
            secret = value.get_secret_value()
            if len(secret) >= _SHORTEST_SECRET:
                yield secret


def _denial(error: BaseException) -> str | None:
    for link in error_chain(error):
        if isinstance(link, AccessDeniedError) and (
            link.maybe_missing or link.operation in ONLY_MAINTENANCE
        ):
            return str(link)
    return None
