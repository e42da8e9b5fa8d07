"""Two requests at once, on one Kms: what is told of one shows nothing of the other."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import pytest

import kms_core
from tests.fakes.gcp.kms_server import KmsServer, Refusal
from tests.leaks import internet as hosts
from tests.leaks import places_aws, places_azure, places_gcp
from tests.leaks.internet import Internet, Request
from tests.leaks.planted import Plants
from tests.leaks.reports import reports_of
from tests.leaks.test_planted import CLOUDS, CODES, PATIENT, Place, local
from tests.leaks.test_planted import grpc_server as grpc_server  # noqa: PLC0414 -- a fixture

CASES = [
    (name, place, service)
    for name, place in (
        ("aws", places_aws.parameters),
        ("azure", places_azure.parameters),
        ("gcp", places_gcp.key_file),
    )
    for service in ("kek", "storage")
]
SIZES = {"first": 32, "second": 48}
"""Of the DEKs, so that planted ones differ."""


class FirstWaits:
    """The first request waits for its refusal until the second one has been refused."""

    def __init__(self) -> None:
        self.asked, self.over = threading.Event(), threading.Event()

    def wait(self) -> None:
        if not self.asked.is_set():
            self.asked.set()
            self.over.wait(60)

    def over_http(self, request: Request) -> None:
        self.wait()
        hosts.refuse(403, "AccessDenied")(request)

    def over_grpc(self, request: Any, context: Any, _: Any) -> Any:
        self.wait()
        raise Refusal(CODES["denied"], f"You sent: {context.invocation_metadata()} {request}")


class Caller:
    """Asks for a DEK, and has a secret of its own while it waits."""

    def __init__(self, kms: kms_core.Kms, plants: Plants, name: str) -> None:
        self._kms, self.name = kms, name
        self._secret = plants.text(f"secret of the {name} caller")
        self.error: BaseException | None = None

    def ask(self) -> None:
        mine = self._secret
        try:
            self._kms.get_dek(self.name, size=SIZES[self.name], create=True)
        except kms_core.KmsError as error:
            error.add_note(mine)
            self.error = error

    def fail_again(self) -> None:
        assert self.error is not None
        raise self.error


@pytest.mark.parametrize(("name", "place", "service"), CASES)
def test_two_requests(  # noqa: PLR0913 -- fixtures
    name: str,
    place: Place,
    service: str,
    *,
    plants: Plants,
    internet: Internet,
    grpc_server: KmsServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second one fails while the first one holds a DEK that no service has wrapped yet."""
    cloud, fail = CLOUDS[name], FirstWaits()
    internet.sound |= cloud.sound
    more = place(plants, monkeypatch, internet) | PATIENT
    internet.fail = fail.over_http
    monkeypatch.setattr(grpc_server, "choose", lambda _: fail.over_grpc)
    if (name, service) == ("gcp", "kek"):
        more["endpoint"] = grpc_server.endpoint
    if service == "kek":
        backends: tuple[Any, Any] = cloud.kek | more, f"storage://file?path={plants.folder}"
    else:
        backends = local(plants), cloud.storage | more
    with kms_core.open_kms(*backends) as kms:
        first, second = map(partial(Caller, kms, plants), SIZES)
        waiting = threading.Thread(target=first.ask)
        waiting.start()
        assert fail.asked.wait(60)
        second.ask()
        shows_nothing_of_another(second, plants)
        fail.over.set()
        waiting.join()
        shows_nothing_of_another(first, plants)


def shows_nothing_of_another(one: Caller, plants: Plants) -> None:
    """Its note and its caller's locals are its own: that they are found shows the search."""
    _, texts = reports_of(one.fail_again)
    found = [*plants.found_in(texts)]
    own = f"secret of the {one.name} caller: "
    assert any(told.startswith(own) for told in found)
    assert [told for told in found if not told.startswith(own)] == []
