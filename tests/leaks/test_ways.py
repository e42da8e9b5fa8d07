"""However a secret is given: nobody sees it, where a service fails and where it is wrong itself."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import kms_core
from tests.leaks import places_aws, places_azure, places_gcp, places_own
from tests.leaks.internet import Internet
from tests.leaks.planted import Plants
from tests.leaks.reports import reports_of
from tests.leaks.test_planted import CLOUDS, FAILURES, PATIENT, Place, limits_of, local
from tests.leaks.ways import WAYS, Way, as_parameters, on_a_command_line

GIVEN = [
    (name, place, service)
    for name, place in (
        ("aws", places_aws.parameters),
        ("azure", places_azure.parameters),
        ("azure", places_azure.certificate),
        ("gcp", places_gcp.key_file),
    )
    for service in ("kek", "storage")
    if (name, service) != ("gcp", "kek")  # whose one way to a secret its storage has too
]
LOCAL = {"backend": "local"}
CLUSTER = {"backend": "cluster-kms"}
OWN = [(LOCAL if place is places_own.local else CLUSTER, place) for place in places_own.PLACES]
KEKS = OWN + [(CLOUDS[name].kek, place) for name, place, service in GIVEN if service == "kek"]
SECRETS = {"key", "salt", "accessKey", "sessionToken", "clientSecret", "clientCertificate"}

Alter = Callable[[str], str]
MISTAKES: tuple[Alter, ...] = (
    lambda text: f"{text[: len(text) // 2]}\n{text[len(text) // 2 :]}",
    lambda text: text.replace("=", "") + "\u00a7",
    lambda text: text + "\x1b",
    lambda text: text[: len(text) * 2 // 3],
)


@pytest.mark.rest
@pytest.mark.timeout(1800)  # of the long form
@pytest.mark.parametrize("number", range(len(GIVEN)))
def test_a_service_that_fails(  # noqa: PLR0913 -- fixtures
    number: int,
    *,
    plants: Plants,
    internet: Internet,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    long: bool,
) -> None:
    name, place, service = GIVEN[number]
    cloud = CLOUDS[name]
    found = place(plants, monkeypatch, internet)
    internet.sound |= cloud.sound
    for nth, way in enumerate(some_ways(number, long=long)):
        names = [*FAILURES]
        for failure in names if long else [names[(5 * number + 2 * nth) % len(names)]]:
            internet.fail = FAILURES[failure]
            more = found | limits_of(failure, monkeypatch)
            kek: dict[str, Any] = LOCAL | {"keyFile": local(plants).partition("=")[2]}
            storage: dict[str, Any] = {"backend": "file", "path": str(plants.folder)}
            if service == "kek":
                kek = cloud.kek | more
            else:
                storage = cloud.storage | more
            fails_without_a_leak(way(plants, monkeypatch, kek, storage), plants, capfd)


@pytest.mark.rest
@pytest.mark.parametrize("number", range(len(KEKS)))
def test_a_secret_that_is_wrong(  # noqa: PLR0913 -- fixtures
    number: int,
    *,
    plants: Plants,
    internet: Internet,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    long: bool,
) -> None:
    """Altered, and under a name that no parameter has."""
    kek, place = KEKS[number]
    storage = {"backend": "file", "path": str(plants.folder)}
    for nth, alter in enumerate(MISTAKES):
        with monkeypatch.context() as patch:
            found = place(plants, patch, internet)
            wrong = {name: _altered(name, text, alter) for name, text in found.items()}
            for name in os.environ:
                if name.startswith("KMS_KEK_CLUSTER_KMS_"):
                    patch.setenv(name, alter(os.environ[name]))
            misspelt = {name[:-1]: text for name, text in found.items()} or {"ke": found}
            for way in some_ways(number + nth, long=long):
                for given in (wrong, misspelt):
                    fails_without_a_leak(way(plants, patch, kek | given, storage), plants, capfd)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("aws", places_aws.instance),
        ("aws", places_aws.container),
        ("azure", places_azure.variables),
        ("azure", places_azure.instance),
        ("gcp", places_gcp.instance),
        ("gcp", places_gcp.login),
    ],
)
def test_a_command_says_one_line(  # noqa: PLR0913 -- fixtures
    name: str,
    place: Place,
    *,
    plants: Plants,
    internet: Internet,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Where nobody set logging up, Python would show what an SDK warns of besides."""
    storage = CLOUDS[name].storage | place(plants, monkeypatch, internet) | PATIENT
    internet.issuers, internet.fail = {}, FAILURES["not accepted"]
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logging.lastResort, "filters", [])
    kek = LOCAL | {"keyFile": local(plants).partition("=")[2]}
    call = on_a_command_line(plants, monkeypatch, kek, storage)
    call.argv.remove("--debug")
    with pytest.raises(SystemExit):
        call()
    [line] = capfd.readouterr().err.splitlines()
    assert line.startswith(f"kms: error: storage://{name}: ")
    assert internet.failures


def some_ways(number: int, *, long: bool) -> Sequence[Way]:
    """Two for each case, so that over all of them each way comes several times."""
    ways = [way for way in WAYS if way is not as_parameters]
    return ways if long else [ways[(number + step) % len(ways)] for step in (0, 3)]


def _altered(name: str, text: Any, alter: Alter) -> Any:
    if name in SECRETS:
        return alter(text)
    if name.endswith(("File", "Path")):
        path = Path(text)
        path.write_text(alter(path.read_text()))
    return text


def fails_without_a_leak(
    call: Callable[[], object], plants: Plants, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    error, texts = reports_of(call)
    output, errors = capfd.readouterr()
    told = [("standard output", output), ("standard error", errors)]
    assert [*plants.found_in([*texts, *told])] == []
    assert isinstance(error, (kms_core.KmsError, SystemExit))
    assert not isinstance(error, kms_core.BackendContractError)
    if isinstance(error, SystemExit):
        assert error.code in {1, 2, 75}
        assert "kms: error: " in errors
        assert "unexpected" not in errors.splitlines()[-1]
