"""``kms://local``: a KEK in a file, for one machine and for development.

Wraps with AES-256-GCM (NIST SP 800-38D) under a random nonce of 12 bytes, so one version should
wrap no more than 2**32 DEKs.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kms_core import KekInfo, KekNotFoundError, UnwrapError
from kms_core.backend import (
    BackendConfig,
    Context,
    KekSpec,
    WrappedDek,
    check_kek,
    encode_context,
    hookimpl,
)
from kms_core.builtin.local.key_file import read_key_file
from kms_core.builtin.local.rotation import rotate_key_file

_ALGORITHM = "AES-256-GCM"
_NONCE_SIZE = 12


class LocalKek(KekSpec):
    """Reads the key file when it is opened, and again when it meets a version that came later."""

    class Config(BackendConfig):
        """``keyFile``: path of the key file, of mode 0600."""

        key_file: Path

    def __init__(self, config: Config) -> None:
        self._path = config.key_file
        self._key_file = read_key_file(self._path)

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        key_file = self._key_file
        nonce = os.urandom(_NONCE_SIZE)
        cipher = AESGCM(key_file.keys[key_file.newest])
        ciphertext = nonce + cipher.encrypt(nonce, dek, encode_context(context))
        return WrappedDek(ciphertext, key_file.kek_id, key_file.newest, _ALGORITHM)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        check_kek(wrapped, self._key_file.kek_id, _ALGORITHM)
        key = self._find_key(wrapped)
        nonce, sealed = wrapped.ciphertext[:_NONCE_SIZE], wrapped.ciphertext[_NONCE_SIZE:]
        try:
            return AESGCM(key).decrypt(nonce, sealed, encode_context(context))
        except (InvalidTag, ValueError) as error:  # ValueError: the nonce is too short
            raise UnwrapError from error

    @hookimpl
    def describe_kek(self) -> KekInfo:
        return KekInfo(self._key_file.kek_id, self._key_file.newest, _ALGORITHM)

    @hookimpl
    def rotate_kek(self) -> KekInfo:
        if read_key_file(self._path).kek_id != self._key_file.kek_id:
            raise KekNotFoundError(
                f"key file {str(self._path)!r} is another KEK's by now; open the KEK again"
            )
        self._key_file = rotate_key_file(self._path)
        return KekInfo(self._key_file.kek_id, self._key_file.newest, _ALGORITHM)

    @hookimpl
    def close(self) -> None:
        """Nothing is held open."""

    def _find_key(self, wrapped: WrappedDek) -> bytes:
        if wrapped.kek_version not in self._key_file.keys:
            newer = read_key_file(self._path)  # rotated by another process, it may be
            check_kek(wrapped, newer.kek_id, versions=newer.keys)
            self._key_file = newer  # only now: a record may name what it likes
        return self._key_file.keys[wrapped.kek_version]
