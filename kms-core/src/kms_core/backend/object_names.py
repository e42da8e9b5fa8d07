"""Names of objects for dek_ids: one way for all object stores, so that records can be copied from
one to another under their names.

Letters, digits, ``-``, ``.`` and ``_`` stand for themselves; every other byte of the UTF-8 form is
``~`` and two hex digits; ``.json`` ends it. So a name is the same in every URL (RFC 3986, section
2.3), and ordinary ids stay readable. After each 200 such characters comes ``~/``: some stores keep
an object as a file, or allow 255 characters between slashes. No piece is ``.`` or ``..``, and no
name ends in a dot or has more than 800 characters.
"""

from __future__ import annotations

import re
import string

_SUFFIX = ".json"
_PIECE = 200
_GOES_ON = "~/"  # no hex digit follows, so it is never part of an escaped id

_ALL_PLAIN = re.compile(r"[A-Za-z0-9._-]*")
_PLAIN = frozenset((string.ascii_letters + string.digits + "-._").encode())
_ESCAPE = re.compile(rb"~([0-9A-F]{2})")


def encode_object_prefix(prefix: str) -> str:
    """What the names of all dek_ids that start with the prefix start with."""
    if len(prefix) <= _PIECE and _ALL_PLAIN.fullmatch(prefix):
        return prefix
    escaped = "".join(chr(b) if b in _PLAIN else f"~{b:02X}" for b in prefix.encode())
    return _GOES_ON.join(escaped[i : i + _PIECE] for i in range(0, len(escaped), _PIECE))


def encode_object_name(dek_id: str) -> str:
    """The name of the dek_id's record in a store that tells upper case from lower case."""
    return encode_object_prefix(dek_id) + _SUFFIX


def decode_object_name(name: str) -> str | None:
    """The dek_id whose record has this name, if any has."""
    escaped = name.removesuffix(_SUFFIX).replace(_GOES_ON, "").encode(errors="replace")
    unescaped = _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()), escaped)
    dek_id = unescaped.decode(errors="replace")
    return dek_id if dek_id and encode_object_name(dek_id) == name else None
