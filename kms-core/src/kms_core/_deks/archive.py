"""The archive: records in one file, of which only the header is readable.

A header in JSON, and then the records, one a line, under a fresh key that the KEK wraps into the
header. They are encrypted in chunks by AES-256-GCM, as STREAM does (Hoang and others, "Online
Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", CRYPTO 2015): the nonce of a chunk
is its number, and a byte that marks the last. So no chunk can be altered, left out, doubled, moved
or added, and no end be cut off.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import BinaryIO, Self

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kms_core._deks.record import Record, WrappedBy, decode_record
from kms_core._deks.records import now
from kms_core._plugins.clients import Keyset
from kms_core._values import MAX_RECORD_SIZE, Context, WrappedDek
from kms_core.errors import ArchiveError, ConfigError, RecordError, UnwrapError

FORMAT = "kms-core.archive/1"
CHUNK = 65536
"""Bytes of records in each chunk but the last."""

_TAG = 16
_MAX_HEADER = MAX_RECORD_SIZE
_CURE = "give a file that `kms dek export` wrote, byte for byte, or another backup"


class Header(msgspec.Struct, frozen=True):
    """The first line. Fields are written in this order.

    Attributes:
        format: the version of the file.
        created: when it was made, as records say it.
        kek: what wrapped the key.
        algorithm: how.
        wrapped_key: the ciphertext, written in base64.
    """

    format: str
    created: str
    kek: WrappedBy
    algorithm: str
    wrapped_key: bytes

    @classmethod
    def make(cls, created: str, provider: str, wrapped: WrappedDek) -> Self:
        """A header of this version."""
        kek = WrappedBy(provider, wrapped.kek_id, wrapped.kek_version)
        return cls(FORMAT, created, kek, wrapped.algorithm, wrapped.ciphertext)

    @property
    def wrapped(self) -> WrappedDek:
        """The wrapped key."""
        return WrappedDek(self.wrapped_key, self.kek.kek_id, self.kek.kek_version, self.algorithm)

    def encode(self) -> bytes:
        """The header's bytes, as canonical as a record's."""
        return msgspec.json.encode(self)


class ArchiveWriter:
    """Writes an archive. It may be used by many threads.

    Args:
        file: gets it, from where it stands.
        keks: the first wraps its key.
    """

    def __init__(self, file: BinaryIO, keks: Keyset) -> None:
        kek = keks.first
        key, created = AESGCM.generate_key(256), now()
        wrapped = kek.wrap(key, _context(created))
        kek.prove_wrapped(wrapped, _context(created), key)
        self._file = file
        self._header = Header.make(created, kek.provider, wrapped).encode()
        self._cipher = AESGCM(key)
        self._number = 0
        self._pending = bytearray()
        self._lock = threading.Lock()
        file.write(self._header + b"\n")

    def add(self, record: bytes) -> None:
        """Add a record."""
        with self._lock:
            self._pending += record + b"\n"
            while len(self._pending) > CHUNK:
                self._write(bytes(self._pending[:CHUNK]), is_last=False)
                del self._pending[:CHUNK]

    def finish(self) -> None:
        """Write the rest and the mark of the end."""
        self._write(bytes(self._pending), is_last=True)

    def _write(self, chunk: bytes, *, is_last: bool) -> None:
        nonce = _nonce(self._number, is_last=is_last)
        self._file.write(self._cipher.encrypt(nonce, chunk, self._header))
        self._number += 1


class ArchiveReader:
    """Reads an archive, as often as wanted.

    Args:
        file: the archive, from where it stands; it can seek.
        keks: one of them unwraps its key.

    Raises:
        ArchiveError: it is none, or its header was altered.
        ConfigError: the file cannot seek.
        KekNotFoundError: another KEK wrapped its key.
        OperationError: the KMS refused or failed.
    """

    def __init__(self, file: BinaryIO, keks: Keyset) -> None:
        if not file.seekable():
            raise ConfigError("an archive is read twice, so give a file and not a pipe")
        self._file = file
        self._header = file.readline(_MAX_HEADER).removesuffix(b"\n")
        header = _decode_header(self._header)
        self._start = file.tell()
        provider, context = header.kek.provider, _context(header.created)
        try:
            self._cipher = AESGCM(keks.unwrap(provider, header.wrapped, context))
        except (UnwrapError, ValueError):
            raise ArchiveError(f"the header of the archive was altered; {_CURE}") from None

    def records(self) -> Iterator[Record]:
        """Yield the records, each once it is authentic.

        Raises:
            ArchiveError: the archive was altered, cut or extended.
        """
        rest = b""
        for chunk in self._chunks():
            *lines, rest = (rest + chunk).split(b"\n")
            yield from map(_decode_line, lines)
        if rest:
            raise ArchiveError(f"the archive ends within a record; {_CURE}")

    def _chunks(self) -> Iterator[bytes]:
        self._file.seek(self._start)
        sealed, number = _read(self._file), 0
        while True:
            following = _read(self._file)
            try:
                nonce = _nonce(number, is_last=not following)
                yield self._cipher.decrypt(nonce, sealed, self._header)
            except InvalidTag:
                raise ArchiveError(f"the archive was altered, cut or extended; {_CURE}") from None
            if not following:
                return
            sealed, number = following, number + 1


def _context(created: str) -> Context:
    return {"format": FORMAT, "created": created}


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])


def _read(file: BinaryIO) -> bytes:
    """A chunk, or what is left of the file, which need not give all at once."""
    data = b""
    while len(data) < CHUNK + _TAG and (more := file.read(CHUNK + _TAG - len(data))):
        data += more
    return data


class _AnyVersion(msgspec.Struct):
    format: str


def _decode_header(line: bytes) -> Header:
    try:
        if msgspec.json.decode(line, type=_AnyVersion).format != FORMAT:
            raise ArchiveError("the archive is of an unknown version; a newer kms-core may read it")
        header = msgspec.json.decode(line, type=Header)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise ArchiveError(f"this is no archive of kms-core; {_CURE}") from None
    if header.encode() != line:
        raise ArchiveError(f"the header of the archive was altered; {_CURE}")
    return header


class _Named(msgspec.Struct):
    dek_id: str


def _decode_line(line: bytes) -> Record:
    try:
        return decode_record(line, msgspec.json.decode(line, type=_Named).dek_id)
    except (msgspec.DecodeError, ValueError, RecursionError, RecordError) as error:
        raise ArchiveError(f"the archive holds what is no record; {_CURE}") from error
