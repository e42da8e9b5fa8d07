"""Object keys for dek_ids: reversible, readable for ordinary ids, and safe as file names.

Letters, digits and ``-._~`` stand for themselves; every other byte of the UTF-8 form is ``%`` and
two hex digits (RFC 3986). Some stores keep an object as a file, so there is no ``//``, no ``..``
as a segment, and no segment of more than 255 bytes: a long id goes on in the next one.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

_SUFFIX = ".json"
_PIECE = 200
_GOES_ON = "+/"  # neither character is ever part of an escaped id


def encode_prefix(text: str) -> str:
    """What the keys of all dek_ids that start with the text start with."""
    escaped = quote(text, safe="")
    return _GOES_ON.join(escaped[i : i + _PIECE] for i in range(0, len(escaped), _PIECE))


def encode_key(dek_id: str) -> str:
    """The key of the dek_id's record."""
    return encode_prefix(dek_id) + _SUFFIX


def decode_key(key: str) -> str | None:
    """The dek_id whose record has this key, if any has."""
    dek_id = unquote(key.removesuffix(_SUFFIX).replace(_GOES_ON, ""), errors="replace")
    return dek_id if dek_id and encode_key(dek_id) == key else None
