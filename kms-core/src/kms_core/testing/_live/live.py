"""What ``kms plugin check`` checks, and what is left of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from msgspec.structs import asdict

from kms_core._plugins.prepared import PreparedBackend
from kms_core.backend.secret import SecretBytes, SecretStr
from kms_core.testing._harness.leaks import Secret
from kms_core.testing.table import ClauseTable

_SHORTEST_SECRET = 8


@dataclass(frozen=True)
class Live:
    """What is under test.

    Attributes:
        backend: the configured backend.
        other: another KEK of the same provider, for the clauses about two.
        pages: whether to create the 1006 records that it takes to see a second page of ids.
    """

    backend: PreparedBackend
    other: PreparedBackend | None = None
    pages: bool = False

    def open(self) -> Any:
        """Open the backend."""
        return self.backend.open_bare()

    def open_other(self) -> Any:
        """Open the other KEK, or skip the check."""
        if self.other is None:
            pytest.skip("name another KEK of this provider by --other to check this clause")
        return self.other.open_bare()

    def secrets(self) -> list[Secret]:
        """What the configuration holds that may never be shown."""
        return [s for one in (self.backend, self.other) if one for s in _secrets(one)]


@dataclass
class Leftovers:
    """The records that the checks could not remove: by the prefix of their ids, each and why."""

    records: dict[str, dict[str, str]] = field(default_factory=dict)


class Outcome(NamedTuple):
    """What became of the clauses, and of the records that it took to check them."""

    table: ClauseTable
    left: Leftovers


def _secrets(prepared: PreparedBackend) -> Iterator[Secret]:
    for value in asdict(prepared.config).values():
        if isinstance(value, (SecretStr, SecretBytes)):
            secret = value.get_secret_value()
            if len(secret) >= _SHORTEST_SECRET:
                yield secret
