"""Has stevedore load a plugin.

Its own index of entry points is cached on disk, where it can be stale and where whoever may write
it chooses what is imported, so it is given the one that the installed metadata itself has.
"""

from __future__ import annotations

from importlib import metadata
from typing import Any

from stevedore.driver import DriverManager

from kms_core._plugins.registry import GROUPS, FoundBackend


class _UncachedDriverManager(DriverManager[Any]):
    def __init__(self, found: FoundBackend) -> None:
        self._found = found
        super().__init__(GROUPS[found.scheme], found.name)

    def list_entry_points(self) -> list[metadata.EntryPoint]:
        found = self._found
        return [metadata.EntryPoint(found.name, found.target, GROUPS[found.scheme])]


def load_plugin(found: FoundBackend) -> object:
    """Import what the entry point names, and nothing else."""
    return _UncachedDriverManager(found).driver
