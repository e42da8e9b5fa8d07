"""What kms-azure has to be allowed: by each call, for each purpose, and as a role's definition."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from kms_azure.config import AzureKekConfig, AzureStorageConfig
from kms_core import ConfigError
from kms_core.backend import BackendConfig

_KEYS, _CONTAINERS = (
    "Microsoft.KeyVault/vaults/",
    "Microsoft.Storage/storageAccounts/blobServices/containers/",
)
DATA_ACTIONS: Mapping[str, str] = {
    "keys/get": f"{_KEYS}keys/read",
    "keys/wrapKey": f"{_KEYS}keys/wrap/action",
    "keys/unwrapKey": f"{_KEYS}keys/unwrap/action",
    "blobs/read": f"{_CONTAINERS}blobs/read",
    "blobs/write": f"{_CONTAINERS}blobs/write",
    "blobs/add/action": f"{_CONTAINERS}blobs/add/action",
    "blobs/delete": f"{_CONTAINERS}blobs/delete",
}
"""Permission, as messages and access policies name it → the same as a role names it.

https://learn.microsoft.com/azure/role-based-access-control/permissions/security
https://learn.microsoft.com/azure/role-based-access-control/permissions/storage
"""

CALLS: Mapping[str, tuple[str, ...]] = {
    "GET key": ("keys/get",),
    "POST wrapkey": ("keys/wrapKey",),
    "POST unwrapkey": ("keys/unwrapKey",),
    "GET blob": ("blobs/read",),
    "HEAD blob": ("blobs/read",),
    "PUT blob": ("blobs/write", "blobs/add/action"),
    "GET container": ("blobs/read",),
    "DELETE blob": ("blobs/delete",),
    "PUT container": ("containers/write",),
}
"""Every call that this distribution makes → the permissions that it takes; to replace a blob takes
no ``blobs/add/action``."""

HOOKS: Mapping[str, tuple[str, ...]] = {
    "describe_kek": ("keys/get",),
    "wrap_dek": ("keys/wrapKey",),
    "unwrap_dek": ("keys/unwrapKey",),
    "load_record": ("blobs/read",),
    "create_record": ("blobs/write", "blobs/add/action"),
    "replace_record": ("blobs/write",),
    "list_dek_ids": ("blobs/read",),
    "delete_record": ("blobs/delete",),
}
"""Hook → the permissions that it takes."""

_CREATE = (
    *("keys/get", "keys/wrapKey", "keys/unwrapKey"),
    *("blobs/read", "blobs/write", "blobs/add/action"),
)
PURPOSES: Mapping[str, tuple[str, ...]] = {
    "get": ("keys/unwrapKey", "blobs/read"),
    "create": _CREATE,
    "rewrap": tuple(name for name in _CREATE if name != "blobs/add/action"),
    "migrate": _CREATE,
    "doctor": (*_CREATE, "blobs/delete"),
}
"""Purpose → the permissions that it takes."""


def write_policy(purpose: str, configs: Sequence[BackendConfig], form: str = "policy") -> str:
    """A role's definition, as JSON, that allows what the purpose takes and nothing more.

    Args:
        purpose: ``get``, ``create``, ``rewrap``, ``migrate`` or ``doctor``.
        configs: of the KEKs and storages that it is for; without any, it is for both.
        form: ``policy``; or ``access-policy``, the command that adds one to a vault that goes by
            them, and says nothing of the store.

    Raises:
        ConfigError: there is no such form, or nothing that it could be for.
    """
    if form == "access-policy":
        return _write_access_policy(purpose, configs)
    if form != "policy":
        raise ConfigError(f"Azure has no {form}; leave --as out, or say access-policy")
    keks = [config for config in configs if isinstance(config, AzureKekConfig)]
    in_vault = not configs or any(not kek.is_hsm for kek in keks)
    in_store = not configs or any(isinstance(config, AzureStorageConfig) for config in configs)
    wanted = {"keys": in_vault, "blobs": in_store}
    allowed = [name for name in PURPOSES[purpose] if wanted[name.partition("/")[0]]]
    role = {
        "Name": f"kms-core {purpose}",
        "Description": _describe(purpose, is_hsm=any(kek.is_hsm for kek in keks)),
        "AssignableScopes": ["/subscriptions/SUBSCRIPTION_ID"],
        "Actions": [],
        "DataActions": [DATA_ACTIONS[name] for name in allowed],
    }
    return json.dumps(role, indent=2)


def _write_access_policy(purpose: str, configs: Sequence[BackendConfig]) -> str:
    """https://learn.microsoft.com/cli/azure/keyvault#az-keyvault-set-policy."""
    keks = [config for config in configs if isinstance(config, AzureKekConfig)]
    vaults = [kek.vault_name for kek in keks if not kek.is_hsm] if configs else ["VAULT"]
    if not vaults:
        raise ConfigError("no key vault is configured, and nothing else has access policies")
    names = (name.removeprefix("keys/") for name in PURPOSES[purpose] if name.startswith("keys/"))
    allowed = f"--object-id PRINCIPAL_ID --key-permissions {' '.join(names)}"
    return "\n".join(f"az keyvault set-policy --name {vault} {allowed}" for vault in vaults)


def _describe(purpose: str, *, is_hsm: bool) -> str:
    text = f"What kms-core takes to {purpose}; assign it on the key and on the container"
    if not is_hsm:
        return text
    return f"{text}; a managed HSM has roles of its own: Managed HSM Crypto Service Encryption User"
