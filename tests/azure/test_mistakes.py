"""The mistakes that a newcomer to Azure is most likely to make, and what she is told of each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kms_core import (
    AccessDeniedError,
    AuthenticationError,
    ConfigError,
    KekDisabledError,
    KekNotFoundError,
    UnavailableError,
)
from tests.azure.cloud import PATIENT, VAULT, Cloud
from tests.fakes.azure.faults import (
    blob_error,
    entra_error,
    start_issuer,
    start_proxy,
    vault_error,
)
from tests.fakes.azure.servers import TENANT
from tests.fakes.certificates import Certificates, make_certificates
from tests.fakes.proxy import Proxy
from tests.mistakes import Setup, told_by

__all__ = ["told_by"]
pytestmark = pytest.mark.usefixtures("told_by")

KEY_VAULT, HSM = "vault.azure.net", "managedhsm.azure.net"
NOBODY: dict[str, Any] = {"tenantID": None, "clientID": None, "clientSecret": None}
SECRET_ID = "8f2c9d4e-1b3a-4c5d-9e6f-7a8b9c0d1e2f"


@pytest.fixture
def entra(cloud: Cloud, certificates: Certificates) -> Iterator[Proxy]:
    with start_issuer(cloud.tokens, certificates) as entra:
        yield entra


@pytest.fixture
def key(cloud: Cloud) -> str:
    return cloud.vaults[KEY_VAULT].make_key("RSA")


@pytest.fixture
def azure(cloud: Cloud, key: str, entra: Proxy, vault_proxy: Proxy, blob_proxy: Proxy) -> Setup:
    ways = {KEY_VAULT: vault_proxy.url, "azurite": blob_proxy.url, "tokens": entra.url}
    behind = cloud.reached_at(ways)
    storage = behind.storage_parameters(cloud.make_container())
    return Setup(behind.kek_parameters(key) | PATIENT, storage | PATIENT)


class TestKey:
    def test_vault_with_a_typo(self, azure: Setup, nobody_knows: None) -> None:
        azure.but(kek={"vaultName": "our-valut", "endpoint": None}).tells(
            UnavailableError, "our-valut.vault.azure.net", "DNS", "vaultName", "vaultType"
        )

    @pytest.mark.parametrize("name", [f"https://{VAULT}.{KEY_VAULT}", f"{VAULT}.{KEY_VAULT}"])
    def test_url_in_place_of_the_vaults_name(self, azure: Setup, name: str) -> None:
        azure.but(kek={"vaultName": name}).tells(ConfigError, "vaultName", "name", "vaultType")

    def test_path_in_the_vaults_url(self, azure: Setup, key: str) -> None:
        url = f"https://{VAULT}.{KEY_VAULT}/keys/{key}"
        azure.but(kek={"endpoint": url}).tells(ConfigError, "endpoint", "path", "keyName")

    def test_type_of_another_cloud(self, azure: Setup) -> None:
        azure.but(kek={"vaultType": "vault.azure.com", "authority": None}).tells(
            ConfigError, "vaultType", KEY_VAULT, HSM
        )

    def test_vault_that_is_an_hsm(self, azure: Setup, nobody_knows: None) -> None:
        azure.but(kek={"vaultType": HSM, "endpoint": None}).tells(
            UnavailableError, f"{VAULT}.{HSM}", "vaultType"
        )

    def test_key_that_does_not_exist(self, azure: Setup) -> None:
        azure.but(kek={"keyName": "dekz"}).tells(
            KekNotFoundError, "keys/dekz", "no such KEK", "vaultName", "keyName"
        )

    def test_version_in_the_keys_name(self, azure: Setup, key: str) -> None:
        azure.but(kek={"keyName": f"{key}/{'0' * 32}"}).tells(ConfigError, "keyName", "keyVersion")

    def test_version_that_does_not_exist(self, azure: Setup) -> None:
        azure.but(kek={"keyVersion": "0" * 32}).tells(
            KekNotFoundError, f"/{'0' * 32}: ", "no such version", "keyVersion"
        )

    def test_disabled_key(self, azure: Setup, cloud: Cloud, key: str) -> None:
        cloud.vaults[KEY_VAULT].keys[key][-1].enabled = False
        azure.tells(KekDisabledError, f"keys/{key}", "disabled", "enable it")

    def test_expired_key(self, azure: Setup, cloud: Cloud, key: str) -> None:
        cloud.vaults[KEY_VAULT].keys[key][-1].exp = 1.0
        azure.tells(KekDisabledError, "has expired", "rotate", "expiry date")

    def test_key_of_another_kind(self, azure: Setup, cloud: Cloud) -> None:
        key = cloud.vaults[KEY_VAULT].make_key("EC", ops=("sign", "verify"))
        azure.but(kek={"keyName": key}).tells(ConfigError, "EC", "RSA key", "wrapKey")


class TestIdentity:
    def test_nobody(
        self, azure: Setup, monkeypatch: pytest.MonkeyPatch, nobody_knows: None
    ) -> None:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
        monkeypatch.setenv("PATH", "/nowhere")
        azure.but(both=NOBODY).tells(
            AuthenticationError, "no credentials", "clientSecret", "managedIdentity", "az login"
        )

    def test_managed_identity_where_there_is_none(
        self, azure: Setup, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
        azure.but(both=NOBODY | {"managedIdentity": True}).tells(
            AuthenticationError, "managed identity", "if it is a machine of Azure", "clientSecret"
        )

    def test_half_a_principal(self, azure: Setup) -> None:
        azure.but(both={"clientSecret": None}).tells(
            ConfigError, "tenantID, clientID and one of clientSecret"
        )

    def test_wrong_tenant(self, azure: Setup, entra: Proxy) -> None:
        text = f"Tenant '{TENANT}' not found. Check to make sure you have the correct tenant ID."
        refused = entra_error(400, "invalid_request", 90002, text)
        for call in ("GET", "POST"):
            entra.spoil(call, refused)
        azure.tells(AuthenticationError, "tenant", "tenantID", "AZURE_TENANT_ID")

    def test_wrong_client(self, azure: Setup, entra: Proxy) -> None:
        text = "Application with identifier 'app' was not found in the directory 'Contoso'."
        entra.spoil("POST", entra_error(400, "unauthorized_client", 700016, text))
        azure.tells(AuthenticationError, "application", "clientID", "tenantID")

    def test_id_of_the_secret_in_place_of_its_value(self, azure: Setup, entra: Proxy) -> None:
        text = (
            "Invalid client secret provided. Ensure the secret being sent in the request is the "
            "client secret value, not the client secret ID, for a secret added to app 'app'."
        )
        entra.spoil("POST", entra_error(401, "invalid_client", 7000215, text))
        azure.but(both={"clientSecret": SECRET_ID}).tells(
            AuthenticationError, "clientSecret", "value", "not its ID"
        )

    def test_secret_that_has_expired(self, azure: Setup, entra: Proxy) -> None:
        text = "The provided client secret keys for app 'app' are expired."
        entra.spoil("POST", entra_error(401, "invalid_client", 7000222, text))
        azure.tells(AuthenticationError, "clientSecret", "has expired", "new one")

    def test_clock_that_is_off(self, azure: Setup, entra: Proxy, pem: str) -> None:
        text = "Client assertion is not within its valid time range."
        entra.spoil("POST", entra_error(401, "invalid_client", 700024, text))
        azure.but(both={"clientSecret": None, "clientCertificate": pem}).tells(
            AuthenticationError, "clock", "set it"
        )

    def test_certificate_that_the_application_does_not_have(
        self, azure: Setup, entra: Proxy, pem: str
    ) -> None:
        text = "The certificate with identifier used to sign the client assertion is not registered"
        entra.spoil("POST", entra_error(401, "invalid_client", 700027, text))
        azure.but(both={"clientSecret": None, "clientCertificate": pem}).tells(
            AuthenticationError, "clientCertificate", "application"
        )

    def test_certificate_without_its_key(self, azure: Setup, pem: str) -> None:
        alone = pem[pem.index("-----BEGIN CERT") :]
        azure.but(both={"clientSecret": None, "clientCertificate": alone}).tells(
            ConfigError, "clientCertificate", "key", "PEM"
        )

    def test_vault_of_another_tenant(self, azure: Setup, vault_proxy: Proxy) -> None:
        text = "AKV10032: Invalid issuer. Expected one of https://sts.windows.net/1/, found 2."
        vault_proxy.spoil("GET key", vault_error(401, "Unauthorized", text=text))
        azure.tells(AuthenticationError, "another tenant", "tenantID")

    def test_token_file_that_is_not_there(self, azure: Setup, tmp_path: Path) -> None:
        file = str(tmp_path / "token")
        azure.but(both={"clientSecret": None, "federatedTokenFile": file}).tells(
            ConfigError, "federatedTokenFile", file
        )


class TestPermissions:
    @pytest.mark.parametrize("inner", ["ForbiddenByRbac", "ForbiddenByPolicy"])
    @pytest.mark.parametrize("call", ["get", "wrapKey", "unwrapKey"])
    def test_of_the_key(self, azure: Setup, vault_proxy: Proxy, inner: str, call: str) -> None:
        name = "GET key" if call == "get" else f"POST {call.lower()}"
        vault_proxy.spoil(name, vault_error(403, "Forbidden", inner))
        role = "the role Key Vault Crypto Service Encryption User"
        cure = "to the one that is there" if inner == "ForbiddenByPolicy" else role
        azure.tells(AccessDeniedError, f"keys/{call} on https://", cure)

    def test_of_the_container(self, azure: Setup, blob_proxy: Proxy) -> None:
        blob_proxy.spoil("GET blob", blob_error(403, "AuthorizationPermissionMismatch"))
        azure.tells(AccessDeniedError, "blobs/read", "role", "Storage Blob Data Contributor")

    def test_firewall_of_the_vault(self, azure: Setup, vault_proxy: Proxy) -> None:
        vault_proxy.spoil("GET key", vault_error(403, "Forbidden", "ForbiddenByFirewall"))
        azure.tells(AccessDeniedError, "firewall", "network settings", "private endpoint")

    def test_firewall_of_the_storage(self, azure: Setup, blob_proxy: Proxy) -> None:
        blob_proxy.spoil("GET blob", blob_error(403, "AuthorizationFailure"))
        role = "the role Storage Blob Data Contributor"
        azure.tells(AccessDeniedError, "firewall", "network settings", "private endpoint", role)


class TestStorage:
    def test_account_with_a_typo(self, azure: Setup, nobody_knows: None) -> None:
        azure.but(storage={"account": "devstorreaccount", "endpoint": None}).tells(
            UnavailableError, "devstorreaccount.blob.core.windows.net", "DNS", "account"
        )

    def test_illegal_account(self, azure: Setup) -> None:
        azure.but(storage={"account": "https://deks.blob.core.windows.net"}).tells(
            ConfigError, "account", "name", "endpoint"
        )

    def test_container_with_a_typo(self, azure: Setup) -> None:
        azure.but(storage={"container": "dekz"}).tells(
            ConfigError, "/dekz", "no such container", "correct container", "createContainer=true"
        )

    def test_illegal_container(self, azure: Setup) -> None:
        for name in ("My_DEKs", "deks/prod"):
            azure.but(storage={"container": name}).tells(ConfigError, "container", "lower-case")


class TestNetwork:
    def test_nobody_listens(self, azure: Setup, closed_port: int) -> None:
        url = f"https://127.0.0.1:{closed_port}"
        azure.but(kek={"endpoint": url}).tells(
            UnavailableError, url.removeprefix("https://"), "nobody listens there", "endpoint"
        )

    def test_proxy_that_refuses(
        self, azure: Setup, closed_port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port}")
        azure.but(storage={"endpoint": None}).tells(UnavailableError, "the proxy", "HTTPS_PROXY")

    def test_untrusted_certificate(self, azure: Setup, cloud: Cloud, tmp_path: Path) -> None:
        strange = make_certificates(tmp_path / "strange")
        with start_proxy(cloud.vaults[KEY_VAULT].url, strange) as proxy:
            azure.but(kek={"endpoint": proxy.url}).tells(
                ConfigError,
                f"at {proxy.url.removeprefix('https://')}: ",
                "certificate",
                "not trusted",
                "REQUESTS_CA_BUNDLE",
            )

    def test_http_in_place_of_https(self, azure: Setup) -> None:
        azure.but(kek={"endpoint": "http://our-vault.vault.azure.net"}).tells(
            ConfigError, "endpoint", "plain http", "use https"
        )

    def test_file_of_authorities_that_is_not_there(
        self, azure: Setup, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        for name in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
            monkeypatch.setenv(name, f"/{name}.pem")
            azure.tells(ConfigError, f"{name} names '/{name}.pem'", "not there", "PEM")
