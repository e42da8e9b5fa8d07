"""The names of what OpenTelemetry is told. There is no convention for key management, so they are
our own, except for ``error.type`` (Semantic Conventions 1.44, general attributes).
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from kms_core.backend import Event

SCOPE: dict[str, Any] = {"schema_url": "https://opentelemetry.io/schemas/1.44.0"}
"""What the schema of our own names is based on."""

BACKEND = "kms.backend"
OPERATION = "kms.operation"
OUTCOME = "kms.outcome"
ANSWER = "kms.answer"
ERROR_TYPE = "error.type"
DEK_ID = "kms.dek.id"
KEK_ID = "kms.kek.id"
KEK_VERSION = "kms.kek.version"
CREATED = "kms.created"
CACHE_HIT = "kms.cache.hit"


def own_version() -> str:
    """The version of kms-core."""
    return version("kms-core")


def outcome_of(event: Event) -> dict[str, str]:
    """How a call ended, for its span and its metric alike.

    A hook that answers as it should with an error has not failed, so that is no ``error.type``.
    """
    named = {"failed": ERROR_TYPE, "declined": ANSWER}.get(event.outcome)
    told: dict[str, str] = {OUTCOME: event.outcome}
    return told if named is None or event.error is None else {**told, named: event.error}
