"""The kit applied to the small backends, and to every broken one derived from them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from copy import copy
from typing import ClassVar, TypeVar
from urllib.parse import urlsplit

import pytest

from kms_core.backend import StoredRecord
from kms_core.testing import (
    DeriverConformance,
    DeriverHarness,
    FaultyWire,
    KekConformance,
    KekHarness,
    ObserverConformance,
    ObserverHarness,
    StorageConformance,
    StorageHarness,
)
from tests.conformance.defects import Defect, defects
from tests.conformance.small_kms import Service, SmallBackend, SmallDeriver, SmallKek, SmallKms
from tests.conformance.small_observer import Notebook, SmallObserver
from tests.conformance.small_store import SmallStorage, SmallStore
from tests.fakes.thread import Handler, HttpServer, run_thread

ServiceT = TypeVar("ServiceT", bound=Service)


def like(service: ServiceT, **state: object) -> ServiceT:
    """A service with the same contents, in another state."""
    other = copy(service)
    vars(other).update(state)
    return other


class Echo(Handler):
    """Says what it is asked."""

    def do_GET(self) -> None:  # noqa: N802 -- http.server's name
        text = self.path.removeprefix("/").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class WithEcho:
    """Where a small backend asks whether anybody is there, in the checks of the wire."""

    @pytest.fixture(scope="class")
    def echo(self) -> Iterator[str]:
        with run_thread(HttpServer(Echo, None)) as url:
            yield url


def behind(request: pytest.FixtureRequest, service: ServiceT, url: str) -> ServiceT:
    """The service behind the wire of the check."""
    wire: FaultyWire = request.getfixturevalue("wire")
    # Short where nothing else ends a call, and long enough for a busy machine elsewhere.
    limit = lambda: 0.2 if wire.fault in {"hangs", "answers late"} else 60  # noqa: E731 -- as short as the fixtures
    parts = urlsplit(url)
    address, is_proven = ("127.0.0.1", parts.port), parts.scheme == "http"
    return like(service, address=address, time_limit=limit, is_proven=is_proven)


class KekSuite(WithEcho, KekConformance):
    backend: ClassVar[type[SmallKek]] = SmallKek

    @pytest.fixture
    def harness(self, echo: str, request: pytest.FixtureRequest) -> KekHarness:
        service, backend = SmallKms(), self.backend
        return KekHarness(
            open=lambda: backend(service, "one"),
            open_other=lambda: backend(service, "two"),
            open_missing=lambda: backend(service, "missing"),
            open_unreachable=lambda: backend(like(service, closed=True), "one"),
            open_forbidden=lambda: backend(like(service, forbidden=True), "one"),
            expire_credentials=lambda: setattr(service, "session", service.session + 1),
            endpoint=echo,
            open_at=lambda url: backend(behind(request, service, url), "one"),
            attempts=1,
            rotate=lambda: service.keks["one"].append(os.urandom(32)),
            destroy=service.destroyed.add,
            disable=lambda: setattr(service, "disabled", True),
            wrap_foreign=service.wrap_foreign,
            secrets=[service.credential, *service.keks["one"]],
        )


class DeriverSuite(DeriverConformance):
    backend: ClassVar[type[SmallDeriver]] = SmallDeriver

    @pytest.fixture
    def harness(self) -> DeriverHarness:
        service, backend = Service(), self.backend
        return DeriverHarness(
            open=lambda: backend(service, b"1" * 32),
            open_other=lambda: backend(service, b"2" * 32),
            open_unreachable=lambda: backend(like(service, closed=True), b"1" * 32),
            open_forbidden=lambda: backend(like(service, forbidden=True), b"1" * 32),
            secrets=[service.credential, b"1" * 32],
        )


class StorageSuite(WithEcho, StorageConformance):
    backend: ClassVar[type[SmallStorage]] = SmallStorage
    page_size = 20

    @pytest.fixture
    def harness(self, echo: str, request: pytest.FixtureRequest) -> StorageHarness:
        service, backend = SmallStore(), self.backend
        return StorageHarness(
            open=lambda: backend(service),
            open_missing=lambda: backend(like(service, records={}, missing=True)),
            open_unreachable=lambda: backend(like(service, closed=True)),
            open_forbidden=lambda: backend(like(service, forbidden=True)),
            expire_credentials=lambda: setattr(service, "session", service.session + 1),
            endpoint=echo,
            open_at=lambda url: backend(behind(request, service, url)),
            attempts=1,
            open_full=lambda: backend(like(service, full=True)),
            plant_record=lambda i, data: service.records.update({i: StoredRecord(data, "planted")}),
            plant_name=service.foreign.add,
            keep_old_records=lambda: setattr(service, "keeps_old", True),
            plant_object=service.objects.__setitem__,
            secrets=[service.credential],
        )


class ObserverSuite(ObserverConformance):
    backend: ClassVar[type[SmallObserver]] = SmallObserver

    @pytest.fixture
    def harness(self) -> ObserverHarness:
        service = Notebook()
        return ObserverHarness(
            open=lambda: self.backend(service),
            read_notes=service.read,
            read_counts=service.counts.copy,
            secrets=[service.credential],
        )


SUITES: dict[str, tuple[type, type[SmallBackend]]] = {
    "kek": (KekSuite, SmallKek),
    "deriver": (DeriverSuite, SmallDeriver),
    "storage": (StorageSuite, SmallStorage),
    "observer": (ObserverSuite, SmallObserver),
}


def table(kind: str) -> list[Defect]:
    """The rows of this kind of backend."""
    return [*defects(*SUITES[kind])]


def suites(kind: str) -> dict[str, type]:
    """A test class for the correct backend, and one for each broken one."""
    suite, small = SUITES[kind]
    backends = [small, *(defect.backend for defect in table(kind))]
    return {
        f"Test{backend.__name__}": type(f"Test{backend.__name__}", (suite,), _of(backend))
        for backend in backends
    }


def _of(backend: type[SmallBackend]) -> dict[str, object]:
    """A broken one waits on and on, and what it leaves stays, however long one waits."""
    patience = {"close_patience": 0.2, "wire_patience": 2} if backend.breaks else {}
    return {"backend": backend, **patience}
