"""Finds the registered backends, and what is broken about one, without importing anything."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec

from kms_core._config.uri import NAME_RULE, is_name
from kms_core._plugins.installed import Installed
from kms_core._plugins.metadata import canonical, entry_points, forget, registered_groups
from kms_core._plugins.requirement import CORE, requirements_on_core, unmet_requirement
from kms_core.errors import (
    BackendAmbiguousError,
    BackendNotFoundError,
)

GROUPS = {"kms": "kms.kek", "storage": "kms.storage", "observer": "kms.observer"}
"""URI scheme → entry-point group."""

_TARGET = re.compile(r"(?P<module>[\w.]+)\s*(?::\s*[\w.]+\s*)?(?:\[.*\]\s*)?$")
"""An object reference, as packaging.python.org specifies it for entry points."""

EXTRAS = {
    "kms://aws": "aws",
    "kms://azure": "azure",
    "kms://gcp": "gcp",
    "kms://cluster-kms": "cluster",
    "storage://aws": "aws",
    "storage://azure": "azure",
    "storage://gcp": "gcp",
}
"""Backend → the extra of kms-core that installs it."""


@dataclass(frozen=True, slots=True)
class FoundBackend:
    """A backend that a distribution has registered, as the installed metadata describes it.

    Attributes:
        scheme: ``kms``, ``storage`` or ``observer``; or a group that is none of core's.
        name: the host of its URI.
        target: the class, as ``MODULE:CLASS``, unless the entry point is malformed.
        registered_by: the distribution.
    """

    scheme: str
    name: str
    target: str
    registered_by: Installed

    @property
    def backend(self) -> str:
        """``kms://NAME``, ``storage://NAME`` or ``observer://NAME``."""
        return f"{self.scheme}://{self.name}"

    @property
    def project(self) -> str:
        """The name to install the distribution by."""
        return self.registered_by.field("Name") or "DISTRIBUTION"

    @property
    def distribution(self) -> str:
        """Name and version of the distribution."""
        name, version = self.registered_by.field("Name"), self.registered_by.field("Version")
        return f"{name} {version}" if name else "a broken distribution"

    @property
    def module(self) -> str | None:
        """The module in its target, if that is well-formed."""
        well_formed = _TARGET.match(self.target)
        return well_formed and well_formed["module"]

    @property
    def is_own(self) -> bool:
        """Whether it is kms-core's own."""
        return canonical(self.project) == CORE


def find_backends() -> list[FoundBackend]:
    """All registered backends, by group and name, from metadata alone: nothing is imported."""
    return [found for scheme in GROUPS for found in _of_scheme(scheme)]


def find_strays() -> list[FoundBackend]:
    """What is registered in a group that only looks like one of core's, which nobody reads."""
    strays = {group for group, owner in registered_groups() if _is_stray(group, owner)}
    return [
        FoundBackend(group, *found) for group in sorted(strays) for found in entry_points(group)
    ]


def _is_stray(group: str, distribution: Installed) -> bool:
    if group in GROUPS.values():
        return False
    plain = re.sub(r"[^a-z]+", ".", group.lower())
    near = difflib.get_close_matches(plain, GROUPS.values(), n=1, cutoff=0.7)
    return bool(near) or (plain.startswith("kms.") and bool(requirements_on_core(distribution)))


def _of_scheme(scheme: str) -> list[FoundBackend]:
    found = (FoundBackend(scheme, *registered) for registered in entry_points(GROUPS[scheme]))
    return sorted(found, key=lambda f: f.name)


def find_problem(found: FoundBackend, everything: list[FoundBackend]) -> str | None:
    """What is broken about a backend as far as it shows without importing it."""
    if found.scheme not in GROUPS:
        return f"{_stray(found)}; report it to the plugin's author"
    if not is_name(found.name):
        return (
            f"no URI takes this name; it should have {NAME_RULE}; report it to the plugin's author"
        )
    rivals = [f.distribution for f in everything if f.backend == found.backend and f is not found]
    if rivals:
        return f"also provided by {', '.join(rivals)}; uninstall all but one"
    unmet = unmet_requirement(found.registered_by)
    if unmet:
        return f"{unmet}; {version_cure(found)}"
    missing = _missing_part(found)
    if missing:
        return f"{missing} is not there; reinstall {found.distribution}"
    return None


def find_backend(scheme: str, name: str) -> FoundBackend:
    """The one distribution's backend of this name.

    Raises:
        BackendNotFoundError: no distribution provides it.
        BackendAmbiguousError: several do.
    """
    matches = [f for f in _of_scheme(scheme) if f.name == name]
    if not matches:
        forget()
        matches = [f for f in _of_scheme(scheme) if f.name == name]
    if not matches:
        raise BackendNotFoundError(_not_found(scheme, name, find_backends()))
    if len(matches) > 1:
        claims = " and ".join(f.distribution for f in matches)
        raise BackendAmbiguousError(
            f"{scheme}://{name} is provided by {claims}; uninstall all but one"
        )
    return matches[0]


def _not_found(scheme: str, name: str, everything: list[FoundBackend]) -> str:
    backend = f"{scheme}://{name}"
    if backend in EXTRAS:
        install = f"pip install 'kms-core[{EXTRAS[backend]}]'"
        if getattr(sys, "frozen", False):  # as PyInstaller and others set it
            return f"{backend} is not in this application; where it is built, run: {install}"
        return f"{backend} is not installed; run: {install}"
    for stray in find_strays():
        if stray.name == name:
            why = f"{stray.distribution} has {name!r}, but {_stray(stray)}"
            return f"no installed distribution provides {backend}: {why}"
    known = {f.backend for f in everything} | {*EXTRAS}
    names = [k.partition("://")[2] for k in known if k.startswith(f"{scheme}://")]
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {scheme}://{near[0]}?" if near else "install the plugin that provides it."
    return f"no installed distribution provides {backend}; {hint} `kms backends` lists all"


def _stray(found: FoundBackend) -> str:
    return f"core reads no group {found.scheme!r}, but {', '.join(GROUPS.values())}"


def version_cure(found: FoundBackend) -> str:
    """What to run when the plugin and kms-core do not fit."""
    return f"run: pip install --upgrade {found.project} {CORE}"


def _missing_part(found: FoundBackend) -> str | None:
    """The first module on the target's path that no finder knows."""
    if found.module is None:
        return f"MODULE:CLASS in the entry point {found.target!r}"
    path = None
    parts = found.module.split(".")
    for depth, _ in enumerate(parts, 1):
        name = ".".join(parts[:depth])
        spec = _find_module(name, path)
        if spec is None:
            return f"module {name}"
        path = spec.submodule_search_locations
    return None


def _find_module(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    # What importlib.util.find_spec does, but for importing the packages above the module.
    specs = (finder.find_spec(name, path) for finder in sys.meta_path)
    return next((spec for spec in specs if spec is not None), None)
