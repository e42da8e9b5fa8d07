"""What the installed distributions say of themselves, from their metadata: nothing is imported.

importlib.metadata reads the entry points of all distributions at once, so a damaged file of one,
of whatever group, fails for everybody; and since Python 3.15 so does a malformed entry. Here each
file is read by itself, and only where it names the group.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from configparser import ConfigParser, Error
from functools import cache, lru_cache

from kms_core._plugins.installed import Installed, find_installed

_GROUP = re.compile(r"^\[([^\]]+)\]", re.MULTILINE)


def entry_points(group: str) -> Iterator[tuple[str, str, Installed]]:
    """Yield the entry points of a group as they are written, well-formed or not.

    Each is its name, ``MODULE:CLASS`` or whatever stands in its place, and who registered it.
    """
    seen = set()
    for distribution, text in _registering(tuple(sys.path)):
        section = _section(text, group)
        if section:
            name = distribution.field("Name")
            key = canonical(name) if name else distribution
            if key not in seen:  # else an older one, further down sys.path, that nothing imports
                yield from ((n, t or "", distribution) for n, t in section.items())
            seen.add(key)


def registered_groups() -> Iterator[tuple[str, Installed]]:
    """Yield each group that might be meant for core, and who registers something in it."""
    for distribution, text in _registering(tuple(sys.path)):
        yield from ((group, distribution) for group in _GROUP.findall(text))


def forget() -> None:
    """Read everything again: something may have been installed since."""
    _registering.cache_clear()


@lru_cache(maxsize=1)
def _registering(_path: tuple[str, ...]) -> list[tuple[Installed, str]]:
    """The distributions that may register a backend of any kind, with their entry_points.txt.

    To read the files of all distributions is most of what opening a backend would cost, so a
    process does that once for each ``sys.path``.
    """
    texts = ((distribution, distribution.entry_points()) for distribution in find_installed())
    return [(distribution, text) for distribution, text in texts if "kms" in text.lower()]


def canonical(name: str) -> str:
    """A project's name as PEP 503 compares it.

    packaging has this too, and importing it would be a twelfth of what ``kms dek get`` costs.
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def _section(text: str, group: str) -> Mapping[str, str | None]:
    """Read entry_points.txt as far as it is what packaging.python.org specifies."""
    try:
        return _parse(text, group) if f"[{group}]" in text else {}
    except (Error, ValueError):
        return {}


@cache
def _parse(text: str, group: str) -> Mapping[str, str | None]:
    parser = ConfigParser(
        delimiters=("=",), allow_no_value=True, strict=False, interpolation=None, default_section=""
    )
    parser.optionxform = str  # type: ignore[assignment,method-assign] # names differ in case
    parser.read_string(text)
    return parser[group] if parser.has_section(group) else {}
