"""Azure credentials, with azure-identity's own credentials and a real token endpoint."""

from __future__ import annotations

import json
import ssl
import threading
import time
import urllib.request
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.identity import ClientSecretCredential
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import load_pem_x509_certificate

from kms_azure.client import Credential
from kms_core import (
    AuthenticationError,
    ConfigError,
    KmsError,
    ThrottledError,
    UnavailableError,
    open_kek,
)
from kms_core._causes import hide_foreign_errors
from kms_core._tracebacks import clear_locals
from kms_core.testing._harness.leaks import carried_texts, error_texts, search
from tests.azure.cloud import HANGING, PATIENT, Cloud
from tests.azure.test_config import kek_config
from tests.fakes.azure.faults import start_proxy
from tests.fakes.azure.servers import CLIENT_SECRET, TENANT
from tests.fakes.certificates import Certificates

CONTEXT = {"dek_id": "id", "size": "32"}
VAULT = "vault.azure.net"
NO_CREDENTIALS: dict[str, Any] = {"tenantID": None, "clientID": None, "clientSecret": None}
WRONG_SECRET = "a-wrong-client-secret-of-this-test"


@pytest.fixture
def key(cloud: Cloud) -> str:
    return cloud.vaults[VAULT].make_key("RSA")


def asked(cloud: Cloud, client_id: str) -> list[str]:
    """The scope of each token that this client has asked for."""
    scopes: list[str] = ask(cloud, f"/asked/{client_id}")
    return scopes


def ask(cloud: Cloud, path: str) -> Any:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    direct = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with direct.open(cloud.tokens.url + path, timeout=60) as reply:
        return json.load(reply)


def fails(kind: type[KmsError], kek: Any) -> str:
    with pytest.raises(KmsError) as caught:
        kek.describe_kek()
    assert type(caught.value) is kind
    hide_foreign_errors(caught.value, None)  # as core does with what leaves a backend
    clear_locals(caught.value)
    texts = [*error_texts(caught.value), *carried_texts(caught.value)]
    search("describe_kek", texts, [CLIENT_SECRET, WRONG_SECRET, "client_secret="])
    return str(caught.value)


def test_one_token_serves_many_calls(cloud: Cloud, key: str) -> None:
    kek = cloud.as_client("lives-3000-many").open_kek(key)
    for _ in range(3):
        kek.unwrap_dek(kek.wrap_dek(bytes(32), CONTEXT), CONTEXT)
    assert asked(cloud, "lives-3000-many") == [f"https://{VAULT}/.default"]


def test_tokens_are_renewed_before_they_expire(cloud: Cloud, key: str) -> None:
    """Of the 200 s that these live, none is left by the time that the SDK keeps before the end.

    Tokens of a second or so would tell chance: one may expire between its fetching and its use.
    """
    client = cloud.as_client("lives-200-renewed")
    kek, storage = client.open_kek(key), client.open_storage(cloud.make_container())
    wrapped = kek.wrap_dek(b"d" * 32, CONTEXT)
    storage.create_record("id", b"data")
    before = asked(cloud, "lives-200-renewed")
    assert kek.unwrap_dek(wrapped, CONTEXT) == b"d" * 32
    assert storage.load_record("id").data == b"data"
    renewed = asked(cloud, "lives-200-renewed")[len(before) :]
    assert set(renewed) == {f"https://{VAULT}/.default", "https://storage.azure.com/.default"}


def test_expired_token_is_refused(cloud: Cloud, key: str) -> None:
    """So that the test above does test something."""
    vault = cloud.vaults[VAULT]
    kek = cloud.open_kek(key)
    kek.describe_kek()
    token = kek._client._client._config.authentication_policy._token.token
    with pytest.raises(Exception, match="401"):
        vault.answer("GET", f"/keys/{key}/?api-version=2025-07-01", _expired(token), b"")


