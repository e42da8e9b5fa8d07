"""Which calls of Azure our clients make, and which they may."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from kms_azure.client import Transport
from kms_azure.permissions import CALLS

PROMISED = frozenset(CALLS)
"""What an administrator has to allow, at most."""
_TOKEN = re.compile(r"/(?:v2\.0/\.well-known/openid-configuration|token|discovery/instance)$")


@contextmanager
def record_calls() -> Iterator[list[str]]:
    """The list that gets every call of every backend meanwhile, but those for tokens.

    And but those without one, by which the SDK asks a vault whose tokens it wants.
    """
    calls: list[str] = []
    send = Transport.send

    def recorded(self: Transport, request: Any, **options: Any) -> Any:
        has_token = "Authorization" in request.headers
        if has_token and not _TOKEN.search(urlsplit(request.url).path):
            calls.append(call_name(request.method, request.url))
        return send(self, request, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transport, "send", recorded)
        yield calls


def call_name(method: str, url: str) -> str:
    """``POST wrapkey``, ``GET key``, ``PUT blob``, ``GET container`` for a listing, …"""
    parts = urlsplit(url)
    if "/keys/" in parts.path:
        return f"{method} {parts.path.rpartition('/')[2] if method == 'POST' else 'key'}"
    restype = parse_qs(parts.query).get("restype", ["blob"])[0]
    return f"{method} {restype}"
