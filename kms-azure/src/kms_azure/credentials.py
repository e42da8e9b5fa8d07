"""Azure credentials: a service principal, a managed identity or the SDK's default chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast

from azure.identity import (
    ClientSecretCredential,
    DefaultAzureCredential,
    ManagedIdentityCredential,
)

from kms_azure.config import AzureKekConfig, AzureStorageConfig
from kms_azure.transport import TokenTransport, client_options

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions

Config: TypeAlias = AzureKekConfig | AzureStorageConfig
_Identity: TypeAlias = ClientSecretCredential | ManagedIdentityCredential | DefaultAzureCredential


class Credential:
    """Gets tokens for one service, and of the config's tenant if it names one.

    A service says in its challenge what the token should be for. One that is not what it seems
    could so ask for a token that opens something else, so nothing of that is listened to. The
    identity keeps tokens in memory and gets new ones before they expire.
    """

    def __init__(self, config: Config, scope: str) -> None:
        self._identity = _open_identity(config)
        self._scope = scope
        self._has_tenant = config.tenant_id is not None

    def get_token_info(
        self, *_scopes: str, options: TokenRequestOptions | None = None
    ) -> AccessTokenInfo:
        """A token, as clients of the SDK ask for it."""
        asked = cast("TokenRequestOptions", self._without_tenant(dict(options or {})))
        return self._identity.get_token_info(self._scope, options=asked)

    def get_token(self, *_scopes: str, **options: Any) -> AccessToken:
        """A token, as older clients ask for it."""
        return self._identity.get_token(self._scope, **self._without_tenant(options))

    def close(self) -> None:
        """Close the connections to whoever issues tokens."""
        self._identity.close()

    def _without_tenant(self, options: dict[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in options.items() if k != "tenant_id" or not self._has_tenant}


def _open_identity(config: Config) -> _Identity:
    options = client_options(config, TokenTransport)
    if config.managed_identity:
        return ManagedIdentityCredential(client_id=config.client_id, **options)
    # Without discovery the authority is what the config says, and no other host is asked about it.
    where = {"authority": config.authority_url, "disable_instance_discovery": True}
    if config.tenant_id is None or config.client_id is None or config.client_secret is None:
        return DefaultAzureCredential(**where, **options)
    secret = config.client_secret.get_secret_value()
    principal = ClientSecretCredential(
        config.tenant_id, config.client_id, secret, **where, **options
    )
    # AZURE_REGIONAL_AUTHORITY_NAME would send the secret to another host than the config's.
    principal._regional_authority = None  # noqa: SLF001 -- there is no option for it
    return principal
