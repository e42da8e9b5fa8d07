"""What kms-gcp has to be allowed for each purpose, and the custom role that allows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kms_core import ConfigError
from kms_core.backend import BackendConfig
from kms_gcp.config import GcpKekConfig, GcpStorageConfig

_USE = "cloudkms.cryptoKeyVersions.useTo"
_DESCRIBE = "cloudkms.cryptoKeyVersions.get"
_CREATE = (f"{_USE}Encrypt", f"{_USE}Decrypt", "storage.objects.get", "storage.objects.create")
PURPOSES: Mapping[str, tuple[str, ...]] = {
    "get": (f"{_USE}Decrypt", "storage.objects.get"),
    "create": _CREATE,
    "rewrap": (_DESCRIBE, *_CREATE, "storage.objects.list", "storage.objects.delete"),
    "migrate": (_DESCRIBE, *_CREATE, "storage.objects.list"),
    "doctor": (
        *(_DESCRIBE, *_CREATE),
        *("storage.objects.list", "storage.objects.delete", "storage.buckets.get"),
    ),
}
"""Purpose → the permissions that it takes."""

HOOKS: Mapping[str, tuple[str, ...]] = {
    "describe_kek": (_DESCRIBE,),
    "wrap_dek": (f"{_USE}Encrypt",),
    "unwrap_dek": (f"{_USE}Decrypt",),
    "load_record": ("storage.objects.get",),
    "create_record": ("storage.objects.create",),
    "replace_record": ("storage.objects.create", "storage.objects.delete"),
    "list_dek_ids": ("storage.objects.list",),
    "delete_record": ("storage.objects.delete",),
}
"""Hook → the permissions that it takes."""

TO_CREATE_THE_BUCKET = ("storage.buckets.get", "storage.buckets.create")
"""What ``createBucket`` takes besides, on the project."""


def write_policy(purpose: str, configs: Sequence[BackendConfig], form: str = "policy") -> str:
    """A custom role, as YAML for gcloud, that allows what the purpose takes and nothing more.

    Args:
        purpose: ``get``, ``create``, ``rewrap``, ``migrate`` or ``doctor``.
        configs: of the KEKs and storages that it is for; without any, it is for both.
        form: ``policy``.

    Raises:
        ConfigError: there is no such form.
    """
    if form != "policy":
        raise ConfigError(f"Google Cloud has no {form}; leave --as out")
    wanted = {
        "cloudkms": any(isinstance(config, GcpKekConfig) for config in configs),
        "storage": any(isinstance(config, GcpStorageConfig) for config in configs),
    }
    allowed = [p for p in PURPOSES[purpose] if not configs or wanted[p.partition(".")[0]]]
    lines = [
        f"title: kms-core {purpose}",
        f"description: What kms-core takes to {purpose}. Bind it to the key and to the bucket.",
        "stage: GA",
        "includedPermissions:",
    ]
    return "\n".join([*lines, *(f"- {permission}" for permission in allowed)])
