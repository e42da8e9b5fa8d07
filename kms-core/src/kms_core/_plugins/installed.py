"""Finds the installed distributions as importlib.metadata does.

To import that would be a tenth of what ``kms dek get`` costs. So it is asked only where there is
more than plain folders, such as an egg, a zip file or somebody's own finder, and of metadata that
is not written as the packaging tools write it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib import metadata

_OURS = "(?:Name|Version|Requires-Dist):"
_HEAD = re.compile(
    rf"(?:{_OURS}.*\n(?![ \t])|(?!{_OURS})[!-9;-~]+:.*\n(?:[ \t].*\n)*)+(?=\n|\Z)", re.IGNORECASE
)
"""The header fields of METADATA, where none that is read here goes on in another line."""

_UNREADABLE = (OSError, ValueError)
"""What is raised of a file that is not there, or is no text."""


class Installed:
    """A distribution. What of it cannot be read is as if it were not there.

    Args:
        folder: has its metadata, unless that is known only to whoever found it.
        found: what importlib.metadata has of it, where that was asked.
    """

    def __init__(self, folder: str, found: metadata.Distribution | None = None) -> None:
        self._folder, self._found = folder, found

    def entry_points(self) -> str:
        """The text of entry_points.txt."""
        try:
            if self._found is not None:
                return self._found.read_text("entry_points.txt") or ""
            return self._read("entry_points.txt")
        except _UNREADABLE:
            return ""

    def field(self, name: str) -> str | None:
        """A field of its metadata: ``Name`` or ``Version``."""
        try:
            head = self._head()
            if head is not None:
                return next(iter(_values(head, name)), None)
            return next(iter(self._ask().metadata.get_all(name) or []), None)
        except _UNREADABLE:
            return None

    def requirements(self) -> list[str]:
        """What it requires (PEP 508)."""
        try:
            head = self._head()
            return (
                _values(head, "Requires-Dist") if head is not None else self._ask().requires or []
            )
        except _UNREADABLE:
            return []

    def _head(self) -> str | None:
        """The header fields of its metadata, if these are plain text."""
        if self._found is not None or not self._folder.endswith(".dist-info"):
            return None
        head = _HEAD.match(self._read("METADATA"))
        return head and head[0]

    def _read(self, file: str) -> str:
        return Path(self._folder, file).read_text("utf-8")

    def _ask(self) -> metadata.Distribution:
        if self._found is None:
            from importlib.metadata import PathDistribution

            self._found = PathDistribution(Path(self._folder))
        return self._found


def _values(head: str, name: str) -> list[str]:
    return re.findall(rf"(?im)^{name}:[ \t]*(.*)$", head)


def find_installed() -> list[Installed]:
    """All of them, those first that come first on ``sys.path``."""
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_distributions")]
    if finders == [PathFinder]:
        try:
            return [Installed(folder) for entry in sys.path for folder in _metadata_folders(entry)]
        except _NotPlainError:
            pass
    from importlib import metadata

    return [Installed("", found) for found in metadata.distributions()]


class _NotPlainError(Exception):
    """There is something else on ``sys.path`` than folders."""


def _metadata_folders(entry: str) -> Iterator[str]:
    if not isinstance(entry, str) or entry.lower().endswith(".egg"):
        raise _NotPlainError
    try:
        with os.scandir(entry or ".") as children:
            for child in children:
                if child.name.lower().endswith((".dist-info", ".egg-info")):
                    yield child.path
    except (FileNotFoundError, PermissionError):
        return
    except OSError as error:
        raise _NotPlainError from error
