"""Which versions of kms-core a plugin says it was made for: its ``Requires-Dist`` (PEP 508)."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from kms_core._plugins.metadata import canonical

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from kms_core._plugins.installed import Installed

CORE = "kms-core"

_NAME = re.compile(r"\s*([A-Za-z0-9._-]+)")
"""What a requirement begins with (PEP 508)."""


@cache
def unmet_requirement(distribution: Installed) -> str | None:
    """Say which versions of kms-core the distribution is for, if this one is not among them."""
    on_core = requirements_on_core(distribution)
    if not on_core:
        return None
    from importlib.metadata import version  # only now: it is slow to import

    core = version(CORE)
    for requirement in on_core:
        if not requirement.specifier.contains(core, prereleases=True):
            return f"it was made for {CORE}{requirement.specifier}, and this is {CORE} {core}"
    return None


def requirements_on_core(distribution: Installed) -> list[Requirement]:
    """What the distribution requires of kms-core."""
    return [found for found in map(_on_core, distribution.requirements()) if found]


def _on_core(declared: str) -> Requirement | None:
    name = _NAME.match(declared)
    if name is None or canonical(name[1]) != CORE:
        return None
    # Only now: most distributions require nothing of core, and it is slow to import.
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(declared)
    except InvalidRequirement:  # no installer accepts it either, so it says nothing
        return None
    applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    return requirement if applies else None
