"""The kit applied to the small backends, and to every broken one derived from them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import ClassVar, TypeVar

import pytest

from kms_core.backend import StoredRecord
from kms_core.testing import (
    DeriverConformance,
    FaultyWire,
    KekConformance,
    ObserverConformance,
    StorageConformance,
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


@contextmanager
def through(wire: FaultyWire, service: ServiceT) -> Iterator[ServiceT]:
    """The service behind the wire."""
    with run_thread(HttpServer(Echo, None)) as url:
        wire.to(url)
        # Short where it has to end, and long enough for a busy machine where it need not.
        limit = lambda: 0.2 if wire.fault else 20  # noqa: E731 -- as short as the fixtures
        yield like(service, address=("127.0.0.1", wire.port), time_limit=limit)


class KekSuite(KekConformance):
    backend: ClassVar[type[SmallKek]] = SmallKek
    wire_patience = 2

    @pytest.fixture
    def service(self) -> SmallKms:
        return SmallKms()

    @pytest.fixture
    def open_kek(self, service: SmallKms) -> Callable[[], SmallKek]:
        return lambda: self.backend(service, "one")

    @pytest.fixture
    def open_other_kek(self, service: SmallKms) -> Callable[[], SmallKek]:
        return lambda: self.backend(service, "two")

    @pytest.fixture
    def open_missing_kek(self, service: SmallKms) -> Callable[[], SmallKek]:
        return lambda: self.backend(service, "missing")

    @pytest.fixture
    def open_unreachable(self, service: SmallKms) -> Callable[[], SmallKek]:
        return lambda: self.backend(like(service, closed=True), "one")

    @pytest.fixture
    def open_through(self, wire: FaultyWire, service: SmallKms) -> Iterator[Callable[[], SmallKek]]:
        with through(wire, service) as behind:
            yield lambda: self.backend(behind, "one")

    @pytest.fixture
    def open_forbidden(self, service: SmallKms) -> Callable[[], SmallKek]:
        return lambda: self.backend(like(service, forbidden=True), "one")

    @pytest.fixture
    def disable_kek(self, service: SmallKms) -> Callable[[], None]:
        return lambda: setattr(service, "disabled", True)

    @pytest.fixture
    def rotate_kek(self, service: SmallKms) -> Callable[[], None]:
        return lambda: service.keks["one"].append(os.urandom(32))

    @pytest.fixture
    def secrets(self, service: SmallKms) -> list[str | bytes]:
        return [service.credential, *service.keks["one"]]


class DeriverSuite(DeriverConformance):
    backend: ClassVar[type[SmallDeriver]] = SmallDeriver

    @pytest.fixture
    def service(self) -> Service:
        return Service()

    @pytest.fixture
    def open_deriver(self, service: Service) -> Callable[[], SmallDeriver]:
        return lambda: self.backend(service, b"1" * 32)

    @pytest.fixture
    def open_other_deriver(self, service: Service) -> Callable[[], SmallDeriver]:
        return lambda: self.backend(service, b"2" * 32)

    @pytest.fixture
    def open_unreachable(self, service: Service) -> Callable[[], SmallDeriver]:
        return lambda: self.backend(like(service, closed=True), b"1" * 32)

    @pytest.fixture
    def open_forbidden(self, service: Service) -> Callable[[], SmallDeriver]:
        return lambda: self.backend(like(service, forbidden=True), b"1" * 32)

    @pytest.fixture
    def secrets(self, service: Service) -> list[str | bytes]:
        return [service.credential, b"1" * 32]


class StorageSuite(StorageConformance):
    backend: ClassVar[type[SmallStorage]] = SmallStorage
    page_size = 20
    wire_patience = 2

    @pytest.fixture
    def service(self) -> SmallStore:
        return SmallStore()

    @pytest.fixture
    def open_storage(self, service: SmallStore) -> Callable[[], SmallStorage]:
        return lambda: self.backend(service)

    @pytest.fixture
    def open_unreachable(self, service: SmallStore) -> Callable[[], SmallStorage]:
        return lambda: self.backend(like(service, closed=True))

    @pytest.fixture
    def open_through(
        self, wire: FaultyWire, service: SmallStore
    ) -> Iterator[Callable[[], SmallStorage]]:
        with through(wire, service) as behind:
            yield lambda: self.backend(behind)

    @pytest.fixture
    def open_forbidden(self, service: SmallStore) -> Callable[[], SmallStorage]:
        return lambda: self.backend(like(service, forbidden=True))

    @pytest.fixture
    def open_missing(self, service: SmallStore) -> Callable[[], SmallStorage]:
        return lambda: self.backend(like(service, records={}, missing=True))

    @pytest.fixture
    def plant_record(self, service: SmallStore) -> Callable[[str, bytes], None]:
        return lambda dek_id, data: service.records.update({dek_id: StoredRecord(data, "planted")})

    @pytest.fixture
    def plant_name(self, service: SmallStore) -> Callable[[str], None]:
        return service.foreign.add

    @pytest.fixture
    def secrets(self, service: SmallStore) -> list[str]:
        return [service.credential]


class ObserverSuite(ObserverConformance):
    backend: ClassVar[type[SmallObserver]] = SmallObserver

    @pytest.fixture
    def service(self) -> Notebook:
        return Notebook()

    @pytest.fixture
    def open_observer(self, service: Notebook) -> Callable[[], SmallObserver]:
        return lambda: self.backend(service)

    @pytest.fixture
    def read_notes(self, service: Notebook) -> Callable[[], str]:
        return lambda: "\n".join(service.notes)

    @pytest.fixture
    def secrets(self, service: Notebook) -> list[str]:
        return [service.credential]


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
    names = [f"Test{backend.__name__}" for backend in backends]
    return {
        name: type(name, (suite,), {"backend": backend})
        for name, backend in zip(names, backends, strict=True)
    }
