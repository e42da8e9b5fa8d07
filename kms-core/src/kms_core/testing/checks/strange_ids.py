"""Ids that a store or a context may confuse, misread or cut off. All are valid and distinct."""

from __future__ import annotations

from kms_core._values import MAX_DEK_ID_SIZE

_PATHS = ("../../x", "..", ".", "a/b", "x/y", "x", "/etc/x", "a//b", "a/", "~", "CON", "nul.txt")
_CASES = ("a", "A", "\N{LATIN SMALL LETTER SHARP S}", "ss", "SS")
_EDGES = (" a", "a ", "a.", ".a", " ", "-a", ".lock", ".tmp-a", "a.json")
_ESCAPES = ("%2e", "%2E", "%", "%%", "%00", "a%2Fb", "a+b", "a b", "&amp;", "\\", "\\n", "%s", "{}")
_PATTERNS = ("*", "?", ":", "[a]", "a*", "#", "&", "=", "<a>", '"', "'", "$HOME", "`", "|", ";")
_UNICODE = (
    "\u00e9",  # one character …
    "e\u0301",  # … and its canonical equivalent of two
    "\N{KELVIN SIGN}",
    "K",
    "\N{PILE OF POO}",
    "\N{NO-BREAK SPACE}",
    "\N{ZERO WIDTH SPACE}a",
    "\N{RIGHT-TO-LEFT OVERRIDE}a",
    "\N{LINE SEPARATOR}",
    "\ufeffa",
    "\ufffe",  # no character of XML 1.0, in which some stores list
    "\U0010ffff",
)


def _longest(text: str) -> str:
    """The text over and over, filled up to exactly as many bytes as an id may have."""
    times, rest = divmod(MAX_DEK_ID_SIZE, len(text.encode()))
    return text * times + "z" * rest


_LONG = tuple(
    _longest(text)
    for text in ("a", "A", "/", ".", "%", "\u00e9", "\u05d0", "\u0c95", "\u6f22", "\U0001f511")
)

STRANGE_IDS = (*_PATHS, *_CASES, *_EDGES, *_ESCAPES, *_PATTERNS, *_UNICODE, *_LONG)
"""Ids to try wherever a dek_id goes."""
