"""A span that is opened at the beginning of a call is the parent of the SDK's own span."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple

import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import kms_core
from kms_core.backend import BackendConfig, CallStart, Event, ObserverSpec, hookimpl
from tests.aws.cloud import Cloud


class Spans(ObserverSpec):
    """What an application would write, in a few lines."""

    Config = BackendConfig

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer
        self._open: dict[int, AbstractContextManager[trace.Span]] = {}

    @hookimpl
    def observe_start(self, start: CallStart) -> None:
        span = self._tracer.start_as_current_span(f"kms.{start.operation}")
        span.__enter__()
        self._open[start.call] = span

    @hookimpl
    def observe(self, event: Event) -> None:
        self._open.pop(event.call).__exit__(None, None, None)

    @hookimpl
    def close(self) -> None:
        """Nothing is held open."""


class Traced(NamedTuple):
    exporter: InMemorySpanExporter
    tracer: trace.Tracer


@pytest.fixture
def traced() -> Iterator[Traced]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = BotocoreInstrumentor()  # type: ignore[no-untyped-call]  # it lacks types
    instrumentor.instrument(tracer_provider=provider)
    yield Traced(exporter, provider.get_tracer("kms_core"))
    instrumentor.uninstrument()


def test_the_sdks_span_is_a_child_of_ours(moto: Cloud, traced: Traced) -> None:
    kek = {"backend": "aws", "keyName": moto.make_key(), **moto.parameters}
    storage = {"backend": "aws", "bucket": moto.make_bucket(), **moto.parameters}
    with kms_core.open_kms(kek, storage, observers=[Spans(traced.tracer)]) as kms:
        kms.create_dek("volume-42")
        traced.exporter.clear()
        kms.get_dek("volume-42")
        made = {span.name: span for span in traced.exporter.get_finished_spans()}
    assert parents(made) == {
        "S3.GetObject": "kms.load_record",
        "kms.load_record": "kms.get_dek",
        "KMS.Decrypt": "kms.unwrap_dek",
        "kms.unwrap_dek": "kms.get_dek",
        "kms.get_dek": None,
    }


def parents(made: dict[str, ReadableSpan]) -> dict[str, str | None]:
    names = {span.context.span_id: name for name, span in made.items()}
    return {
        name: names[span.parent.span_id] if span.parent else None for name, span in made.items()
    }
