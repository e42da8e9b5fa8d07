"""A DEK that was asked for."""

from __future__ import annotations

from typing import NamedTuple

from kms_core._deks.record import WrappedBy


class Got(NamedTuple):
    """A DEK, and what observers are told of it.

    Attributes:
        dek: the DEK.
        made: whether this very call made it.
        wrapped_by: names the KEK that wraps it; None if it is derived.
    """

    dek: bytes
    made: bool
    wrapped_by: WrappedBy | None

    def by_another_call(self) -> Got:
        """The same DEK for who waited for it."""
        return self._replace(made=False)

    def __repr__(self) -> str:
        return "<Got a DEK>"
