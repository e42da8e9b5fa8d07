"""Binds a DEK to its context for a KMS whose wrap takes no additional authenticated data.

A fresh key seals the DEK with AES-256-GCM under the context's canonical bytes, and only that key
goes to the KMS. GCM alone would let a ciphertext be made that opens under two keys. So HKDF-SHA256
(RFC 5869) makes two things of the fresh key: the key of AES, and a commitment that is stored and
compared first (the generic construction of Albertini et al., "How to Abuse and Fix Authenticated
Encryption Without Key Commitment", USENIX Security 2022; the AWS Encryption SDK commits likewise).

Where anybody can wrap a key for the KMS, anybody could seal. There the backend gives an
authentication key as well, HKDF's salt: without it nobody can compute the commitment of any key.
"""

from __future__ import annotations

import hmac
import secrets

from kms_core._context import encode_context
from kms_core._values import Context
from kms_core.errors import UnwrapError

SEALING_KEY_SIZE = 32
"""Bytes of the fresh key that seals one DEK."""

AUTH_KEY_SIZE = 32
"""Bytes of an authentication key."""

_COMMITMENT_SIZE = 32
_NONCE = bytes(12)  # of a key that seals once, so no nonce of it is ever used again
_INFO, _AUTHENTICATED_INFO = b"kms-core sealed DEK 1", b"kms-core authenticated DEK 1"


def seal_dek(dek: bytes, context: Context, auth_key: bytes | None = None) -> tuple[bytes, bytes]:
    """Seal the DEK under the context with a fresh key.

    Args:
        dek: at least 1 byte.
        context: what the DEK is bound to.
        auth_key: 32 bytes that only those have who may unseal; None if there are none.

    Returns:
        The fresh key, secret and for the KMS to wrap; and the sealed DEK, not secret, to be stored
        beside the wrapped key: a commitment of 32 bytes, the ciphertext and a tag of 16 bytes.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key = secrets.token_bytes(SEALING_KEY_SIZE)
    aes_key, commitment = _derive(key, auth_key)
    return key, commitment + AESGCM(aes_key).encrypt(_NONCE, dek, encode_context(context))


def unseal_dek(key: bytes, sealed: bytes, context: Context, auth_key: bytes | None = None) -> bytes:
    """Unseal what :func:`seal_dek` sealed with these keys under an equal context.

    Raises:
        UnwrapError: a key, the context or any byte of it is another.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    aes_key, commitment = _derive(key, auth_key)
    if not hmac.compare_digest(commitment, sealed[:_COMMITMENT_SIZE]):
        raise UnwrapError
    try:
        ciphertext = sealed[_COMMITMENT_SIZE:]
        return AESGCM(aes_key).decrypt(_NONCE, ciphertext, encode_context(context))
    except InvalidTag as error:
        raise UnwrapError from error


def _derive(key: bytes, auth_key: bytes | None) -> tuple[bytes, bytes]:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    if len(key) != SEALING_KEY_SIZE or (auth_key is not None and len(auth_key) != AUTH_KEY_SIZE):
        raise UnwrapError
    size = SEALING_KEY_SIZE + _COMMITMENT_SIZE
    info = _INFO if auth_key is None else _AUTHENTICATED_INFO
    derived = HKDF(SHA256(), size, salt=auth_key, info=info).derive(key)
    return derived[:SEALING_KEY_SIZE], derived[SEALING_KEY_SIZE:]
