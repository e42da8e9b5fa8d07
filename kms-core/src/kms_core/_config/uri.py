"""Parses ``kms://`` and ``storage://`` URIs (RFC 3986).

No message repeats a piece of the URI that could be part of a secret. A ``+`` is a plus sign in RFC
3986 and a space in HTML forms, so it is refused. In two kinds of URI that Constellation writes it
escapes nothing, and there a ``+`` is itself.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from kms_core.errors import ConfigError

NAME_RULE = "1 to 30 lower-case letters and digits, with single dashes between them, a letter first"
"""What the name of a backend is: the host of its URI, and part of its environment variables."""

_NAME = re.compile(r"(?=.{1,30}\Z)[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_RAW_SPACE = re.compile(r"[\x00-\x20\x7f]")
_UNESCAPED_BY_CONSTELLATION = {"kms://aws", "kms://cluster-kms"}
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def is_name(text: str) -> bool:
    """Whether a backend may have this name."""
    return _NAME.fullmatch(text) is not None


def parse_uri(uri: str, scheme: str) -> tuple[str, dict[str, str]]:
    """Split ``scheme://name?parameter=value&…`` into the name and the parameters.

    Raises:
        ConfigError: it is no such URI, or a parameter is malformed, empty or repeated.
    """
    shape = f"expected {scheme}://NAME?PARAMETER=VALUE&…"
    try:
        parts = urlsplit(uri)
        authority, query = parts.netloc, parts.query
    except ValueError:
        authority = query = ""
    if _RAW_SPACE.search(uri):
        raise ConfigError(f"malformed {scheme} URI: it holds white space; write a space as %20")
    if not uri.startswith(f"{scheme}://"):
        raise ConfigError(f"malformed {scheme} URI: {shape}")
    if not is_name(authority):
        raise ConfigError(f"malformed {scheme} URI: {shape}, where NAME has {NAME_RULE}")
    if parts.path not in {"", "/"} or parts.fragment or "#" in uri:
        raise ConfigError(
            f"malformed {scheme} URI for {authority!r}: {shape}, without a path or a fragment; "
            "write '/' as %2F and '#' as %23 inside a value"
        )
    return authority, _parse_query(query, f"{scheme}://{authority}")


def _parse_query(query: str, backend: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for position, piece in enumerate(query.split("&") if query else (), 1):
        name, equals, value = piece.partition("=")
        problem = _problem(name, equals, value, parameters)
        if "+" in piece and not problem and backend not in _UNESCAPED_BY_CONSTELLATION:
            problem = "has a '+'; write %2B for a plus, %20 for a space"
        if problem:
            raise ConfigError(f"{backend}: parameter {position} of the URI {problem}")
        parameters[unquote(name)] = unquote(value)
    return parameters


def _problem(name: str, equals: str, value: str, parameters: dict[str, str]) -> str | None:
    if not name or not equals:
        return "is not NAME=VALUE; write '&' inside a value as %26"
    if not value:
        return "has no value"
    if _BROKEN_ESCAPE.search(name + value):
        return "has a broken percent escape; write '%' as %25"
    try:
        unquote(value, errors="strict")
        known = unquote(name, errors="strict") in parameters
    except UnicodeDecodeError:
        return "does not decode to UTF-8"
    return "repeats an earlier one" if known else None
