"""Ties each check to the clause of the hookspec that it checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Clause:
    """What a hookspec says, in a sentence.

    Attributes:
        owner: the hook, as ``KekSpec.wrap_dek``, or the class if all its hooks are meant.
        text: the sentence.
    """

    owner: str
    text: str

    @property
    def hook(self) -> str:
        """The hook's name, or ``every hook``."""
        return self.owner.partition(".")[2] or "every hook"

    @property
    def documented(self) -> str:
        """Where it stands: a name for ``python -m pydoc``, and a heading of the documentation."""
        heading = self.owner.replace(".", "").lower()
        return f"kms_core.backend.hookspecs.{self.owner} (docs/hooks.md#{heading})"


def clause(owner: type | Callable[..., Any]) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Mark a check as that of a clause, which is the first paragraph of its docstring.

    When the check fails, the error says which clause that is and where it is documented.

    Args:
        owner: the hook in its specification, or the specification if all its hooks are meant.
    """

    def mark(check: Callable[P, None]) -> Callable[P, None]:
        paragraph = (check.__doc__ or "").partition("\n\n")[0]
        checks = Clause(owner.__qualname__, " ".join(paragraph.replace("``", "").split()))

        @wraps(check)
        def checked(*args: P.args, **kwargs: P.kwargs) -> None:
            __tracebackhide__ = True  # pytest shows where the check failed
            try:
                check(*args, **kwargs)
            except Exception as error:
                error.add_note(f"clause of {checks.hook}: {checks.text}")
                error.add_note(f"documented in {checks.documented}")
                raise

        vars(checked)["clause"] = checks
        return checked

    return mark


def clause_of(suite: type, check: str) -> Clause | None:
    """The clause that a check of a suite checks, also where a subclass overrides the check."""
    found = (getattr(vars(kind).get(check), "clause", None) for kind in suite.__mro__)
    return next((c for c in found if isinstance(c, Clause)), None)