def _expired(token: str) -> str:
    head, payload, signature = token.split(".")
    claims = json.loads(urlsafe_b64decode(payload + "==")) | {"exp": 1}
    return f"Bearer {head}.{urlsafe_b64encode(json.dumps(claims).encode()).decode()}.{signature}"


def test_wrong_secret(cloud: Cloud, key: str) -> None:
    message = fails(AuthenticationError, cloud.open_kek(key, clientSecret=WRONG_SECRET))
    assert "the secret is wrong" in message
    storage = cloud.open_storage("container", clientSecret=WRONG_SECRET)
    with pytest.raises(AuthenticationError, match="the secret is wrong"):
        storage.load_record("id")


def test_secret_that_was_renewed(cloud: Cloud, key: str, tmp_path: Path) -> None:
    """Its file is read again when Entra ID refuses the old one; nothing is opened anew by hand."""
    file = tmp_path / "secret"
    file.touch(mode=0o600)
    file.write_text(WRONG_SECRET)
    parameters = cloud.kek_parameters(key) | {"clientSecretFile": str(file)}
    del parameters["clientSecret"]
    with open_kek(parameters) as kek:
        with pytest.raises(AuthenticationError):
            kek.wrap(b"data", {"purpose": "x"})
        file.write_text(CLIENT_SECRET)
        assert kek.unwrap(kek.wrap(b"data", {"purpose": "x"}), {"purpose": "x"}) == b"data"


@pytest.mark.parametrize(("status", "kind"), [(429, ThrottledError), (503, UnavailableError)])
def test_token_endpoint_that_fails(
    cloud: Cloud, key: str, status: int, kind: type[KmsError]
) -> None:
    fails(kind, cloud.as_client(f"status-{status}").open_kek(key, **PATIENT))


def test_token_endpoint_that_is_away(cloud: Cloud, certificates: Certificates, key: str) -> None:
    with start_proxy(cloud.tokens.url, certificates) as gone:
        url = gone.url
    fails(UnavailableError, cloud.open_kek(key, authority=url, **PATIENT))


def test_token_endpoint_that_hangs(cloud: Cloud, certificates: Certificates, key: str) -> None:
    with start_proxy(cloud.tokens.url, certificates) as proxy:
        proxy.spoil("challenge", lambda exchange: exchange.hang())
        fails(UnavailableError, cloud.open_kek(key, authority=proxy.url, **HANGING))


LIES = [
    ("audience", "https://management.azure.com", AuthenticationError),
    ("authority", "https://login.example.com/other", None),
]


@pytest.mark.parametrize("lie", LIES)
def test_challenge_that_lies(
    cloud: Cloud,
    certificates: Certificates,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
    lie: tuple[str, str, type[KmsError] | None],
) -> None:
    """A service that asks for a token for another one, or of another tenant, does not get it."""
    attribute, value, kind = lie
    client, vault = cloud.as_client(f"lured-by-{attribute}"), cloud.vaults[VAULT]
    # The SDK remembers challenges by address, so this one must be new to it.
    with start_proxy(vault.url, certificates) as proxy:
        kek = client.reached_at({VAULT: proxy.url}).open_kek(key)
        with monkeypatch.context() as patch:
            patch.setattr(vault, attribute, value)
            _ = fails(kind, kek) if kind else kek.describe_kek()
        kek.describe_kek()  # nothing of the lie is kept
    assert set(asked(cloud, client.client_id)) == {f"https://{VAULT}/.default"}


