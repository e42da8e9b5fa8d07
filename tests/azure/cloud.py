"""What an Azure admin sets up before a test, and how a test opens backends there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import Any

from azure.storage.blob import BlobServiceClient, ContainerClient

from kms_azure.config import AzureKekConfig, AzureStorageConfig
from kms_azure.kek import AzureKek
from kms_azure.storage import AzureStorage
from tests.fakes.azure.key_vault import KeyVault
from tests.fakes.azure.servers import ACCOUNT, ACCOUNT_KEY, CLIENT_SECRET, TENANT
from tests.fakes.azure.versions import BlobStore
from tests.fakes.process import Server

VAULT = "our-vault"
BUSY: dict[str, Any] = {"connectTimeout": 60, "readTimeout": 60, "deadline": 300}
"""How long a backend waits for an answer that comes, however busy this machine is."""
PATIENT = BUSY | {"maxAttempts": 1}
"""For calls that end by themselves."""
HANGING = PATIENT | {"connectTimeout": 2, "readTimeout": 0.3}
"""For calls that hang, each of which takes so long, be it amid the handshake of TLS."""


@dataclass(frozen=True)
class Cloud:
    """The servers, and who calls them."""

    vaults: dict[str, KeyVault]
    blobs: Server
    tokens: Server
    store: BlobStore
    """What stands before ``blobs``."""
    client_id: str = "app"
    endpoints: dict[str, str] = field(default_factory=dict)
    """Where backends reach ``azurite``, ``tokens`` or a type of vaults."""

    @property
    def credentials(self) -> dict[str, Any]:
        """A service principal's."""
        return {
            "tenantID": TENANT,
            "clientID": self.client_id,
            "clientSecret": CLIENT_SECRET,
            "authority": self.endpoints.get("tokens", self.tokens.url),
        }

    def reached_at(self, endpoints: dict[str, str]) -> Cloud:
        """The same cloud, some of it behind something else."""
        return replace(self, endpoints=self.endpoints | endpoints)

    def as_client(self, client_id: str) -> Cloud:
        """The same cloud for another client."""
        return replace(self, client_id=client_id)

    def kek_parameters(self, key: str, vault_type: str = "vault.azure.net") -> dict[str, Any]:
        """What a KEK's config says."""
        return self.credentials | {
            "backend": "azure",
            "vaultName": VAULT,
            "vaultType": vault_type,
            "keyName": key,
            "endpoint": self.endpoints.get(vault_type, self.vaults[vault_type].url),
            **BUSY,
        }

    def storage_parameters(self, container: str) -> dict[str, Any]:
        """What a storage's config says."""
        return self.credentials | {
            "backend": "azure",
            "account": ACCOUNT,
            "container": container,
            "endpoint": self.account_url,
            **BUSY,
        }

    @property
    def account_url(self) -> str:
        """Where a backend finds the storage account."""
        return f"{self.endpoints['azurite']}/{ACCOUNT}"

    def open_kek(self, key: str, vault_type: str = "vault.azure.net", **more: Any) -> AzureKek:
        """A KEK of one of the vaults."""
        parameters = self.kek_parameters(key, vault_type) | more
        parameters.pop("backend")
        return AzureKek(AzureKekConfig.from_parameters(parameters))

    def open_storage(self, container: str, **more: Any) -> AzureStorage:
        """A storage of Azurite."""
        parameters = self.storage_parameters(container) | more
        parameters.pop("backend")
        return AzureStorage(AzureStorageConfig.from_parameters(parameters))

    def admin(self, container: str) -> ContainerClient:
        """A client that has the account's key."""
        url = f"{self.blobs.url}/{ACCOUNT}"
        return BlobServiceClient(url, ACCOUNT_KEY).get_container_client(container)

    def make_container(self) -> str:
        """The name of a new container."""
        name = f"deks-{token_hex(6)}"
        self.admin(name).create_container()
        return name
