"""Ties each check to the clause of the hookspec that it checks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec

from kms_core._tracebacks import clear_locals

P = ParamSpec("P")

_PARAGRAPH = re.compile(r"\n\s*\n")

ONLY_MAINTENANCE = frozenset(
    {
        "replace_record",
        "delete_record",
        "list_dek_ids",
        "count_old_records",
        "list_objects",
        "load_object",
        "rewrap_dek",
        "wrap_dek_under",
        "find_key_material",
        "rotate_kek",
        "rotation_command",
        "unwrap_foreign",
        "check_health",
        "find_risks",
    }
)
"""The hooks that ``get_dek`` never calls: an admin's, for rewrapping, deleting, listing, health."""


@dataclass(frozen=True, slots=True)
class Clause:
    """What a hookspec says, in a sentence.

    Attributes:
        owner: the hook, as ``KekSpec.wrap_dek``, or the class if all its hooks are meant.
        text: the sentence.
        cure: what the author of a backend does that breaks it.
    """

    owner: str
    text: str
    cure: str = ""

    def serves_get_dek(self, failure: str = "") -> bool:
        """Whether ``get_dek`` needs it, or what only an admin does.

        Args:
            failure: what the check says, which begins with the hook that broke. A clause about
                every hook may be broken in one that ``get_dek`` never calls.
        """
        return not {self.hook, *failure.split()[:1]} & ONLY_MAINTENANCE

    @property
    def hook(self) -> str:
        """The hook's name, or ``every hook``."""
        return self.owner.partition(".")[2] or "every hook"

    def notes(self) -> Iterator[str]:
        """What a failure says besides what was seen."""
        yield f"clause of {self.hook}: {self.text}"
        yield f"what to do: {self.cure}"
        yield f"documented in {self.documented}"

    @property
    def documented(self) -> str:
        """Where it stands: a name for ``python -m pydoc``, and a heading of the documentation."""
        heading = self.owner.replace(".", "").lower()
        return f"kms_core.backend.hookspecs.{self.owner} (docs/hooks.md#{heading})"


def clause(owner: type | Callable[..., Any]) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Mark a check as that of a clause, which is the first paragraph of its docstring.

    When the check fails, the error says which clause that is, what to do and where it is
    documented. What to do is the paragraph that begins with "Cure:". The locals of the check may be
    secret, and pytest shows them, so they are cleared.

    Args:
        owner: the hook in its specification, or the specification if all its hooks are meant.
    """

    def mark(check: Callable[P, None]) -> Callable[P, None]:
        paragraphs = [" ".join(p.split()) for p in _PARAGRAPH.split(check.__doc__ or "")]
        cures = [p.removeprefix("Cure: ") for p in paragraphs if p.startswith("Cure: ")]
        text, cure = (p.replace("``", "") for p in (paragraphs[0], "".join(cures)))
        checks = Clause(owner.__qualname__, text, cure)

        @wraps(check)
        def checked(*args: P.args, **kwargs: P.kwargs) -> None:
            __tracebackhide__ = True  # pytest shows where the check failed
            try:
                check(*args, **kwargs)
            except Exception as error:
                clear_locals(error)
                for note in checks.notes():
                    error.add_note(note)
                raise

        vars(checked)["clause"] = checks
        return checked

    return mark


def clause_of(suite: type, check: str) -> Clause | None:
    """The clause that a check of a suite checks, also where a subclass overrides the check."""
    found = (getattr(vars(kind).get(check), "clause", None) for kind in suite.__mro__)
    return next((c for c in found if isinstance(c, Clause)), None)
