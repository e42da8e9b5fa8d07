"""What the installed distributions say of themselves, from their metadata: nothing is imported.

importlib.metadata reads the entry points of all distributions at once, so a damaged file of one,
of whatever group, fails for everybody; and since Python 3.15 so does a malformed entry. Here each
file is read by itself, and only where it names the group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from configparser import ConfigParser, Error
from importlib import metadata

from packaging.utils import canonicalize_name

_UNREADABLE = (OSError, ValueError)
"""What importlib.metadata raises of a file that is not there, or is no text."""


def entry_points(group: str) -> Iterator[tuple[str, str, metadata.Distribution]]:
    """Yield the entry points of a group as they are written, well-formed or not.

    Each is its name, ``MODULE:CLASS`` or whatever stands in its place, and who registered it.
    """
    seen = set()
    for distribution in metadata.distributions():
        section = _section(distribution, group)
        if section:
            name = field(distribution, "Name")
            key = canonicalize_name(name) if name else distribution
            if key not in seen:  # else an older one, further down sys.path, that nothing imports
                yield from ((n, t or "", distribution) for n, t in section.items())
            seen.add(key)


def field(distribution: metadata.Distribution, name: str) -> str | None:
    """A field of the distribution's metadata, if that can be read."""
    try:
        return next(iter(distribution.metadata.get_all(name) or []), None)
    except _UNREADABLE:
        return None


def requirements(distribution: metadata.Distribution) -> list[str]:
    """What the distribution requires (PEP 508), as far as that can be read."""
    try:
        return distribution.requires or []
    except _UNREADABLE:
        return []


def _section(distribution: metadata.Distribution, group: str) -> Mapping[str, str | None]:
    """Read entry_points.txt as far as it is what packaging.python.org specifies."""
    try:
        text = distribution.read_text("entry_points.txt") or ""
        return _parse(text, group) if f"[{group}]" in text else {}
    except (Error, *_UNREADABLE):
        return {}


def _parse(text: str, group: str) -> Mapping[str, str | None]:
    parser = ConfigParser(
        delimiters=("=",), allow_no_value=True, strict=False, interpolation=None, default_section=""
    )
    parser.optionxform = str  # type: ignore[assignment,method-assign] # names differ in case
    parser.read_string(text)
    return parser[group] if parser.has_section(group) else {}
