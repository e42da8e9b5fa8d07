"""The service of tests/fakes/http_service.py behind a wire that does to calls what wires do.

Records are never forged: the service signs nothing that it answers, so TLS alone tells whose an
answer is. The cloud's own wires are in tests/pairs/test_lies.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.fakes.http_service import HttpService
from tests.fakes.liar import FAULTS, FORGERIES, Liar, damage_the_request, fail
from tests.fakes.proxy import Exchange, Fault, Proxy, Reply, pass_on, run_proxy

KEPT = "kept-"
"""How ids begin of which no DEK is deleted."""

_SHORT = 0.02  # seconds


@dataclass(kw_only=True)
class Wire(Proxy):
    """A proxy with the service in it: one process less, and one connection less for each call."""

    service: HttpService

    def send(self, method: str, path: str, body: bytes = b"", headers: Any = None) -> Reply:
        answer = self.service.answer(method, path, body, headers or {})
        return Reply(answer.status, answer.body, [("ETag", answer.etag)] if answer.etag else [])


class Call(Exchange):
    """Its names: whether it asks for a key or for a record, and what it does."""

    def names(self) -> set[str]:
        kind, *rest = self.path.removeprefix("/").split("/")
        return {rest[-1] if kind == "keys" else f"{self.command} {kind}"}


class Torturer(Liar):
    """Spoils calls in all ways that leave a record the service's own, and rotates the key."""

    def __init__(self, seed: int, service: HttpService) -> None:
        super().__init__(seed)
        self._keys = service.keys["one"]

    def choose_http(self, names: set[str]) -> Fault | None:
        if self._random.random() < 1 / 500 and not self.stopped:
            self._keys.append(os.urandom(32))
            del self._keys[: max(0, len(self._keys) - 10_000)]
        more = (damage_the_request, *FORGERIES) if names == {"wrap"} else ()
        fault = self.choose("", (*_OF_RECORDS, *more), ())
        return fault and (lambda exchange: fault(exchange, self))


def delay(exchange: Exchange, liar: Liar) -> None:
    time.sleep(liar.pick((0, _SHORT)))
    pass_on(exchange)


def refuse(exchange: Exchange, liar: Liar) -> None:
    """As what stands before a service does, which knows nothing of its records."""
    exchange.answer(Reply(liar.pick((400, 401, 403, 404, 409, 412)), b"<html>No</html>"))


def arrive_late(exchange: Exchange, liar: Liar) -> None:
    """Give the call up, and have it done when nobody waits any more.

    A create that arrives after its caller was given another's DEK is nobody's call any more. Only
    a deletion could let it make a DEK then, so that of such an id arrives in time.
    """
    fail(exchange, liar)
    exchange.close_connection = True
    if KEPT in exchange.path or exchange.command != "PUT":
        time.sleep(_SHORT)
        exchange.forward()


_OF_RECORDS = (*(f for f in FAULTS if f is not damage_the_request), delay, refuse, arrive_late)


@contextmanager
def run_wire(seed: int) -> Iterator[tuple[dict[str, Any], Torturer]]:
    """Serve a KEK and a folder; yield what the config of both says of it, and what spoils calls."""
    service = HttpService(keys={"one": [os.urandom(32)]}, folders={"deks": {}})
    torturer = Torturer(seed, service)
    wire = Wire(service=service, choose=torturer.choose_http)
    with run_proxy(wire, Call):
        secret = service.clients["one"]
        login = {"endpoint": wire.url, "clientId": "one", "clientSecret": secret}
        yield login | {"connectTimeout": 60, "readTimeout": 60}, torturer
