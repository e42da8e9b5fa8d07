"""What envelope encryption costs with kms-core and with its peers, where the KMS costs nothing.

Each seals 32 bytes under a fresh DEK, and opens them again. The KEK is an AES-256 key in the
process, so that what is measured is the library: wrapping, binding to an id, and keeping the
wrapped DEK. The peers keep it inside each ciphertext, kms-core in a store, here in memory.
castellan is left out: it fetches secrets that a service keeps, and wraps nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import kms_core
from benchmarks.local import make_key_file, numbered
from benchmarks.rounds import Round, Row, compare, cpu_of, take_turns
from benchmarks.workers import Environments

TEXT, DEK_ID, NONCE = bytes(32), "volume-42", bytes(12)  # a nonce may be zero: each DEK seals once
CALLS, ALONE, TINK = 50, "cryptography alone", "tink-py"
PEERS = {TINK: "tink", "AWS Encryption SDK": "esdk"}


def measure(environments: Environments, folder: Path) -> Iterator[Row]:
    """Seal, and open."""
    with ExitStack() as running:
        sides = {ALONE: cryptography_alone(), "kms-core": kms_core_local(folder)}
        for who, name in PEERS.items():
            worker = running.enter_context(environments.start(name, name, {}, {}))
            sides[who] = {"seal": worker.round_of("seal"), "open": worker.round_of("open")}
        for operation in ("seal", "open"):
            rounds = {who: each[operation] for who, each in sides.items()}
            costs, aims = take_turns(rounds, CALLS), {"kms-core": "≤ 2"}
            question = f"Envelope in one process: {operation} 32 bytes"
            yield from compare(question, costs, TINK, "µs", aims)


def cryptography_alone() -> dict[str, Round]:
    """Nothing is bound to an id, and nothing is kept."""
    kek = AESGCM(AESGCM.generate_key(256))

    def seal() -> tuple[bytes, bytes, bytes]:
        dek, nonce = AESGCM.generate_key(256), os.urandom(12)
        return nonce, kek.encrypt(nonce, dek, None), AESGCM(dek).encrypt(NONCE, TEXT, None)

    nonce, wrapped, sealed = seal()
    return {
        "seal": cpu_of(seal),
        "open": cpu_of(
            lambda: AESGCM(kek.decrypt(nonce, wrapped, None)).decrypt(NONCE, sealed, None)
        ),
    }


def kms_core_local(folder: Path) -> dict[str, Round]:
    """A KEK in a file and records in memory, through the façade."""
    key_file = make_key_file(folder / "envelope.toml")
    kms = kms_core.open_kms(f"kms://local?keyFile={key_file}", "storage://memory")
    new = numbered("volume-of-many")

    def seal(dek_id: str = "") -> bytes:
        dek = kms.get_dek(dek_id or next(new), create=True)
        return AESGCM(dek).encrypt(NONCE, TEXT, DEK_ID.encode())

    sealed = seal(DEK_ID)
    return {
        "seal": cpu_of(seal),
        "open": cpu_of(lambda: AESGCM(kms.get_dek(DEK_ID)).decrypt(NONCE, sealed, DEK_ID.encode())),
    }
