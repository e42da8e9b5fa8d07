"""Who gives credentials fails for now: that is told as an outage, and soon they are there."""

from __future__ import annotations

from typing import Any

import pytest

import kms_core
from tests.leaks import internet as hosts
from tests.leaks import places_aws, places_azure, places_gcp
from tests.leaks.internet import Fail, Internet
from tests.leaks.planted import Plants
from tests.leaks.test_planted import CLOUDS, PATIENT, Place, local

AWAY: dict[str, Fail] = {
    "throttled": hosts.refuse(429, "ThrottlingException"),
    "broken": hosts.refuse(500, "InternalError"),
    "away": hosts.refuse(503, "ServiceUnavailable"),
    "dropped": hosts.drop,
}
STARTING: dict[str, Fail] = {
    "updating": hosts.refuse(404, "NotFound"),
    "restarting": hosts.refuse(410, "Gone"),
}
"""https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token"""
CASES = [
    *(("aws", place) for place in places_aws.PLACES if place not in places_aws.WITHOUT_ISSUER),
    *(("azure", place) for place in places_azure.PLACES),
    *(("gcp", place) for place in places_gcp.PLACES),
]


def told(storage: dict[str, Any], plants: Plants) -> kms_core.KmsError:
    with (
        pytest.raises(kms_core.KmsError) as caught,
        kms_core.open_kms(local(plants), storage) as kms,
    ):
        kms.get_dek("id", create=True)
    return caught.value


@pytest.mark.rest
@pytest.mark.parametrize(("name", "place"), CASES)
def test_an_issuer_that_is_away(
    name: str, place: Place, plants: Plants, internet: Internet, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = place(plants, monkeypatch, internet)
    internet.issuers = {}
    of_machine = place in {places_azure.instance, places_azure.app_service}
    for failure, internet.fail in (AWAY | STARTING if of_machine else AWAY).items():
        error = told(CLOUDS[name].storage | found | PATIENT, plants)
        assert error.retryable, (failure, error)
        assert internet.failures, failure


@pytest.mark.parametrize(
    "failure", [AWAY["broken"], pytest.param(hosts.hang, marks=pytest.mark.rest)]
)
def test_a_metadata_service_that_is_away_for_a_moment(
    failure: Fail, plants: Plants, internet: Internet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client that was opened then goes on, as soon as there are credentials."""
    found = places_aws.instance(plants, monkeypatch, internet)
    issuers, internet.issuers, internet.fail = internet.issuers, {}, failure
    places_aws.limit_metadata(monkeypatch, 1)
    with kms_core.open_kms(local(plants), CLOUDS["aws"].storage | found | PATIENT) as kms:
        with pytest.raises(kms_core.UnavailableError, match="gives this machine its credentials"):
            kms.get_dek("id")
        places_aws.limit_metadata(monkeypatch, 60)
        internet.issuers, internet.fail = issuers, hosts.refuse(404, "NoSuchKey")
        with pytest.raises(kms_core.DekNotFoundError):
            kms.get_dek("id")


def test_who_answers_once_in_place_of_a_vault(
    plants: Plants, internet: Internet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says of whose tenant tokens are to be; the SDK keeps that for the whole process."""
    found = places_azure.variables(plants, monkeypatch, internet)
    azure = CLOUDS["azure"]
    internet.sound |= azure.sound
    kek = azure.kek | found | PATIENT
    with kms_core.open_kms(kek, f"storage://file?path={plants.folder}") as kms:
        internet.fail = hosts.refuse(401, "InvalidToken")
        with pytest.raises(kms_core.AuthenticationError):
            kms.get_dek("id", create=True)
        internet.fail = AWAY["broken"]
        with pytest.raises(kms_core.UnavailableError, match="keys/wrapKey"):
            kms.get_dek("id", create=True)
