"""``observer://otel``: a span and a measurement for each call, through OpenTelemetry's API.

The application chooses the SDK, and where its spans and metrics go. Without an SDK nothing is kept.
"""

from __future__ import annotations

from kms_core import ConfigError
from kms_core.backend import BackendConfig, CallStart, Event, ObserverSpec, hookimpl


class OtelObserver(ObserverSpec):
    """Makes spans that are children of the program's and parents of the SDKs'."""

    class Config(BackendConfig):
        """``dek_ids``: whether spans tell the dek_id, which may be personal; metrics never do."""

        dek_ids: bool = False

    def __init__(self, config: Config) -> None:
        try:  # here, so that `kms backends --check` needs no OpenTelemetry
            from kms_core.builtin.otel.metrics import Metrics  # noqa: PLC0415
            from kms_core.builtin.otel.spans import Spans  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"the module {error.name} is not there; run: pip install 'kms-core[otel]'"
            ) from error
        self._spans, self._metrics = Spans(dek_ids=config.dek_ids), Metrics()

    @hookimpl
    def observe_start(self, start: CallStart) -> None:
        self._spans.start(start)

    @hookimpl
    def observe(self, event: Event) -> None:
        self._metrics.record(event)  # within the span, which an exemplar then names
        self._spans.end(event)

    @hookimpl
    def close(self) -> None:
        """Nothing is held open."""