class _Identity(BaseHTTPRequestHandler):
    """The endpoint of managed identities, as App Service has it."""

    seen: list[str]

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        type(self).seen.append(query.get("client_id", ["system"])[0])
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        token = self.server.token  # type: ignore[attr-defined]
        body = f'{{"access_token": "{token}", "expires_on": {int(time.time()) + 3600}}}'
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def identities(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Managed identities on this machine; which of them was asked for."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Identity)
    token = Credential(kek_config(**cloud.credentials), f"https://{VAULT}/.default").get_token()
    server.token = token.token  # type: ignore[attr-defined]
    _Identity.seen = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{server.server_port}/token")
    monkeypatch.setenv("IDENTITY_HEADER", "header")
    yield _Identity.seen
    server.shutdown()
    server.server_close()
    thread.join()


def test_system_assigned_identity(cloud: Cloud, key: str, identities: list[str]) -> None:
    kek = cloud.open_kek(key, **NO_CREDENTIALS, managedIdentity=True)
    assert kek.unwrap_dek(kek.wrap_dek(b"d" * 32, CONTEXT), CONTEXT) == b"d" * 32
    assert identities == ["system"]


def test_user_assigned_identity(
    cloud: Cloud, key: str, identities: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_CLIENT_ID", "of-the-environment")
    kek = cloud.open_kek(key, **NO_CREDENTIALS | {"clientID": "ours"}, managedIdentity=True)
    kek.describe_kek()
    assert identities == ["ours"]


def test_no_managed_identity_here(cloud: Cloud, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    kek = cloud.open_kek(key, **NO_CREDENTIALS, managedIdentity=True, **PATIENT)
    fails(AuthenticationError, kek)


def test_default_chain(cloud: Cloud, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", "app")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", CLIENT_SECRET)
    kek = cloud.open_kek(key, **NO_CREDENTIALS)
    assert kek.unwrap_dek(kek.wrap_dek(b"d" * 32, CONTEXT), CONTEXT) == b"d" * 32


CONTRARY = {
    "AZURE_TENANT_ID": "tenant-of-the-environment",
    "AZURE_CLIENT_ID": "client-of-the-environment",
    "AZURE_CLIENT_SECRET": "secret-of-the-environment",
    "AZURE_AUTHORITY_HOST": "https://127.0.0.1:9",
    "AZURE_REGIONAL_AUTHORITY_NAME": "westeurope",
    "AZURE_IDENTITY_DISABLE_MULTITENANTAUTH": "true",
    "AZURE_TOKEN_CREDENTIALS": "managedidentitycredential",
    "IDENTITY_ENDPOINT": "http://127.0.0.1:9",
    "IDENTITY_HEADER": "header",
}


def test_environment_overrides_nothing(
    cloud: Cloud, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = cloud.make_container()
    for name, value in CONTRARY.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    kek, storage = cloud.open_kek(key), cloud.open_storage(container)
    assert kek.unwrap_dek(kek.wrap_dek(b"d" * 32, CONTEXT), CONTEXT) == b"d" * 32
    storage.create_record("id", b"data")


def test_the_sdk_itself_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the test above does test something."""
    for name in ("AZURE_AUTHORITY_HOST", "AZURE_REGIONAL_AUTHORITY_NAME"):
        monkeypatch.setenv(name, CONTRARY[name])
    credential = ClientSecretCredential("tenant", "client", "secret")
    assert credential._authority == CONTRARY["AZURE_AUTHORITY_HOST"]
    assert credential._regional_authority == CONTRARY["AZURE_REGIONAL_AUTHORITY_NAME"]


def assertion(cloud: Cloud, client_id: str) -> str:
    """What this client has proved itself with."""
    text: str = ask(cloud, f"/assertions/{client_id}")
    return text


def test_certificate(cloud: Cloud, key: str, pem: str) -> None:
    client = cloud.as_client("with-certificate")
    given: dict[str, Any] = {"clientSecret": None, "clientCertificate": pem}
    kek = client.open_kek(key, **given)
    assert kek.unwrap_dek(kek.wrap_dek(b"d" * 32, CONTEXT), CONTEXT) == b"d" * 32
    client.open_storage(cloud.make_container(), **given).create_record("id", b"data")
    signed, _, signature = assertion(cloud, "with-certificate").rpartition(".")
    public = load_pem_x509_certificate(pem.encode()).public_key()
    assert isinstance(public, RSAPublicKey)
    algorithm = json.loads(unpad(signed.split(".")[0]))["alg"]
    scheme = PSS(MGF1(SHA256()), 32) if algorithm == "PS256" else PKCS1v15()
    public.verify(unpad(signature), signed.encode(), scheme, SHA256())


def unpad(text: str) -> bytes:
    return urlsafe_b64decode(text + "==")


@pytest.mark.parametrize(
    "text", ["", "no PEM", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"]
)
def test_certificate_that_is_none(cloud: Cloud, key: str, text: str) -> None:
    with pytest.raises(ConfigError, match="clientCertificate is malformed") as caught:
        cloud.open_kek(key, clientSecret=None, clientCertificate=text)
    assert caught.value.__cause__ is None


def test_federated_token(cloud: Cloud, key: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a-token-of-kubernetes")
    client = cloud.as_client("federated")
    given: dict[str, Any] = {"clientSecret": None, "federatedTokenFile": str(tmp_path / "token")}
    kek = client.open_kek(key, **given)
    assert kek.unwrap_dek(kek.wrap_dek(b"d" * 32, CONTEXT), CONTEXT) == b"d" * 32
    assert assertion(cloud, "federated") == "a-token-of-kubernetes"


def test_federated_token_that_is_not_there(cloud: Cloud, key: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {"clientSecret": None, "federatedTokenFile": str(tmp_path / "token")}
    kek = cloud.open_kek(key, **given)
    assert "correct federatedTokenFile" in fails(ConfigError, kek)
    (tmp_path / "token").write_text("a-token-that-came-later")
    kek.describe_kek()


WORKLOAD = {"AZURE_TENANT_ID": TENANT, "AZURE_AUTHORITY_HOST": "https://127.0.0.1:9"}


@pytest.mark.parametrize("more", [{}, {"managedIdentity": True}])
def test_authority_of_a_workload_identity_is_the_configs(
    cloud: Cloud, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    """Or else the environment would choose who gets the token of Kubernetes."""
    client_id = f"workload-{len(more)}"
    (tmp_path / "token").write_text("a-token-of-kubernetes")
    environment = {"AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token")} | WORKLOAD
    for name, value in (environment | {"AZURE_CLIENT_ID": client_id}).items():
        monkeypatch.setenv(name, value)
    kek = cloud.open_kek(key, **NO_CREDENTIALS | more, **PATIENT)
    kek.describe_kek()
    assert assertion(cloud, client_id) == "a-token-of-kubernetes"


def test_identity_of_this_machine_is_asked_directly(
    cloud: Cloud, key: str, identities: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy could keep the token, or give another one."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    cloud.open_kek(key, **NO_CREDENTIALS, managedIdentity=True, **PATIENT).describe_kek()
    assert identities == ["system"]


MALFORMED = [
    {"AZURE_TENANT_ID": ""},
    {"AZURE_TENANT_ID": "tenant\n"},
    {"AZURE_CLIENT_ID": ""},
    {"AZURE_CLIENT_SECRET": ""},
]


@pytest.mark.parametrize("wrong", MALFORMED)
def test_malformed_environment(
    cloud: Cloud, key: str, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]
) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    names = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
    given = dict(zip(names, (TENANT, "app", CLIENT_SECRET), strict=True)) | wrong
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises((ConfigError, AuthenticationError)) as caught:
        cloud.open_kek(key, **NO_CREDENTIALS, **PATIENT).describe_kek()
    assert "AZURE_TENANT_ID" in str(caught.value)


def test_config_of_another_cloud_uses_its_authority(cloud: Cloud) -> None:
    config = kek_config(
        **replace(cloud, client_id="app").credentials | {"authority": None},
        vaultType="vault.usgovcloudapi.net",
    )
    identity = Credential(config, "scope")._identity
    assert isinstance(identity, ClientSecretCredential)
    assert identity._authority == "https://login.microsoftonline.us"
    assert identity._instance_discovery is False
