"""Which calls our clients make, and which the documentation lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from kms_azure.client import Transport

PAGE = Path(__file__).parents[3] / "docs" / "providers" / "azure.md"
_ROW = re.compile(r"^\| `(?P<call>[A-Z]+ \w+)` \| (?P<permissions>`.+`)", re.MULTILINE)
_TOKEN = re.compile(r"/(?:v2\.0/\.well-known/openid-configuration|token|discovery/instance)$")


def documented_calls() -> set[str]:
    """The calls in the tables of permissions."""
    return {row["call"] for row in _ROW.finditer(PAGE.read_text(encoding="utf-8"))}


@contextmanager
def recorded_calls() -> Iterator[list[str]]:
    """What a process that races notes: every call that it made."""
    noted: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        calls = record_calls(patch)
        yield noted
    noted += sorted(calls)


def record_calls(patch: pytest.MonkeyPatch) -> set[str]:
    """The set in which every call of every backend will be, but those for tokens."""
    calls: set[str] = set()
    send = Transport.send

    def recorded(self: Transport, request: Any, **options: Any) -> Any:
        if not _TOKEN.search(urlsplit(request.url).path):
            calls.add(call_name(request.method, request.url))
        return send(self, request, **options)

    patch.setattr(Transport, "send", recorded)
    return calls


def call_name(method: str, url: str) -> str:
    """``POST wrapkey``, ``GET key``, ``PUT blob``, ``GET container`` for a listing, …"""
    parts = urlsplit(url)
    if "/keys/" in parts.path:
        return f"{method} {parts.path.rpartition('/')[2] if method == 'POST' else 'key'}"
    restype = parse_qs(parts.query).get("restype", ["blob"])[0]
    return f"{method} {restype}"
