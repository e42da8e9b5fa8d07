"""Blob names for dek_ids: reversible, readable for ordinary ids, and the same in every URL.

Letters, digits, ``-``, ``.`` and ``_`` stand for themselves; every other byte of the UTF-8 form is
``~`` and two hex digits. So no character of a name needs an escape in a URL (RFC 3986, section
2.3), where proxies differ. No name ends in a dot. A long id goes on in the next segment, because
an account with a hierarchical namespace allows 255 characters in each.
"""

from __future__ import annotations

import re
import string

_SUFFIX = ".json"
_PIECE = 200
_GOES_ON = "~/"  # no hex digit follows, so it is never part of an escaped id

_PLAIN = frozenset((string.ascii_letters + string.digits + "-._").encode())
_ESCAPE = re.compile(rb"~([0-9A-F]{2})")


def encode_prefix(text: str) -> str:
    """What the names of all dek_ids that start with the text start with."""
    escaped = "".join(chr(b) if b in _PLAIN else f"~{b:02X}" for b in text.encode())
    return _GOES_ON.join(escaped[i : i + _PIECE] for i in range(0, len(escaped), _PIECE))


def encode_name(dek_id: str) -> str:
    """The name of the dek_id's blob."""
    return encode_prefix(dek_id) + _SUFFIX


def decode_name(name: str) -> str | None:
    """The dek_id whose blob has this name, if any has."""
    escaped = name.removesuffix(_SUFFIX).replace(_GOES_ON, "").encode()
    unescaped = _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()), escaped)
    dek_id = unescaped.decode(errors="replace")
    return dek_id if dek_id and encode_name(dek_id) == name else None
