"""Secrets are planted wherever a configuration may hold one, and every call fails in every way.

Whatever others may read of it shows none of them.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

import pytest
from grpc import StatusCode

import kms_core
from kms_core.builtin.local.key_file import new_key_file
from tests.fakes.certificates import Certificates
from tests.fakes.gcp import kms_faults
from tests.fakes.gcp.accounts import Accounts
from tests.fakes.gcp.kms_server import KmsServer, Refusal, start_kms_server
from tests.leaks import internet as hosts
from tests.leaks import places_aws, places_azure, places_gcp
from tests.leaks.internet import Answer, Fail, Internet
from tests.leaks.places_aws import limit_metadata
from tests.leaks.planted import Plants
from tests.leaks.reports import reports_of
from tests.leaks.ways import Use

Place: TypeAlias = Callable[[Plants, pytest.MonkeyPatch, Internet], dict[str, Any]]
"""Plants secrets; returns the parameters that lead to them."""

FAILURES: dict[str, Fail] = {
    "denied": hosts.refuse(403, "AccessDenied"),
    "not found": hosts.refuse(404, "NotFoundException"),
    "not accepted": hosts.refuse(401, "InvalidToken"),
    "expired": hosts.refuse(400, "ExpiredTokenException"),
    "throttled": hosts.refuse(429, "ThrottlingException"),
    "broken": hosts.refuse(500, "InternalError"),
    "away": hosts.refuse(503, "ServiceUnavailable"),
    "elsewhere": hosts.redirect,
    "portal": hosts.show_portal,
    "cut": hosts.cut,
    "dropped": hosts.drop,
    "hanging": hosts.hang,
    "proxy": hosts.refuse_proxy,
}
CODES = {
    "denied": StatusCode.PERMISSION_DENIED,
    "not found": StatusCode.NOT_FOUND,
    "not accepted": StatusCode.UNAUTHENTICATED,
    "expired": StatusCode.INVALID_ARGUMENT,
    "throttled": StatusCode.RESOURCE_EXHAUSTED,
    "broken": StatusCode.INTERNAL,
    "away": StatusCode.UNAVAILABLE,
    "elsewhere": StatusCode.FAILED_PRECONDITION,
    "portal": StatusCode.UNKNOWN,
    "cut": StatusCode.DATA_LOSS,
    "dropped": StatusCode.ABORTED,
    "proxy": StatusCode.CANCELLED,
}
"""How Cloud KMS fails, which speaks gRPC."""

PATIENT = {"connectTimeout": 60, "readTimeout": 60, "maxAttempts": 1}
"""For calls that fail by themselves, however busy this machine is."""
HANGING = {"connectTimeout": 1, "readTimeout": 0.5, "maxAttempts": 1, "deadline": 5}


def limits_of(failure: str, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """How long a backend waits: short only where calls hang."""
    hangs = failure == "hanging"
    limit_metadata(patch, 1 if hangs else 60)
    return HANGING if hangs else PATIENT


@pytest.fixture(scope="session")
def grpc_server(tls: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KmsServer]:
    """Cloud KMS, which the proxy does not lead to."""
    accounts = Accounts(tmp_path_factory.mktemp("accounts"), "")
    with start_kms_server(accounts, tls) as server:
        yield server


def fail_over_grpc(internet: Internet, failure: str) -> Any:
    """Fail as the internet does, and quote what was sent."""

    def fail(request: Any, context: Any, answer: Any) -> Any:
        internet.failures += 1
        if failure == "hanging":
            return kms_faults.hang(request, context, answer)
        raise Refusal(CODES[failure], f"You sent: {context.invocation_metadata()} {request}")

    return fail


def local(plants: Plants) -> str:
    return f"kms://local?keyFile={plants.file('kek.toml', new_key_file())}"


class Cloud(NamedTuple):
    """What leads to a KEK and to a storage, what services answer before they fail, and places."""

    kek: dict[str, Any]
    storage: dict[str, Any]
    sound: dict[str, Answer]
    places: tuple[Place, ...]


REGION = {"region": "eu-central-1"}
PROJECT = {"backend": "gcp", "projectID": "test-project"}
RING = {"location": "europe-west3", "keyRing": "ring", "keyName": "deks"}
CLOUDS = {
    "aws": Cloud(
        {"backend": "aws", "keyName": "alias/deks", **REGION},
        {"backend": "aws", "bucket": "deks", **REGION},
        {"kms.": places_aws.describe_key},
        places_aws.PLACES,
    ),
    "azure": Cloud(
        {"backend": "azure", "vaultName": "our-vault", "keyName": "deks"},
        {"backend": "azure", "account": "ouraccount", "container": "deks"},
        {"vault.azure.net": places_azure.challenge, "/keys/": places_azure.read_key},
        places_azure.PLACES,
    ),
    "gcp": Cloud(PROJECT | RING, PROJECT | {"bucket": "deks"}, {}, places_gcp.PLACES),
}
CASES = [
    (name, place, service)
    for name, cloud in CLOUDS.items()
    for place in cloud.places
    for service in ("kek", "storage")
]
_NAMES = [*FAILURES]


def some_failures(number: int) -> list[str]:
    """Two for each case, so that over all of them each failure comes several times."""
    return [_NAMES[number % len(_NAMES)], _NAMES[(5 * number + 6) % len(_NAMES)]]


@pytest.mark.timeout(1800)  # of the long form
@pytest.mark.parametrize(
    "number",
    [n if n % 6 == 0 else pytest.param(n, marks=pytest.mark.rest) for n in range(len(CASES))],
    ids=lambda n: "-".join((CASES[n][0], CASES[n][1].__name__, CASES[n][2])),
)
def test_cloud(  # noqa: PLR0913 -- fixtures
    number: int,
    plants: Plants,
    internet: Internet,
    grpc_server: KmsServer,
    monkeypatch: pytest.MonkeyPatch,
    *,
    long: bool,
) -> None:
    """Once where the call fails, and once where already the issuer of credentials does."""
    name, place, service = CASES[number]
    cloud = CLOUDS[name]
    found = place(plants, monkeypatch, internet)
    issuers = internet.issuers
    internet.sound |= cloud.sound
    for failure in FAILURES if long else some_failures(number):
        internet.fail = FAILURES[failure]
        fail = fail_over_grpc(internet, failure)
        grpc_server.choose = lambda _, fail=fail: fail  # type: ignore[misc] # it is bound here
        more = found | limits_of(failure, monkeypatch)
        if (name, service) == ("gcp", "kek"):
            more["endpoint"] = grpc_server.endpoint
        if service == "kek":
            use = Use(cloud.kek | more, {"backend": "file", "path": str(plants.folder)})
        else:
            use = Use(local(plants), cloud.storage | more)
        for internet.issuers in (issuers, {}) if issuers else ({},):
            internet.failures = 0
            fails_without_a_leak(use, plants, failure)
            # Of what hangs, the time may be over before it is asked.
            assert internet.failures or failure == "hanging" or place in places_aws.BEFORE_ANY_CALL


def fails_without_a_leak(call: Callable[[], object], plants: Plants, failure: str) -> None:
    error, texts = reports_of(call)
    assert [*plants.found_in(texts)] == [], failure
    assert isinstance(error, kms_core.KmsError)
    assert not isinstance(error, kms_core.BackendContractError), failure


class Leaky:
    """What shows all that it has, so that the search is put to the test."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    def __call__(self) -> None:
        half = self.secret[: len(self.secret) // 2]
        logging.getLogger("leaky").debug("half of it: %s", half)
        cause = ValueError(b64encode(b"x" + self.secret.encode()))
        raise kms_core.UnavailableError("down") from cause


def test_each_report_is_searched(plants: Plants) -> None:
    _, texts = reports_of(Leaky(plants.text("password")))
    found = "\n".join(plants.found_in(texts))
    for where in ("Sentry", "structlog", "rich", "what leaky logs", "local half", "ValueError"):
        assert f"in {where}" in found or where in found
