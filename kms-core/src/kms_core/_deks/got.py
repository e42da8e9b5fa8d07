"""A DEK that was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from kms_core._values import WrappedDek


@dataclass(frozen=True, slots=True)
class Got:
    """A DEK, and what observers are told of it.

    Attributes:
        dek: the DEK.
        made: whether this very call made it.
        wrapped_by: names the KEK that wraps it; None if it is derived.
    """

    dek: bytes = field(repr=False)
    made: bool
    wrapped_by: WrappedDek | None

    def by_another_call(self) -> Got:
        """The same DEK for who waited for it."""
        return replace(self, made=False)
