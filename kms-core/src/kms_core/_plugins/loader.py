"""Imports the class that an entry point names.

stevedore does the loading. Its own index of entry points is cached on disk, where it can be stale
and where whoever may write it chooses what is imported, so it is given the one that the installed
metadata itself has.
"""

from __future__ import annotations

from importlib import metadata
from typing import Any

from stevedore.driver import DriverManager

from kms_core._plugins.registry import GROUPS, FoundBackend, find_backend, version_cure
from kms_core._plugins.requirement import unmet_requirement
from kms_core.errors import BackendLoadError, BackendVersionError


class _UncachedDriverManager(DriverManager[Any]):
    def __init__(self, found: FoundBackend) -> None:
        self._found = found
        super().__init__(GROUPS[found.scheme], found.name)

    def list_entry_points(self) -> list[metadata.EntryPoint]:
        found = self._found
        return [metadata.EntryPoint(found.name, found.target, GROUPS[found.scheme])]


def load_backend(scheme: str, name: str) -> tuple[type, FoundBackend]:
    """Import the class behind ``scheme://name``, and nothing else.

    Raises:
        BackendNotFoundError: no distribution provides it.
        BackendAmbiguousError: several do; none of them is imported.
        BackendVersionError: it was made for other versions of kms-core; it is not imported.
        BackendLoadError: its module cannot be imported, or does not hold a class of that name.
    """
    found = find_backend(scheme, name)
    unmet = unmet_requirement(found.registered_by)
    if unmet:
        raise BackendVersionError(
            f"{found.backend} of {found.distribution} does not fit: {unmet}; {version_cure(found)}"
        )
    if found.module is None:
        raise _load_error(found, f"its entry point {found.target!r} is not MODULE:CLASS")
    try:
        driver = _UncachedDriverManager(found).driver
    except (Exception, SystemExit) as error:  # whatever the module does at import
        raise _load_error(found, f"{type(error).__name__}: {error}") from error
    if not isinstance(driver, type):
        raise _load_error(found, f"{found.target} is not a class")
    return driver, found


def _load_error(found: FoundBackend, why: str) -> BackendLoadError:
    return BackendLoadError(
        f"{found.backend} of {found.distribution} cannot be loaded ({why}); "
        f"run: pip install --force-reinstall {found.project}, or report it to the plugin's author"
    )
