"""File names for dek_ids: reversible, readable, and distinct on every file system.

Lower-case letters, digits, ``-`` and ``_`` stand for themselves; every other byte of the UTF-8
form is ``%`` and two hex digits. So no name holds a separator or a dot of the id's, and ids that
differ only in case differ in more. The prefix keeps ``con`` from being a device on Windows. What
is too long for one path component goes on in a folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from urllib.parse import unquote

_PIECE = 200
"""Most characters of an id in one path component; file systems allow 255."""

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_")
_COMPONENT = re.compile(r"dek-[a-z0-9%_-]+(?:\.json|\+)")


def encode_name(dek_id: str) -> str:
    """The record's path, relative to the store's folder."""
    escaped = "".join(chr(b) if b in _PLAIN else f"%{b:02x}" for b in dek_id.encode())
    pieces = [escaped[i : i + _PIECE] for i in range(0, len(escaped), _PIECE)]
    return "".join(f"dek-{piece}+/" for piece in pieces[:-1]) + f"dek-{pieces[-1]}.json"


def walk_names(root: str, below: str = "") -> Iterator[str]:
    """Yield the dek_id of each record under the folder; anything else there is passed over."""
    with os.scandir(os.path.join(root, below)) as entries:  # noqa: PTH118 -- a Path for each entry is slow
        for entry in entries:
            name = below + entry.name
            if not _COMPONENT.fullmatch(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from walk_names(root, f"{name}/")
            elif encode_name(dek_id := _decode_name(name)) == name:
                yield dek_id


def _decode_name(name: str) -> str:
    components = name.removesuffix(".json").split("+/")
    return unquote("".join(component.removeprefix("dek-") for component in components))
