"""Records of Constellation's library, of version 2.6 and later: what is stored, and how it opens.

A record is an object whose name is the dek_id as it is. In it a fresh key of 32 bytes encrypts the
DEK by AES-256-GCM without additional data, and the KMS wraps that key without a context:

    {"ciphertext":…,"iv":…,"key_info":{"mechanism":1,"key_id":…,"wrapped_key":…}}
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kms_core._deks.record import FORMAT
from kms_core._plugins.clients import KekClient, StorageClient
from kms_core._values import MAX_DEK_SIZE, MAX_RECORD_SIZE, check_dek_id
from kms_core.errors import RecordError, UnwrapError, show_name

_KEY_SIZE, _IV_SIZE, _TAG_SIZE = 32, 12, 16
_OWN = "kms-core."
"""How the names of objects begin by which a backend tries out a store."""

_OF_GOOGLE = "/cryptoKeyVersions/"
_TEXT = re.compile(rb"[A-Za-z0-9_-]+")


class _KeyInfo(msgspec.Struct):
    wrapped_key: bytes
    mechanism: int = 0
    key_id: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError."""
        if self.is_of_azure and _TEXT.fullmatch(self.wrapped_key):  # before version 2.16
            self.wrapped_key = urlsafe_b64decode(self.wrapped_key + b"==")

    @property
    def is_of_azure(self) -> bool:
        """Where there is no mechanism, and ``key_id`` is the version alone."""
        return not self.mechanism

    @property
    def kek_id(self) -> str:
        """The KEK, as far as the record has it: a name to show, and never to follow."""
        return "" if self.is_of_azure else self.key_id.partition(_OF_GOOGLE)[0]

    @property
    def version(self) -> str:
        """Its version, as far as the record has it."""
        return self.key_id if self.is_of_azure else self.key_id.partition(_OF_GOOGLE)[2]


class _Stored(msgspec.Struct):
    ciphertext: bytes
    iv: bytes
    key_info: _KeyInfo


class _OfKmsCore(msgspec.Struct):
    format: str


class Constellation:
    """The stored DEKs of Constellation's library.

    Args:
        kek: wrapped their keys.
        storage: keeps them.
    """

    def __init__(self, kek: KekClient, storage: StorageClient) -> None:
        self._kek = kek
        self._storage = storage

    def get_dek(self, name: str) -> bytes | None:
        """Return the DEK of the object of this name; None if kms-core itself wrote the object.

        Raises:
            DekIdError: the name is no dek_id.
            DekNotFoundError: there is no such object any more.
            RecordError: it is no record of Constellation's.
            UnwrapError: it was altered, or another KEK wrapped its key.
            OperationError: the KMS or the store refused or failed.
        """
        check_dek_id(name)
        if name.startswith(_OWN):
            return None
        data = self._storage.load_object(name)
        if _is_record(data):
            return None
        try:
            return self._open(name, _decode(data))
        except RecordError as error:
            error.locate(backend=self._storage.backend, operation="load_object", dek_id=name)
            raise

    def _open(self, name: str, stored: _Stored) -> bytes:
        info = stored.key_info
        try:
            key = self._kek.unwrap_foreign(name, info.wrapped_key, info.version)
            if key[_KEY_SIZE:] == b"\0":  # of a managed HSM (go-kms-wrapping#43)
                key = key[:_KEY_SIZE]
            return AESGCM(key).decrypt(stored.iv, stored.ciphertext, None)
        except (UnwrapError, InvalidTag, ValueError):  # ValueError: no key has this size
            error = UnwrapError(_refusal(info.kek_id))
        error.locate(backend=self._kek.backend, operation="unwrap_foreign", dek_id=name)
        raise error


def _refusal(kek_id: str) -> str:
    named = f" by {show_name(kek_id)}" if kek_id else ""
    return (
        f"Constellation wrapped it{named}, and it does not open; give the KEK that wrapped it, or "
        "restore the record if it was altered"
    )


def _decode(data: bytes) -> _Stored:
    problem = (
        "it is no record of Constellation's library of version 2.6 or later, and is left as it is; "
        "if an older version of it wrote this, get the DEK with that version"
    )
    if len(data) > MAX_RECORD_SIZE:
        raise RecordError(problem)
    try:
        stored = msgspec.json.decode(data, type=_Stored)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise RecordError(problem) from None
    size = len(stored.ciphertext) - _TAG_SIZE
    if stored.key_info.mechanism not in {0, 1} or len(stored.iv) != _IV_SIZE or size < 1:
        raise RecordError(problem)
    if size > MAX_DEK_SIZE:
        raise RecordError(
            f"its DEK has {size} bytes, and one here at most {MAX_DEK_SIZE}; it is left as it is"
        )
    return stored


def _is_record(data: bytes) -> bool:
    try:
        return msgspec.json.decode(data, type=_OfKmsCore).format == FORMAT
    except (msgspec.DecodeError, ValueError, RecursionError):
        return False
