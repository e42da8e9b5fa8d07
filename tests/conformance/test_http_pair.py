"""The kit on a KEK and a storage over HTTP, as an author would have them: a pair to begin from."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import pytest

from kms_core.backend import encode_object_name
from kms_core.testing import KekConformance, KekHarness, StorageConformance, StorageHarness
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
    return 2 if re.search("hangs|late|busy", request.node.name) else 60


def opener(
    backend: type[T], service: HttpService, url: str, client: str = "one", **more: object
) -> Callable[[], T]:
    login = {"endpoint": url, "clientId": client, "clientSecret": service.clients[client]}
    patient = {"connectTimeout": 60, "readTimeout": 60}
    config = backend.Config.from_parameters({**login, **patient, **more})
    return lambda: backend(config)


class TestHttpKek(KekConformance):
    @pytest.fixture
    def harness(self, service: HttpService, url: str, timeout: float) -> KekHarness:
        opens = partial(opener, HttpKek, service, url)
        return KekHarness(
            open=opens(keyName="one"),
            open_other=opens(keyName="two"),
            open_missing=opens(keyName="missing"),
            open_forbidden=opens("nobody", keyName="one"),
            expire_credentials=service.renew_tokens,
            endpoint=url,
            open_at=lambda url: opener(HttpKek, service, url, keyName="one", readTimeout=timeout)(),
            attempts=1,
            rotate=lambda: service.keys["one"].append(os.urandom(32)),
            destroy=lambda version: service.keys["one"].__setitem__(int(version) - 1, b""),
            disable=lambda: service.disabled.add("one"),
            secrets=[*service.clients.values(), *service.tokens.values(), *service.keys["one"]],
        )


class TestHttpStorage(StorageConformance):
    page_size = PAGE_SIZE

    @pytest.fixture
    def harness(self, service: HttpService, url: str, timeout: float) -> StorageHarness:
        opens, folder = partial(opener, HttpStorage, service, url), service.folders["deks"]

        def open_full() -> HttpStorage:
            service.is_full = True
            return opens(folder="deks")()

        return StorageHarness(
            open=opens(folder="deks"),
            open_missing=opens(folder="missing"),
            open_forbidden=opens("nobody", folder="deks"),
            expire_credentials=service.renew_tokens,
            endpoint=url,
            open_at=lambda url: opener(
                HttpStorage, service, url, folder="deks", readTimeout=timeout
            )(),
            attempts=1,
            open_full=open_full,
            plant_record=lambda i, data: folder.update(
                {encode_object_name(i): (data, '"planted"')}
            ),
            plant_name=lambda name: folder.update({name: (b"foreign", '"foreign"')}),
            secrets=[*service.clients.values(), *service.tokens.values()],
        )
