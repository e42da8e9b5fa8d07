"""What a config may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kms_azure.config import AzureKekConfig, AzureStorageConfig
from kms_core import ConfigError, open_kek
from kms_core._config.choices import ChosenBackend
from kms_core._config.uri import parse_uri
from kms_core._plugins.parameters import read_parameters
from tests.secret_files import write_private

PRINCIPAL = {"tenantID": "tenant", "clientID": "client", "clientSecret": "a-config-secret"}
CLOUDS = [
    ("vault.azure.net", "login.microsoftonline.com"),
    ("vault.azure.cn", "login.chinacloudapi.cn"),
    ("vault.usgovcloudapi.net", "login.microsoftonline.us"),
    ("vault.microsoftazure.de", "login.microsoftonline.de"),
    ("managedhsm.azure.net", "login.microsoftonline.com"),
    ("managedhsm.azure.cn", "login.chinacloudapi.cn"),
    ("managedhsm.usgovcloudapi.net", "login.microsoftonline.us"),
    ("ManagedHSM.Azure.Net", "login.microsoftonline.com"),
]
ENDPOINTS = [
    ("https://account.blob.core.windows.net", "login.microsoftonline.com"),
    ("https://account.z01.blob.storage.azure.net", "login.microsoftonline.com"),
    ("https://account.blob.core.chinacloudapi.cn", "login.chinacloudapi.cn"),
    ("https://account.blob.core.usgovcloudapi.net", "login.microsoftonline.us"),
    ("https://account.blob.core.cloudapi.de", "login.microsoftonline.de"),
    ("https://blob.core.chinacloudapi.cn.example.com", "login.microsoftonline.com"),
]


def kek_config(**parameters: Any) -> AzureKekConfig:
    given = {"vaultName": "our-vault", "keyName": "deks"} | parameters
    return read_parameters(AzureKekConfig, ChosenBackend("kms", "azure", given))


def storage_config(**parameters: Any) -> AzureStorageConfig:
    given = {"account": "account", "container": "deks"} | parameters
    return read_parameters(AzureStorageConfig, ChosenBackend("storage", "azure", given))


def test_uris_of_constellation() -> None:
    principal = "tenantID=tenant&clientID=client&clientSecret=a~b%2Fc%2Bd"
    kek = f"kms://azure?{principal}&vaultName=Vault&vaultType=vault.azure.net&keyName=deks"
    name, parameters = parse_uri(kek, "kms")
    config = read_parameters(AzureKekConfig, ChosenBackend("kms", name, parameters))
    assert config.client_secret is not None
    assert config.client_secret.get_secret_value() == "a~b/c+d"
    assert "a~b" not in repr(config)
    assert config.vault_url == "https://vault.vault.azure.net"
    storage = f"storage://azure?account=account&container=deks&{principal}"
    name, parameters = parse_uri(storage, "storage")
    stored = read_parameters(AzureStorageConfig, ChosenBackend("storage", name, parameters))
    assert stored.account_url == "https://account.blob.core.windows.net"


@pytest.mark.parametrize(("vault_type", "authority"), CLOUDS)
def test_clouds(vault_type: str, authority: str) -> None:
    config = kek_config(vaultType=vault_type)
    assert config.vault_url == f"https://our-vault.{vault_type.lower()}"
    assert config.authority_url == f"https://{authority}"
    assert config.is_hsm is vault_type.lower().startswith("managedhsm.")


def test_any_other_cloud() -> None:
    given = {"vaultType": "vault.local.azurestack.external", "vaultName": "Our-Vault"}
    config = kek_config(**given, authority="https://login.local.azurestack.external")
    assert config.vault_url == "https://our-vault.vault.local.azurestack.external"
    assert config.authority_url == "https://login.local.azurestack.external"
    with pytest.raises(ConfigError, match="for another cloud give authority too"):
        kek_config(**given)


def test_names_are_compared_without_case() -> None:
    """As Azure does: https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates"""
    assert kek_config(keyName="Deks").kek_id == kek_config(keyName="dEKS").kek_id


@pytest.mark.parametrize(("endpoint", "authority"), ENDPOINTS)
def test_clouds_of_storage(endpoint: str, authority: str) -> None:
    assert storage_config(endpoint=f"{endpoint}/").account_url == endpoint
    assert storage_config(endpoint=endpoint).authority_url == f"https://{authority}"


def test_authority() -> None:
    given = {"authority": "https://login.example.com/"}
    assert kek_config(**given).authority_url == "https://login.example.com"
    assert storage_config(**given).authority_url == "https://login.example.com"


HALF = "give all three, or none"
CERTIFICATE = {"tenantID": "tenant", "clientID": "client", "clientCertificate": "a-config-secret"}
PROBLEMS = [
    ({"tenantID": "tenant"}, HALF),
    ({"clientID": "client"}, HALF),
    ({"clientSecret": "a-config-secret"}, HALF),
    ({**PRINCIPAL, "tenantID": None}, HALF),
    ({**PRINCIPAL, "clientID": None}, HALF),
    ({**PRINCIPAL, "clientSecret": None}, HALF),
    ({**PRINCIPAL, **CERTIFICATE}, HALF),
    ({**PRINCIPAL, "federatedTokenFile": "token"}, HALF),
    ({"tenantID": "tenant", "clientID": "client"}, HALF),
    ({"federatedTokenFile": "token"}, HALF),
    ({**PRINCIPAL, "clientSecret": ""}, "clientSecret is empty"),
    ({**PRINCIPAL, "clientSecret": "a-config-secret\n"}, "clientSecret .* white space"),
    ({**PRINCIPAL, "clientSecret": "a-config-secret x"}, "clientSecret .* white space"),
    ({**PRINCIPAL, "tenantID": ""}, "tenantID"),
    ({**PRINCIPAL, "clientID": "client\n"}, "clientID"),
    ({"managedIdentity": "true", "federatedTokenFile": "token"}, "takes no tenantID and none of"),
    ({**PRINCIPAL, "managedIdentity": "true"}, "takes no tenantID and none of clientSecret"),
    ({"managedIdentity": "true", "tenantID": "tenant"}, "takes no tenantID"),
    ({"managedIdentity": "perhaps"}, "managedIdentity"),
    ({**PRINCIPAL, "tenantID": "a/b"}, "tenantID"),
    ({"endpoint": "http://vault.example.com"}, "plain http to another machine"),
    ({"endpoint": "http://127.0.0.1:8080"}, "not https"),
    ({"endpoint": "https://user@vault.example.com"}, "leave credentials out"),
    ({"authority": "http://127.0.0.1:8080"}, "not https"),
    ({"readTimeout": "0"}, "readTimeout"),
    ({"connectTimeout": "soon"}, "connectTimeout"),
    ({"maxAttempts": "0"}, "maxAttempts"),
    ({"clientId": "client"}, "did you mean 'clientID'"),
]


@pytest.mark.parametrize(("parameters", "problem"), PROBLEMS)
@pytest.mark.parametrize("load", [kek_config, storage_config])
def test_wrong_configs(load: Any, parameters: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        load(**parameters)
    assert "a-config-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"vaultName": "a.b"}, "vaultName"),
        ({"vaultName": "vault/x"}, "vaultName"),
        ({"vaultType": "vault.example.com"}, "is none of vault.azure.net, "),
        ({"vaultType": "vault/example"}, "is no DNS suffix"),
        ({"vaultType": "vault.azure.net:1"}, "is no DNS suffix"),
        ({"vaultType": ""}, "is no DNS suffix"),
        ({"keyName": "a/b"}, "keyName"),
        ({"keyName": "deks/0123"}, "keyName"),
        ({"keyVersion": "latest"}, "keyVersion"),
    ],
)
def test_wrong_kek_configs(parameters: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        kek_config(**parameters)


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"account": "Account"}, "account"),
        ({"account": "a.b"}, "account"),
        ({"container": "a--b"}, "container"),
        ({"container": "ab"}, "container"),
        ({"prefix": "/deks"}, "prefix"),
        ({"prefix": "a//b"}, "prefix"),
        ({"prefix": "../deks"}, "prefix"),
        ({"prefix": "deks."}, "prefix"),
        ({"prefix": "d" * 201}, "prefix"),
    ],
)
def test_wrong_storage_configs(parameters: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        storage_config(**parameters)


def test_managed_identities() -> None:
    assert kek_config(managedIdentity="true").client_id is None
    assert kek_config(managedIdentity="true", clientID="ours").client_id == "ours"


def test_secret_from_file_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"tenantID": "tenant", "clientID": "client"}
    write_private(tmp_path / "secret", "from-file\n")
    found = kek_config(**given, clientSecretFile=str(tmp_path / "secret")).client_secret
    assert found is not None
    assert found.get_secret_value() == "from-file"
    monkeypatch.setenv("KMS_STORAGE_AZURE_CLIENT_SECRET", "from-environment")
    found = storage_config(**given).client_secret
    assert found is not None
    assert found.get_secret_value() == "from-environment"


def test_a_stray_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or who has left the secret out would be told to leave it out."""
    monkeypatch.setenv("KMS_KEK_AZURE_CLIENT_SECRET", "of-another-program")
    where = "clientSecret comes from KMS_KEK_AZURE_CLIENT_SECRET in the environment"
    with pytest.raises(ConfigError, match=where):
        open_kek("kms://azure?vaultName=our-vault&keyName=deks&managedIdentity=true")
