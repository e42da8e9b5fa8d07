"""The context that binds a wrapped DEK to its record."""

from __future__ import annotations

import json

from kms_core._values import Context

_encoder = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def encode_context(context: Context) -> bytes:
    """The context's canonical bytes, for a KMS that takes additional authenticated data.

    A JSON object of strings with sorted keys and no white space, in UTF-8: equal contexts give
    equal bytes, different ones different bytes.
    """
    return _encoder.encode(dict(context)).encode()
