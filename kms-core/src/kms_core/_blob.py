"""The bytes that ``Kek.wrap`` returns, and what they are bound to.

A blob is the four bytes ``KMS`` and 1, the version; then five parts, each behind its length in two
bytes, the high byte first: the KEK backend's name, the KEK, its version and the algorithm in UTF-8,
and the ciphertext. Nothing stands behind them. So there is exactly one way to write a blob.
"""

from __future__ import annotations

from collections.abc import Mapping

from kms_core._context import encode_context
from kms_core._values import MAX_CONTEXT_SIZE, Context, WrappedDek
from kms_core.errors import BackendContractError, BlobError, ContextError

MAGIC, VERSION = b"KMS", 1
FORMAT = "kms-core.blob/1"

_LENGTH_SIZE = 2
_PARTS = 5
_CURE = "give what Kek.wrap or `kms wrap` wrote, byte for byte"


def blob_context(context: Mapping[str, str]) -> Context:
    """What the KEK binds the data to: the caller's context, and that it is a blob.

    A DEK's record says another ``format``, so no blob passes for a record, nor a record for a blob.

    Raises:
        ContextError: a key or value is no text, a key is empty or ``format``, or all is too long.
    """
    if not isinstance(context, Mapping):
        raise ContextError("a context maps str to str, such as {'purpose': 'backup'}")
    for name, value in context.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise ContextError("a context maps str to str; write numbers as text")
        if name in {"", "format"}:
            raise ContextError("a context has no empty key and none called 'format'; rename it")
    try:
        size = len(encode_context(context))
    except UnicodeEncodeError:
        raise ContextError("the context holds a lone surrogate, which has no UTF-8 form") from None
    if size > MAX_CONTEXT_SIZE:
        raise ContextError(
            f"the context has {size} bytes as JSON; {MAX_CONTEXT_SIZE} are allowed: shorten it"
        )
    return {**context, "format": FORMAT}


def encode_blob(provider: str, wrapped: WrappedDek) -> bytes:
    """Write a blob.

    Raises:
        BackendContractError: the backend returned what no blob can hold.
    """
    names = (provider, wrapped.kek_id, wrapped.kek_version, wrapped.algorithm)
    try:
        parts = [*(name.encode() for name in names), wrapped.ciphertext]
        framed = (len(part).to_bytes(_LENGTH_SIZE, "big") + part for part in parts)
        return MAGIC + bytes([VERSION]) + b"".join(framed)
    except (UnicodeEncodeError, OverflowError) as error:
        raise BackendContractError(
            f"kms://{provider}: wrap_dek returned what no blob can hold; "
            "report it to the plugin's author"
        ) from error


def decode_blob(blob: bytes) -> tuple[str, WrappedDek]:
    """The KEK backend's name, and the rest.

    Raises:
        BlobError: it is not a blob, or of an unknown version.
    """
    if blob[: len(MAGIC)] != MAGIC:
        raise BlobError(f"this is no blob of kms-core; {_CURE}")
    if blob[len(MAGIC) : len(MAGIC) + 1] != bytes([VERSION]):
        raise BlobError("the blob is of an unknown version; a newer kms-core may read it")
    parts = _read_parts(bytes(blob), len(MAGIC) + 1)
    problem = "is cut or extended"
    if len(parts) == _PARTS:
        try:
            provider, kek_id, version, algorithm = (part.decode() for part in parts[:-1])
            return provider, WrappedDek(parts[-1], kek_id, version, algorithm)
        except UnicodeDecodeError:
            problem = "holds a name that is not UTF-8"
    raise BlobError(f"the blob {problem}; {_CURE}")


def _read_parts(blob: bytes, start: int) -> list[bytes]:
    """The parts; none if the last of them is not whole."""
    parts = []
    while start < len(blob):
        begin = start + _LENGTH_SIZE
        start = begin + int.from_bytes(blob[start:begin], "big")
        parts.append(blob[begin:start])
    return parts if start == len(blob) else []
