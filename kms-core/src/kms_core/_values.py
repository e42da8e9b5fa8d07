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

DEFAULT_DEK_SIZE = 32
"""Bytes of a new DEK of which nobody says the size."""

MAX_DATA_SIZE = 4096
"""Most bytes that a KEK alone wraps: what AWS KMS takes in one call."""

MAX_CONTEXT_SIZE = 2048
"""Most bytes of a caller's context as canonical JSON."""

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
class ListedRecord:
    """A record as a listing shows it; ``data`` is None where the service lists no content."""

    dek_id: str
    revision: str
    data: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _expect(str, self.dek_id, self.revision)


@dataclass(frozen=True, slots=True)
class CallStart:
    """A call of the façade or of a hook, as it begins. Never holds key bytes or a credential.

    Attributes:
        call: a number that this process gives to no other call; the call's Event has it too.
        operation: ``get_dek``, ``create_dek``, ``wrap``, ``unwrap``, or the hook's name.
        backend: ``kms://NAME`` or ``storage://NAME``.
        dek_id: the DEK concerned, if any.
    """

    call: int
    operation: str
    backend: str
    dek_id: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """A call of the façade or of a hook, as it has ended, in the thread that began it.

    Attributes:
        call: as in its CallStart.
        operation: as in its CallStart.
        backend: as in its CallStart.
        dek_id: as in its CallStart.
        outcome: ``done``, or ``failed`` with an error; or ``declined``, when a hook answered as it
            should with an error that core goes by: no such record, or one that is there already.
        seconds: how long it took.
        error: the class name of what it raised, if it raised.
        made: whether this very call made the DEK; None unless it is a ``get_dek`` or
            ``create_dek`` that is done.
    """

    call: int
    operation: str
    backend: str
    dek_id: str | None
    outcome: Literal["done", "declined", "failed"]
    seconds: float
    error: str | None = None
    made: bool | None = None


def check_dek_id(dek_id: str) -> bytes:
    """Return the dek_id's bytes in UTF-8.

    Args:
        dek_id: 1 to 255 bytes in UTF-8, without control characters.

    Raises:
        DekIdError: it is none of that.
    """
    if not isinstance(dek_id, str):
        raise DekIdError(f"a dek_id is a str, not {type(dek_id).__name__}")
    try:
        encoded = dek_id.encode()
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
    if type(size) is not int:
        raise DekSizeError(f"the size is an int, in bytes, and not {type(size).__name__}")
    if not 1 <= size <= MAX_DEK_SIZE:
        raise DekSizeError(f"a DEK has 1 to {MAX_DEK_SIZE} bytes; ask for a size in that range")
