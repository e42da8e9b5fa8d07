"""``kms://local``: a KEK in a file, for one machine and for development.

Wraps with AES-256-GCM (NIST SP 800-38D) under a random nonce of 12 bytes, so one version should
wrap no more than 2**32 DEKs.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kms_core import (
    Context,
    KekInfo,
    KekSpec,
    UnwrapError,
    WrappedDek,
    encode_context,
    hookimpl,
)
from kms_core.backends.key_file import read_key_file
from kms_core.config import BackendConfig, ConfigPath

_ALGORITHM = "AES-256-GCM"
_NONCE_SIZE = 12


class LocalKek(KekSpec):
    """The key file is read once, when the KEK is opened."""

    class Config(BackendConfig):
        """``keyFile``: path of the key file, of mode 0600."""

        key_file: ConfigPath

    def __init__(self, config: Config) -> None:
        key_file = read_key_file(config.key_file)
        self._info = KekInfo(key_file.kek_id, str(key_file.newest), _ALGORITHM)
        self._ciphers = {str(version): AESGCM(key) for version, key in key_file.keys.items()}

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        nonce = os.urandom(_NONCE_SIZE)
        cipher = self._ciphers[self._info.kek_version]
        sealed = cipher.encrypt(nonce, dek, encode_context(context))
        return WrappedDek(nonce + sealed, self._info.kek_id, self._info.kek_version, _ALGORITHM)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        cipher = self._ciphers.get(wrapped.kek_version)
        if cipher is None or (wrapped.kek_id, wrapped.algorithm) != (self._info.kek_id, _ALGORITHM):
            raise UnwrapError
        nonce, sealed = wrapped.ciphertext[:_NONCE_SIZE], wrapped.ciphertext[_NONCE_SIZE:]
        try:
            return cipher.decrypt(nonce, sealed, encode_context(context))
        except (InvalidTag, ValueError) as error:  # ValueError: the nonce is too short
            raise UnwrapError from error

    @hookimpl
    def describe_kek(self) -> KekInfo:
        return self._info

    @hookimpl
    def close(self) -> None:
        """Nothing is held open."""
