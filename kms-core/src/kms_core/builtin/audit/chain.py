"""The lines of an audit trail: each holds the hash of the one before it, and its own.

    {"chain":"5d0c…","number":17,"time":"…",…,"previous":"9f2e…","hash":"41b7…"}

``hash`` is SHA-256 of the line's bytes in front of ``,"hash":``, or HMAC-SHA-256 (RFC 2104) where
there is a key. So nothing has to be written in a canonical form to be verified.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

MAX_LINE_SIZE = 65536
"""More bytes than any line has."""

MIN_KEY_SIZE = 32
"""Least bytes of a key, as long as the hash (RFC 2104, section 3)."""

_HEAD = re.compile(r"([0-9a-f]{16}):(\d{1,18}):([0-9a-f]{64})")
_LINE = re.compile(
    rb'\{"chain":"([0-9a-f]{16})","number":(\d{1,18}),.*'
    rb',"previous":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}\n'
)
_json = json.JSONEncoder(separators=(",", ":"))
_HASH_FIELD_SIZE = len(f',"hash":"{"0" * 64}"}}\n')


@dataclass(frozen=True, slots=True)
class Head:
    """The last line of a chain so far. It is not secret.

    Attributes:
        chain: the chain's random name.
        number: the line's number; the first line of a chain has number 1.
        hash: the line's hash.
    """

    chain: str
    number: int
    hash: str

    @classmethod
    def of_new_chain(cls) -> Self:
        """What the first line of a new chain follows."""
        return cls(secrets.token_hex(8), 0, "0" * 64)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``str`` makes of a head. Raises ValueError."""
        found = _HEAD.fullmatch(text)
        if found is None:
            raise ValueError("a head is CHAIN:NUMBER:HASH, as `kms audit verify` writes it")
        return cls(found[1], int(found[2]), found[3])

    def __str__(self) -> str:
        return f"{self.chain}:{self.number}:{self.hash}"


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it was read.

    Attributes:
        head: what the line says of itself.
        previous: what it says of the hash of the line before it.
        body: the bytes that are hashed.
    """

    head: Head
    previous: str
    body: bytes


def read_line(data: bytes) -> Line | None:
    """Read a line with its line break; None if it is not one of a trail."""
    found = _LINE.fullmatch(data)
    if found is None:
        return None
    chain, number, previous, own = (part.decode() for part in found.groups())
    return Line(Head(chain, int(number), own), previous, data[:-_HASH_FIELD_SIZE])


class Sealer:
    """Makes and checks the hashes.

    Args:
        key: with one, whoever lacks it can neither make nor change a line.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key

    def hash(self, body: bytes) -> str:
        """The hash of a line."""
        if self._key is None:
            return hashlib.sha256(body).hexdigest()
        return hmac.digest(self._key, body, "sha256").hex()

    def write_line(self, fields: Mapping[str, object], head: Head) -> tuple[bytes, Head]:
        """The line that follows the head, and the new head."""
        number = head.number + 1
        linked = {"chain": head.chain, "number": number, **fields, "previous": head.hash}
        # ASCII: no name of a DEK can play tricks on the terminal that shows the line.
        body = _json.encode(linked).encode()[:-1]
        own = self.hash(body)
        return body + f',"hash":"{own}"}}\n'.encode(), Head(head.chain, number, own)
