"""Where the credentials of Azure may be, each with a secret in it."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from tests.fakes.proxy import Reply
from tests.leaks.internet import Internet, Request
from tests.leaks.planted import Plants

TENANT = "00000000-0000-4000-8000-000000000001"
_PRINCIPAL = {"tenantID": TENANT, "clientID": "app"}
_VERSION = "0123456789abcdef" * 2


def parameters(plants: Plants, _: pytest.MonkeyPatch, internet: Internet) -> dict[str, Any]:
    _issue(plants, internet)
    return _PRINCIPAL | {"clientSecret": plants.text("client secret")}


def files(plants: Plants, _: pytest.MonkeyPatch, internet: Internet) -> dict[str, Any]:
    _issue(plants, internet)
    return _PRINCIPAL | {"clientSecretFile": plants.file("secret", plants.text("client secret"))}


def own_variables(plants: Plants, patch: pytest.MonkeyPatch, internet: Internet) -> dict[str, Any]:
    _issue(plants, internet)
    for kind in ("KEK", "STORAGE"):
        patch.setenv(f"KMS_{kind}_AZURE_CLIENT_SECRET", plants.text("client secret"))
    return _PRINCIPAL


def variables(plants: Plants, patch: pytest.MonkeyPatch, internet: Internet) -> dict[str, Any]:
    _issue(plants, internet)
    _set_principal(patch)
    patch.setenv("AZURE_CLIENT_SECRET", plants.text("client secret"))
    return {}


def certificate(plants: Plants, _: pytest.MonkeyPatch, internet: Internet) -> dict[str, Any]:
    _issue(plants, internet)
    return _PRINCIPAL | {"clientCertificate": _make_pem(plants)}


def certificate_of_the_environment(
    plants: Plants, patch: pytest.MonkeyPatch, internet: Internet
) -> dict[str, Any]:
    _issue(plants, internet)
    _set_principal(patch)
    password = plants.text("certificate's password")
    key, end, certificate = _make_pem(plants).partition("-----END RSA PRIVATE KEY-----\n")
    sealed = load_pem_private_key((key + end).encode(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.encode())
    )
    pem = sealed.decode() + certificate
    patch.setenv("AZURE_CLIENT_CERTIFICATE_PATH", plants.file("cert.pem", pem))
    patch.setenv("AZURE_CLIENT_CERTIFICATE_PASSWORD", password)
    return {}


def federated_token(plants: Plants, _: pytest.MonkeyPatch, internet: Internet) -> dict[str, Any]:
    _issue(plants, internet)
    token = plants.file("federated", plants.text("federated token", 400))
    return _PRINCIPAL | {"federatedTokenFile": token}


def workload(plants: Plants, patch: pytest.MonkeyPatch, internet: Internet) -> dict[str, Any]:
    _issue(plants, internet)
    _set_principal(patch)
    token = plants.file("federated", plants.text("federated token", 400))
    patch.setenv("AZURE_FEDERATED_TOKEN_FILE", token)
    return {}


def app_service(plants: Plants, patch: pytest.MonkeyPatch, internet: Internet) -> dict[str, Any]:
    patch.setenv("IDENTITY_ENDPOINT", f"{internet.url}/msi/token")
    patch.setenv("IDENTITY_HEADER", plants.text("identity header"))
    internet.issuers["/msi/token"] = partial(_token, plants)
    return {"managedIdentity": True}


def instance(plants: Plants, patch: pytest.MonkeyPatch, internet: Internet) -> dict[str, Any]:
    patch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", internet.url)
    internet.issuers["/metadata/identity"] = partial(_token, plants)
    return {"managedIdentity": True}


def challenge(request: Request) -> Reply | None:
    """Key Vault asks for a token first."""
    if "Authorization" in request.headers:
        return None
    where = f'authorization="https://login.microsoftonline.com/{TENANT}"'
    header = f'Bearer {where}, resource="https://vault.azure.net"'
    return Reply(401, b"", [("WWW-Authenticate", header)])


def read_key(request: Request) -> Reply | None:
    """The KEK is there, so that a key is sent to be wrapped."""
    if request.command != "GET":
        return None
    kid = f"https://our-vault.vault.azure.net/keys/deks/{_VERSION}"
    key = {"kid": kid, "kty": "RSA", "key_ops": ["wrapKey", "unwrapKey"]}
    return Reply(200, json.dumps({"key": key, "attributes": {"enabled": True}}).encode())


def _issue(plants: Plants, internet: Internet) -> None:
    internet.issuers["login.microsoftonline.com"] = partial(_token, plants)


def _token(plants: Plants, request: Request) -> Reply:
    if "openid-configuration" in request.path:
        authority = f"https://login.microsoftonline.com/{TENANT}"
        said: dict[str, object] = {
            "issuer": f"{authority}/v2.0",
            "authorization_endpoint": f"{authority}/oauth2/v2.0/authorize",
            "token_endpoint": f"{authority}/oauth2/v2.0/token",
        }
    else:
        token, until = plants.text("access token", 800), int(time.time()) + 3600
        said = {"access_token": token, "token_type": "Bearer"}
        said |= {"expires_in": 3600, "expires_on": until}
    headers = [("Content-Type", "application/json")]
    return Reply(200, json.dumps(said).encode(), headers)


def _set_principal(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("AZURE_TENANT_ID", TENANT)
    patch.setenv("AZURE_CLIENT_ID", "app")


def _make_pem(plants: Plants) -> str:
    made = trustme.CA().issue_cert("client.example", key_type=trustme.KeyType.RSA)
    plants.known("private key", made.private_key_pem.bytes().decode())
    return made.private_key_and_cert_chain_pem.bytes().decode()


PLACES = (
    *(parameters, files, own_variables, variables, certificate, certificate_of_the_environment),
    *(federated_token, workload, app_service, instance),
)
