"""Blobs of every cloud's KEK: they come back, under their context alone, and are small."""

from __future__ import annotations

from typing import Any

import pytest

import kms_core
from kms_core._blob import encode_blob
from kms_core.backend import WrappedDek, seal_dek

CONTEXT = {"purpose": "x"}
LONGEST = 1024
"""Most bytes of a blob of 32 bytes, whatever the KEK."""


def size_of_blob(kek: dict[str, Any]) -> int:
    with kms_core.open_kek(kek) as opened:
        blob = opened.wrap(bytes(32), CONTEXT)
        assert opened.unwrap(blob, CONTEXT) == bytes(32)
        longest = bytes(range(254)) * 16
        assert opened.unwrap(opened.wrap(longest, {}), {}) == longest
        with pytest.raises(kms_core.UnwrapError):
            opened.unwrap(blob, {"purpose": "y"})
    return len(blob)


def test_a_blob(kek: dict[str, Any]) -> None:
    assert size_of_blob(kek) <= LONGEST


@pytest.mark.parametrize("kty", ["RSA-HSM", "oct-HSM"])
def test_a_blob_of_a_managed_hsm(azure: Any, kty: str) -> None:
    hsm = "managedhsm.azure.net"
    kek = azure.kek_parameters(azure.vaults[hsm].make_key(kty), hsm)
    assert size_of_blob({"backend": "azure", **kek}) <= LONGEST


def test_a_blob_of_the_longest_names() -> None:
    """RSA-4096 in an HSM and under a key name of the greatest length that Azure allows."""
    key, sealed = seal_dek(bytes(32 + 32), CONTEXT)
    assert len(key) == 32
    kek_id = f"https://{'v' * 24}.managedhsm.usgovcloudapi.net/keys/{'k' * 127}"
    wrapped = WrappedDek(bytes(32 + 2 + 512) + sealed, kek_id, "0" * 32, "RSA-OAEP-256+authKey")
    assert len(encode_blob("azure", wrapped)) <= LONGEST
