"""The kit on a KEK and a storage over HTTP, as an author would have them: a pair to begin from."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from kms_core.backend import encode_object_name
from kms_core.testing import FaultyWire, KekConformance, StorageConformance
from tests.conformance.http_pair.kek import HttpKek
from tests.conformance.http_pair.storage import HttpStorage
from tests.fakes.http_service import PAGE_SIZE, HttpService, ServiceHandler
from tests.fakes.thread import HttpServer, run_thread

T = TypeVar("T", HttpKek, HttpStorage)


@pytest.fixture
def service() -> HttpService:
    keys = {name: [os.urandom(32)] for name in ("one", "two")}
    clients = {name: os.urandom(16).hex() for name in ("one", "nobody")}
    return HttpService(clients, forbidden={"nobody"}, keys=keys, folders={"deks": {}})


@pytest.fixture
def url(service: HttpService) -> Iterator[str]:
    with run_thread(HttpServer(ServiceHandler, service)) as url:
        yield url


@pytest.fixture
def timeout(request: pytest.FixtureRequest) -> float:
    """Short only where calls hang, so that no answer loses against it."""
    return 2 if re.search("hangs|late", request.node.name) else 60


@pytest.fixture
def through(wire: FaultyWire, url: str) -> str:
    return wire.to(url)


def opener(
    backend: type[T], service: HttpService, url: str, client: str = "one", **more: object
) -> Callable[[], T]:
    login = {"endpoint": url, "clientId": client, "clientSecret": service.clients[client]}
    config = backend.Config.from_parameters({**login, **more})
    return lambda: backend(config)


class TestHttpKek(KekConformance):
    @pytest.fixture
    def open_kek(self, service: HttpService, url: str) -> Callable[[], HttpKek]:
        return opener(HttpKek, service, url, keyName="one")

    @pytest.fixture
    def open_other_kek(self, service: HttpService, url: str) -> Callable[[], HttpKek]:
        return opener(HttpKek, service, url, keyName="two")

    @pytest.fixture
    def open_missing_kek(self, service: HttpService, url: str) -> Callable[[], HttpKek]:
        return opener(HttpKek, service, url, keyName="missing")

    @pytest.fixture
    def open_unreachable(self, service: HttpService, closed_port: int) -> Callable[[], HttpKek]:
        return opener(HttpKek, service, f"http://127.0.0.1:{closed_port}", keyName="one")

    @pytest.fixture
    def open_forbidden(self, service: HttpService, url: str) -> Callable[[], HttpKek]:
        return opener(HttpKek, service, url, "nobody", keyName="one")

    @pytest.fixture
    def open_through(
        self, service: HttpService, through: str, timeout: float
    ) -> Callable[[], HttpKek]:
        return opener(HttpKek, service, through, keyName="one", timeout=timeout)

    @pytest.fixture
    def rotate_kek(self, service: HttpService) -> Callable[[], None]:
        return lambda: service.keys["one"].append(os.urandom(32))

    @pytest.fixture
    def disable_kek(self, service: HttpService) -> Callable[[], None]:
        return lambda: service.disabled.add("one")

    @pytest.fixture
    def secrets(self, service: HttpService) -> list[str | bytes]:
        return [*service.clients.values(), *service.tokens.values(), *service.keys["one"]]


class TestHttpStorage(StorageConformance):
    page_size = PAGE_SIZE

    @pytest.fixture
    def open_storage(self, service: HttpService, url: str) -> Callable[[], HttpStorage]:
        return opener(HttpStorage, service, url, folder="deks")

    @pytest.fixture
    def open_unreachable(self, service: HttpService, closed_port: int) -> Callable[[], HttpStorage]:
        return opener(HttpStorage, service, f"http://127.0.0.1:{closed_port}", folder="deks")

    @pytest.fixture
    def open_missing(self, service: HttpService, url: str) -> Callable[[], HttpStorage]:
        return opener(HttpStorage, service, url, folder="missing")

    @pytest.fixture
    def open_forbidden(self, service: HttpService, url: str) -> Callable[[], HttpStorage]:
        return opener(HttpStorage, service, url, "nobody", folder="deks")

    @pytest.fixture
    def open_through(
        self, service: HttpService, through: str, timeout: float
    ) -> Callable[[], HttpStorage]:
        return opener(HttpStorage, service, through, folder="deks", timeout=timeout)

    @pytest.fixture
    def plant_record(self, service: HttpService) -> Callable[[str, bytes], None]:
        folder = service.folders["deks"]
        return lambda dek_id, data: folder.update({encode_object_name(dek_id): (data, '"planted"')})

    @pytest.fixture
    def plant_name(self, service: HttpService) -> Callable[[str], None]:
        return lambda name: service.folders["deks"].update({name: (b"foreign", '"foreign"')})

    @pytest.fixture
    def secrets(self, service: HttpService) -> list[str]:
        return [*service.clients.values(), *service.tokens.values()]


def test_a_token_that_the_service_dropped_is_replaced(service: HttpService, url: str) -> None:
    kek = opener(HttpKek, service, url, keyName="one")()
    kek.describe_kek()
    service.renew_tokens()
    assert kek.describe_kek().kek_version == "1"
    kek.close()
