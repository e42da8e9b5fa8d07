"""``kms://local``: a KEK in a file, for one machine and for development.

Wraps with AES-256-GCM (NIST SP 800-38D) under a random nonce of 12 bytes, so one version should
wrap no more than 2**32 DEKs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

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
from kms_core.builtin.local.key_file import KeyFile, read_key_file
from kms_core.builtin.local.rotation import rotate_key_file

_ALGORITHM = "AES-256-GCM"
_NONCE_SIZE = 12


class _Keys(NamedTuple):
    """A key file, and the cipher of each of its keys: to make one costs more than to use it."""

    file: KeyFile
    ciphers: dict[str, AESGCM]


class LocalKek(KekSpec):
    """Reads the key file when it is opened, and again when it meets a version that came later."""

    class Config(BackendConfig):
        """``keyFile``: path of the key file, of mode 0600."""

        key_file: Path

    def __init__(self, config: Config) -> None:
        self._path = config.key_file
        self._keys = _with_ciphers(read_key_file(self._path))

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        file, ciphers = self._keys
        nonce, newest = os.urandom(_NONCE_SIZE), file.newest
        ciphertext = nonce + ciphers[newest].encrypt(nonce, dek, encode_context(context))
        return WrappedDek(ciphertext, file.kek_id, newest, _ALGORITHM)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        check_kek(wrapped, self._keys.file.kek_id, _ALGORITHM)
        cipher = self._find_cipher(wrapped)
        nonce, sealed = wrapped.ciphertext[:_NONCE_SIZE], wrapped.ciphertext[_NONCE_SIZE:]
        try:
            return cipher.decrypt(nonce, sealed, encode_context(context))
        except (InvalidTag, ValueError) as error:  # ValueError: the nonce is too short
            raise UnwrapError from error

    @hookimpl
    def describe_kek(self) -> KekInfo:
        return _describe(self._keys.file)

    @hookimpl
    def rotate_kek(self) -> KekInfo:
        if read_key_file(self._path).kek_id != self._keys.file.kek_id:
            raise KekNotFoundError(
                f"key file {str(self._path)!r} is another KEK's by now; open the KEK again"
            )
        self._keys = _with_ciphers(rotate_key_file(self._path))
        return _describe(self._keys.file)

    @hookimpl
    def close(self) -> None:
        """Nothing is held open."""

    def _find_cipher(self, wrapped: WrappedDek) -> AESGCM:
        keys = self._keys
        if wrapped.kek_version not in keys.ciphers:
            newer = read_key_file(self._path)  # rotated by another process, it may be
            check_kek(wrapped, newer.kek_id, versions=newer.keys)
            self._keys = keys = _with_ciphers(newer)  # only now: a record may name what it likes
        return keys.ciphers[wrapped.kek_version]


def _with_ciphers(file: KeyFile) -> _Keys:
    return _Keys(file, {version: AESGCM(key) for version, key in file.keys.items()})


def _describe(file: KeyFile) -> KekInfo:
    return KekInfo(file.kek_id, file.newest, _ALGORITHM)
