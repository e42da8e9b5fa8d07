"""Finds the line on which something stands in a config file; tomllib tells none."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from itertools import count

from kms_core._config.place import Names


def find_lines(text: str, wanted: Iterable[Names]) -> dict[Names, int]:
    """The lines, from 1, on which the statements begin that first make these places.

    The file is read up to each of its lines: what can be read ends with a statement, and a place
    that is new in it is that statement's.

    Args:
        text: TOML.
        wanted: places in it. One that is not there is on the line of the nearest above it.
    """
    found: dict[Names, int] = {(): 1}
    below = {names[:depth] for names in wanted for depth in range(1, len(names) + 1)}
    lines = text.splitlines(keepends=True)
    begins = 1
    for number in range(1, len(lines) + 1) if below else ():
        try:
            document = tomllib.loads("".join(lines[:number]))
        except ValueError:
            continue  # within a statement
        new = {names for names in below - found.keys() if _has(document, names)}
        found |= dict.fromkeys(new, begins)
        begins = number + 1
    return found


def nearest(lines: Mapping[Names, int], names: Names) -> int:
    """The line of a place, or of the nearest above it."""
    depths = (len(names) - up for up in count())
    return next(lines[names[:depth]] for depth in depths if names[:depth] in lines)


def _has(value: object, names: Names) -> bool:
    for name in names:
        there = range(len(value)) if isinstance(value, list) else value
        if not isinstance(there, (range, Mapping)) or name not in there:
            return False
        value = value[name]  # type: ignore[index] # it has it
    return True
