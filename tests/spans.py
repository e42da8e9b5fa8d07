"""An application's OpenTelemetry SDK, which keeps all in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from opentelemetry import trace
from opentelemetry.metrics import _internal as metrics_internal
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    HistogramDataPoint,
    InMemoryMetricReader,
    Metric,
    NumberDataPoint,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from kms_core import Kms

SERIES = ("kms.operation", "kms.outcome")


@dataclass(frozen=True)
class Telemetry:
    """What the application was told so far."""

    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    reader: InMemoryMetricReader = field(default_factory=InMemoryMetricReader)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    def tree(self) -> dict[str, str | None]:
        """The name of each span's parent, by its own."""
        return parents(self.spans)

    def measured(self) -> dict[str, tuple[str, list[dict[str, object]]]]:
        """Each metric's unit, and the attributes of its series."""
        return {
            metric.name: (metric.unit or "", [dict(point.attributes or {}) for point in points])
            for metric, points in self._metrics()
        }

    def counts(self) -> dict[tuple[str, str], tuple[float, float]]:
        """Calls and seconds for each operation and outcome."""
        found: dict[tuple[str, str], tuple[float, float]] = {}
        for _, points in self._metrics():
            for point in points:
                if isinstance(point, HistogramDataPoint):
                    told = point.attributes or {}
                    series = str(told[SERIES[0]]), str(told[SERIES[1]])
                    calls, seconds = found.get(series, (0.0, 0.0))
                    found[series] = calls + point.count, seconds + point.sum
        return found

    def _metrics(self) -> Iterator[tuple[Metric, list[HistogramDataPoint | NumberDataPoint]]]:
        data = self.reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    yield metric, [*metric.data.data_points]


def tree_of_a_read(kms: Kms, telemetry: Telemetry) -> dict[str, str | None]:
    """The spans of an application's request that gets a DEK."""
    with kms:
        kms.create_dek("volume-42")
        telemetry.exporter.clear()
        with trace.get_tracer("an application").start_as_current_span("GET /volumes"):
            kms.get_dek("volume-42")
        return telemetry.tree()


def parents(spans: Sequence[ReadableSpan]) -> dict[str, str | None]:
    """The name of each span's parent, by its own, which is that of no other."""
    names = {span.context.span_id: span.name for span in spans if span.context}
    found = {span.name: names[span.parent.span_id] if span.parent else None for span in spans}
    assert len(found) == len(spans)
    return found


@contextmanager
def run_sdk() -> Iterator[Telemetry]:
    """Set the SDK up as an application does, once for a process: here, for a test."""
    telemetry, provider = Telemetry(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(telemetry.exporter))
    meters = MeterProvider([telemetry.reader])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trace, "_TRACER_PROVIDER", provider)
        patch.setattr(metrics_internal, "_METER_PROVIDER", meters)
        yield telemetry
    meters.shutdown()
    provider.shutdown()
