"""The stored document around a wrapped DEK.

There is exactly one way to write a record, and all of it is authenticated: what the KEK does not
itself check is in the context. So a record that was altered in any bit is refused, by the reader
here or by the KEK.
"""

from __future__ import annotations

from typing import Self

import msgspec

from kms_core._values import MAX_RECORD_SIZE, Context, WrappedDek
from kms_core.errors import RecordError, show_name

FORMAT = "kms-core.dek/1"

CURE = "restore it from a backup, or delete it if the DEK is not needed"
"""What helps against a record that cannot be read."""


class WrappedBy(msgspec.Struct, frozen=True, rename={"kek_id": "id", "kek_version": "version"}):
    """The KEK backend's name, the KEK and its version."""

    provider: str
    kek_id: str
    kek_version: str


class Record(msgspec.Struct, frozen=True):
    """A wrapped DEK with what is needed to unwrap it. Fields are written in this order.

    Attributes:
        format: the version of this document.
        dek_id: the DEK's id.
        size: the DEK's size in bytes.
        created: when it was created, in UTC, to the second: ``2026-01-31T23:59:59Z``.
        kek: the KEK backend's name, which must be the configured one; the KEK, and its version.
        algorithm: how the KEK wrapped.
        wrapped_dek: the ciphertext, written in base64 (RFC 4648, section 4).
    """

    format: str
    dek_id: str
    size: int
    created: str
    kek: WrappedBy
    algorithm: str
    wrapped_dek: bytes

    @classmethod
    def make(cls, dek_id: str, size: int, created: str, provider: str, wrapped: WrappedDek) -> Self:
        """A record of this version."""
        kek = WrappedBy(provider, wrapped.kek_id, wrapped.kek_version)
        return cls(FORMAT, dek_id, size, created, kek, wrapped.algorithm, wrapped.ciphertext)

    @property
    def wrapped(self) -> WrappedDek:
        """The wrapped DEK."""
        return WrappedDek(self.wrapped_dek, self.kek.kek_id, self.kek.kek_version, self.algorithm)

    @property
    def context(self) -> Context:
        """What the DEK is wrapped under."""
        return record_context(self.dek_id, self.size, self.created)

    def encode(self) -> bytes:
        """The record's bytes: one JSON object in UTF-8, in this order, without white space."""
        return msgspec.json.encode(self)

    def __repr__(self) -> str:
        return f"<Record of DEK {self.dek_id!r}>"


_UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)
_decoder = msgspec.json.Decoder(Record)


def record_context(dek_id: str, size: int, created: str) -> Context:
    """What a DEK of this record is wrapped under, on every KEK."""
    return {"format": FORMAT, "dek_id": dek_id, "size": str(size), "created": created}


def decode_record(data: bytes, dek_id: str) -> Record:
    """Read a record that was stored for ``dek_id``.

    Raises:
        RecordError: it is too long, malformed, of an unknown version or of another DEK.
    """
    if len(data) > MAX_RECORD_SIZE:
        raise RecordError(f"the record is longer than {MAX_RECORD_SIZE} bytes; {CURE}")
    try:
        record = _decoder.decode(data)
    except _UNREADABLE as error:
        raise _malformed(data, error) from error
    if record.format != FORMAT:
        raise _unknown()
    if record.size < 1 or record.encode() != data:
        raise RecordError(f"the record is not in canonical form; {CURE}")
    if record.dek_id != dek_id:
        raise RecordError(f"the record belongs to DEK {show_name(record.dek_id)}; {CURE}")
    return record


class _AnyVersion(msgspec.Struct):
    format: str


class _OfConstellation(msgspec.Struct):
    ciphertext: str
    iv: str


def _malformed(data: bytes, error: Exception) -> RecordError:
    try:
        if msgspec.json.decode(data, type=_AnyVersion).format != FORMAT:
            return _unknown()
    except _UNREADABLE:
        pass
    try:
        msgspec.json.decode(data, type=_OfConstellation)
    except _UNREADABLE:
        pass
    else:
        return RecordError(
            "the record was written by Constellation's library; give it the name back that it "
            "had, and run: kms dek import constellation"
        )
    return RecordError(f"the record is malformed ({type(error).__name__}); {CURE}")


def _unknown() -> RecordError:
    return RecordError("the record is of an unknown version; a newer kms-core may read it")
