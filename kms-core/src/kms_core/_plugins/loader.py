"""Imports the class that an entry point names.

stevedore loads plugins. What kms-core itself registers is part of it, and imported as such: to
import stevedore, and importlib.metadata for it, would be an eighth of what ``kms dek get`` costs.
"""

from __future__ import annotations

from importlib import import_module

from kms_core._plugins.registry import FoundBackend, find_backend, version_cure
from kms_core._plugins.requirement import unmet_requirement
from kms_core.errors import BackendLoadError, BackendVersionError


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
        driver = _load_own(found) if found.is_own else _load_plugin(found)
    except (Exception, SystemExit) as error:  # whatever the module does at import
        raise _load_error(found, f"{type(error).__name__}: {error}") from error
    if not isinstance(driver, type):
        raise _load_error(found, f"{found.target} is not a class")
    return driver, found


def _load_own(found: FoundBackend) -> object:
    module, _, name = found.target.partition(":")
    return getattr(import_module(module), name)


def _load_plugin(found: FoundBackend) -> object:
    from kms_core._plugins.driver import load_plugin

    return load_plugin(found)


def _load_error(found: FoundBackend, why: str) -> BackendLoadError:
    return BackendLoadError(
        f"{found.backend} of {found.distribution} cannot be loaded ({why}); "
        f"run: pip install --force-reinstall {found.project}, or report it to the plugin's author"
    )
