"""``observer://log``: an audit trail through the standard library's logging."""

from __future__ import annotations

import logging

from kms_core.backend import BackendConfig, Event, ObserverSpec, hookimpl


class LogObserver(ObserverSpec):
    """Writes each event to a logger, as INFO: that a DEK was not found may be no failure at all."""

    class Config(BackendConfig):
        """``logger``: the logger's name."""

        logger: str = "kms_core.audit"

    def __init__(self, config: Config) -> None:
        self._log = logging.getLogger(config.logger)

    @hookimpl
    def observe(self, event: Event) -> None:
        self._log.info(
            "%s %s dek_id=%r outcome=%s seconds=%.6f error=%s",
            event.backend,
            event.operation,
            event.dek_id,
            event.outcome,
            event.seconds,
            event.error,
        )

    @hookimpl
    def close(self) -> None:
        """Nothing is held open."""
