"""DEKs of a cluster KMS: derived on demand, kept nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

from kms_core._deks.got import Got
from kms_core._plugins.clients import DeriverClient
from kms_core._values import DEFAULT_DEK_SIZE, check_dek_id
from kms_core.errors import BackendContractError, ConfigError


class DerivedDeks:
    """Derives DEKs. Every dek_id has one, so there is nothing to create, find missing or list."""

    def __init__(self, kek: DeriverClient) -> None:
        self.kek = kek
        self.storage = None

    def get_dek(self, dek_id: str, size: int | None, *, create: bool) -> Got:  # noqa: ARG002 -- a derived DEK is neither created nor missing
        """Derive the DEK."""
        check_dek_id(dek_id)
        size = size or DEFAULT_DEK_SIZE
        dek = self.kek.derive_dek(dek_id, size)
        if len(dek) != size:
            raise BackendContractError(
                f"{self.kek.backend} of {self.kek.distribution} returned a DEK of {len(dek)} bytes "
                f"instead of {size}; report it to the plugin's author"
            )
        return Got(dek, made=False, wrapped_by=None)

    def forget(self, dek_id: str) -> None:
        """Do nothing: a derived DEK never changes."""

    def create_dek(self, dek_id: str, size: int) -> NoReturn:  # noqa: ARG002 -- there is none to create
        """Refuse: every dek_id has a DEK."""
        raise ConfigError(f"{self.kek.backend} derives its DEKs: get_dek gives one of any dek_id")

    def list_dek_ids(self, prefix: str) -> Iterator[str]:  # noqa: ARG002 -- there is none to list
        """Refuse: derived DEKs are not stored."""
        raise ConfigError(f"{self.kek.backend} derives its DEKs, so no dek_id is stored to list")

    def check_health(self) -> None:
        """Do what the deriver does for it."""
        self.kek.check_health()
