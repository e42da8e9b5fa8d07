"""The context that binds a wrapped DEK to its record."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from kms_core._values import Context

if TYPE_CHECKING:
    from msgspec.json import Encoder


def encode_context(context: Context) -> bytes:
    """The context's canonical bytes, for a KMS that takes additional authenticated data.

    A JSON object of strings with sorted keys and no white space, in UTF-8: equal contexts give
    equal bytes, different ones different bytes.
    """
    return _encoder().encode(dict(context))


@cache
def _encoder() -> Encoder:
    from msgspec.json import Encoder  # when a KEK wraps, and not by `import kms_core`

    return Encoder(order="sorted", enc_hook=str.__str__)  # of what is a str and more
