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
from kms_core.errors import KekNotFoundError, RecordError, UnwrapError, show_name

_KEY_SIZE, _IV_SIZE, _TAG_SIZE = 32, 12, 16
_OWN = "kms-core."
"""How the names of objects begin by which a backend tries out a store."""

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
        kek_id: the KEK's name, as the KMS describes it.
    """

    def __init__(self, kek: KekClient, storage: StorageClient, kek_id: str) -> None:
        self._kek = kek
        self._storage = storage
        self._kek_id = kek_id

    def get_dek(self, name: str) -> bytes | None:
        """Return the DEK of the object of this name; None if kms-core itself wrote the object.

        Raises:
            DekIdError: the name is no dek_id.
            DekNotFoundError: there is no such object any more.
            RecordError: it is no record of Constellation's.
            KekNotFoundError: another KEK wrapped its key.
            UnwrapError: it was altered.
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
        key = self._unwrap(name, stored.key_info)
        try:
            return AESGCM(key).decrypt(stored.iv, stored.ciphertext, None)
        except (InvalidTag, ValueError):
            raise self._altered(name) from None

    def _unwrap(self, name: str, info: _KeyInfo) -> bytes:
        kek_id, version = _parse_key_id(info)
        try:
            key = self._kek.unwrap_foreign(name, info.wrapped_key, version)
        except UnwrapError:
            if kek_id in {"", self._kek_id}:
                raise
            problem = KekNotFoundError(
                f"Constellation wrapped it by {show_name(kek_id)}, and {self._kek_id!r} does not "
                "unwrap it; give the KEK that wrapped it"
            )
            problem.locate(backend=self._kek.backend, operation="unwrap_foreign", dek_id=name)
            raise problem from None
        # A managed HSM has been seen to add a zero (go-kms-wrapping#43).
        return key[:_KEY_SIZE] if key[_KEY_SIZE:] == b"\0" else key

    def _altered(self, name: str) -> UnwrapError:
        error = UnwrapError()
        error.locate(backend=self._kek.backend, operation="unwrap_foreign", dek_id=name)
        return error


def _parse_key_id(info: _KeyInfo) -> tuple[str, str]:
    """The KEK and its version, as far as the record has them."""
    if info.is_of_azure:
        return "", info.key_id
    kek_id, _, version = info.key_id.partition("/cryptoKeyVersions/")
    return kek_id, version


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
    if stored.key_info.mechanism not in {0, 1} or len(stored.iv) != _IV_SIZE or size < 0:
        raise RecordError(problem)
    if not 1 <= size <= MAX_DEK_SIZE:
        raise RecordError(
            f"its DEK has {size} bytes, and one here has 1 to {MAX_DEK_SIZE}; it is left as it is"
        )
    return stored


def _is_record(data: bytes) -> bool:
    try:
        return msgspec.json.decode(data, type=_OfKmsCore).format == FORMAT
    except (msgspec.DecodeError, ValueError, RecursionError):
        return False
