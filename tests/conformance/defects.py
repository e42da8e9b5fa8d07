"""The table of broken backends: which clauses see it, what is broken, and how, in words.

A row is a class with ``breaks`` in a module ``broken_*.py``: a small backend with the defect, or a
part that gives it to every kind of backend that has these checks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from kms_core.testing.checks.errors import ErrorChecks
from tests.conformance.small_kms import SmallBackend

MODULES = sorted(path.stem for path in Path(__file__).parent.glob("broken_*.py"))
OF_ERRORS = {"__init__", "error", "reach"}
"""What a backend without errors of its own never calls."""


class Defect(NamedTuple):
    """A row of the table.

    Attributes:
        clauses: the checks that have to see it, each with or without its parameter.
        backend: the small backend with the defect.
        reason: what it does wrong.
    """

    clauses: tuple[str, ...]
    backend: type[SmallBackend]
    reason: str

    @property
    def checks(self) -> set[str]:
        """The clauses' checks, without parameters."""
        return {clause.partition("[")[0] for clause in self.clauses}


def defects(suite: type, small: type[SmallBackend]) -> Iterator[Defect]:
    """The rows that apply to this small backend."""
    for patch in _patches():
        reason = (patch.__doc__ or _in_words(patch.__name__)).strip()
        if issubclass(patch, small):
            yield Defect(patch.breaks, patch, reason)
        elif patch.__mro__[1] is SmallBackend and _applies(patch, suite):
            yield Defect(patch.breaks, type(patch.__name__, (patch, small), {}), reason)


def _patches() -> Iterator[type[SmallBackend]]:
    for name in MODULES:
        module = import_module(f"tests.conformance.{name}")
        for member in vars(module).values():
            if isinstance(member, type) and issubclass(member, SmallBackend) and member.breaks:
                yield member


def _applies(patch: type[SmallBackend], suite: type) -> bool:
    has_checks = all(hasattr(suite, clause.partition("[")[0]) for clause in patch.breaks)
    return has_checks and (issubclass(suite, ErrorChecks) or not vars(patch).keys() & OF_ERRORS)


def _in_words(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()
