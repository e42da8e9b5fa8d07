"""The values that pass between core and backends, and the limits they keep."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from kms_core.errors import DekIdError, DekSizeError

MAX_DEK_SIZE = 8160
"""Most bytes of a DEK: 255 blocks of SHA-256, what HKDF can derive (RFC 5869, section 2.3)."""

MAX_DEK_ID_SIZE = 255
"""Most bytes of a dek_id in UTF-8."""

MAX_RECORD_SIZE = 65536
"""Most bytes of a record. A storage backend reads at most one byte more than this."""

Context: TypeAlias = Mapping[str, str]
"""What a wrapped DEK is bound to. It always carries the dek_id."""


UriOrMapping: TypeAlias = str | Mapping[str, object]
"""How a program names a backend: its URI, or a mapping with the key ``backend`` beside the
parameters."""


def _expect(kind: type, *values: object) -> None:
    """Stop a backend that fills a field with another type where it does so, not at a reader."""
    for value in values:
        if type(value) is not kind:
            raise TypeError(f"expected {kind.__name__}, got {type(value).__name__}")


@dataclass(frozen=True, slots=True)
class WrappedDek:
    """A DEK as the KEK returned it. Holds nothing secret.

    Attributes:
        ciphertext: the wrapped bytes, in the KEK backend's own format.
        kek_id: the KEK's full name in its KMS. A name to compare, never an address to connect to.
        kek_version: the version of the KEK that wrapped; empty where the KMS keeps that to itself.
        algorithm: how it was wrapped, in the KMS's own words.
    """

    ciphertext: bytes = field(repr=False)
    kek_id: str
    kek_version: str
    algorithm: str

    def __post_init__(self) -> None:
        _expect(bytes, self.ciphertext)
        _expect(str, self.kek_id, self.kek_version, self.algorithm)


@dataclass(frozen=True, slots=True)
class KekInfo:
    """The KEK that a backend uses, as the KMS describes it now; ``kek_version`` is the newest."""

    kek_id: str
    kek_version: str
    algorithm: str

    def __post_init__(self) -> None:
        _expect(str, self.kek_id, self.kek_version, self.algorithm)


@dataclass(frozen=True, slots=True)
class StorageInfo:
    """The place where a storage backend keeps records, such as a folder or a bucket."""

    location: str


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record's bytes as stored, and the store's own token of this state of it."""

    data: bytes = field(repr=False)
    revision: str

    def __post_init__(self) -> None:
        _expect(bytes, self.data)
        _expect(str, self.revision)


@dataclass(frozen=True, slots=True)
class Event:
    """One ``get_dek``, or one call of a hook. Never holds key bytes or a credential.

    Attributes:
        operation: ``get_dek``, or the hook's name.
        backend: ``kms://NAME`` or ``storage://NAME``.
        dek_id: the DEK concerned, if any.
        outcome: whether it returned or raised.
        seconds: how long it took.
        error: the error's class name when it failed.
    """

    operation: str
    backend: str
    dek_id: str | None
    outcome: Literal["done", "failed"]
    seconds: float
    error: str | None


def check_dek_id(dek_id: str, *, errors: Literal["strict", "surrogateescape"] = "strict") -> bytes:
    """Return the dek_id's bytes in UTF-8.

    Args:
        dek_id: 1 to 255 bytes in UTF-8, without control characters.
        errors: ``surrogateescape`` also admits bytes that are not text, in the form of PEP 383.

    Raises:
        DekIdError: it is none of that.
    """
    if not isinstance(dek_id, str):
        raise DekIdError(f"a dek_id is a str, not {type(dek_id).__name__}")
    try:
        encoded = dek_id.encode("utf-8", errors)
    except UnicodeEncodeError:
        raise DekIdError("the dek_id holds a lone surrogate, which has no UTF-8 form") from None
    if not 1 <= len(encoded) <= MAX_DEK_ID_SIZE:
        raise DekIdError(
            f"a dek_id has 1 to {MAX_DEK_ID_SIZE} bytes in UTF-8, this one has {len(encoded)}"
        )
    # isprintable() is quick and true of nearly every id; the category decides about the rest.
    if not dek_id.isprintable() and any(unicodedata.category(c) == "Cc" for c in dek_id):
        raise DekIdError("the dek_id holds a control character; use printable text")
    return encoded


def check_dek_size(size: int) -> None:
    """Raise :class:`DekSizeError` unless size is a whole number of bytes from 1 to 8160."""
    if type(size) is not int or not 1 <= size <= MAX_DEK_SIZE:
        raise DekSizeError(f"a DEK has 1 to {MAX_DEK_SIZE} bytes; ask for a size in that range")
