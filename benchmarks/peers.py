"""What envelope encryption costs with kms-core and with its peers, where the KMS costs nothing.

Usage: python -m benchmarks.peers, with the dependency group `peers` installed.

Each seals 32 bytes under a fresh DEK, and opens them again. The KEK is an AES-256 key in this
process, so that what is measured is the library: wrapping, binding to an id, and keeping the
wrapped DEK. The peers keep it inside each ciphertext, kms-core in a store, here in memory.
castellan is left out: it fetches secrets that a service keeps, and wraps nothing.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import aws_encryption_sdk
import tink
from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.models import AesWrappingAlg, CreateRawAesKeyringInput
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tink import aead

import kms_core
from benchmarks.get_dek import import_milliseconds, microseconds
from kms_core.testing import new_key_file

TEXT, DEK_ID, NONCE = bytes(32), "volume-42", bytes(12)  # a nonce may be zero: each DEK seals once


class Peer(NamedTuple):
    """What seals and what opens, and the module that a program imports for it."""

    name: str
    module: str
    seal: Callable[[], object]
    open: Callable[[], object]


def cryptography_alone() -> Peer:
    """Nothing is bound to an id, and nothing is kept."""
    kek = AESGCM(AESGCM.generate_key(256))

    def seal() -> tuple[bytes, bytes, bytes]:
        dek, nonce = AESGCM.generate_key(256), os.urandom(12)
        return nonce, kek.encrypt(nonce, dek, None), AESGCM(dek).encrypt(NONCE, TEXT, None)

    nonce, wrapped, sealed = seal()
    return Peer(
        "cryptography",
        "cryptography.hazmat.primitives.ciphers.aead",
        seal,
        lambda: AESGCM(kek.decrypt(nonce, wrapped, None)).decrypt(NONCE, sealed, None),
    )


def kms_core_local(folder: Path) -> Peer:
    """A KEK in a file and records in memory, through the façade."""
    key_file = folder / "kek.toml"
    key_file.touch(mode=0o600)
    key_file.write_text(new_key_file())
    kms = kms_core.open_kms(f"kms://local?keyFile={key_file}", "storage://memory")
    numbers = count()

    def seal(dek_id: str = "") -> bytes:
        dek = kms.get_dek(dek_id or f"volume-{next(numbers)}-of-many", create=True)
        return AESGCM(dek).encrypt(NONCE, TEXT, DEK_ID.encode())

    sealed = seal(DEK_ID)
    return Peer(
        "kms-core",
        "kms_core",
        seal,
        lambda: AESGCM(kms.get_dek(DEK_ID)).decrypt(NONCE, sealed, DEK_ID.encode()),
    )


def tink_envelope() -> Peer:
    """Its envelope, whose DEK is wrapped under no associated data."""
    aead.register()
    template = aead.aead_key_templates.AES256_GCM
    remote = tink.new_keyset_handle(template).primitive(aead.Aead)
    envelope = aead.KmsEnvelopeAead(template, remote)
    sealed = envelope.encrypt(TEXT, DEK_ID.encode())
    return Peer(
        "tink-py",
        "tink.aead",
        lambda: envelope.encrypt(TEXT, DEK_ID.encode()),
        lambda: envelope.decrypt(sealed, DEK_ID.encode()),
    )


def aws_sdk() -> Peer:
    """The AWS Encryption SDK with a raw AES keyring, which asks no KMS."""
    client = aws_encryption_sdk.EncryptionSDKClient()
    providers = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())
    algorithm = AesWrappingAlg.ALG_AES256_GCM_IV12_TAG16
    keys = providers.create_raw_aes_keyring(
        CreateRawAesKeyringInput(
            key_namespace="a", key_name="b", wrapping_key=os.urandom(32), wrapping_alg=algorithm
        )
    )
    bound = {"keyring": keys, "encryption_context": {"dek_id": DEK_ID}}
    sealed, _ = client.encrypt(source=TEXT, **bound)
    return Peer(
        "AWS Encryption SDK",
        "aws_encryption_sdk",
        lambda: client.encrypt(source=TEXT, **bound),
        lambda: client.decrypt(source=sealed, **bound),
    )


def main() -> None:
    """Measure and print."""
    warnings.simplefilter("ignore")
    with TemporaryDirectory() as folder:
        peers = (cryptography_alone(), kms_core_local(Path(folder)), tink_envelope(), aws_sdk())
        costs = [(microseconds(peer.seal), microseconds(peer.open)) for peer in peers]
    for peer, (seals, opens) in zip(peers, costs, strict=True):
        print(
            f"{peer.name:<20} seal {seals:8.1f} µs ({seals / costs[0][0]:6.1f} x)"
            f"   open {opens:8.1f} µs ({opens / costs[0][1]:6.1f} x)"
            f"   import {import_milliseconds(peer.module):6.1f} ms"
        )


if __name__ == "__main__":
    main()
