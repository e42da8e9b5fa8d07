"""Names of objects: reversible, and readable.

Letters, digits, ``-``, ``_``, ``.`` and ``~`` stand for themselves, every other byte of the UTF-8
form is ``%`` and two hex digits (RFC 3986). With ``.json`` behind it no name is ``.`` or ``..``,
and none has a slash of the id's, so none begins with ``.well-known/acme-challenge/``.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

_SUFFIX = ".json"


def encode_prefix(text: str) -> str:
    """What the names of all dek_ids that start with the text start with."""
    return quote(text, safe="")


def encode_name(dek_id: str) -> str:
    """The name of the dek_id's record."""
    return encode_prefix(dek_id) + _SUFFIX


def decode_name(name: str) -> str | None:
    """The dek_id whose record has this name, if any has."""
    dek_id = unquote(name.removesuffix(_SUFFIX), errors="replace")
    return dek_id if dek_id and encode_name(dek_id) == name else None
