"""Which versions of kms-core a plugin says it was made for: its ``Requires-Dist`` (PEP 508)."""

from __future__ import annotations

from functools import cache
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from kms_core._plugins.metadata import requirements

CORE = "kms-core"


@cache
def unmet_requirement(distribution: metadata.Distribution) -> str | None:
    """Say which versions of kms-core the distribution is for, if this one is not among them."""
    on_core = requirements_on_core(distribution)
    core = metadata.version(CORE) if on_core else ""
    for requirement in on_core:
        if not requirement.specifier.contains(core, prereleases=True):
            return f"it was made for {CORE}{requirement.specifier}, and this is {CORE} {core}"
    return None


def requirements_on_core(distribution: metadata.Distribution) -> list[Requirement]:
    """What the distribution requires of kms-core."""
    return [found for found in map(_on_core, requirements(distribution)) if found]


def _on_core(declared: str) -> Requirement | None:
    try:
        requirement = Requirement(declared)
    except InvalidRequirement:  # no installer accepts it either, so it says nothing
        return None
    applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    return requirement if applies and canonicalize_name(requirement.name) == CORE else None
