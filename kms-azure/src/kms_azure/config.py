"""What ``kms://azure`` and ``storage://azure`` take. Nothing of the SDK is imported here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Self, TypeAlias
from urllib.parse import urlsplit

from msgspec import Meta, field

from kms_core.backend import AuthKey, Endpoint, RecordPrefix, SecretStr, ServiceConfig

_PUBLIC, _CHINA = "login.microsoftonline.com", "login.chinacloudapi.cn"
_US_GOVERNMENT, _GERMANY = "login.microsoftonline.us", "login.microsoftonline.de"

_MANAGED_HSM = "managedhsm."
_VAULTS = {
    "vault.azure.net": _PUBLIC,
    "vault.azure.cn": _CHINA,
    "vault.usgovcloudapi.net": _US_GOVERNMENT,
    "vault.microsoftazure.de": _GERMANY,
    "managedhsm.azure.net": _PUBLIC,
    "managedhsm.azure.cn": _CHINA,
    "managedhsm.usgovcloudapi.net": _US_GOVERNMENT,
}
"""The vault's DNS suffix → who issues tokens in its cloud."""

_BLOBS = {
    ".core.chinacloudapi.cn": _CHINA,
    ".core.usgovcloudapi.net": _US_GOVERNMENT,
    ".core.cloudapi.de": _GERMANY,
}
"""Likewise for Blob Storage; whatever else an endpoint ends in is taken to be the public cloud."""


_SUFFIX = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_Id: TypeAlias = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9._-]+\Z", description="is no id or domain; give it alone"),
]


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
        if not _SUFFIX.fullmatch(suffix.lower()):
            raise ValueError(f"is no DNS suffix, such as {next(iter(_VAULTS))}")
        return super().__new__(cls, suffix.lower())


class ClientSecret(SecretStr):
    """A service principal's secret, which Entra ID makes of visible characters."""

    def __init__(self, value: str) -> None:
        if not value or not value.isprintable() or " " in value:
            raise ValueError("is empty or has white space in it; give the secret's value alone")
        super().__init__(value)


class AzureConfig(ServiceConfig):
    """Azure credentials, and the service's place.

    ``tenantID`` and ``clientID`` are a service principal, with one of ``clientSecret``,
    ``clientCertificate`` and ``federatedTokenFile`` as its proof; ``managedIdentity=true`` is the
    identity of the machine, the user-assigned one of ``clientID`` if that is given. Without any of
    them the SDK's default chain finds the credentials.

    Attributes:
        tenant_id: the service principal's tenant.
        client_id: the service principal's or the user-assigned managed identity's client id.
        client_secret: the service principal's secret.
        client_certificate: its certificate and RSA private key, in PEM without a password.
        federated_token_file: a file whose token Entra ID trusts, as Kubernetes writes and renews
            it.
        managed_identity: use a managed identity.
        authority: who issues tokens, if not the cloud's own authority.
        endpoint: replaces the service's public endpoint.
    """

    tenant_id: _Id | None = field(default=None, name="tenantID")
    client_id: _Id | None = field(default=None, name="clientID")
    client_secret: ClientSecret | None = None
    client_certificate: SecretStr | None = None
    federated_token_file: Path | None = None
    managed_identity: bool = False
    authority: TlsEndpoint | None = None
    endpoint: TlsEndpoint | None = None

    @property
    def credentials(self) -> str:
        """Where they come from, as the page about Azure says it."""
        if self.managed_identity:
            return f"the managed identity {self.client_id or 'of this machine'}"
        if self.client_id is not None:
            return f"the service principal {self.client_id}"
        return "what the SDK finds: the environment, a managed identity, or `az login`"

    def __post_init__(self) -> None:
        proofs = (self.client_secret, self.client_certificate, self.federated_token_file)
        given = sum(proof is not None for proof in proofs)
        if self.managed_identity and (self.tenant_id or given):
            raise ValueError(
                "managedIdentity takes no tenantID and none of clientSecret, clientCertificate and "
                "federatedTokenFile; leave them out"
            )
        parts = (self.tenant_id is not None, self.client_id is not None, given)
        if not self.managed_identity and parts not in {(False, False, 0), (True, True, 1)}:
            raise ValueError(
                "tenantID, clientID and one of clientSecret, clientCertificate and "
                "federatedTokenFile belong together; give all three, or none, or "
                "managedIdentity=true (with clientID for a user-assigned one)"
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

    vault_name: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{1,22}[A-Za-z0-9]\Z",
            description="is no vault's name; give the first word of its host alone, and the rest "
            "of the host as vaultType",
        ),
    ]
    vault_type: VaultType = VaultType("vault.azure.net")
    key_name: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9-]{1,127}\Z",
            description="is no key's name: letters, digits and '-'; give its version as keyVersion",
        ),
    ]
    key_version: (
        Annotated[
            str,
            Meta(pattern=r"^[0-9a-f]{32}\Z", description="is no version, which is 32 hex digits"),
        ]
        | None
    ) = None
    auth_key: AuthKey | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.vault_type not in _VAULTS and self.authority is None:
            raise ValueError(
                f"vaultType is none of {', '.join(_VAULTS)}; for another cloud give authority too"
            )
        if self.endpoint is not None and urlsplit(self.endpoint).path:
            raise ValueError("endpoint has a path; give https://HOST alone, and the key as keyName")

    @property
    def is_hsm(self) -> bool:
        """Whether the vault is a managed HSM."""
        return self.vault_type.startswith(_MANAGED_HSM)

    @property
    def vault_url(self) -> str:
        """The vault's own name in DNS, which stands in records whatever the endpoint is."""
        return f"https://{self.vault_name.lower()}.{self.vault_type}"

    @property
    def kek_id(self) -> str:
        """The key's name in records. Azure compares names without case."""
        return f"{self.vault_url}/keys/{self.key_name.lower()}"

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

    account: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9]{3,24}\Z",
            description="is no storage account's name: 3 to 24 lower-case letters and digits; give "
            "a URL as endpoint",
        ),
    ]
    container: Annotated[
        str,
        Meta(
            min_length=3,
            max_length=63,
            pattern=r"^[a-z0-9]+(-[a-z0-9]+)*\Z",
            description="is no container's name: 3 to 63 lower-case letters, digits and single "
            "dashes; give a folder as prefix",
        ),
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
