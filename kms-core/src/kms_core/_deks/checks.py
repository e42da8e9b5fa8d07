"""What is checked of every DEK that a KEK gave."""

from __future__ import annotations

from kms_core._plugins.clients import DeriverClient, KekClient
from kms_core.errors import BackendContractError


def check_unwrapped_size(kek: KekClient | DeriverClient, dek: bytes, size: int) -> None:
    """Refuse a DEK of another size than asked for: it is not the DEK, whatever the KMS says.

    Raises:
        BackendContractError: the size differs.
    """
    if len(dek) != size:
        raise BackendContractError(
            f"{kek.backend} of {kek.distribution} returned a DEK of {len(dek)} bytes instead of "
            f"{size}; report it to the plugin's author"
        )
