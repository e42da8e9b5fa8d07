"""Commits to what a KEK wraps, so that what it unwraps later is that and nothing else.

A KMS authenticates what it unwraps, but its answer is bound to the question by the connection
alone: a proxy, a cache or an emulator that mixes two answers up gives another DEK, which fits in
size. So the KEK wraps 32 random bytes, the opening, and the data behind them, and before the KEK's
ciphertext stands HMAC-SHA256 of the data under the opening. Whoever finds other bytes with one
commitment has found a collision of SHA-256, and without the opening, which is as secret as the
data, a commitment tells nothing of the data, be it one byte.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from typing import TypeAlias

from kms_core._values import OPENING_SIZE, Context, WrappedDek
from kms_core.errors import UnwrapError

COMMITMENT_SIZE = 32

Wrap: TypeAlias = Callable[[bytes, Context], WrappedDek]
Unwrap: TypeAlias = Callable[[WrappedDek, Context], bytes]


def wrap_committed(data: bytes, context: Context, wrap: Wrap) -> WrappedDek:
    """Have a KEK wrap the data behind an opening, and put the commitment before its ciphertext."""
    opening = secrets.token_bytes(OPENING_SIZE)
    wrapped = wrap(opening + data, context)
    return _with_ciphertext(wrapped, _commit(opening, data) + wrapped.ciphertext)


def unwrap_committed(wrapped: WrappedDek, context: Context, unwrap: Unwrap) -> bytes:
    """Have a KEK unwrap what :func:`wrap_committed` returned.

    Raises:
        UnwrapError: the KEK returned anything but what was wrapped.
    """
    commitment, inner = split_commitment(wrapped)
    unwrapped = unwrap(inner, context)
    opening, data = unwrapped[:OPENING_SIZE], unwrapped[OPENING_SIZE:]
    if not data or not hmac.compare_digest(_commit(opening, data), commitment):
        raise UnwrapError(
            "the KMS returned other bytes than were wrapped: something may answer in its place, or "
            "the record was altered; check endpoint and proxy, or restore it from a backup"
        )
    return data


def split_commitment(wrapped: WrappedDek) -> tuple[bytes, WrappedDek]:
    """The commitment, and what the KEK itself returned."""
    ciphertext = wrapped.ciphertext
    return ciphertext[:COMMITMENT_SIZE], _with_ciphertext(wrapped, ciphertext[COMMITMENT_SIZE:])


def _with_ciphertext(wrapped: WrappedDek, ciphertext: bytes) -> WrappedDek:
    # Not by replace(), which costs as much as all else here, on the path of every DEK.
    return WrappedDek(ciphertext, wrapped.kek_id, wrapped.kek_version, wrapped.algorithm)


def _commit(opening: bytes, data: bytes) -> bytes:
    return hmac.digest(opening, data, "sha256")
