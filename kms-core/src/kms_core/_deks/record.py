"""The stored document around a wrapped DEK.

There is exactly one way to write a record, and all of it is authenticated: what the KEK does not
itself check is in the context. So a record that was altered in any bit is refused, by the reader
here or by the KEK.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import Any

from kms_core._values import MAX_RECORD_SIZE, Context, WrappedDek
from kms_core.errors import RecordError

FORMAT = "kms-core.dek/1"

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_CURE = "restore it from a backup, or delete it if the DEK is not needed"


@dataclass(frozen=True, slots=True)
class Record:
    """A wrapped DEK with what is needed to unwrap it.

    Attributes:
        dek_id: the DEK's id.
        size: the DEK's size in bytes.
        created: when it was created, in UTC, to the second: ``2026-01-31T23:59:59Z``.
        provider: the KEK backend's name, which must be the configured one.
        wrapped: the wrapped DEK.
    """

    dek_id: str
    size: int
    created: str
    provider: str
    wrapped: WrappedDek = field(repr=False)

    @property
    def context(self) -> Context:
        """What the DEK is wrapped under."""
        return record_context(self.dek_id, self.size, self.created)

    def encode(self) -> bytes:
        """The record's bytes: one JSON object in UTF-8, in this order, without white space."""
        wrapped = self.wrapped
        document = {
            "format": FORMAT,
            "dek_id": self.dek_id,
            "size": self.size,
            "created": self.created,
            "kek": {
                "provider": self.provider,
                "id": wrapped.kek_id,
                "version": wrapped.kek_version,
            },
            "algorithm": wrapped.algorithm,
            "wrapped_dek": b64encode(wrapped.ciphertext).decode(),
        }
        return _encoder.encode(document).encode()


def record_context(dek_id: str, size: int, created: str) -> Context:
    """What a DEK of this record is wrapped under, on every KEK."""
    return {"format": FORMAT, "dek_id": dek_id, "size": str(size), "created": created}


def decode_record(data: bytes, dek_id: str) -> Record:
    """Read a record that was stored for ``dek_id``.

    Raises:
        RecordError: it is too long, malformed, of an unknown version or of another DEK.
    """
    if len(data) > MAX_RECORD_SIZE:
        raise RecordError(f"the record is longer than {MAX_RECORD_SIZE} bytes; {_CURE}")
    try:
        record = _parse(json.loads(data))
        canonical = record.encode()
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RecordError(f"the record is malformed ({type(error).__name__}); {_CURE}") from error
    if canonical != data:
        raise RecordError(f"the record is not in canonical form; {_CURE}")
    if record.dek_id != dek_id:
        raise RecordError(f"the record belongs to DEK {record.dek_id!r}; {_CURE}")
    return record


def _parse(document: Any) -> Record:
    if document["format"] != FORMAT:
        raise RecordError("the record is of an unknown version; a newer kms-core may read it")
    kek = document["kek"]
    record = Record(
        dek_id=document["dek_id"],
        size=document["size"],
        created=document["created"],
        provider=kek["provider"],
        wrapped=WrappedDek(
            ciphertext=b64decode(document["wrapped_dek"], validate=True),
            kek_id=kek["id"],
            kek_version=kek["version"],
            algorithm=document["algorithm"],
        ),
    )
    if type(record.size) is not int or record.size < 1:
        raise ValueError("size")
    for text in (record.dek_id, record.created, record.provider):
        if type(text) is not str:
            raise TypeError("text")
    return record
