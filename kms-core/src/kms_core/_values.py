"""The values that pass between core and backends, and the limits they keep."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from kms_core.errors import ConfigError, DekIdError, DekSizeError, KmsError

if TYPE_CHECKING:
    from concurrent.futures import Executor

MAX_DEK_SIZE = 8160
"""Most bytes of a DEK: 255 blocks of SHA-256, what HKDF can derive (RFC 5869, section 2.3)."""

MAX_DEK_ID_SIZE = 255
"""Most bytes of a dek_id in UTF-8."""

DEFAULT_DEK_SIZE = 32
"""Bytes of a new DEK of which nobody says the size."""

OPENING_SIZE = 32
"""Random bytes that core has the KEK wrap in front of a DEK or of data, to commit to them."""

MAX_DATA_SIZE = 4096 - OPENING_SIZE
"""Most bytes that a KEK alone wraps: with the opening, what AWS KMS takes in one call."""

MAX_CONTEXT_SIZE = 2048
"""Most bytes of a caller's context as canonical JSON."""

MAX_RECORD_SIZE = 65536
"""Most bytes of a record. A storage backend reads at most one byte more than this."""

Context: TypeAlias = Mapping[str, str]
"""What a wrapped DEK is bound to. It always carries the dek_id."""

caller: ContextVar[str | None] = ContextVar("kms_core.caller", default=None)
"""On whose behalf this program calls now, such as a user's id; each event of the call tells it.

A context variable (PEP 567): what one request or thread sets, no other sees.
"""

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
        names = type(self.kek_id) is type(self.kek_version) is type(self.algorithm) is str
        if not (names and type(self.ciphertext) is bytes):  # quick: on the path of every DEK
            _expect(bytes, self.ciphertext)
            _expect(str, self.kek_id, self.kek_version, self.algorithm)


@dataclass(frozen=True, slots=True)
class KekInfo:
    """The KEK that a backend uses, as the KMS describes it now.

    Attributes:
        kek_id: the KEK's full name in its KMS.
        kek_version: its newest version, as records have it; empty where no record has one.
        algorithm: how it wraps, in the KMS's own words.
        key_material: the newest version where records have none, and only an unwrap shows which one
            wrapped; empty elsewhere.
    """

    kek_id: str
    kek_version: str
    algorithm: str
    key_material: str = ""

    def __post_init__(self) -> None:
        _expect(str, self.kek_id, self.kek_version, self.algorithm, self.key_material)


@dataclass(frozen=True, slots=True)
class DekInfo:
    """What a record says of its DEK. Holds nothing secret.

    Attributes:
        dek_id: the DEK's id.
        size: its size in bytes.
        created: when it was made, in UTC.
        provider: the name of the KEK's backend.
        kek_id: the KEK that wrapped it.
        kek_version: the version of the KEK that wrapped it; empty where the KMS keeps that to
            itself.
        algorithm: how it was wrapped.
        revision: the store's own token of this state of the record.
        key_material: the version that wrapped it where ``kek_version`` is empty, if it was asked
            for and the KMS tells it.
    """

    dek_id: str
    size: int
    created: datetime
    provider: str
    kek_id: str
    kek_version: str
    algorithm: str
    revision: str
    key_material: str = ""


@dataclass(frozen=True, slots=True)
class Bulk:
    """How calls for many DEKs are made.

    Attributes:
        concurrency: how many are under way at once. A backend makes as many calls at once as its
            ``maxConnections`` says.
        rate: how many DEKs in a second at most; None for as many as the services take. Where a
            service refuses because of its rate, all slow down in any case.
        executor: runs the calls, in threads of this process; None for threads of its own.
    """

    concurrency: int = 16
    rate: float | None = None
    executor: Executor | None = None

    def __post_init__(self) -> None:
        if self.concurrency < 1 or (self.rate is not None and self.rate <= 0):
            raise ConfigError("concurrency and rate are at least 1 and above 0; give such numbers")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one DEK of many.

    Attributes:
        dek_id: the DEK's id.
        outcome: ``done``; ``unchanged`` if there was nothing to do; ``gone`` if the DEK was deleted
            since it was listed; or ``failed``, with an error.
        dek: what its record said, if it could be read: of a rewrap, before it; of a move, where it
            came from. An archive has no revisions, and Constellation no records.
        error: what was raised, without its local variables.
        value: the DEK itself, if it was asked for and could be read; the repr does not show it.
    """

    dek_id: str
    outcome: Literal["done", "unchanged", "gone", "failed"]
    dek: DekInfo | None = None
    error: KmsError | None = None
    value: bytes | None = field(default=None, repr=False)


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
class CallStart:
    """A call of the façade or of a hook, as it begins. Never holds key bytes or a credential.

    Attributes:
        call: a number that this process gives to no other call; the call's Event has it too.
        operation: the façade's method, such as ``get_dek`` or ``wrap``, or the hook's name.
        backend: ``kms://NAME`` or ``storage://NAME``.
        dek_id: the DEK concerned, if any.
        parent: of a hook, the call of the façade that called it; None if the user asked for this
            very call.
    """

    call: int
    operation: str
    backend: str
    dek_id: str | None
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A call of the façade or of a hook, as it has ended, in the thread that began it.

    Attributes:
        call: as in its CallStart.
        operation: as in its CallStart.
        backend: as in its CallStart.
        dek_id: as in its CallStart.
        outcome: ``done``, or ``failed`` with an error; or ``declined``, when a hook answered as it
            should with an error that core goes by: no such record, one that is there already, or
            what another KEK wrapped.
        seconds: how long it took.
        error: the class name of what it raised, if it raised.
        made: whether this very call made the DEK; None unless it is a ``get_dek`` or
            ``create_dek`` that is done.
        cached: whether a ``get_dek`` was answered from the cache, if there is one.
        kek_id: the KEK that was used, or wraps the DEK now; None where core does not know it, and
            unless the call is done.
        kek_version: the version of that KEK; empty where the KMS keeps that to itself.
        caller: what :data:`kms_core.caller` says.
        parent: as in its CallStart.
    """

    call: int
    operation: str
    backend: str
    dek_id: str | None
    outcome: Literal["done", "declined", "failed"]
    seconds: float
    error: str | None = None
    made: bool | None = None
    kek_id: str | None = None
    kek_version: str | None = None
    caller: str | None = None
    parent: int | None = None
    cached: bool | None = None


@dataclass(frozen=True, slots=True)
class Risk:
    """What works, and may do harm one day. Holds nothing secret.

    Attributes:
        code: a name for good that programs may go by, such as ``STORE-UNVERSIONED``.
        problem: what may happen, and why.
        cure: what to do about it.
    """

    code: str
    problem: str
    cure: str

    def __post_init__(self) -> None:
        _expect(str, self.code, self.problem, self.cure)


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
