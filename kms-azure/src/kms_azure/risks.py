"""What works with a key or a container, and may do harm one day."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from kms_azure.config import AzureKekConfig
from kms_core import KekInfo
from kms_core.backend import Risk

_SOON = 30 * 24 * 3600


def find_key_risks(config: AzureKekConfig, kek: KekInfo, expires: float) -> Iterator[Risk]:
    """What the configuration and the key's own description tell.

    Args:
        config: the configuration.
        kek: the version that wraps.
        expires: when it does, in seconds since 1970 (UTC).
    """
    if config.auth_key is None and kek.algorithm.startswith("RSA"):
        yield Risk(
            "KEK-NO-AUTH-KEY",
            "whoever has the public half of the key can make records that open",
            "set authKey, which `kms auth-key` makes, or use an AES key of a managed HSM",
        )
    if config.key_version is not None:
        yield Risk(
            "KEK-PINNED",
            f"keyVersion {config.key_version} wraps, also once the key was rotated",
            "leave keyVersion out, unless it is to stay",
        )
    if expires - time.time() < _SOON:
        day = datetime.fromtimestamp(expires, UTC).date()
        yield Risk(
            "KEK-EXPIRES",
            f"version {kek.kek_version} expires on {day}: from then on it makes no DEK",
            "rotate the key, or set a later expiry date",
        )


UNVERSIONED = Risk(
    "STORE-UNVERSIONED",
    "the account keeps no versions: a record that somebody deletes cannot be restored, unless soft "
    "delete is on, which does not show here",
    "turn the account's blob versioning on, or its soft delete",
)
