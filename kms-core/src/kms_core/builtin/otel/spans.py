"""A span for each call."""

from __future__ import annotations

from contextvars import Token
from typing import Any, TypeAlias

from opentelemetry import context, trace
from opentelemetry.trace import Span, StatusCode

from kms_core.backend import CallStart, Event
from kms_core.builtin.otel.names import (
    BACKEND,
    CACHE_HIT,
    CREATED,
    DEK_ID,
    KEK_ID,
    KEK_VERSION,
    OPERATION,
    SCOPE,
    outcome_of,
    own_version,
)

_Open: TypeAlias = tuple[Span, Token[Any]]


class Spans:
    """Opens and ends them.

    They are of kind INTERNAL: a call over the network has a span of its SDK's instrumentation.

    Args:
        dek_ids: whether they tell the dek_id.
    """

    def __init__(self, *, dek_ids: bool) -> None:
        self._tracer = trace.get_tracer("kms_core", own_version(), **SCOPE)
        self._dek_ids = dek_ids
        self._open: dict[int, _Open] = {}

    def start(self, start: CallStart) -> None:
        """Open a span, and make it the current one."""
        attributes = {BACKEND: start.backend, OPERATION: start.operation}
        if self._dek_ids and start.dek_id is not None:
            attributes[DEK_ID] = start.dek_id
        span = self._tracer.start_span(f"kms.{start.operation}", attributes=attributes)
        self._open[start.call] = span, context.attach(trace.set_span_in_context(span))

    def end(self, event: Event) -> None:
        """End the call's span, and make the one before it the current one again."""
        opened = self._open.pop(event.call, None)
        if opened is None:
            return
        span, token = opened
        context.detach(token)
        if span.is_recording():
            told = {
                KEK_ID: event.kek_id,
                KEK_VERSION: event.kek_version,
                CREATED: event.made,
                CACHE_HIT: event.cached,
            }
            known = {name: value for name, value in told.items() if value not in {None, ""}}
            span.set_attributes({**outcome_of(event), **known})
            if event.outcome == "failed":
                span.set_status(StatusCode.ERROR)
        span.end()
