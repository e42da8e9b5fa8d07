"""Reads answers as the SDK does, and takes whatever it cannot read for somebody else's."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from botocore.parsers import ResponseParserError, ResponseParserFactory


class StrictParsers(ResponseParserFactory):
    """Makes parsers that fail in one way only.

    The SDK's own raise whatever a malformed number, time or element leads to. And a body that ends
    early leaves its status alone, which would say of a cut answer what no whole one has said.
    """

    def create_parser(self, protocol_name: str) -> Any:
        """A parser of this protocol."""
        return _StrictParser(super().create_parser(protocol_name))


class _StrictParser:
    def __init__(self, parser: Any) -> None:
        self._parser = parser

    def parse(self, response: Mapping[str, Any], shape: Any) -> Any:
        # Raised outside of the block: what the SDK raised may hold the body.
        with suppress(Exception):  # which of all it is depends on what was sent
            _require_whole(response)
            return self._parser.parse(response, shape)
        raise ResponseParserError("the answer cannot be read")


def _require_whole(response: Mapping[str, Any]) -> None:
    """Raise ValueError for a body that is shorter than its head says."""
    body, length = response["body"], response["headers"].get("Content-Length")
    if isinstance(body, bytes) and body and length is not None and len(body) < int(length):
        raise ValueError
