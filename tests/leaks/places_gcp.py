"""Where the credentials of Google Cloud may be, each with a secret in it."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.fakes.proxy import Reply
from tests.leaks.internet import Internet, Request
from tests.leaks.planted import Plants

_ACCOUNT = "sa@test-project.iam.gserviceaccount.com"
_METADATA = "google.auth.compute_engine._metadata"


def key_file(plants: Plants, _: pytest.MonkeyPatch, internet: Internet) -> dict[str, Any]:
    return {"credentialsPath": plants.file("key.json", json.dumps(_account(plants, internet)))}


def key_file_of_the_environment(
    plants: Plants, patch: pytest.MonkeyPatch, internet: Internet
) -> dict[str, Any]:
    file = plants.file("key.json", json.dumps(_account(plants, internet)))
    patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
    return {}


def login(plants: Plants, patch: pytest.MonkeyPatch, internet: Internet) -> dict[str, Any]:
    """As `gcloud auth application-default login` leaves it."""
    _issue(plants, internet)
    folder = plants.folder / "gcloud"
    folder.mkdir()
    patch.setenv("CLOUDSDK_CONFIG", str(folder))
    plants.file("gcloud/application_default_credentials.json", json.dumps(_login(plants)))
    return {}


def federation(plants: Plants, _: pytest.MonkeyPatch, internet: Internet) -> dict[str, Any]:
    _issue(plants, internet)
    return {"credentialsPath": plants.file("federation.json", json.dumps(_federation(plants)))}


def impersonation(plants: Plants, _: pytest.MonkeyPatch, internet: Internet) -> dict[str, Any]:
    document = {
        "type": "impersonated_service_account",
        "service_account_impersonation_url": _impersonate(plants, internet),
        "source_credentials": _account(plants, internet),
    }
    return {"credentialsPath": plants.file("impersonation.json", json.dumps(document))}


def federated_impersonation(
    plants: Plants, _: pytest.MonkeyPatch, internet: Internet
) -> dict[str, Any]:
    _issue(plants, internet)
    url = _impersonate(plants, internet)
    document = _federation(plants) | {"service_account_impersonation_url": url}
    return {"credentialsPath": plants.file("federation.json", json.dumps(document))}


def instance(plants: Plants, patch: pytest.MonkeyPatch, internet: Internet) -> dict[str, Any]:
    address = internet.url.removeprefix("http://")
    patch.setattr(f"{_METADATA}._NO_GCE_CHECK", False)
    patch.setattr(f"{_METADATA}._GCE_METADATA_HOST", address)
    patch.setenv("GCE_METADATA_IP", address)
    # Which the SDK asks through the proxy, and not at this address.
    patch.setattr("google.auth.compute_engine.Credentials.universe_domain", "googleapis.com")
    flavor = [("Metadata-Flavor", "Google"), ("Content-Type", "application/json")]
    account = {"aliases": ["default"], "email": _ACCOUNT, "scopes": []}
    internet.issuers |= {
        "/service-accounts/default/token": partial(_token, plants),
        f"/service-accounts/{_ACCOUNT}/token": partial(_token, plants),
    }
    internet.sound |= {
        "127.0.0.1/": lambda request: Reply(200, b"", flavor[:1]) if request.path == "/" else None,
        "/service-accounts/default/": lambda request: (
            None if "/token" in request.path else Reply(200, json.dumps(account).encode(), flavor)
        ),
        "/project-id": lambda _: Reply(200, b"test-project", flavor),
    }
    return {}


def _account(plants: Plants, internet: Internet) -> dict[str, str]:
    _issue(plants, internet)
    key = rsa.generate_private_key(65537, 1024)  # each client checks it, slowly
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    plants.known("private key", pem)
    return {
        "type": "service_account",
        "project_id": "test-project",
        "private_key_id": plants.text("id of the private key"),
        "private_key": pem,
        "client_email": _ACCOUNT,
        "token_uri": "https://oauth2.googleapis.com/token",
    }


def _login(plants: Plants) -> dict[str, str]:
    return {
        "type": "authorized_user",
        "client_id": "client",
        "client_secret": plants.text("client secret"),
        "refresh_token": plants.text("refresh token", 100),
    }


def _federation(plants: Plants) -> dict[str, object]:
    return {
        "universe_domain": "googleapis.com",
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {"file": plants.file("subject", plants.text("subject token", 400))},
    }


def _impersonate(plants: Plants, internet: Internet) -> str:
    token = plants.text("impersonated token", 200)
    said = json.dumps({"accessToken": token, "expireTime": "2999-01-01T00:00:00Z"})
    internet.issuers["iamcredentials."] = lambda _: Reply(200, said.encode())
    name = f"projects/-/serviceAccounts/{_ACCOUNT}:generateAccessToken"
    return f"https://iamcredentials.googleapis.com/v1/{name}"


def _issue(plants: Plants, internet: Internet) -> None:
    for host in ("oauth2.googleapis.com", "sts.googleapis.com"):
        internet.issuers[host] = partial(_token, plants)


def _token(plants: Plants, _: Request) -> Reply:
    said = {"access_token": plants.text("access token", 200), "token_type": "Bearer"}
    kind = "urn:ietf:params:oauth:token-type:access_token"
    said |= {"issued_token_type": kind, "id_token": plants.text("id token", 200)}
    return Reply(
        200,
        json.dumps(said | {"expires_in": 3600}).encode(),
        [
            ("Content-Type", "application/json"),
            ("Metadata-Flavor", "Google"),
        ],
    )


PLACES = (
    *(key_file, key_file_of_the_environment, login, federation, impersonation),
    *(federated_impersonation, instance),
)
