"""What ``kms://azure`` and ``storage://azure`` take. Nothing of the SDK is imported here."""

from __future__ import annotations

from typing import Annotated, Self
from urllib.parse import urlsplit

from msgspec import Meta, field

from kms_core.backend import AuthKey, Endpoint, RecordPrefix, SecretStr, ServiceConfig

_PUBLIC, _CHINA = "login.microsoftonline.com", "login.chinacloudapi.cn"
_US_GOVERNMENT, _GERMANY = "login.microsoftonline.us", "login.microsoftonline.de"

_MANAGED_HSM = "managedhsm.azure.net"
_VAULTS = {
    "vault.azure.net": _PUBLIC,
    "vault.azure.cn": _CHINA,
    "vault.usgovcloudapi.net": _US_GOVERNMENT,
    "vault.microsoftazure.de": _GERMANY,
    _MANAGED_HSM: _PUBLIC,
}
"""The vault's DNS suffix → who issues tokens in its cloud."""

_BLOBS = {
    ".core.chinacloudapi.cn": _CHINA,
    ".core.usgovcloudapi.net": _US_GOVERNMENT,
    ".core.cloudapi.de": _GERMANY,
}
"""Likewise for Blob Storage; whatever else an endpoint ends in is taken to be the public cloud."""


class TlsEndpoint(Endpoint):
    """The Azure SDK sends tokens over nothing else than https."""

    __slots__ = ()

    def __new__(cls, url: str) -> Self:
        endpoint = super().__new__(cls, url)
        if urlsplit(endpoint).scheme != "https":
            raise ValueError("is not https, and the Azure SDK sends tokens over nothing else")
        return endpoint


class VaultType(str):
    """A vault's DNS suffix."""

    __slots__ = ()

    def __new__(cls, suffix: str) -> Self:
        if suffix not in _VAULTS:
            raise ValueError(f"is none of {', '.join(_VAULTS)}")
        return super().__new__(cls, suffix)


class AzureConfig(ServiceConfig):
    """Azure credentials, and the service's place.

    ``tenantID``, ``clientID`` and ``clientSecret`` together are a service principal;
    ``managedIdentity=true`` is the identity of the machine, the user-assigned one of ``clientID``
    if that is given. Without any of them the SDK's default chain finds the credentials.

    Attributes:
        tenant_id: the service principal's tenant.
        client_id: the service principal's or the user-assigned managed identity's client id.
        client_secret: the service principal's secret.
        managed_identity: use a managed identity.
        authority: who issues tokens, if not the cloud's own authority.
        endpoint: replaces the service's public endpoint.
    """

    tenant_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9.-]+\Z")] | None = field(
        default=None, name="tenantID"
    )
    client_id: Annotated[str, Meta(min_length=1)] | None = field(default=None, name="clientID")
    client_secret: SecretStr | None = None
    managed_identity: bool = False
    authority: TlsEndpoint | None = None
    endpoint: TlsEndpoint | None = None

    def __post_init__(self) -> None:
        principal = (self.tenant_id, self.client_id, self.client_secret)
        given = [part is not None for part in principal]
        if self.managed_identity and (given[0] or given[2]):
            raise ValueError(
                "managedIdentity takes no tenantID and no clientSecret; leave them out"
            )
        if not self.managed_identity and any(given) and not all(given):
            raise ValueError(
                "tenantID, clientID and clientSecret belong together; give all of them, or none, "
                "or managedIdentity=true (with clientID for a user-assigned one)"
            )


class AzureKekConfig(AzureConfig):
    """A key in a key vault or a managed HSM.

    Attributes:
        vault_name: the name of the vault or managed HSM.
        vault_type: its DNS suffix, which says in which cloud it is and whether it is an HSM.
        key_name: the key's name.
        key_version: wrap with this version; the newest one by default.
        auth_key: the authentication key; needed with an RSA key, so that nobody else can make
            records.
    """

    vault_name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{1,22}[A-Za-z0-9]\Z")]
    vault_type: VaultType = VaultType("vault.azure.net")
    key_name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,127}\Z")]
    key_version: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")] | None = None
    auth_key: AuthKey | None = None

    @property
    def is_hsm(self) -> bool:
        """Whether the vault is a managed HSM."""
        return self.vault_type == _MANAGED_HSM

    @property
    def vault_url(self) -> str:
        """The vault's own name in DNS, which stands in records whatever the endpoint is."""
        return f"https://{self.vault_name.lower()}.{self.vault_type}"

    @property
    def authority_url(self) -> str:
        """Who issues tokens."""
        return self.authority or f"https://{_VAULTS[self.vault_type]}"


class AzureStorageConfig(AzureConfig):
    """A container of a storage account.

    Attributes:
        account: the storage account's name.
        container: the container's name.
        prefix: a folder for the records; none by default.
        create_container: create the container when the storage is opened, if it is missing.
    """

    account: Annotated[str, Meta(pattern=r"^[a-z0-9]{3,24}\Z")]
    container: Annotated[
        str, Meta(min_length=3, max_length=63, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*\Z")
    ]
    prefix: RecordPrefix | None = None
    create_container: bool = False

    @property
    def account_url(self) -> str:
        """Where Blob Storage of the account is."""
        return self.endpoint or f"https://{self.account}.blob.core.windows.net"

    @property
    def authority_url(self) -> str:
        """Who issues tokens."""
        host = urlsplit(self.account_url).hostname or ""
        cloud = next((a for suffix, a in _BLOBS.items() if host.endswith(suffix)), _PUBLIC)
        return self.authority or f"https://{cloud}"
