"""``observer://otel``: spans and metrics of OpenTelemetry."""
