"""What is measured of each call."""

from __future__ import annotations

from opentelemetry import metrics

from kms_core.backend import Event
from kms_core.builtin.otel.names import (
    BACKEND,
    CACHE_HIT,
    OPERATION,
    SCOPE,
    outcome_of,
    own_version,
)

OPERATION_DURATION = "kms.client.operation.duration"
HOOK_DURATION = "kms.client.hook.duration"
DEKS_CREATED = "kms.client.deks.created"
CACHE_LOOKUPS = "kms.client.cache.lookups"

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""Seconds, as the conventions advise for calls of other services (RPC and HTTP metrics)."""


class Metrics:
    """Counts and measures. No attribute is of a DEK: each would be a series of its own."""

    def __init__(self) -> None:
        meter = metrics.get_meter("kms_core", own_version(), **SCOPE)
        self._operations, self._hooks = (
            meter.create_histogram(
                name, "s", description, explicit_bucket_boundaries_advisory=_BUCKETS
            )
            for name, description in (
                (OPERATION_DURATION, "Duration of the calls that the program made"),
                (HOOK_DURATION, "Duration of the calls of backends within these"),
            )
        )
        self._created = meter.create_counter(DEKS_CREATED, "{dek}", "DEKs that were made")
        self._lookups = meter.create_counter(
            CACHE_LOOKUPS, "{lookup}", "DEKs that were looked for in the cache, and read"
        )

    def record(self, event: Event) -> None:
        """Take note of a call that has ended."""
        attributes = {BACKEND: event.backend, OPERATION: event.operation}
        duration = self._operations if event.parent is None else self._hooks
        duration.record(event.seconds, {**attributes, **outcome_of(event)})
        if event.made:
            self._created.add(1, attributes)
        if event.cached is not None:
            self._lookups.add(1, {BACKEND: event.backend, CACHE_HIT: event.cached})
